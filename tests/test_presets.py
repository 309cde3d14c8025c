"""Presets: rows that can be trained, of the models and towers of the papers."""

import dataclasses
import inspect
import json
from typing import Any

import pytest

from tfrec_zoo import presets, registry, tasks
from tfrec_zoo.data import Log
from tfrec_zoo.presets import (
    PRESETS,
    Preset,
    clicks,
    ncf,
    next_watch,
    pretrained,
    ratings,
    watch_time,
)
from tfrec_zoo.training import Training

TABLES = (
    *("next-watch", "next-watch-in-file-order", "next-watch-by-time", "ncf", "ncf-ablations"),
    *("ctr", "ctr-without-ids", "wide-deep", "ratings", "watch-time", "kuairand"),
    "movielens-100k",
)
BASELINES = {
    "ctr/item-rates",
    "ctr-without-ids/item-rates",
    "ratings/damped-means",
    "watch-time/truth",
    "kuairand/mean",
    "kuairand/median",
    "kuairand/duration-means",
    "kuairand/item-means",
}


def test_names_are_unique_and_of_their_tables() -> None:
    rows: list[Preset] = [
        *(*next_watch.NEXT_WATCH, *next_watch.IN_FILE_ORDER, *next_watch.BY_TIME),
        *(*ncf.NCF, *ncf.ABLATIONS, *clicks.WITH_IDS),
        *(*clicks.WITHOUT_IDS, *clicks.WIDE_DEEP, *ratings.RATINGS, *watch_time.WATCH_TIME),
        *watch_time.KUAIRAND,
        *pretrained.PRETRAINED,
    ]
    assert [preset.name for preset in rows] == list(PRESETS)  # A name twice would be there once.
    assert list(dict.fromkeys(preset.table for preset in rows)) == list(TABLES)
    assert [p.row for table in TABLES for p in presets.of_table(table)] == [p.row for p in rows]
    assert all(preset.name == f"{preset.table}/{preset.row}" and preset.row for preset in rows)


@pytest.fixture(scope="module")
def logs(small_log: Log, simulated_log: Log) -> dict[str, Log]:
    return {**dict.fromkeys(tasks.TASKS, small_log), "watch-time": simulated_log}


@pytest.fixture(scope="module")
def made() -> dict[Any, Any]:
    """Features by task and kind of model, which many rows share."""
    return {}


@pytest.mark.parametrize("name", PRESETS)
def test_the_model_of_a_preset_can_be_made_on_its_task(
    name: str, logs: dict[str, Log], made: dict[Any, Any]
) -> None:
    preset = presets.get(name)
    # The simulator ends before the moment from which on KuaiRand is tested.
    options = {"test_from": None} if preset.table == "kuairand" else {}
    task = preset.make_task(logs[preset.task], **options)
    assert task.name == preset.task
    assert set(preset.options) <= set(task.option_names())
    assert preset.is_baseline(task) is (name in BASELINES)
    if preset.is_baseline(task):
        assert task.baselines[preset.model]()
        return
    cls = registry.get(preset.model).load()
    arguments = {**task.arguments(cls), **preset.arguments}
    grid = {key: values[0] for key, values in preset.training.grid.items()}
    fields = {field.name for field in dataclasses.fields(Training)}
    arguments.update((key, value) for key, value in grid.items() if key not in fields)
    lengths = cls.input_width(arguments), cls.history_length(arguments)
    key = (task.name, cls.reads, repr(sorted(preset.options.items())), *lengths)
    if key not in made:
        made[key] = task.examples(cls, arguments).fit_features()
    model = cls(made[key], **arguments)
    config = model.get_config()
    assert {key: config[key] for key in arguments} == arguments
    if preset.training.pretraining is not None:
        assert [part.__name__ for part, _ in cls.pretraining(arguments)] == ["GMF", "NCFMLP"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_json(name: str) -> None:
    preset = PRESETS[name]
    found = json.loads(json.dumps(preset.to_dict(), allow_nan=False))
    assert set(found) == {field.name for field in dataclasses.fields(Preset)}
    assert (found["name"], found["model"], found["task"]) == (name, preset.model, preset.task)
    # Published numbers have a source, and nothing else has.
    assert bool(found["published"]) is bool(found["source"])
    assert all(0 < value < 1 for value in found["published"].values())


def test_get_names_what_there_is() -> None:
    assert presets.get("ncf/EASE").model == "EASE"
    with pytest.raises(KeyError, match=r"Its table has \['ratings/damped-means', .*'ratings/MF'"):
        presets.get("ratings/SVD")
    with pytest.raises(KeyError, match="no preset of that name.*Received: 'nothing/at all'"):
        presets.get("nothing/at all")
    with pytest.raises(KeyError, match=r"only \['next-watch', .*\]. Received: 'bars'"):
        presets.of_table("bars")


def test_the_rows_are_those_of_the_ncf_paper() -> None:
    rows = {preset.row: preset for preset in presets.of_table("ncf")}
    assert {"Popularity", "ItemKNN", "EASE", "MF-192"} <= set(rows)
    towers = {8: (32, 16, 8), 16: (64, 32, 16), 32: (128, 64, 32), 64: (256, 128, 64)}
    for factors, tower in towers.items():
        gmf, mlp = {"embedding_dim": factors}, {"hidden_units": tower}
        assert rows[f"GMF-{factors}"].arguments == gmf
        assert rows[f"MLP-{factors}"].arguments == mlp
        for row in (rows[f"NeuMF-{factors}"], rows[f"NeuMF-pretrained-{factors}"]):
            assert row.arguments == {**gmf, **mlp}
        pretrained = rows[f"NeuMF-pretrained-{factors}"].training
        assert pretrained.optimizer == "sgd"
        # The halves are trained as GMF is.
        assert pretrained.pretraining == rows[f"GMF-{factors}"].training
    matrix = rows["MF-192"].arguments
    assert (matrix["embedding_dim"], matrix["loss"]) == (192, "logistic")
    layers = [PRESETS[f"ncf-ablations/MLP-{n}-layers"].arguments["hidden_units"] for n in range(5)]
    assert layers == [(), (16,), (32, 16), (64, 32, 16), (128, 64, 32, 16)]
    # The test items are not looked at.
    ablations = presets.of_table("ncf-ablations")
    assert {preset.options["held_out"] for preset in ablations} == {"validation"}


def test_towers_of_mlp_and_neumf_embed_half_of_the_first_layer(small_log: Log) -> None:
    task = tasks.NCF(small_log)
    for row, key in (("MLP-8", "embedding_dim"), ("NeuMF-16", "mlp_embedding_dim")):
        preset = PRESETS[f"ncf/{row}"]
        cls = registry.get(preset.model).load()
        config = cls(task.examples(cls).fit_features(), **preset.arguments).get_config()
        assert config[key] == config["hidden_units"][0] // 2


@pytest.mark.parametrize("table", ["ctr", "ctr-without-ids"])
def test_the_settings_of_clicks_are_kept_apart(table: str) -> None:
    rows = {preset.row: preset for preset in presets.of_table(table)}
    assert {"DeepFM", "LogisticRegression", "DCNV2", "AutoInt+"} <= set(rows)
    assert all(preset.options.get("ids", True) is (table == "ctr") for preset in rows.values())


@pytest.mark.parametrize("table", ["ctr", "ctr-without-ids", "movielens-100k"])
def test_towers_over_clicks_are_alike(table: str) -> None:
    """Rows must differ in their architectures, not in what their classes have by default."""
    dropout = {}
    for preset in presets.of_table(table):
        if preset.task != "clicks" or "hidden_units" not in preset.arguments:
            continue
        own = inspect.signature(registry.get(preset.model).load()).parameters
        if "dropout" in own:
            dropout[preset.row] = preset.arguments.get("dropout", own["dropout"].default)
    assert len(dropout) >= 7
    assert len(set(dropout.values())) == 1, dropout


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["ctr/WideDeep", "ratings/FM", "ncf/GMF-8"])
def test_a_preset_trains(name: str, small_log: Log) -> None:
    preset = PRESETS[name]
    # Wide & Deep alone crosses; two combinations of each will do.
    task = preset.make_task(small_log, **({"crosses": 2} if "crosses" in preset.options else {}))
    run = preset.train(task, seed=3, verbose=0, epochs=1, grid={})
    assert type(run.model).__name__ == preset.model and run.task is task
    assert (run.training.seed, run.training.batch_size) == (3, preset.training.batch_size)
    assert run.training.optimizer == preset.training.optimizer
    config = run.model.get_config()
    assert {key: config[key] for key in preset.arguments} == dict(preset.arguments)
    assert config["seed"] == 3

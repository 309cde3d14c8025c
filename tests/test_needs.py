"""Needs: what makes no difference is told of, by all that has settings, and saved ones are read."""

import dataclasses
import logging
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import registry, tasks
from tfrec_zoo.data import Log, SampledTest
from tfrec_zoo.features import BagColumn, EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.losses import Negatives
from tfrec_zoo.needs import Need, allow_idle, is_same, not_default, refuse_idle, tell_idle
from tfrec_zoo.new_ids.new_items import add_items
from tfrec_zoo.training import Training
from tfrec_zoo.training.retraining import retrain
from tfrec_zoo.training.runs import tell_unused, train

EVENTS = pd.DataFrame(
    {"user_id": list("aaabbb"), "item_id": list("xyzxzy"), "time": range(6), "weight": 2.0}
)
RATED = Log("rated", EVENTS)
PLAYED = Log("played", EVENTS.drop(columns="weight"))
UNORDERED = Log("unordered", EVENTS.drop(columns=["time", "weight"]))
SPEC = FeatureSpec(
    (EmbeddingColumn(BagColumn(VocabularyColumn("history", space="item_id"), 3)),),
    (VocabularyColumn("item_id"),),
)


def test_the_first_option_without_effect_is_named() -> None:
    need = Need(("a", "b"), lambda of: of == "used", "is for others")
    refuse_idle([need], {"a": 1}, "used")
    refuse_idle([need], {"c": 1}, "unused")
    with pytest.raises(ValueError, match=r"^`b` is for others\. Received: b='x'$"):
        refuse_idle([need], {"b": "x"}, "unused")
    with pytest.raises(ValueError, match=r"^`--an-a` is for others\. Received: --an-a 1$"):
        refuse_idle([need], {"a": 1}, "unused", {"a": "--an-a"})
    with pytest.raises(ValueError, match=r"Received: --flag$"):
        refuse_idle([need], {"a": True}, "unused", {"a": "--flag"})
    with allow_idle():
        refuse_idle([need], {"b": "x"}, "unused")
    with pytest.raises(ValueError, match="`b`"):
        refuse_idle([need], {"b": "x"}, "unused")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    """Returns what a call told of, in one line."""

    def lines(call: Any) -> str:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "tfrec_zoo"):
            call()
        return " ".join(record.getMessage() for record in caplog.records)

    return lines


def test_every_setting_without_effect_is_told_of(told: Any) -> None:
    need = Need(("a", "b"), lambda of: of == "used", "is for others")
    given = {"a": 1, "b": 2, "c": 3}
    assert told(lambda: tell_idle([need], given, "used", "who")) == ""
    assert told(lambda: tell_idle([need], given, "unused", "who")) == (
        "who: no effect: `a` is for others. Received: a=1 "
        "who: no effect: `b` is for others. Received: b=2"
    )
    assert told(lambda: tell_idle([need], {"b": 2}, "")).startswith("no effect: `b` is for")


def test_what_differs_from_its_default_was_given() -> None:
    @dataclasses.dataclass
    class Options:
        number: int = 1
        names: list[str] = dataclasses.field(default_factory=list)
        rows: Any = None

    assert not_default(Options()) == {}
    assert not_default(Options(1, [], None)) == {}
    found = not_default(Options(2, ["a"], np.zeros(2)))
    assert list(found) == ["number", "names", "rows"]


def test_what_compares_each_element_is_the_same_as_itself_alone() -> None:
    rows, frame = np.zeros(2), pd.DataFrame({"a": [1, 2]})
    assert is_same(rows, rows) and is_same(frame, frame)
    assert not is_same(rows, np.zeros(2)) and not is_same(frame, frame.copy())
    assert is_same((1, 2), (1, 2)) and not is_same(1, 1.0) and not is_same(None, 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"kind": "in-batch", "number": 5}, "number"),
        ({"kind": "column", "number": 5}, "number"),
        ({"kind": "uniform", "exponent": 0.5}, "exponent"),
        ({"kind": "mixed", "key": "passed_over"}, "key"),
        ({"kind": "uniform", "share": 0.2}, "share"),
        ({"kind": "uniform", "temperature": 0.0}, "temperature"),
        ({"kind": "popularity", "pool": 9}, "pool"),
    ],
)
def test_negatives(options: dict[str, Any], named: str, told: Any) -> None:
    line = told(lambda: Negatives(**options))
    assert re.search(rf"^negatives '.*': no effect: `{named}` is for .*Received: {named}=", line)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "hard", "number": 5, "share": 0.2, "temperature": 0.0, "pool": 9},
        {"kind": "popularity", "number": 5, "exponent": 0.5},
        {"kind": "column", "key": "passed_over"},
        {"kind": "in-batch", "correction": "all", "mask_known": True},
    ],
)
def test_negatives_with_effect(options: dict[str, Any], told: Any) -> None:
    assert told(lambda: Negatives(**options)) == ""
    assert Negatives.of(Negatives(**options).to_config()) == Negatives(**options)


def test_limits_of_a_server() -> None:
    pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')
    from tfrec_zoo.serving.server import ServerOptions

    ServerOptions(max_bytes=100)
    ServerOptions(max_body=1 << 27, max_bytes=1 << 28)
    with pytest.raises(ValueError, match="^`max_body` is more than `max_bytes` lets in"):
        ServerOptions(max_body=1 << 27)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"warmup": 0.1, "decay": False}, "warmup"),
        ({"warmup": 0.1, "plateau": 0.5}, "warmup"),
        ({"wide": {"learning_rate": 0.1}}, "wide"),
        ({"wide": {"learning_rate": 0.1}, "optimizer": "adam"}, "wide"),
    ],
)
def test_training(fields: dict[str, Any], named: str, told: Any) -> None:
    assert re.search(rf"^no effect: `{named}` .*Received: ", told(lambda: Training(**fields)))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pretraining": Training(seed=2)}, "seed"),
        ({"pretraining": Training(verbose=0), "verbose": 2}, "verbose"),
        ({"pretraining": Training(grid={"epochs": (1, 2)})}, "grid"),
    ],
)
def test_what_pretraining_has_from_the_whole(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=rf"^`{named}` is that of the whole training: leave"):
        Training(**fields)


def test_training_with_effect(told: Any) -> None:
    for fields in (
        {"warmup": 0.1},
        {"wide": {"learning_rate": 0.1}, "optimizer": "ftrl+adagrad"},
        {"pretraining": Training(epochs=2, verbose=0, seed=3), "verbose": 0, "seed": 3},
    ):
        assert told(lambda fields=fields: Training(**fields)) == ""


@pytest.mark.parametrize(
    ("model", "fields", "named"),
    [
        *(
            ("EASE", {name: value}, name)
            for name, value in {
                "epochs": 3, "learning_rate": 0.1, "optimizer": "adam", "clipping": 1.0,
                "patience": 2, "decay": False, "strategy": "mirrored", "checkpoint_minutes": 1.0,
                "averaging": 0.9,
            }.items()
        ),
        ("iALS", {"learning_rate": 0.1}, "learning_rate"),
        ("MatrixFactorization", {"checkpoint_minutes": 1.0}, "checkpoint_minutes"),
    ],
)  # fmt: skip
def test_training_of_a_model(model: str, fields: dict[str, Any], named: str, told: Any) -> None:
    cls, training = registry.get(model).load(), Training(**fields)
    line = told(lambda: tell_unused(cls, training, Training()))
    assert re.search(rf"^{model}: no effect: `{named}` .*Received: {named}=", line)
    # What the task has was not given.
    assert told(lambda: tell_unused(cls, training, Training(**fields))) == ""


def test_training_of_a_model_with_effect(told: Any) -> None:
    for model, training in (
        ("iALS", Training(epochs=2)),
        ("EASE", Training(batch_size=8, seed=2)),
    ):
        cls = registry.get(model).load()
        assert told(lambda c=cls, t=training: tell_unused(c, t, Training())) == ""


@pytest.mark.usefixtures("eagerly")
def test_one_training_for_every_model_is_told_of_once(told: Any) -> None:
    training = Training(epochs=1, optimizer="adam", verbose=0)
    task = tasks.NextWatch(RATED)
    assert told(lambda: train("SASRec", task, training, embedding_dim=4)) == ""
    line = told(lambda: train("EASE", task, training))
    assert line.count("`epochs`") == line.count("`optimizer`") == 1
    line = told(lambda: train("YouTubeRetrieval", task, training, embedding_dim=4))
    assert line.count("`embedding_dim` is the width at depth 0") == 1


@pytest.mark.usefixtures("eagerly")
def test_what_new_ids_start_from_where_nothing_does(told: Any) -> None:
    task = tasks.NextWatch(RATED)
    run = train("EASE", task, Training(verbose=0))
    line = told(lambda: retrain(run, task, new_rows="mean"))
    assert line.startswith("EASE: no effect: `new_rows` is for models that are trained further")
    line = told(lambda: add_items(run.model, {"item_id": ["new"]}, "mean"))
    assert line.startswith("EASE: no effect: `new_rows` is what vectors of new ids start from")
    assert told(lambda: add_items(run.model, {"item_id": ["new"]})) == ""


@pytest.mark.parametrize(
    ("model", "arguments", "named"),
    [
        ("MatrixFactorization", {"margin": 2.0}, "margin"),
        ("MatrixFactorization", {"margin": 2.0, "loss": "bpr"}, "margin"),
        ("YouTubeRetrieval", {"embedding_dim": 8}, "embedding_dim"),
        ("YouTubeRetrieval", {"hidden_units": (), "activation": "tanh"}, "activation"),
        ("YouTubeRanking", {"hidden_units": (), "dropout": 0.5}, "dropout"),
        ("AutoInt", {"dropout": 0.5}, "dropout"),
        ("DeepFM", {"hidden_units": [], "normalization": "batch"}, "normalization"),
        ("WideDeep", {"sides": "wide", "l2": 0.1}, "l2"),
        ("D2Q", {"target": "seconds", "num_groups": 3}, "num_groups"),
        ("D2Q", {"target": "seconds", "duration": "minutes"}, "duration"),
    ],
)
def test_arguments_of_models(model: str, arguments: dict[str, Any], named: str, told: Any) -> None:
    line = told(lambda: registry.get(model).load().checked_arguments(arguments))
    assert re.search(rf"^{model}: no effect: `{named}` .*Received: {named}=", line)


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("MatrixFactorization", {"margin": 2.0, "loss": "warp"}),
        ("YouTubeRetrieval", {"hidden_units": (), "embedding_dim": 8, "dropout": 0.5}),
        ("YouTubeRetrieval", {"embedding_dim": 256}),
        ("AutoInt", {"hidden_units": (8,), "dropout": 0.5}),
        ("D2Q", {"target": "completion", "duration": "minutes"}),
    ],
)
def test_arguments_of_models_with_effect(model: str, arguments: dict[str, Any], told: Any) -> None:
    assert told(lambda: registry.get(model).load().checked_arguments(arguments)) == ""


def test_a_saved_model_may_have_arguments_without_effect(told: Any) -> None:
    cls = registry.get("YouTubeRetrieval").load()
    features = Features.fit(SPEC, {"item_id": ["x", "y"]})
    made = []
    line = told(lambda: made.append(cls(features, hidden_units=(4,), embedding_dim=8)))
    assert line.startswith("YouTubeRetrieval: no effect: `embedding_dim` is the width at depth 0")
    assert told(lambda: made.append(cls.from_config(made[0].get_config()))) == ""
    assert made[1].embedding_dim == 8


CASES: list[tuple[str, Log, dict[str, Any], str]] = [
    ("next-watch", RATED, {"test_fraction": 0.3}, "test_fraction"),
    ("next-watch", RATED, {"validation_fraction": 0.3, "split": "next-day"}, "validation_fraction"),
    ("next-watch", RATED, {"seed": 3}, "seed"),
    ("next-watch", RATED, {"seed": 3, "split": "time"}, "seed"),
    ("next-watch", RATED, {"spec": SPEC, "bags": (2,)}, "bags"),
    ("next-watch", RATED, {"spec": SPEC, "profile": False}, "profile"),
    ("next-watch", RATED, {"spec": SPEC, "half_lives": (3.0,)}, "half_lives"),
    ("next-watch", RATED, {"order": False, "last_watched": True}, "last_watched"),
    ("ncf", UNORDERED, {"label": "held-out"}, "label"),
    ("ncf", UNORDERED, {"order": False}, "order"),
    ("ratings", RATED, {"split": "last-out", "test_fraction": 0.3}, "test_fraction"),
    ("ratings", RATED, {"split": "time", "seed": 3}, "seed"),
    ("ratings", RATED, {"spec": SPEC, "profile": False}, "profile"),
    ("clicks", RATED, {"negatives": 2}, "negatives"),
    ("clicks", RATED, {"split": "time", "seed": 3}, "seed"),
    ("clicks", RATED, {"spec": SPEC, "ids": False}, "ids"),
    ("watch-time", RATED, {"num_candidates": 5}, "num_candidates"),
    ("watch-time", RATED, {"test_from": 3.0, "test_fraction": 0.3}, "test_fraction"),
]


@pytest.mark.parametrize(("task", "log", "options", "named"), CASES)
def test_options_of_tasks(
    task: str, log: Log, options: dict[str, Any], named: str, told: Any
) -> None:
    line = told(lambda: tasks.make(task, log, **options))
    assert re.search(rf"^task '.*': no effect: `{named}` .*Received: {named}=", line)
    # What a result file says was trained so before.
    config = {"task": task, "config": {"options": {k: v for k, v in options.items() if v != SPEC}}}
    assert told(lambda: tasks.make_again(config, log)) == ""


@pytest.mark.parametrize(
    ("task", "log", "options"),
    [
        ("next-watch", RATED, {"split": "random", "seed": 3, "test_fraction": 0.3}),
        ("next-watch", RATED, {"label": "held-out", "seed": 3}),
        ("next-watch", RATED, {"spec": SPEC, "moment": True}),
        ("choice", UNORDERED, {"seed": 3}),
        ("clicks", PLAYED, {"split": "time", "seed": 3, "negatives": 2}),
        ("watch-time", RATED, {"test_from": 3.0, "negatives": 2, "seed": 3}),
    ],
)
def test_options_of_tasks_with_effect(
    task: str, log: Log, options: dict[str, Any], told: Any
) -> None:
    assert told(lambda: tasks.make(task, log, **options)) == ""
    assert set(tasks.make(task, log, **options).options) == set(options)


def test_what_comes_with_the_files_of_the_ncf_paper() -> None:
    negatives = np.zeros((2, 3), np.int64)
    split = tasks.NextWatch(RATED).rows
    given = SampledTest(RATED, split, negatives)
    assert tasks.NCF(given).rows is split
    with pytest.raises(ValueError, match=r"^`split` comes with the files of the NCF paper"):
        tasks.NCF(given, split="time")


@pytest.mark.parametrize(
    ("model", "task", "options", "named"),
    [
        ("EASE", "next-watch", {"negatives": 2}, "negatives"),
        ("EASE", "next-watch", {"bags": (2,)}, "bags"),
        ("EASE", "next-watch", {"moment": True}, "moment"),
        ("EASE", "next-watch", {"patience": 2}, "patience"),
        ("MatrixFactorization", "next-watch", {"exponent": 0.5}, "exponent"),
        ("MatrixFactorization", "next-watch", {"reject": False}, "reject"),
        ("MatrixFactorization", "next-watch", {"monitor": "val_loss"}, "monitor"),
        ("MatrixFactorization", "next-watch", {"spec": SPEC}, "spec"),
        ("SASRec", "next-watch", {"profile": False}, "profile"),
        ("GMF", "choice", {"max_history": 5}, "max_history"),
        ("DeepFM", "choice", {"max_history": 5}, "max_history"),
        ("MatrixFactorization", "ratings", {"profile": False}, "profile"),
        ("GMF", "clicks", {"ids": False}, "ids"),
    ],
)
def test_options_on_one_model(
    model: str, task: str, options: dict[str, Any], named: str, told: Any
) -> None:
    made = tasks.make(task, RATED, **options)  # A task serves every model.
    cls = registry.get(model).load()
    line = told(lambda: tasks.tell_unused_options(made, options, cls, {}))
    assert line.startswith(f"{model} on the task '{task}': no effect: `{named}` ")


@pytest.mark.parametrize(
    ("model", "task", "options", "arguments"),
    [
        ("MatrixFactorization", "next-watch", {"negatives": 2}, {"loss": "bpr"}),
        ("MatrixFactorization", "next-watch", {"monitor": "val_loss", "patience": 2}, {}),
        ("SASRec", "next-watch", {"moment": True}, {}),
        ("YouTubeRetrieval", "choice", {"max_history": 5}, {}),
    ],
)
def test_options_on_one_model_with_effect(
    model: str, task: str, options: dict[str, Any], arguments: dict[str, Any], told: Any
) -> None:
    made, cls = tasks.make(task, RATED, **options), registry.get(model).load()
    assert told(lambda: tasks.tell_unused_options(made, options, cls, arguments)) == ""


@pytest.mark.parametrize("options", [{"examples_per_user": 1}, {"label": "held-out"}])
@pytest.mark.parametrize("model", ["EASE", "SASRec", "MatrixFactorization"])
def test_a_protocol_says_what_was_learned_from(model: str, options: dict[str, Any]) -> None:
    task = tasks.NextWatch(RATED, **options)
    with pytest.raises(ValueError, match="are for models of features"):
        task.examples(registry.get(model).load())

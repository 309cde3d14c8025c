"""Tables: runs that resume, and pages of what was run."""

import dataclasses
import json
import pathlib
from typing import Any

import pytest

from tfrec_zoo import presets, tables, tasks
from tfrec_zoo.data import Log, simulate
from tfrec_zoo.presets import Preset
from tfrec_zoo.result_cells import provenance
from tfrec_zoo.table_layouts import TABLES
from tfrec_zoo.training import Training

REPOSITORY = pathlib.Path(__file__).parents[1]


def test_tables_and_presets_agree() -> None:
    assert set(TABLES) == {preset.table for preset in presets.PRESETS.values()}
    for name in TABLES:
        rows = presets.of_table(name)
        # A table is of one task on one data set, but for the models that come trained.
        assert len({preset.dataset for preset in rows}) == 1
        assert len({preset.task for preset in rows}) == 1 or name == "movielens-100k"
        published = {key for preset in rows for key in preset.published}
        columns = set(TABLES[name].columns.values())
        assert published <= columns


def test_a_table_runs_resumes_and_refuses_other_data(
    simulated_log: Log, tmp_path: pathlib.Path
) -> None:
    wanted = tables.select("watch-time", rows=["truth"])
    # A baseline draws nothing: it is run for the first seed alone.
    (first,) = tables.run(wanted, simulated_log, tmp_path, seeds=[3, 4])
    task = tasks.WatchTime(simulated_log)
    assert (first["row"], first["seed"], first["checksum"]) == ("truth", 3, task.checksum)
    assert first["metrics"] == pytest.approx(task.truth())
    assert first["config"]["preset"] == "watch-time/truth"
    # What is there already is read, not run again.
    path = tmp_path / "truth-3.json"
    path.write_text(json.dumps({**first, "metrics": {"auc": 0.125}}))
    (again,) = tables.run(wanted, simulated_log, tmp_path, seeds=[3])
    assert again["metrics"] == {"auc": 0.125}
    assert [file.name for file in tmp_path.iterdir()] == ["truth-3.json"]
    # Neither of other data nor of another protocol.
    other = simulate(num_users=60, num_items=60, num_days=4, num_topics=4, seed=1)
    refused = r"truth-3.json is of other data or of another protocol \(simulated, impressions by "
    with pytest.raises(ValueError, match=refused):
        tables.run(wanted, other, tmp_path, seeds=[3])
    with pytest.raises(ValueError, match=refused):
        tables.run(wanted, simulated_log, tmp_path, seeds=[3], test_fraction=0.3)


def row(name: str, model: str, **training: Any) -> Preset:
    return Preset(f"mine/{name}", model, "next-watch", training=Training(verbose=0, **training))


def test_each_seed_is_run_once_but_for_closed_forms(
    small_log: Log, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []
    train = Preset.train

    def spy(self: Preset, task: Any, **changes: Any) -> Any:
        trained.append((self.row, changes["seed"]))
        return train(self, task, **changes)

    monkeypatch.setattr(Preset, "train", spy)
    rows = [row("popular", "Popularity"), row("factors", "MatrixFactorization", epochs=1)]
    results = tables.run(rows, small_log, tmp_path / "runs", seeds=(0, 1))
    expected = [("popular", 0), ("factors", 0), ("factors", 1)]
    assert trained == expected == [(result["row"], result["seed"]) for result in results]
    # Another seed joins without the others being run again.
    results = tables.run(rows, small_log, tmp_path / "runs", seeds=(0, 1, 2))
    assert trained == [*expected, ("factors", 2)] and len(results) == 4
    checksum = tasks.NextWatch(small_log).checksum
    assert {result["checksum"] for result in results} == {checksum}
    assert {result["config"]["training"]["seed"] for result in results} == {0, 1, 2}

    # What has a file already is not mixed with what other settings would have made.
    (path,) = (tmp_path / "runs").glob("factors-1.json")
    kept = path.read_bytes()
    rows[1] = row("factors", "MatrixFactorization", epochs=2)
    with pytest.raises(ValueError, match=r"factors-0.json was made .*\(epochs 1, now 2\): choose"):
        tables.run(rows, small_log, tmp_path / "runs", seeds=(0, 1))
    assert path.read_bytes() == kept and len(trained) == 4


def test_settings_that_a_result_has_otherwise() -> None:
    preset = Preset(
        "mine/row",
        "WideDeep",
        "clicks",
        arguments={"hidden_units": (8, 4), "dropout": 0.1, "l2": 0.5},
        training=Training(batch_size=32, grid={"l2": (0.5, 1.0), "epochs": (1, 2)}, seed=3),
    )
    arguments = {"hidden_units": [8, 4], "dropout": 0.1, "l2": 1.0, "name": "wide_deep"}
    training = {**preset.training.to_dict(), "epochs": 2, "seed": 1, "optimizer": "adam"}
    same = {"arguments": arguments, "training": training, "preset": "mine/row"}
    assert preset.changes_of(same) == {}
    assert preset.changes_of({"preset": "mine/row"}) == {}  # A baseline has no settings.
    del training["clipping"], training["averaging"]  # As in a file from before there were any.
    assert preset.changes_of({**same, "training": training}) == {}
    averaging = dataclasses.replace(preset.training, averaging=0.9)
    averaged = dataclasses.replace(preset, training=averaging)
    assert averaged.changes_of({**same, "training": training}) == {"averaging": (None, 0.9)}
    other = {
        "arguments": {**arguments, "hidden_units": [8], "dropout": None},
        "training": {**training, "batch_size": 64},
    }
    assert preset.changes_of(other) == {
        "hidden_units": ([8], [8, 4]),
        "dropout": (None, 0.1),
        "batch_size": (64, 32),
    }


def test_committed_results_have_the_settings_of_their_rows() -> None:
    for path in sorted(REPOSITORY.glob("docs/results/*/*.json")):
        config = json.loads(path.read_text(encoding="utf-8"))["config"]
        assert presets.get(config["preset"]).changes_of(config) == {}, path


def test_where_the_split_is_drawn_each_seed_has_its_own(
    small_log: Log, tmp_path: pathlib.Path
) -> None:
    results = tables.run(tables.select("ctr", ["item-rates"]), small_log, tmp_path)
    assert [result["seed"] for result in results] == [0, 1, 2, 3, 4]
    for result in results:
        task = tasks.Clicks(small_log, seed=result["seed"])
        assert (result["checksum"], result["protocol"]) == (task.checksum, task.protocol)
    assert len({result["metrics"]["auc"] for result in results}) > 1
    # An option that is given is that of all.
    results = tables.run(
        tables.select("ctr", ["item-rates"]), small_log, tmp_path / "one", [1, 2], seed=7
    )
    assert {r["checksum"] for r in results} == {tasks.Clicks(small_log, seed=7).checksum}


ROWS = ["Popularity", "damped-means", "MF-192", "NeuMF-8", "NeuMF-16", "NeuMF-pretrained-8",
        "MLP-3-layers"]  # fmt: skip


def test_select_by_rows_models_and_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [Preset(f"some/{name}", "Popularity", "next-watch") for name in ROWS]
    monkeypatch.setattr(presets, "PRESETS", {preset.name: preset for preset in some})

    def select(**wanted: Any) -> list[str]:
        return [preset.row for preset in tables.select("some", **wanted)]

    assert select() == ROWS
    # In the order of the table.
    assert select(rows=["NeuMF-8", "Popularity"]) == ["Popularity", "NeuMF-8"]
    assert select(models=["NeuMF"]) == ["NeuMF-8", "NeuMF-16"]
    assert select(models=["NeuMF-pretrained", "damped-means"]) == [
        "damped-means",
        "NeuMF-pretrained-8",
    ]
    assert select(models=["MLP-3-layers", "Popularity"]) == ["Popularity", "MLP-3-layers"]
    assert select(factors=[8]) == ["NeuMF-8", "NeuMF-pretrained-8"]
    assert select(factors=[16, 192]) == ["MF-192", "NeuMF-16"]
    assert select(models=["NeuMF", "MF"], factors=[8, 192]) == ["MF-192", "NeuMF-8"]
    assert select(rows=["NeuMF-8", "MF-192"], models=["MF"]) == ["MF-192"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"rows": ["truth", "guess"]},
        {"models": ["guess"]},
        {"factors": [8]},
        {"rows": ["truth"], "models": ["guess"]},
        {"models": ["truth", "guess"]},
    ],
)
def test_select_says_what_there_is(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'watch-time' has the rows \[.*'truth'.*\]") as error:
        tables.select("watch-time", **wanted)
    for name, value in wanted.items():
        assert f"{name}={value}" in str(error.value)


COMMON = {"dataset": "d", "data_checksum": "c" * 64, "checksum": "e" * 64, "protocol": "p",
          "versions": {"numpy": "2", "python": "3"}}  # fmt: skip


def test_markdown_is_mean_and_deviation_over_seeds() -> None:
    results = [
        {"row": "a", "seed": 0, "metrics": {"auc": 0.5, "bias": None}, **COMMON},
        {"row": "a", "seed": 1, "metrics": {"auc": 0.7}, **COMMON},
        {
            **{"row": "b", "seed": 0, "metrics": {"auc": 0.25, "bias": 2.0}},
            **{"statistics": {"epochs": 3}, **COMMON},
        },
    ]
    lines = tables.markdown(results).splitlines()
    # The sample deviation of .5 and .7 is .2 / sqrt(2).
    assert lines == [
        "| row | seeds | auc | bias | epochs |",
        "|---|---|---|---|---|",
        "| a | 0, 1 | 0.6000 ± 0.1414 |  |  |",
        "| b | 0 | 0.2500 | 2.0000 | 3 |",
        "",
        "d (sha256 cccccccccccccccc…); p; numpy 2, python 3",
    ]
    assert tables.markdown(results, {"B": "bias"}).splitlines()[:3] == [
        "| row | seeds | B |",
        "|---|---|---|",
        "| a | 0, 1 |  |",
    ]
    with pytest.raises(ValueError, match="have the metrics .* Received: "):
        tables.markdown(results, {"R": "recall"})


@pytest.mark.parametrize(
    ("preset", "metrics", "words"),
    [
        # The standard error of .8887 and .9087 is .01, ten times the difference to .8997.
        ("ctr/DeepFM", [{"auc": 0.8887}, {"auc": 0.9087}], "-0.0010 (reached)"),
        ("ctr/DeepFM", [{"auc": 0.8797}, {"auc": 0.8799}], "-0.0199 (not reached)"),
        ("ctr/DeepFM", [{"auc": 0.9001}, {"auc": 0.9003}], "+0.0005 (reached)"),
        ("ctr/DeepFM", [{"auc": 0.9001}], "+0.0004"),
        # Less is better of an error.
        ("ratings/MF", [{"rmse": 0.93}, {"rmse": 0.932}], "-0.0030 (reached)"),
        ("ratings/MF", [{"rmse": 0.95}, {"rmse": 0.952}], "+0.0170 (not reached)"),
        (
            "ncf/GMF-32",
            [
                {f"best_on_test_sampled_{name}_at_10": value for name, value in found.items()}
                for found in ({"hit_rate": 0.7, "ndcg": 0.43}, {"hit_rate": 0.702, "ndcg": 0.43})
            ],
            "-0.0070 (not reached) / +0.0010 (reached)",
        ),
        ("ncf/GMF-32", [{"sampled_hit_rate_at_10": 0.9}], ""),
        ("ctr/MF", [{"auc": 0.9}], ""),
        ("ctr/DeepFM", [], ""),
    ],
)
def test_the_difference_to_what_was_published(
    preset: str, metrics: list[dict[str, float]], words: str
) -> None:
    results = [{"metrics": found} for found in metrics]
    assert tables.differences(results, presets.get(preset)) == words


def test_a_page_has_every_row_and_marks_those_without_files(tmp_path: pathlib.Path) -> None:
    def write(name: str, preset: str, seed: int, **metrics: float) -> None:
        contents = {
            **{"seed": seed, "metrics": metrics, "statistics": {"epochs": 10 + seed}},
            **{"config": {"preset": preset}, **COMMON},
        }
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents))

    for seed, rmse in ((10, 0.9), (2, 0.8)):
        write(f"ratings/MF-{seed}", "ratings/MF", seed, rmse=rmse, mae=0.75)
    # A file of another preset that only looks like one of the row's.
    write("ratings/MF-7-layers-0", "ratings/MF-7-layers", 0, rmse=0.1)
    page = tables.page(tmp_path)
    assert page.startswith("# Results\n")
    lines = page.splitlines()
    begin = lines.index("## Ratings")
    assert lines[begin:][2:5] == [
        "```bash",
        "tfrec-zoo benchmark ratings --dataset movielens/100k --output runs/ratings",
        "```",
    ]
    assert lines[begin:][6:11] == [
        "| row | seeds | RMSE | MAE | epochs | published | difference |",
        "|---|---|---|---|---|---|---|",
        "| damped-means | † |  |  |  |  |  |",
        "| MF | 2, 10 | 0.8500 ± 0.0707 | 0.7500 ± 0.0000 | 12 to 20 | 0.934 (SVD, five folds) | "
        "-0.0840 (reached) |",
        "| FM | † |  |  |  | 0.9326 (DCN of the TFRS tutorial, another fifth) |  |",
    ]
    assert "d (sha256 cccccccccccccccc…); p; numpy 2, python 3" in page
    # Every table, and every row once in its table.
    assert [line[3:] for line in lines if line.startswith("## ")] == [
        table.title for table in TABLES.values()
    ]
    rows = [line.split(" | ")[0][2:] for line in lines if line.startswith("| ")]
    expected = [preset.row for name in TABLES for preset in presets.of_table(name)]
    assert [name for name in rows if name != "row"] == expected
    assert page.count("†") == len(expected) - 1 + 1  # And once where it is explained.


def test_protocols_that_differ_by_the_seed_of_their_split_are_said_once() -> None:
    made = {"dataset": "mine", "data_checksum": 32 * "a", "versions": {"numpy": "2"}}
    results = [{**made, "protocol": f"random split of seed {n}, 10 examples"} for n in range(12)]
    data = f"mine (sha256 {16 * 'a'}…)"
    assert provenance(results) == f"{data}; random split of each seed, 10 examples; numpy 2"

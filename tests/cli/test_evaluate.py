"""evaluate: the metrics again, of the data that the model was trained on."""

import json
import shutil
from typing import Any

import pandas as pd
import pytest


@pytest.mark.parametrize("kind", ["retrieval", "ranking"])
def test_evaluate_gives_the_result_again(kind: str, run_json: Any, request: Any) -> None:
    """With no argument but the folder: the data set and the options are in its result."""
    output = request.getfixturevalue(kind)
    metrics = json.loads((output / "result.json").read_text())["metrics"]
    assert run_json("evaluate", output) == pytest.approx(metrics, rel=1e-5)


def test_text(retrieval: Any, dataset: Any, run: Any) -> None:
    metrics = json.loads((retrieval / "result.json").read_text())["metrics"]
    text = run("evaluate", retrieval, "--dataset", dataset)
    assert f"{metrics['hit_rate_at_10']:.4f}" in text
    assert text.splitlines()[-1].endswith("over the training items; mylog")


def test_other_data_is_refused_unless_it_is_meant(
    retrieval: Any, dataset: Any, fails: Any, run_json: Any, tmp_path: Any
) -> None:
    """Without one of its rows a log is another, whatever its name."""
    other = tmp_path / "mylog"
    shutil.copytree(dataset, other)
    rows = pd.read_parquet(dataset / "interactions.parquet")
    rows.iloc[1:].to_parquet(other / "interactions.parquet")
    checksum = json.loads((retrieval / "result.json").read_text())["checksum"]
    line = fails("evaluate", retrieval, "--dataset", other)
    assert f"trained on other data: mylog with checksum {checksum[:16]}" in line
    assert "--other-data" in line and "Received: mylog with checksum" in line
    metrics = run_json("evaluate", retrieval, "--dataset", other, "--other-data")
    assert 0 < metrics["hit_rate_at_10"] < 1


def test_the_default_data_set_is_not_assumed(retrieval: Any, fails: Any) -> None:
    """Items of the simulator are strings, and there are others."""
    assert "trained on other data" in fails("evaluate", retrieval, "--dataset", "simulated")


def test_a_metric_that_is_not_defined_is_null(train: Any, run_json: Any, tmp_path: Any) -> None:
    """Every user of this log has one label: no AUC within users."""
    rows = [(f"u{user}", f"i{item}", float(user % 2)) for user in range(20) for item in range(8)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "liked"])
    (tmp_path / "data").mkdir()
    frame.assign(time=range(160)).to_csv(tmp_path / "data" / "interactions.csv", index=False)
    given = ("--task", "clicks", "--task-set", "label=liked", "--task-set", "threshold=0.5")
    output = tmp_path / "out"
    result = train(tmp_path / "data", output, "LogisticRegression", *given, "--epochs", 1)
    assert result["metrics"]["gauc"] is None
    metrics = run_json("evaluate", output)
    assert metrics["gauc"] is None and metrics["auc"] == pytest.approx(result["metrics"]["auc"])


@pytest.mark.parametrize("kind", ["retrieval", "ranking"])
def test_lists_of_a_model_as_before_its_test_items(
    kind: str, run_json: Any, run: Any, fails: Any, request: Any, tmp_path: Any
) -> None:
    """They are measured as the model was: its index is exact, and no two scores are equal."""
    output, lists = request.getfixturevalue(kind), tmp_path / "lists.csv"
    ask = ("recommend", output, "--test-users", "--output", lists, "--k", 10)
    if kind == "ranking":
        assert "models of tasks that recommend items" in fails(*ask)
        assert "Received: a model of the task 'watch-time'" in fails(
            "evaluate", output, "--lists", lists
        )
        return
    assert run_json(*ask)["requests"] == 60
    metrics = json.loads((output / "result.json").read_text())["metrics"]
    found = run_json("evaluate", output, "--lists", lists)
    for name in ("hit_rate_at_10", "ndcg_at_10", "coverage_at_10"):
        assert found[name] == metrics[name]
    assert 0 < found["diversity_at_10"] < 1 < found["novelty_at_10"]
    text = run("evaluate", output, "--lists", lists, "--k", 1, 5)
    assert "hit_rate_at_5" in text and "gini_at_1" in text and "_at_10" not in text
    assert text.splitlines()[-1].endswith("over the training items; mylog")
    # At the end of the log the test items are what users have.
    run("recommend", output, "--all-users", "--output", lists)
    text = run("evaluate", output, "--lists", lists)
    assert "Are the lists of the state before the test part?" in text


def test_lists_that_another_system_made(
    dataset: Any, run: Any, run_json: Any, fails: Any, tmp_path: Any
) -> None:
    rows = pd.read_parquet(dataset / "interactions.parquet").sort_values("time")
    last = rows.groupby("user_id").tail(1)
    lists = last[["user_id", "item_id"]].assign(rank=1)
    lists.to_csv(tmp_path / "lists.csv.gz", index=False)
    ask = ("evaluate", "--lists", tmp_path / "lists.csv.gz", "--dataset", dataset)
    found = run_json(*ask, "--k", 1)
    assert found["hit_rate_at_1"] == found["mean_average_precision_at_1"] == 1
    assert found["diversity_at_1"] is None  # One item has no pair.
    by_time = run_json(*ask, "--task-set", "split=time", "--task-set", "test_fraction=0.2")
    # Whoever has test items has the last one in the list: one of ten.
    assert 0 < by_time["recall_at_10"] < 1
    assert by_time["precision_at_10"] == pytest.approx(0.1)
    assert "choice, " in run(*ask, "--task", "choice", "--attributes", "kind")
    lists.assign(rank=2).to_csv(tmp_path / "lists.csv", index=False)
    wrong = ("evaluate", "--lists", tmp_path / "lists.csv", "--dataset", dataset)
    assert "must be 1, 2, … without gaps" in fails(*wrong)
    assert "columns of the items, ['kind']" in fails(*ask, "--attributes", "color")
    assert "There is no such file" in fails(*ask[:1], "--lists", "no.csv", *ask[3:])


def test_arguments_that_do_not_go_together(retrieval: Any, fails: Any, tmp_path: Any) -> None:
    assert "Give the folder that `train` left, or --lists" in fails("evaluate")
    line = fails("evaluate", retrieval, "--k", 5, "--task", "choice")
    assert "`--k` is for --lists: leave it out. Received: --k 5" in line
    line = fails("evaluate", retrieval, "--lists", "x.csv", "--task-set", "split=time")
    assert "`--task-set` is that of the model where its folder is given" in line
    assert "name it by --dataset" in fails("evaluate", "--lists", "x.csv")
    exported = ("recommend", retrieval / "model", "--test-users", "--output", tmp_path / "x.csv")
    assert "needs the task of the model, and so a folder of `train`" in fails(*exported)

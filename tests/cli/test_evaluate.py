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

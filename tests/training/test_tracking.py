"""Trackers see trainings: MLflow as the page on long trainings says, and what replaces `fit`."""

import json
import pathlib
import re
from typing import Any

import pytest

import tfrec_zoo
from tfrec_zoo import Training, tasks
from tfrec_zoo.data import Log

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "long-trainings.md"

pytestmark = pytest.mark.usefixtures("eagerly")


def test_mlflow_logs_what_the_page_says(
    small_log: Log, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", folder.as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    pytest.importorskip("mlflow", reason="MLflow is not installed: pip install mlflow-skinny")
    [block] = re.findall(r"```py\n(import mlflow\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block.count("epochs=10)") == 1
    names: dict[str, Any] = {"zoo": tfrec_zoo, "task": tasks.NextWatch(small_log, bags=(3,))}
    exec(block.replace("epochs=10)", "epochs=2, verbose=0)"), names)
    run = names["run"]
    # MLflow's own files: a line "time value step" for each value, and a file for each parameter.
    [logged] = folder.glob("*/*/metrics")
    for name, at in (("loss", [0, 1]), ("test_hit_rate_at_10", [0])):
        rows = [line.split() for line in (logged / name).read_text().splitlines()]
        assert [int(row[2]) for row in rows] == at
        expected = (
            [run.metrics["hit_rate_at_10"]] if len(at) == 1 else [r["loss"] for r in run.history]
        )
        assert [float(row[1]) for row in rows] == pytest.approx(expected)
    assert (logged.parent / "params" / "opt_name").read_text()
    files = logged.parent / "artifacts"
    result = json.loads((files / "result.json").read_text(encoding="utf-8"))
    assert result["checksum"] == run.task.checksum
    assert "<!DOCTYPE html>" in (files / "report.html").read_text(encoding="utf-8")
    assert "YouTubeRetrieval" in (logged.parent / "tags" / "mlflow.runName").read_text()


def test_what_takes_the_place_of_keras_fit_sees_trainings(
    small_log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the autologging of trackers."""
    fit, seen = tf.keras.Model.fit, []

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(type(self).__name__)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(tf.keras.Model, "fit", watched)
    training = Training(epochs=1, verbose=0)
    for model, task in (
        ("MatrixFactorization", tasks.NextWatch(small_log)),
        ("LogisticRegression", tasks.Clicks(small_log, label="weight")),
    ):
        tfrec_zoo.train(model, task, training)
    assert seen == ["MatrixFactorization", "LogisticRegression"]

"""cluster: processes on this machine train as one does, and end with their chief."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

MODEL = (
    *("LogisticRegression", "--set", "l2=0.001", "--epochs", "2", "--batch-size", "128"),
    *("--task-set", "monitor=val_loss"),
)


@pytest.fixture(scope="module")
def alone(
    dataset: pathlib.Path, train: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """What one process makes of the log: this one."""
    return train(dataset, tmp_path_factory.mktemp("alone"), *MODEL)


@pytest.mark.parametrize(
    ("machines", "strategy", "tolerance"),
    [
        (("--workers", "2"), "multi-worker", 1e-4),
        # Workers that don't wait for each other take other steps.
        (("--workers", "2", "--ps", "2"), "parameter-server", 1e-2),
    ],
)
def test_a_cluster_trains_as_one_process(
    machines: tuple[str, ...],
    strategy: str,
    tolerance: float,
    alone: Any,
    dataset: pathlib.Path,
    program: Callable[..., Any],
    tmp_path: pathlib.Path,
) -> None:
    command = ("train", *MODEL, "--dataset", dataset, "--output", tmp_path, "--json")
    done = program("cluster", *machines, "--", *command)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["config"]["training"]["strategy"] == strategy
    loss = result["metrics"]["logloss"]
    assert loss == pytest.approx(alone["metrics"]["logloss"], rel=tolerance)
    assert result["statistics"]["epochs"] == alone["statistics"]["epochs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "checkpoint",
        "model",
        "report.html",
        "result.json",
    ]


def test_what_a_cluster_can_t_run_is_said(fails: Callable[..., str], tmp_path: Any) -> None:
    assert "must be one that trains: train or retrain" in fails("cluster", "--", "serve", "x")
    wrong = ("cluster", "--workers", "0", "--", "train", "DeepFM", "--output", tmp_path)
    assert "There must be at least one worker. Received: workers=0, ps=0" in fails(*wrong)


def test_the_chief_s_error_is_the_cluster_s(program: Callable[..., Any], tmp_path: Any) -> None:
    done = program("cluster", "--workers", "2", "--", "train", "No", "--output", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("tfrec-zoo: There is no model of that name")


def test_a_missing_cluster_is_said(
    fails: Callable[..., str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    line = fails("train", "DeepFM", "--strategy", "multi-worker", "--output", tmp_path / "run")
    assert "needs the environment variable TF_CONFIG" in line and "no TF_CONFIG" in line

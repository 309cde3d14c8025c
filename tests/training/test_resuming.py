"""Resuming: trainings that end from outside go on, and end with the same weights to the bit."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

import tfrec_zoo
from tfrec_zoo import tasks
from tfrec_zoo.data import Log
from tfrec_zoo.training import Training, fit
from tfrec_zoo.training.resuming import Resume


class Killed(Exception):
    """Stands for the end of the process."""


class KillAt(tf.keras.callbacks.Callback):
    """Ends training from outside after a number of executions and writes of the state."""

    def __init__(self, executions: int) -> None:
        super().__init__()
        self.left = executions

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class KillAtEnd(tf.keras.callbacks.Callback):
    """Ends training from outside after the state of the last epoch was written."""

    def on_train_end(self, logs: Any = None) -> None:
        raise Killed


@pytest.fixture(scope="module")
def log() -> Log:
    rng, rows = np.random.default_rng(0), 1200
    return Log(
        "drawn",
        pd.DataFrame(
            {
                "user_id": rng.integers(80, size=rows),
                "item_id": rng.integers(25, size=rows) * rng.integers(1, 3, size=rows),
                "time": np.arange(rows),
            }
        ),
    )


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    tf.config.experimental.enable_op_determinism()
    yield
    config.disable_op_determinism()


SMALL = {"dropout": 0.3, "hidden_units": (8,)}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "sampled": (
        "YouTubeRetrieval",
        {"negatives": {"kind": "log-uniform", "number": 10}, **SMALL},
        {"optimizer": "lazy_adam"},
    ),
    "graph": ("LightGCN", {"embedding_dim": 4}, {}),
    "hard": ("YouTubeRetrieval", {"negatives": "hard", **SMALL}, {}),
    "in-batch": ("TwoTower", {"negatives": "in-batch", **SMALL}, {"optimizer": "adam"}),
    "attention": (
        "SASRec",
        {"loss": "binary", "embedding_dim": 8, "max_history": 5},
        {"batch_size": 1},
    ),
    "two optimizers": ("WideDeep", {"hidden_units": (8,)}, {"optimizer": "ftrl+adagrad"}),
    "averages": ("DeepFM", {"hidden_units": (8,)}, {"averaging": 0.9}),
    "lists": ("NeuMF", {}, {"batch_size": 100}),
    "least squares": ("iALS", {"embedding_dim": 4}, {"epochs": 8}),
}


def trained(
    log: Log,
    case: str,
    folder: pathlib.Path | None,
    kill: tf.keras.callbacks.Callback | None = None,
) -> Any:
    """The model, and Keras's history."""
    name, arguments, fields = CASES[case]
    state = None if folder is None else str(folder)
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 8, "verbose": 0, **fields}
    training = Training(**settings, checkpoint_dir=state, checkpoint_minutes=1e-9)
    cls = tfrec_zoo.registry.get(name).load()
    task = tasks.make(tasks.default_task(cls, log), log)
    arguments = {**task.arguments(cls), **arguments}
    examples = task.examples(cls, arguments)
    tf.keras.utils.set_random_seed(0)
    model = cls(examples.fit_features(), seed=0, **arguments)
    kills = [] if kill is None else [kill]
    history = fit(model, examples.train, training, examples.negatives, callbacks=kills)
    return model, history


@pytest.mark.parametrize("case", list(CASES))
def test_goes_on_to_the_same_weights(log: Log, case: str, tmp_path: pathlib.Path) -> None:
    whole, expected = trained(log, case, None)
    with pytest.raises(Killed):
        trained(log, case, tmp_path, KillAt(4))
    resumed, history = trained(log, case, tmp_path, KillAt(10**6))
    for mine, one in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, one)
    assert history.history["loss"] == expected.history["loss"]
    assert resumed.optimizer.iterations == whole.optimizer.iterations


@pytest.mark.parametrize("case", ["two optimizers", "least squares"])
def test_what_is_finished_is_not_trained_again(log: Log, case: str, tmp_path: pathlib.Path) -> None:
    model, history = trained(log, case, tmp_path)
    again, read = trained(log, case, tmp_path, KillAt(0))  # Any step would raise.
    for mine, one in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, one)
    assert read.history == history.history


def test_killed_after_the_last_epoch_nothing_is_left_to_train(
    log: Log, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, history = trained(log, "hard", None)
    with pytest.raises(Killed):
        trained(log, "hard", tmp_path, KillAtEnd())
    with caplog.at_level("INFO", "tfrec_zoo.training"):
        again, read = trained(log, "hard", tmp_path, KillAt(0))
    assert "training had taken all of its steps, and ends" in caplog.text
    for mine, one in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, one)
    assert read.history == history.history


@pytest.mark.parametrize(
    "fields",
    [
        {"plateau": 0.5, "patience": 2},
        {"patience": 1},
        {"plateau": 0.5, "patience": 2, "averaging": 0.9},
    ],
)
def test_early_stopping_remembers(
    log: Log, tmp_path: pathlib.Path, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(epochs=6, batch_size=64, learning_rate=0.05, verbose=0, **fields)
    whole = tfrec_zoo.train("FactorizationMachine", tasks.Clicks(log), training)
    kept = dataclasses.replace(training, checkpoint_dir=str(tmp_path))
    write, written = Resume._write, []

    def write_and_die(self: Resume, *arguments: Any) -> None:
        write(self, *arguments)
        written.append(arguments)
        if len(written) == 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Resume, "_write", write_and_die)
        tfrec_zoo.train("FactorizationMachine", tasks.Clicks(log), kept)
    resumed = tfrec_zoo.train("FactorizationMachine", tasks.Clicks(log), kept)
    assert resumed.history == whole.history and resumed.metrics == whole.metrics
    for mine, one in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, one)


def test_another_training_starts_anew(log: Log, tmp_path: pathlib.Path) -> None:
    task = tasks.Clicks(log)
    training = Training(epochs=1, verbose=0, checkpoint_dir=str(tmp_path))
    tfrec_zoo.train("LogisticRegression", task, training)
    changed = dataclasses.replace(training, learning_rate=0.1)
    run = tfrec_zoo.train("LogisticRegression", task, changed)
    assert run.model.optimizer.iterations > 0 and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["progress.json", "weights.index", "arrays.npz", "weights.data*"])
def test_a_damaged_state_is_named(log: Log, tmp_path: pathlib.Path, name: str) -> None:
    training = Training(epochs=1, verbose=0, checkpoint_dir=tmp_path)
    tfrec_zoo.train("LogisticRegression", tasks.Clicks(log), training)
    [file] = tmp_path.glob(f"*/*/{name}")
    (file.parent.parent / "at-notes").mkdir()  # Somebody's, and no state.
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(ValueError, match=f"state of training in {file.parent} is damaged"):
        tfrec_zoo.train("LogisticRegression", tasks.Clicks(log), training)
    file.unlink()
    with pytest.raises(ValueError, match=f"state of training in {file.parent} is damaged"):
        tfrec_zoo.train("LogisticRegression", tasks.Clicks(log), training)


def test_a_killed_command_goes_on(log: Log, tmp_path: pathlib.Path) -> None:
    log.interactions.to_csv(tmp_path / "log.csv", index=False)

    def command(output: str, *more: str) -> list[str]:
        arguments = ["train", "YouTubeRetrieval", "--dataset", str(tmp_path / "log.csv"), "--set",
                     "hidden_units=(8,)", "--set", "dropout=0.3", "--epochs", "4",
                     "--batch-size", "4", "--output", str(tmp_path / output), *more]  # fmt: skip
        return [sys.executable, "-m", "tfrec_zoo", *arguments]

    environment = {**os.environ, "TF_DETERMINISTIC_OPS": "1"}
    subprocess.run(command("whole"), env=environment, check=True, capture_output=True)
    killed = subprocess.Popen(command("killed"), env=environment, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("killed/.unfinished/*/at-*")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.json").exists()
    command_line = command("killed", "--resume")
    subprocess.run(command_line, env=environment, check=True, capture_output=True)
    results = [json.loads((tmp_path / k / "result.json").read_text()) for k in ("whole", "killed")]
    assert results[0]["metrics"] == results[1]["metrics"]
    weights = [tf.train.load_checkpoint(str(tmp_path / k / "checkpoint" / "weights"))
               for k in ("whole", "killed")]  # fmt: skip
    names = weights[0].get_variable_to_shape_map()
    assert len(names) > 5
    for name in names:
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH":
            np.testing.assert_array_equal(*(w.get_tensor(name) for w in weights))
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {
        "README.md", "model", "checkpoint", "report.html", "result.json"
    }  # fmt: skip

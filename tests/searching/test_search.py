"""Search: small ones, whose trials are trainings on validation examples."""

import dataclasses
import json
import pathlib
import shlex
import shutil
from typing import Any

import pytest

import tfrec_zoo as zoo
from tfrec_zoo import cli, presets, tasks
from tfrec_zoo.data import Log
from tfrec_zoo.presets import Preset
from tfrec_zoo.training import Training
from tfrec_zoo.training.early_stopping import WatchEpochs

pytest.importorskip("optuna", reason='a search needs pip install "tfrec_zoo[search]"')

#: Neither it nor its task says when to stop.
MATRIX = Preset(
    "mine/MF",
    "MatrixFactorization",
    "next-watch",
    {"bags": (3,)},
    {"embedding_dim": 4, "loss": "logistic"},
    Training(epochs=2, batch_size=256, learning_rate=0.05, decay=False),
)
SPACE = {"embedding_dim": (2,), "batch_size": (512,)}


@pytest.mark.usefixtures("eagerly")
def test_trials_are_trainings_on_validation_and_go_on_when_killed(
    small_log: Log, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out: list[str] = []
    measure = tasks.NextWatch.measure

    def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        held_out.append(self.held_out)
        return measure(self, *args, **kwargs)

    monkeypatch.setattr(tasks.NextWatch, "measure", spy)
    found = zoo.search(MATRIX, small_log, tmp_path / "a", 2, space=SPACE, seed=3)
    assert set(held_out) == {"validation"}  # The test items are not looked at.
    own, plain = found.trials
    assert own.parameters == {"embedding_dim": 4, "batch_size": 256}
    assert plain.parameters == {"embedding_dim": 2, "batch_size": 512}
    # What the preset does, with early stopping by the metric of the task.
    task = MATRIX.make_task(small_log, monitor="hit_rate_at_10").validating()
    run = MATRIX.train(task, patience=2, seed=3, verbose=0)
    by_hand = [row["hit_rate_at_10"] for row in run.history]
    assert own.epochs == pytest.approx(by_hand, abs=1e-6)
    assert own.metrics["hit_rate_at_10"] == pytest.approx(max(by_hand), abs=1e-6)
    assert found.best.metrics["hit_rate_at_10"] == max(
        trial.metrics["hit_rate_at_10"] for trial in found.trials
    )

    # Killed in the second epoch of the second trial, it goes on after the first.
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / "trial-0.json", tmp_path / "b")
    end, epochs = WatchEpochs.on_epoch_end, []

    def kill(self: Any, epoch: int, logs: Any = None) -> None:
        epochs.append(epoch)
        if epochs == [0, 1]:
            raise KeyboardInterrupt
        end(self, epoch, logs)

    monkeypatch.setattr(WatchEpochs, "on_epoch_end", kill)
    with pytest.raises(KeyboardInterrupt):
        zoo.search(MATRIX, small_log, tmp_path / "b", 2, space=SPACE, seed=3)
    assert (tmp_path / "b" / ".unfinished" / "trial-1").is_dir()
    again = zoo.search(MATRIX, small_log, tmp_path / "b", 2, space=SPACE, seed=3)
    assert epochs == [0, 1, 1]
    for one, other in zip(again.trials, found.trials, strict=True):
        assert dataclasses.replace(one, seconds=other.seconds) == other
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        *("trial-0.json", "trial-1.json")
    ]


def of(command: str) -> dict[str, Any]:
    """What a command gives in place of a preset's settings."""
    arguments = cli.make_parser().parse_args(shlex.split(command)[1:])
    given = {"task": dict(arguments.task_set), "training": dict(arguments.training)}
    return {**given, "set": dict(arguments.set), "seed": arguments.seed}


@pytest.mark.usefixtures("eagerly")
def test_the_command_has_what_the_best_trial_has_in_place_of_the_presets(
    small_log: Log, tmp_path: pathlib.Path
) -> None:
    # EASE chooses from a grid, whose values are always said.
    found = zoo.search("next-watch/EASE", small_log, tmp_path / "a", 2)
    assert [trial.parameters for trial in found.trials[:1]] == [{"l2": 100.0}]
    assert found.trials[0].epochs == [] and found.trials[1].parameters["l2"] in (100.0, 500.0)
    words = found.command("out dir", dataset="my data")
    assert words.startswith(
        "tfrec-zoo train --preset next-watch/EASE --dataset 'my data' --set l2="
    )
    assert words.endswith(" --output 'out dir'")
    task = presets.get("next-watch/EASE").make_task(small_log).validating()
    rate = zoo.train("EASE", task, Training(verbose=0), l2=100.0).metrics["hit_rate_at_10"]
    assert found.trials[0].metrics["hit_rate_at_10"] == pytest.approx(rate)

    (tmp_path / "b").mkdir()
    search = zoo.search(
        "next-watch/EASE", small_log, tmp_path / "b", 1, seed=5,
        space={"max_neighbors": (None, 3)}, options={"held_out": "validation"},
        arguments={"l2": 7.0},
    )  # fmt: skip
    # No neighbors are the preset's own: nothing to say.
    assert of(search.command("x")) == {
        **{"task": {"held_out": "validation"}, "training": {}, "set": {"l2": 7.0}, "seed": 5},
    }
    written = json.loads((tmp_path / "b" / "trial-0.json").read_text())
    assert written["search"]["arguments"] == {"l2": 7.0}
    changed = dataclasses.replace(
        search, changes={"options": {}, "training": {"batch_size": 64}, "arguments": {
            "hidden_units": (64, 32), "normalization": None, "activation": "relu"}}
    )  # fmt: skip
    assert of(changed.command("x")) == {
        **{"task": {}, "training": {"batch_size": 64}, "seed": 5},
        "set": {"hidden_units": (64, 32), "normalization": None, "activation": "relu"},
    }


def test_what_is_refused(small_log: Log, tmp_path: pathlib.Path) -> None:
    def search(name: Any = "next-watch/EASE", log: Log = small_log, **given: Any) -> None:
        zoo.search(name, log, tmp_path, **{"trials": 1, **given})

    with pytest.raises(ValueError, match="`trials` must be a positive.*Received: 0"):
        search(trials=0)
    with pytest.raises(KeyError, match="no preset of that name"):
        search("next-watch/nothing")
    with pytest.raises(ValueError, match="A baseline has no settings.*ratings/damped-means"):
        search("ratings/damped-means")
    with pytest.raises(ValueError, match="Give a space: Popularity has nothing"):
        search("next-watch/popularity")
    with pytest.raises(ValueError, match=r"arguments of EASE, .*Received: \['shrink'\]"):
        search(space={"shrink": (1.0,)})
    with pytest.raises(ValueError, match=r"What is given is not searched.*\['l2'\]"):
        search(space={"l2": (1.0,)}, arguments={"l2": 2.0})
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        search(arguments={"width": 3})
    assert not list(tmp_path.iterdir())

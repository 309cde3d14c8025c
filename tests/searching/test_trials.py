"""Trials of a search, of objectives that are made by hand."""

import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tfrec_zoo.searching.spaces import Range
from tfrec_zoo.searching.trials import Trial, Watch, best_of, in_words, run_trials

pytest.importorskip("optuna", reason='a search needs pip install "tfrec_zoo[search]"')

SPACE = {"x": Range(0.0, 10.0), "units": ((), (64, 32)), "norm": (None, "batch")}
FIRST = [{"x": 9.0, "units": (64, 32), "norm": None}, {"x": 5, "units": (), "norm": "batch"}]


class Hill:
    """Best at x = 3, with units; remembers what was tried, and fails where it is told to."""

    def __init__(self, **errors: BaseException) -> None:
        self.tried: list[int] = []
        self._errors = errors

    def __call__(
        self, number: int, parameters: Mapping[str, Any], watch: Watch
    ) -> dict[str, float]:
        self.tried.append(number)
        if f"at_{number}" in self._errors:
            raise self._errors[f"at_{number}"]
        value = 1 - (parameters["x"] - 3) ** 2 / 100 - 0.1 * (not parameters["units"])
        watch([value])
        return {"auc": value, "logloss": -value, "other": np.nan}


def run(folder: pathlib.Path, objective: Any, number: int = 12, **kwargs: Any) -> list[Trial]:
    return run_trials(
        objective, SPACE, number, folder, **{"metric": "auc", "first": FIRST, **kwargs}
    )


def test_the_first_are_given_and_the_rest_go_uphill(tmp_path: pathlib.Path) -> None:
    trials = run(tmp_path, Hill(), 30)
    assert [trial.number for trial in trials] == list(range(30))
    assert [dict(trial.parameters) for trial in trials[:2]] == FIRST
    assert trials[0].metrics["auc"] == pytest.approx(1 - 36 / 100)
    assert trials[0].epochs == [trials[0].metrics["auc"]]
    best = best_of(trials, "auc")
    complete = [trial.metrics["auc"] for trial in trials if trial.state == "complete"]
    assert best.metrics["auc"] == max(complete) > 0.98 and best.parameters["units"] == (64, 32)
    assert f"complete, 0 s: auc {max(complete):.4f} (x=" in in_words(best, "auc")
    contents = json.loads((tmp_path / "trial-0.json").read_text(), parse_constant=pytest.fail)
    assert contents["parameters"] == {"x": 9.0, "units": [64, 32], "norm": None}
    assert (contents["state"], contents["metrics"]["other"]) == ("complete", None)
    assert len(list(tmp_path.iterdir())) == 30


def test_nothing_is_tried_twice(tmp_path: pathlib.Path) -> None:
    space = {"x": Range(2, 4), "units": ((), (64, 32))}
    first = [{"x": 4, "units": ()}] * 2  # A preset may have the plain settings.
    trials = run_trials(Hill(), space, 9, tmp_path, metric="auc", first=first)
    assert dict(trials[0].parameters) == first[0]
    tried = {(trial.parameters["x"], trial.parameters["units"]) for trial in trials}
    assert tried == {(x, units) for x in (2, 3, 4) for units in ((), (64, 32))}
    assert len(trials) == len(list(tmp_path.iterdir())) == 6
    assert run_trials(Hill(), space, 9, tmp_path, metric="auc", first=first) == trials


def test_of_an_error_less_is_better(tmp_path: pathlib.Path) -> None:
    trials = run(tmp_path, Hill(), 3, metric="logloss")
    values = [trial.metrics["logloss"] for trial in trials]
    assert best_of(trials, "logloss").metrics["logloss"] == min(values)
    assert len(set(values)) == 3


def test_a_killed_search_goes_on_as_if_it_was_not(tmp_path: pathlib.Path) -> None:
    whole = run(tmp_path / "whole", Hill())
    killed = Hill(at_7=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", killed)
    assert killed.tried == list(range(8)) and not (tmp_path / "killed/trial-7.json").exists()
    again = Hill()
    found = run(tmp_path / "killed", again)
    assert again.tried == list(range(7, 12))
    assert [trial.parameters for trial in found] == [trial.parameters for trial in whole]
    assert [trial.state for trial in found] == [trial.state for trial in whole]
    # More trials are further ones; another seed tries others.
    more = Hill()
    assert run(tmp_path / "killed", more, 13)[:12] == found and more.tried == [12]
    other = run(tmp_path / "other", Hill(), 4, seed=1)
    assert [one.parameters for one in other[2:]] != [one.parameters for one in whole[2:4]]


def test_what_is_worse_than_the_median_is_given_up(tmp_path: pathlib.Path) -> None:
    told: dict[int, int] = {}

    def flat(number: int, parameters: Mapping[str, Any], watch: Watch) -> dict[str, float]:
        for epoch in (1, 2, 3):
            told[number] = epoch
            watch([parameters["x"]] * epoch)
        return {"auc": parameters["x"]}

    trials = run(tmp_path, flat, 20)
    states = [trial.state for trial in trials]
    for trial in trials:
        before = [t.metrics["auc"] for t in trials[: trial.number] if t.state == "complete"]
        is_hopeless = len(before) >= 4 and trial.parameters["x"] < float(np.median(before))
        assert (trial.state == "pruned") is is_hopeless
        # Not after a single epoch.
        assert told[trial.number] == len(trial.epochs) == (2 if is_hopeless else 3)
    assert "pruned" in states[4:]
    pruned = trials[states.index("pruned")]
    assert not pruned.metrics and "after 2 epochs" in in_words(pruned, "auc")


def test_what_fails_is_recorded_but_for_the_first(tmp_path: pathlib.Path) -> None:
    diverges, wrong = FloatingPointError("the loss is\nnan"), ValueError("no such width")
    trials = run(tmp_path / "a", Hill(at_1=diverges, at_2=wrong), 6)
    assert [trial.state for trial in trials[:4]] == ["complete", "failed", "failed", "complete"]
    assert trials[1].error == "the loss is nan" and "no such width" in in_words(trials[2], "auc")
    with pytest.raises(ValueError, match="no such width"):
        run(tmp_path / "b", Hill(at_0=wrong))
    with pytest.raises(FloatingPointError, match="No trial gave the metric 'auc' a value"):
        run(tmp_path / "c", lambda *_: {"auc": np.nan}, 2)
    # What a bug raises is no trial.
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "d", Hill(at_1=ZeroDivisionError()))


def test_other_searches_and_damaged_files(tmp_path: pathlib.Path) -> None:
    run(tmp_path, Hill(), 2)
    for given in (
        {"seed": 1},
        {"metric": "logloss"},
        {"about": {"preset": "other"}},
        {"first": ()},
    ):
        name = sorted(given)[0].replace("about", "preset")
        with pytest.raises(ValueError, match=rf"trial-0.json is of another search.*'{name}'"):
            run(tmp_path, Hill(), 2, **given)
    (tmp_path / "trial-1.json").write_text("{}")
    with pytest.raises(ValueError, match="trial-1.json is damaged: remove it"):
        run(tmp_path, Hill(), 2)


def test_without_optuna(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'such as pip install "\.\[search\]" in its folder'):
        run(tmp_path, Hill())
    assert not list(tmp_path.iterdir())

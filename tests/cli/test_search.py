"""tfrec-zoo search: from a preset to the command that trains something better."""

import json
import pathlib
import shlex
import sys
from typing import Any

import pytest

pytest.importorskip("optuna", reason='a search needs pip install "tfrec_zoo[search]"')


@pytest.mark.usefixtures("eagerly")
def test_from_a_search_to_a_trained_model(
    dataset: Any, tmp_path: pathlib.Path, run: Any, run_json: Any, capsys: Any
) -> None:
    given = ("next-watch/EASE", "--dataset", dataset, "--output", tmp_path, "--trials", 3)
    space = ("--set-space", "l2={'low':1.0,'high':900.0,'log':True}")
    found = run_json("search", *given, *space)
    files = [json.loads((tmp_path / f"trial-{n}.json").read_text()) for n in range(3)]
    # The preset itself, then what is plain: here the middle.
    assert [one["parameters"]["l2"] for one in files[:2]] == [100.0, pytest.approx(30.0)]
    assert found["metric"] == "hit_rate_at_10"
    assert found["value"] == max(one["metrics"]["hit_rate_at_10"] for one in files)
    assert found["parameters"] == files[found["best"]]["parameters"]
    # Nothing is run again; the last line is the command.
    lines = run("search", *given, *space).splitlines()
    assert lines[-1] == found["command"] and len(lines) == 6
    assert lines[0].startswith("trial 0, complete") and "(l2=100.0)" in lines[0]
    result = run_json(*shlex.split(found["command"])[1:])
    assert result["config"]["arguments"]["l2"] == found["parameters"]["l2"]
    assert (tmp_path / "best" / "model").is_dir()
    # What was tried, to be read; closed forms have no curves.
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Search from next-watch/EASE" in report and "trial-curves" not in report
    values = [f"<td>{one['metrics']['hit_rate_at_10']:.4f}</td>" for one in files]
    assert all(value in report for value in values) and report.count("<img") == 0


@pytest.mark.usefixtures("eagerly")
def test_curves_of_trials_are_drawn(dataset: Any, tmp_path: pathlib.Path, run: Any) -> None:
    given = ("next-watch/MF", "--dataset", dataset, "--output", tmp_path, "--trials", 2)
    fixed = ("--training", "epochs=2", "--set-space", "learning_rate=(0.01,)")
    run("search", *given, *fixed, "--set", "embedding_dim=4", "--set", "batch_l2=0.0", "--plot")
    assert (tmp_path / "figures" / "trial-curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<img" in (tmp_path / "report.html").read_text(encoding="utf-8")
    # Figures of a search that has gone on are not its own any more.
    run("search", *given, *fixed, "--set", "embedding_dim=4", "--set", "batch_l2=0.0")
    assert not (tmp_path / "figures").exists()


def test_a_space_of_a_file(dataset: Any, tmp_path: pathlib.Path, run_json: Any, fails: Any) -> None:
    file = tmp_path / "space.json"
    file.write_text('{"max_neighbors": [5, null]}')
    output = tmp_path / "out"
    given = ("search", "next-watch/EASE", "--dataset", dataset, "--output", output, "--trials", 2)
    found = run_json(*given, "--space", file, "--set", "l2=50.0", "--task-set", "split=last-out")
    assert set(found["parameters"]) == {"max_neighbors"}
    second = json.loads((output / "trial-1.json").read_text())
    assert second["parameters"] == {"max_neighbors": 5}
    assert "--task-set split=last-out --set l2=50.0" in found["command"]
    file.write_text('["l2"]')
    assert "must hold dimensions by name" in fails(*given, "--space", file)
    file.write_text("l2: 3")
    assert "space.json is no JSON" in fails(*given, "--space", file)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--set-space", "width=(1,2)"], "Received: ['width']"),
        (["--set-space", "l2=3"], "must be a list of values, or a range"),
        (["--set-space", "l2=(-1.0,)"], "`l2` must be"),
        (["--set", "width=3"], "'width'"),
        (["--training", "rate=3"], "Received: ['rate']"),
        (["--task-set", "bag=3"], "Received: ['bag']"),
        (["--trials", "0"], "`trials` must be"),
    ],
)
def test_wrong_searches(
    given: list[str], message: str, dataset: Any, tmp_path: Any, fails: Any
) -> None:
    arguments = ("search", "next-watch/EASE", "--dataset", dataset, "--output", tmp_path / "out")
    assert message in fails(*arguments, *given)
    assert not (tmp_path / "out").exists()


def test_without_optuna(
    dataset: Any, tmp_path: Any, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    line = fails("search", "next-watch/EASE", "--dataset", dataset, "--output", tmp_path)
    assert 'pip install ".[search]"' in line

"""--plot: the figures of a report as PNG files, replaced and removed together with the rest."""

import json
import os
import pathlib
import shutil
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("eagerly")

CLICKS = ("--task", "clicks", "--task-set", "label=rating", "--epochs", 2)


def pictures(folder: pathlib.Path) -> dict[str, bytes]:
    """The contents of the PNG files of a run by name."""
    found = {path.name: path.read_bytes() for path in (folder / "figures").glob("*.png")}
    assert all(contents.startswith(b"\x89PNG\r\n") for contents in found.values())
    return found


def test_figures_come_and_go_with_the_training_that_they_are_of(
    dataset: Any, train: Any, run: Any, fails: Any, tmp_path: Any
) -> None:
    output, again = tmp_path / "run", tmp_path / "again"
    train(dataset, output, "LogisticRegression", *CLICKS, "--plot")
    drawn = pictures(output)
    assert set(drawn) == {"calibration.png", "training-curves.png"}
    # The same test examples give the same figures, whatever was drawn at first.
    shutil.copytree(output, again)
    shutil.rmtree(again / "figures")
    text = run("evaluate", again, "--plot")
    assert text.splitlines()[-1] == f"written: {again / 'figures'}"
    assert pictures(again) == drawn
    line = fails("evaluate", again, "--plot", "--other-data")
    assert "leave out --other-data and --lists" in line
    # Those of this training are not drawn, and those of the one before are not its own.
    train(dataset, output, "LogisticRegression", *CLICKS, "--seed", 1)
    assert not (output / "figures").exists()
    run("retrain", output, "--output", again, "--plot")
    assert set(pictures(again)) == set(drawn) and pictures(again) != drawn
    run("retrain", output, "--output", again)
    assert not (again / "figures").exists()


def test_a_retrieval_model_has_figures_of_its_lists(
    retrieval: Any, run_json: Any, tmp_path: Any
) -> None:
    output = shutil.copytree(retrieval, tmp_path / "run")
    metrics = json.loads((output / "result.json").read_text())["metrics"]
    assert run_json("evaluate", output, "--plot") == pytest.approx(metrics, rel=1e-5)
    assert set(pictures(output)) == {"activity-and-popularity.png", "metric-at-k.png"}


def test_a_baseline_has_nothing_to_draw(dataset: Any, run: Any, tmp_path: Any) -> None:
    given = ("--preset", "ctr/item-rates", "--task-set", "label=rating", "--plot")
    text = run("train", "--dataset", dataset, "--output", tmp_path, *given)
    assert text.splitlines()[-1] == "No figures are written: nothing can be drawn of this run."
    assert sorted(os.listdir(tmp_path)) == ["report.html", "result.json"]


def test_a_table_has_a_figure_of_its_rows(ncf_files: Any, run: Any, tmp_path: Any) -> None:
    given = ("benchmark", "ncf", "--dataset", ncf_files, "--output", tmp_path, "--seeds", 4)
    run(*given, "--model", "Popularity", "--plot")
    assert set(pictures(tmp_path)) == {"metric-by-row.png"}
    run(*given, "--model", "Popularity")
    assert sorted(os.listdir(tmp_path)) == ["Popularity-4.json", "report.html"]


@pytest.mark.parametrize(
    "command",
    [
        ("train", "EASE", "--output", "out", "--dataset", "nowhere"),
        ("retrain", "nowhere", "--output", "out"),
        ("quickstart", "--output", "out", "--dataset", "nowhere"),
        ("benchmark", "ctr", "--output", "out", "--dataset", "nowhere"),
        ("evaluate", "nowhere"),
    ],
)
def test_without_matplotlib_nothing_is_read_or_trained(
    command: Any, fails: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = fails(*command, "--plot")
    assert line.endswith("pip install matplotlib. Received: none installed")
    assert os.listdir(tmp_path) == []


def test_figures_of_ones_own_are_not_replaced(
    dataset: Any, train: Any, fails: Any, tmp_path: Any
) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    given = ("EASE", "--dataset", dataset, "--output", tmp_path)
    assert "figures would be replaced, but is not what" in fails("train", *given, "--plot")
    assert os.listdir(tmp_path) == ["figures"]
    train(dataset, tmp_path, "EASE")
    assert os.listdir(tmp_path / "figures") == ["mine.png"]

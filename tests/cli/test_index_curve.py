"""index-curve and export --index: what is measured, on whose vectors, and what is said of it."""

import json
import pathlib
import shutil
from typing import Any

import pytest

from tfrec_zoo.serving import load
from tfrec_zoo.serving.index import IvfIndex, choice


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of these tests has 50 items, which are too few for an approximate index."""
    monkeypatch.setattr(IvfIndex, "MIN_ITEMS", 10)
    monkeypatch.setattr(choice, "MEASURE_FROM", 10)


def test_the_curve(
    retrieval: Any, few_are_enough: None, run: Any, run_json: Any, tmp_path: Any
) -> None:
    picture = tmp_path / "curve.png"
    given = ("index-curve", retrieval, "--k", 5, "--indexes", "exact", "ivf")
    found = run_json(*given, "--output", picture)
    assert picture.read_bytes().startswith(b"\x89PNG") and found["output"] == str(picture)
    exact, *ivf = found["points"]
    num_items = load(retrieval / "model").manifest["num_items"]
    assert (exact["kind"], exact["recall"], exact["of"]) == ("exact", 1.0, num_items)
    assert {point["kind"] for point in ivf} == {"ivf"}
    searched = [point["searched"] for point in ivf]
    assert searched == sorted(set(searched)) and [p["is_chosen"] for p in ivf].count(True) == 1
    table = run(*given).splitlines()
    assert table[0].split() == ["index", "searched", "recall@5", "milliseconds"]
    assert table[1].split()[:5] == ["exact", "all", "of", str(num_items), "1.0000"]


def test_an_export_is_measured_on_the_users_of_its_log(
    retrieval: Any, few_are_enough: None, run: Any, tmp_path: Any
) -> None:
    given = ("--index", "ivf", "--target-recall", 0.5, "--k", 5)
    run("export", retrieval, "--output", tmp_path / "model", *given)
    [said] = load(tmp_path / "model").manifest["indexes"].values()
    assert said["kind"] == "ivf" and said["target_recall"] == 0.5 and said["reaches_target"]
    assert set(said["recall_by_queries"]) == {"users", "items"}
    assert said["recall"] == said["recall_by_queries"]["users"] >= 0.5


def test_a_log_that_is_gone(
    retrieval: Any, few_are_enough: None, run: Any, fails: Any, tmp_path: Any
) -> None:
    moved = pathlib.Path(shutil.copytree(retrieval, tmp_path / "moved"))
    result = json.loads((moved / "result.json").read_text())
    result["config"]["given"]["dataset"] = str(tmp_path / "gone")
    (moved / "result.json").write_text(json.dumps(result))
    given = ("--index", "ivf", "--target-recall", 0.5, "--k", 5)
    printed = run("export", moved, "--output", tmp_path / "model", *given)
    assert "The index is measured on items' own vectors" in printed
    [said] = load(tmp_path / "model").manifest["indexes"].values()
    assert set(said["recall_by_queries"]) == {"items"}
    # What is named must be there.
    line = fails("index-curve", moved, "--dataset", tmp_path / "gone")
    assert "`--dataset` must be" in line


def test_nothing_to_search(ranking: Any, retrieval: Any, fails: Any, tmp_path: Any) -> None:
    assert "YouTubeRanking" in fails("index-curve", ranking)
    assert "`k` must be a whole number" in fails("index-curve", retrieval, "--k", 0)
    given = ("--output", tmp_path / "x", "--index", "ivf", "--target-recall", 0.5)
    line = fails("export", ranking, *given)
    assert "YouTubeRanking ranks what it is given" in line

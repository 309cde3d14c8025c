"""Excerpts: what stands between two marks of a page is rendered from result files."""

import json
import pathlib
from typing import Any

import pytest

from tfrec_zoo.excerpts import filled


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Two seeds of SASRec, and one run of popularity."""
    hits = {"SASRec-0": 0.25, "SASRec-1": 0.75, "popularity-0": 0.125}
    (tmp_path / "next-watch").mkdir()
    for name, value in hits.items():
        row, _, seed = name.rpartition("-")
        contents = {
            "config": {"preset": f"next-watch/{row}"},
            "seed": int(seed),
            "metrics": {"hit_rate_at_10": value, "ndcg_at_10": value / 2},
            "statistics": {"parameters": 1200},
        }
        (tmp_path / "next-watch" / f"{name}.json").write_text(json.dumps(contents))
    return tmp_path


@pytest.fixture
def paper(tmp_path: pathlib.Path) -> pathlib.Path:
    """An experiment on combiners of one seed."""
    runs = [
        {
            "setting": setting,
            "seed": 0,
            "metrics": {"mean_average_precision": value, "hit_rate_at_10": 0.5},
            "curves": {},
        }
        for setting, value in (("mean", 0.25), ("sum", 0.125))
    ]
    path = tmp_path / "paper" / "combiners" / "simulated-small" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"runs": runs}))
    return tmp_path / "paper"


@pytest.fixture
def searches(tmp_path: pathlib.Path) -> pathlib.Path:
    """A search of three trials, of which the second failed and the third was given up."""
    kept = [
        {"state": "complete", "metrics": {"auc": 0.75}, "epochs": [0.5, 0.75], "seconds": 61.5},
        {"state": "failed", "error": "It | diverged.", "epochs": []},
        {"state": "pruned", "epochs": [0.25]},
    ]
    for number, trial in enumerate(kept):
        path = tmp_path / "searches" / "deepfm" / f"trial-{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"number": number, "parameters": {"hidden_units": [8, 2 + number]}}
        path.write_text(json.dumps({**about, **trial, "search": {"metric": "auc"}}))
    return tmp_path / "searches"


def test_rows_of_a_table(folder: Any) -> None:
    page = (
        "Before.\n\n<!-- table next-watch: popularity; SASRec | NDCG@10; parameters -->\n"
        "| old | rows |\n<!-- /table -->\nAfter.\n"
    )
    assert filled(page, folder) == (
        "Before.\n\n<!-- table next-watch: popularity; SASRec | NDCG@10; parameters -->\n"
        "| row | seeds | NDCG@10 | parameters |\n|---|---|---|---|\n"
        "| popularity | 0 | 0.0625 | 1,200 |\n"
        "| SASRec | 0, 1 | 0.2500 ± 0.1768 | 1,200 |\n"
        "<!-- /table -->\nAfter.\n"
    )
    assert filled(filled(page, folder), folder) == filled(page, folder)


def test_the_rows_stand_in_the_order_that_was_asked_for(folder: Any) -> None:
    page = "<!-- table next-watch: SASRec; popularity | HR@10 -->\n<!-- /table -->"
    lines = filled(page, folder).splitlines()
    assert [line.split(" | ")[0] for line in lines[3:5]] == ["| SASRec", "| popularity"]


def test_a_row_without_results_is_marked(folder: Any) -> None:
    page = "<!-- table next-watch: TwoTower | HR@10 -->\n<!-- /table -->"
    assert "| TwoTower | † |  |" in filled(page, folder)


def test_every_row_and_column(folder: Any) -> None:
    lines = filled("<!-- table next-watch -->\n<!-- /table -->", folder).splitlines()
    assert lines[1].startswith("| row | seeds | HR@10 | NDCG@10 | HR@50 | MAP |")
    assert "| SASRec | 0, 1 | 0.5000 ± 0.3536 | 0.2500 ± 0.1768 |" in "\n".join(lines)


def test_an_experiment(folder: Any, paper: Any) -> None:
    page = "<!-- experiment combiners/simulated-small: sum; mean | MAP -->\n<!-- /experiment -->"
    assert filled(page, folder, paper).splitlines()[1:-1] == [
        "| setting | MAP |",
        "|---|---|",
        "| sum | 0.1250 |",
        "| mean | 0.2500 |",
    ]


def test_headlines(folder: Any) -> None:
    alone = folder / "next-watch-in-file-order"
    alone.mkdir()
    of_popularity = (folder / "next-watch" / "popularity-0.json").read_text(encoding="utf-8")
    (alone / "popularity-0.json").write_text(of_popularity.replace("next-watch/", f"{alone.name}/"))
    text = filled("<!-- headlines -->\n<!-- /headlines -->", folder)
    # There is no result of the model beside popularity, so that its row is left out.
    assert text.splitlines()[1:-1] == [
        "| table | data | metric | baseline | model | published |",
        "|---|---|---|---|---|---|",
    ]


def test_trials_of_a_search(folder: Any, searches: Any) -> None:
    page = "<!-- search deepfm -->\n<!-- /search -->"
    assert filled(page, folder, searches=searches).splitlines()[1:-1] == [
        "| trial | hidden_units | auc | epochs | seconds | state |",
        "|---|---|---|---|---|---|",
        "| 0 | (8, 2) | 0.7500 | 2 | 61.5 | complete |",
        "| 1 | (8, 3) | undefined | 0 | 0.0 | failed: It \\| diverged. |",
        "| 2 | (8, 4) | 0.2500 | 1 | 0.0 | pruned |",
    ]
    page = "<!-- search deepfm: 2; 0 | trial; auc -->\n<!-- /search -->"
    assert filled(page, folder, searches=searches).splitlines()[3:-1] == [
        "| 0 | 0.7500 |",
        "| 2 | 0.2500 |",
    ]
    with pytest.raises(FileNotFoundError, match="no trial-<n>.json in the folder"):
        filled("<!-- search dcn -->\n<!-- /search -->", folder, searches=searches)
    for text in ("{", "[]", "{}"):
        damaged = searches / "broken" / "trial-0.json"
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_text(text)
        with pytest.raises(ValueError, match=r"trial-0.json is damaged"):
            filled("<!-- search broken -->\n<!-- /search -->", folder, searches=searches)
    # Those of two searches are not one table.
    other = json.loads((searches / "deepfm" / "trial-2.json").read_text())
    other["search"]["seed"] = 1
    (searches / "deepfm" / "trial-2.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="of another search"):
        filled(page, folder, searches=searches)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- table nowhere -->\n<!-- /table -->", "Received: ['nowhere']"),
        ("<!-- table next-watch: Nobody -->\n<!-- /table -->", "Received: rows=['Nobody']"),
        ("<!-- table next-watch | MAPE -->\n<!-- /table -->", "Received: ['MAPE']"),
        ("<!-- table -->\n<!-- /table -->", "Received: <!-- table -->"),
        ("<!-- experiment nothing/x -->\n<!-- /experiment -->", "Received: ['nothing']"),
        ("<!-- experiment ann/simulated-small -->\n<!-- /experiment -->", "give the folder"),
        (
            "<!-- experiment combiners/simulated-small: median -->\n<!-- /experiment -->",
            "Received: ['median']",
        ),
        ("<!-- search deepfm: 3 -->\n<!-- /search -->", "Received: ['3']"),
        ("<!-- search deepfm | loss -->\n<!-- /search -->", "Received: ['loss']"),
        ("<!-- table next-watch -->\n| row |\n", "Received: 1 marks, 0 blocks"),
        (
            "<!-- table ratings -->\n<!-- table next-watch -->\n<!-- /table -->",
            "Received: 2 marks, 1 blocks",
        ),
    ],
)
def test_what_is_refused(folder: Any, paper: Any, searches: Any, page: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        filled(page, folder, paper, searches)
    assert message in str(refused.value)


def test_a_search_without_a_folder(folder: Any) -> None:
    with pytest.raises(ValueError, match="give the folder of searches"):
        filled("<!-- search deepfm -->\n<!-- /search -->", folder)


def test_a_page_without_marks_stays(folder: Any) -> None:
    assert filled("Nothing here.\n", folder) == "Nothing here.\n"

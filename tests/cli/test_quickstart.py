"""quickstart: everything is left, and a program of its own asks the funnel."""

import contextlib
import io
import json
import os
from typing import Any

import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import simulate
from tfrec_zoo.quickstart import quickstart
from tfrec_zoo.serving import load


def test_quickstart(tmp_path: Any) -> None:
    """On a small simulated log."""
    log = simulate(num_users=150, num_items=120, num_days=7, seed=1, num_topics=5)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = quickstart(log, tmp_path / "q")
    text = out.getvalue()
    written = json.loads((tmp_path / "q" / "result.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert written["dataset"] == "simulated"
    assert set(written["metrics"]) >= {"popularity", "retrieval", "funnel", "ranking"}
    left = set(os.listdir(tmp_path / "q"))
    assert left >= {"funnel", "result.json", "recommend.py", "titles.json", "requests.json"}
    assert not [name for name in left if name.startswith(".")]
    titles = json.loads((tmp_path / "q" / "titles.json").read_text())
    assert titles == dict(log.items[["video_id", "title"]].itertuples(index=False))
    # What the program printed: titles with a score, for three users and a new one.
    answer = text.split("in a process of its own")[1]
    assert answer.count("last watched:") == 4
    assert sum(any(t in line for t in titles.values()) for line in answer.splitlines()) >= 20
    served = load(tmp_path / "q" / "funnel", verify=True)
    assert len(served.recommend({"history": [[]]})) == 20
    assert served.manifest["versions"]["tfrec_zoo"] == tfrec_zoo.__version__
    source = (tmp_path / "q" / "recommend.py").read_text()
    assert "tfrec_zoo" not in source.split('"""')[2]


@pytest.fixture
def small(tmp_path: Any) -> Any:
    """A folder with the watches of a small simulated log."""
    folder = tmp_path / "small"
    folder.mkdir()
    log = simulate(num_users=60, num_items=60, num_days=4, seed=1, num_topics=4)
    watches = log.interactions.rename(columns={"video_id": "item_id"})
    watches.to_parquet(folder / "interactions.parquet")
    pd.DataFrame({"item_id": watches["item_id"].unique()}).to_csv(folder / "items.csv", index=False)
    return folder


def test_quickstart_on_a_log_without_impressions(small: Any, run_json: Any, tmp_path: Any) -> None:
    """They are sampled; any ranking model of features may be the second stage."""
    output = tmp_path / "q"
    result = run_json("quickstart", "--dataset", small, "--output", output, "--ranker", "DeepFM")
    assert result["config"] == {"ranker": "DeepFM"}
    assert result["dataset"] == "small"
    assert "sampled impressions" in result["protocol"]
    assert 0 < result["metrics"]["ranking"]["auc"] < 1  # A few steps teach nothing.
    served = load(output / "funnel", verify=True)
    assert len(served.recommend({"history": [[]]})) == 20


@pytest.mark.parametrize("name", ["NeuMF", "EASE"])
def test_no_ranker_of_features(name: str, fails: Any, small: Any, tmp_path: Any) -> None:
    line = fails("quickstart", "--dataset", small, "--ranker", name, "--output", tmp_path / "q")
    assert f"must be a ranking model of features; see: tfrec-zoo list. Received: {name}" in line


def test_no_such_ranker(fails: Any, small: Any, tmp_path: Any) -> None:
    line = fails("quickstart", "--dataset", small, "--ranker", "X", "--output", tmp_path / "q")
    assert "There is no model of that name" in line and "Received: 'X'" in line

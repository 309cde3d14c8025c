"""quickstart: the better stage is left, and a program of its own asks it."""

import contextlib
import io
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, simulate
from tfrec_zoo.quickstart import quickstart
from tfrec_zoo.serving import load

STAGES = {"popularity", "retrieval", "funnel"}


def check_choice(result: dict[str, Any], stages: set[str]) -> None:
    """The exported stage is one that was measured, and the reason names all of them."""
    assert set(result["metrics"]) - {"ranking"} == stages
    assert result["exported"] in stages
    assert result["reason"].startswith(f"{result['shown']} of ")
    assert all(f"{stage} " in result["reason"] for stage in stages)
    # Nothing is exported that the stage before it is as good as.
    assert set(result["validation"]) == stages
    if result["exported"] == "funnel":
        assert result["validation"]["funnel"] > result["validation"]["retrieval"]
    for stage in stages:
        metrics = result["metrics"][stage]
        assert result["shown"] in metrics and metrics["evaluated_examples"] > 0
        assert all(np.isfinite(value) for value in metrics.values())


def test_quickstart(simulated_log: Log, tmp_path: Any) -> None:
    log = simulated_log
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = quickstart(log, tmp_path / "q")
    text = out.getvalue()
    written = json.loads((tmp_path / "q" / "result.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert written["dataset"] == "simulated"
    check_choice(result, STAGES)
    # Watch time is what the ranker learns, and what it truly is, is known.
    assert result["shown"] == "true_watch_time_at_10"
    assert "nominations out of 2 folds of users" in result["protocol"]
    assert 0 < result["metrics"]["ranking"]["auc"] < 1  # A few steps teach nothing.
    assert f"Exported: {result['exported']}, by {result['reason']}" in text
    left = set(os.listdir(tmp_path / "q"))
    assert left >= {"funnel", "result.json", "recommend.py", "titles.json", "requests.json"}
    # The stages, two trainings, and the calibration of the ranker.
    assert (tmp_path / "q" / "report.html").read_text(encoding="utf-8").count("<img") == 4
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
    assert served.manifest["exported"] == result["exported"]
    source = (tmp_path / "q" / "recommend.py").read_text()
    assert "tfrec_zoo" not in source.split('"""')[2]


@pytest.fixture(scope="module")
def small(tmp_path_factory: Any) -> Any:
    """A folder with the watches of a small simulated log: whole numbers as ids, no titles."""
    folder = tmp_path_factory.mktemp("logs") / "small"
    folder.mkdir()
    log = simulate(num_users=60, num_items=60, num_days=4, seed=1, num_topics=4)
    watches = log.interactions.rename(columns={"video_id": "item_id"})
    watches["item_id"] = watches["item_id"].str[1:].astype(int)
    watches["user_id"] = watches["user_id"].str[1:].astype(int)
    watches.to_parquet(folder / "interactions.parquet")
    pd.DataFrame({"item_id": watches["item_id"].unique()}).to_csv(folder / "items.csv", index=False)
    return folder


def answers(output: Any) -> list[str]:
    """The lines that the program prints, when it is asked again."""
    asked = subprocess.run(
        [sys.executable, str(output / "recommend.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    return asked.stdout.splitlines()


@pytest.mark.usefixtures("eagerly")
def test_quickstart_on_a_log_without_impressions(small: Any, run_json: Any, tmp_path: Any) -> None:
    """They are sampled; any ranking model of features may be the second stage."""
    output = tmp_path / "q"
    given = ("--dataset", small, "--output", output, "--ranker", "DeepFM", "--plot")
    result = run_json("quickstart", *given)
    assert result["config"] == {"ranker": "DeepFM"}
    assert result["dataset"] == "small"
    assert "sampled impressions" in result["protocol"]
    check_choice(result, STAGES)
    drawn = {path.stem for path in (output / "figures").glob("*.png")}
    curves = {f"{stage}-training-curves" for stage in ("retrieval", "ranking")}
    assert drawn == {"stages", "ranking-calibration", *curves}
    # Clicks are what this ranker learns.
    assert result["shown"] == "hit_rate_at_10"
    assert 0 < result["metrics"]["ranking"]["auc"] < 1
    served = load(output / "funnel", verify=True)
    found = served.recommend({"history": [[]]})
    assert len(found) == 20 and found["id"].dtype == np.int64
    # Items without titles are shown by their ids.
    known = {str(item) for item in pd.read_parquet(small / "interactions.parquet")["item_id"]}
    lines = answers(output)
    shown = [line.split()[1] for line in lines if line.startswith("  ")]
    assert len(shown) == 20 and set(shown) <= known
    watched = [line.split(": ")[1] for line in lines if line.startswith("last watched")]
    assert {item for line in watched[:3] for item in line.split("; ")} <= known
    assert watched[3] == "nothing yet"


class WithoutTimes(Log):
    """A log that says nothing of the order of its events."""

    has_times = False


@pytest.mark.usefixtures("eagerly")
def test_quickstart_on_a_log_without_times(small: Any, tmp_path: Any) -> None:
    watches = pd.read_parquet(small / "interactions.parquet")
    log = WithoutTimes("plays", watches[["user_id", "item_id", "time"]])
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = quickstart(log, tmp_path / "q")
    check_choice(result, STAGES - {"funnel"})
    assert "ranking needs the order of events" in out.getvalue()
    assert result["protocol"].startswith("choice, leave-random-out of seed 0")
    assert result["shown"] == "hit_rate_at_10"
    found = load(tmp_path / "q" / "funnel", verify=True).recommend({"history": [[1]]})
    assert len(found) and 1 not in set(found["id"])
    answer = out.getvalue().split("in a process of its own\n")[1].split(" s. Written to")[0]
    assert sum(line.startswith("  ") for line in answer.splitlines()) == 20


@pytest.mark.parametrize("name", ["NeuMF", "EASE"])
def test_no_ranker_of_features(name: str, fails: Any, small: Any, tmp_path: Any) -> None:
    line = fails("quickstart", "--dataset", small, "--ranker", name, "--output", tmp_path / "q")
    assert f"must be a ranking model of features; see: tfrec-zoo list. Received: {name}" in line


def test_no_such_ranker(fails: Any, small: Any, tmp_path: Any) -> None:
    line = fails("quickstart", "--dataset", small, "--ranker", "X", "--output", tmp_path / "q")
    assert "There is no model of that name" in line and "Received: 'X'" in line


@pytest.mark.parametrize("name", ["recommend.py", "titles.json", "funnel/photo.png"])
def test_what_is_not_ours_is_found_before_training(
    name: str, fails: Any, small: Any, tmp_path: Any
) -> None:
    foreign = tmp_path / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("mine")
    message = fails("quickstart", "--dataset", small, "--output", tmp_path)
    assert f"{name.split('/')[0]} would be replaced" in message
    assert foreign.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1

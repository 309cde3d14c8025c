"""Exports of given vectors, positions and numbers with all their digits."""

import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, impression_examples, next_watch_examples
from tfrec_zoo.features import FeatureSpec, NumericColumn
from tfrec_zoo.models import Popularity, YouTubeRanking
from tfrec_zoo.serving import Funnel, export, load
from tfrec_zoo.tasks.specs import impression_spec, next_watch_spec

ROWS = 40


@pytest.fixture(scope="module")
def log() -> Log:
    """Items with a vector each, and impressions in three positions."""
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "user_id": [f"u{i % 4}" for i in range(ROWS)],
            "item_id": [f"i{i}" for i in rng.integers(8, size=ROWS)],
            "time": 1_700_000_000 + np.arange(ROWS),
        }
    )
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(8)]})
    items["text"] = [row.tolist() for row in rng.normal(size=(8, 3))]
    shown = events.assign(time=events.time + 1, clicked=[1, 0] * 20, position=rng.permutation(ROWS))
    return Log("given", events, items=items, impressions=shown)


@pytest.fixture(scope="module")
def ranking(log: Log) -> YouTubeRanking:
    spec = impression_spec(log, previous_impressions=False, embedding_dim=4)
    spec = FeatureSpec((*spec.query, NumericColumn("now", "min-max")), spec.candidate)
    examples = impression_examples(log)
    now = examples.with_features({"now": 1_700_000_000 + np.arange(ROWS)})
    model = YouTubeRanking(now.fit_features(spec), hidden_units=(4,), seed=1)
    model.compile("adam")
    model.fit(now.dataset(8, model.preprocessor), epochs=2, verbose=0)
    return model


def test_an_export_takes_vectors_and_no_position(ranking: Any, tmp_path: pathlib.Path) -> None:
    served = load(export(ranking, tmp_path / "ranking"))
    manifest = json.loads((tmp_path / "ranking" / "manifest.json").read_text())
    request = {feature["key"]: feature for feature in manifest["request"]}
    assert request["text"] == {
        **{"key": "text", "dtype": "float32", "is_bag": False, "width": 3},
        "argument": "text",
    }
    assert request["now"]["dtype"] == "float64" and "position" not in request
    asked = {
        "history": [["i1"], ["i2", "i3"]],
        "item_id": ["i4", "i5"],
        "text": [[0.5, 1.0, 2.0], None],
        "now": [1_700_000_003, 1_700_000_004],
    }
    found = served(asked)["predictions"]
    raw = {
        **{key: np.array(asked[key]) for key in ("item_id", "now")},
        "history": np.array([["i1", ""], ["i2", "i3"]]),
        "last_watched": np.array(["", ""]),
        "text": np.array([[0.5, 1, 2], [0, 0, 0]]),
        "position": np.array([0, 0]),
    }
    expected = ranking.predictions(ranking(raw)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(TypeError, match=r"'text': Expected vectors of 3 components.*\[2\]"):
        served({**asked, "text": [[1.0, 2.0], None]})
    # A second matters.
    later = served({**asked, "now": [1_700_000_004, 1_700_000_004]})["predictions"]
    assert later[0] != found[0] and later[1] == found[1]


def test_a_funnel_ranks_at_the_first_position(log: Log, tmp_path: pathlib.Path) -> None:
    watches = next_watch_examples(log, np.arange(ROWS))
    popular = Popularity(watches.fit_features(next_watch_spec(log, (3,), profile=False)))
    popular.compile()
    popular.fit(watches.dataset(8, popular.preprocessor), verbose=0)
    shown = impression_examples(log)
    spec = impression_spec(log, previous_impressions=False, embedding_dim=4)
    items = {"item_id": popular.features.vocabularies["item_id"]}
    model = YouTubeRanking(shown.fit_features(spec, items), hidden_units=(4,), seed=1)
    model.compile("adam")
    model.fit(shown.dataset(8, model.preprocessor), verbose=0)
    served = load(export(Funnel({"popular": popular}, model, log, 8, 3), tmp_path / "funnel"))
    best = served.recommend({"history": [["i1"]]})
    assert len(best) == 3 and "i1" not in set(best["id"])
    vectors = dict(zip(log.items["item_id"], log.items["text"], strict=True))
    raw: dict[str, Any] = {
        "history": np.array([["i1"]] * 3),
        "last_watched": np.array(["i1"] * 3),
        "item_id": best["id"].to_numpy(str),
        "text": np.array([vectors[item] for item in best["id"]]),
        "position": np.zeros(3, np.int64),
    }
    expected = model.predictions(model(raw)).numpy()
    np.testing.assert_allclose(best["score"], expected, rtol=1e-5)

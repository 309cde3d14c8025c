"""The item to predict as a candidate: with features, and others that can take its place."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Examples,
    Log,
    NegativeSampling,
    Rows,
    held_out_watch_examples,
    next_watch_examples,
)
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.features import (
    BagColumn,
    FeatureSpec,
    NumericColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
)
from tfrec_zoo.models import LogisticRegression

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

# Rows: a watches p q r s t (0-4), b watches q p (5, 6), c watches t (7).
WATCHES = pd.DataFrame(
    {
        "user_id": list("aaaaabbc"),
        "item_id": list("pqrstqpt"),
        "time": [10, 20, 30, 40, 55, 12, 50, 31],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": list("qprst"),
        "title": ["Q", "P", "R", "S", "T"],
        "channel": ["k", "m", "k", None, ""],
        "topic": list("uvuvu"),
        "length": [1.5, 2, 3, 4, 5],
        "tags": [["w"], [], ["w", "z"], None, []],
    }
)
LOG = Log("tiny", WATCHES, items=ITEMS)


@pytest.mark.parametrize("make", [next_watch_examples, held_out_watch_examples])
def test_candidates_are_the_items_to_predict(make: Any) -> None:
    examples: Examples = make(LOG, np.array([1, 2, 7]))
    raw = examples.raw()
    assert raw["item_id"].tolist() == examples.label.tolist() == ["q", "r", "t"]
    assert raw["title"].tolist() == ["Q", "R", "T"] and raw["channel"].tolist() == ["k", "k", ""]
    assert raw["length"].tolist() == [1.5, 3, 5]
    assert raw["tags"].tolist() == [["w", ""], ["w", "z"], ["", ""]]
    assert examples.candidates is not None
    # A row for each item of the log, to take the place of the example's own.
    assert examples.candidates.values["item_id"].tolist() == list("qprst")


@pytest.mark.parametrize("make", [next_watch_examples, held_out_watch_examples])
@pytest.mark.parametrize("number", [None, 3])
def test_candidates_change_no_feature_that_was_there_without(make: Any, number: int) -> None:
    """The item as a feature of its own row of the interactions: what fits and trains alike."""
    rng = np.random.default_rng(1)
    watches = pd.DataFrame(
        {
            "user_id": rng.integers(8, size=150),
            "item_id": rng.choice(list("pqrst"), 150, p=[0.4, 0.2, 0.2, 0.1, 0.1]),
            "time": rng.random(150),
        }
    )
    users = pd.DataFrame({"user_id": range(8), "title": list("ABCDEFGH")})
    log = Log("random", watches, users=users, items=ITEMS)
    examples: Examples = make(log, np.arange(0, 150, 2), examples_per_user=number, seed=4)
    # `sources` hold all else; the label is by row of the log.
    own = Rows({"item_id": examples.label}, np.arange(len(examples)))
    plain = dataclasses.replace(examples, sources=(*examples.sources, own), candidates=None)
    raw, expected = examples.raw(), plain.raw()
    assert expected["user_title"].tolist() == users["title"][expected["user_id"]].tolist()
    assert set(raw) - set(expected) == {"title", "channel", "topic", "length", "tags"}
    for key, value in expected.items():
        np.testing.assert_array_equal(value, raw[key], err_msg=key)
    spec = FeatureSpec(
        query=(
            BagColumn(VocabularyColumn("history", space="item"), 3),
            VocabularyColumn("last_watched", space="item"),
            BagColumn(VocabularyColumn("history_channel", space="channel"), 3),
            VocabularyColumn("user_title"),
            NumericColumn("example_age"),
        ),
        candidate=(VocabularyColumn("item_id", space="item"),),
    )
    features = examples.fit_features(spec)
    assert features == plain.fit_features(spec)
    preprocessor = Preprocessor(features)
    pairs = zip(examples.dataset(32, preprocessor), plain.dataset(32, preprocessor), strict=True)
    for batch, other in pairs:
        tf.nest.map_structure(np.testing.assert_array_equal, batch, other)


def test_ranking_models_are_trained_with_negatives_and_ranked_among_all() -> None:
    spec = FeatureSpec(
        query=(VocabularyColumn("last_watched", space="item"),),
        candidate=(VocabularyColumn("item_id", space="item"), VocabularyColumn("channel")),
    )
    examples = next_watch_examples(LOG, np.array([1, 2, 3, 4, 6]))  # q r s t after p q r s, p
    model = LogisticRegression(examples.fit_features(spec, {"item": Vocabulary(tuple("pqrst"))}))
    negatives = NegativeSampling(2)
    for features, label in examples.dataset(9, model.preprocessor, negatives=negatives):
        item, channel = (features["ids"][key].numpy() for key in ("item_id", "channel"))
        assert item.shape == (len(label), 3) and label.numpy().tolist() == [[1, 0, 0]] * len(label)
        # q and r are of channel k, p of m, s and t of none.
        known = {space: model.features.vocabularies[space].tokens for space in ("item", "channel")}
        of_item = dict(zip("pqrst", "mkk  ", strict=True))
        ids = {" ": 0, **{token: i + 1 for i, token in enumerate(known["channel"])}}
        assert channel.tolist() == [[ids[of_item[known["item"][i - 1]]] for i in row]
                                    for row in item]  # fmt: skip
    model.compile(loss="binary_crossentropy")
    model.fit(examples.dataset(9, model.preprocessor, negatives=negatives), verbose=0)
    # Scores of p q r s t, whatever the query: r > t > q > s > p.
    for table in model.linear.tables.values():
        table.table.assign(tf.zeros_like(table.table))
    tables = model.linear.tables
    tables["item_id"].table.assign(np.array([[1], [3], [5], [2], [4]], np.float32))
    found = full_ranking(model, examples, ks=(1, 2), mask_seen=False)
    # q, r, s, t and p are 3rd, 1st, 4th, 2nd and 5th.
    assert found["hit_rate_at_1"] == pytest.approx(1 / 5)
    assert found["hit_rate_at_2"] == pytest.approx(2 / 5)
    assert found["mean_average_precision"] == pytest.approx((1 / 3 + 1 + 1 / 4 + 1 / 2 + 1 / 5) / 5)
    # Without p; p q; p q r; p q r s; q, which they have seen, s is 2nd, t 1st and p 4th.
    masked = full_ranking(model, examples, ks=(1, 2))
    assert masked["mean_average_precision"] == pytest.approx((1 / 3 + 1 + 1 / 2 + 1 + 1 / 4) / 5)

"""Who chose what, as examples of a user, an item and a rating."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Examples,
    Log,
    NegativeSampling,
    Roles,
    interaction_examples,
    leave_last_out,
    random_leaky,
)
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.features import Features, FeatureSpec, Vocabulary, VocabularyColumn
from tfrec_zoo.models import RetrievalModel

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

# Rows: a chose p q r (0-2), b r p (3, 4), c q (5).
RATINGS = pd.DataFrame(
    {
        "user_id": list("abacab"),
        "item_id": list("prqqrp"),
        "time": [1, 4, 2, 9, 3, 5],
        "weight": [5.0, 3.5, 1.0, 2.0, 4.0, 0.5],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": list("qsrp"),
        "genres": [["x", "y"], ["z"], [], ["y"]],
        "year": [1990.0, 1991, np.nan, 1993],
    }
)
USERS = pd.DataFrame({"user_id": list("cdab"), "country": ["DE", "US", None, "FR"]})
LOG = Log("tiny", RATINGS, users=USERS, items=ITEMS)


def seen_by(examples: Examples) -> list[str]:
    seen = examples.seen
    assert seen is not None and seen.hide is None
    return [
        "".join(seen.values["history"][i:j]) for i, j in zip(seen.start, seen.stop, strict=True)
    ]


def test_features_are_those_of_the_user_and_the_item() -> None:
    examples = interaction_examples(LOG, np.arange(6))
    raw = examples.raw()
    assert set(raw) == {"user_id", "country", "history", "item_id", "genres", "year"}
    assert raw["user_id"].tolist() == list("aaabbc")
    assert raw["country"].tolist() == ["", "", "", "FR", "FR", "DE"]
    assert raw["item_id"].tolist() == list("pqrrpq")
    y, xy, none = ["y", ""], ["x", "y"], ["", ""]
    assert raw["genres"].tolist() == [y, xy, none, none, y, xy]
    np.testing.assert_array_equal(raw["year"], [1993, 1990, np.nan, np.nan, 1993, 1990])


def test_examples_are_the_rows_asked_for_in_the_order_of_the_log() -> None:
    examples = interaction_examples(LOG, np.array([5, 1, 3], np.int32))
    raw = examples.raw()
    assert raw["user_id"].tolist() == ["a", "b", "c"] and raw["item_id"].tolist() == ["q", "r", "q"]
    assert len(examples) == 3 and examples.weight is None
    assert len(interaction_examples(LOG, np.array([], np.int64))) == 0
    assert len(interaction_examples(LOG, [2, 4])) == 2  # type: ignore[arg-type]


def test_labels() -> None:
    rows = np.array([0, 2, 3, 5])
    chosen = interaction_examples(LOG, rows)
    assert chosen.label.tolist() == [1, 1, 1, 1] and chosen.label.dtype == np.float32
    ratings = interaction_examples(LOG, rows, "weight")
    assert ratings.label.tolist() == [5, 4, 3.5, 2] and ratings.label.dtype == np.float32
    items = interaction_examples(LOG, rows, "item")
    assert items.label.tolist() == ["p", "r", "r", "q"]


def test_groups_are_users() -> None:
    groups = interaction_examples(LOG, np.array([0, 2, 3, 4, 5])).groups
    assert groups is not None
    assert USERS["user_id"][groups].tolist() == list("aabbc")


def test_seen_is_what_the_user_chose_before_whichever_rows_are_asked_for() -> None:
    assert seen_by(interaction_examples(LOG, np.arange(6))) == ["", "p", "pq", "", "r", ""]
    test = interaction_examples(LOG, leave_last_out(LOG).test)
    assert seen_by(test) == ["pq", "r"]


def histories(examples: Examples) -> list[str]:
    return ["".join(bag) for bag in examples.raw()["history"]]


def test_the_history_is_what_the_user_chose_before() -> None:
    examples = interaction_examples(LOG, np.arange(6))
    assert histories(examples) == ["", "p", "pq", "", "r", ""]
    assert examples.raw()["history"].shape == (6, 50)
    assert histories(interaction_examples(LOG, np.array([2, 4]), max_history=1)) == ["q", "r"]
    with pytest.raises(ValueError, match="`max_history` must be positive. Received: 0"):
        interaction_examples(LOG, np.arange(6), max_history=0)


def test_the_history_is_what_is_known_of_the_user_but_for_the_example_itself() -> None:
    # Known: p and r of a, p of b, nothing of c.
    known = [4, 0, 2, 2]
    examples = interaction_examples(LOG, np.arange(6), known=known)  # type: ignore[arg-type]
    assert histories(examples) == ["r", "pr", "p", "p", "", ""]
    short = interaction_examples(LOG, np.arange(3), known=known, max_history=1)  # type: ignore
    assert histories(short) == ["r", "r", "p"]
    none = interaction_examples(LOG, np.arange(6), known=np.array([], np.int64))
    assert histories(none) == [""] * 6
    assert histories(examples.take(np.array([5, 2]))) == ["", "p"]


def test_random_splits_agree_with_pandas() -> None:
    rng = np.random.default_rng(3)
    ratings = pd.DataFrame(
        {"user_id": rng.integers(20, size=300), "item_id": rng.integers(15, size=300), "time": 0}
    )
    log = Log("random", ratings)
    split = random_leaky(log, 0.1, 0.3, seed=1)
    frame = log.interactions
    for rows in (split.train, split.test):
        bags = interaction_examples(log, rows, known=split.train, max_history=4).raw()["history"]
        for row, bag in zip(rows, bags.tolist(), strict=True):
            others = frame.loc[np.setdiff1d(split.train, row)]
            expected = others.item_id[others.user_id == frame.user_id[row]].tail(4).tolist()
            assert bag == [-1] * (4 - len(expected)) + expected


class Constant(RetrievalModel):
    """Scores of p, q, r and s that are the same for all."""

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        return tf.ones_like(tf.cast(self.encode(inputs)["ids"]["user_id"], tf.float32))[:, None]

    def candidates(self) -> tf.Tensor:
        return tf.constant([[4.0], [3.0], [2.0], [1.0]])


def test_full_ranking_masks_what_is_known_but_the_example_itself() -> None:
    spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("item_id"),))
    vocabularies = {"item_id": Vocabulary(tuple("pqrs")), "user_id": Vocabulary(tuple("abc"))}
    model = Constant(Features(spec, vocabularies, {}))
    known = np.array([0, 2, 4])
    test = interaction_examples(LOG, np.array([1, 3, 5]), known=known)
    # q of a without p and r is 1st; r of b without p is 2nd; q of c is 2nd.
    found = full_ranking(model, test, ks=(1,))
    assert found["mean_average_precision"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    # p of a without r is 1st; r of a without p is 2nd; p of b is 1st.
    found = full_ranking(model, interaction_examples(LOG, known, known=known), ks=(1,))
    assert found["mean_average_precision"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    # Chosen twice, an item is still not masked for itself: p of a without q is 1st, twice, and q
    # of a without p is 1st.
    again = Log("twice", RATINGS.head(3).assign(user_id="a", item_id=list("ppq")), USERS, ITEMS)
    examples = interaction_examples(again, np.arange(3), known=np.arange(3))
    assert histories(examples) == ["qp", "pp", "pq"]
    assert full_ranking(model, examples, ks=(1,))["hit_rate_at_1"] == 1
    # Nothing known, nothing masked: p q r, r p, q are 1st, 2nd, 3rd, 3rd, 1st, 2nd.
    examples = interaction_examples(LOG, np.arange(6), known=np.array([], np.int64))
    found = full_ranking(model, examples, ks=(1,))
    assert found["mean_average_precision"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_any_item_may_take_the_place_of_another() -> None:
    examples = interaction_examples(LOG, np.array([1, 4]))
    features = examples.lists()(np.array([1, 0]), np.array([[3, 1], [2, 0]]))
    found = {key: value.numpy().tolist() for key, value in features.items()}
    assert found["user_id"] == [b"b", b"a"] and found["country"] == [b"FR", b""]
    assert found["item_id"] == [[b"p", b"s"], [b"r", b"q"]]
    y, z, none, xy = [b"y", b""], [b"z", b""], [b"", b""], [b"x", b"y"]
    assert found["genres"] == [[y, z], [none, xy]]


def test_negatives_are_what_others_chose() -> None:
    # s was chosen by nobody; a has chosen all the others, so only b and c are here.
    examples = interaction_examples(LOG, np.arange(3, 6))
    for features, label in examples.dataset(9, negatives=NegativeSampling(2)):
        rows = zip(features["user_id"].numpy(), features["item_id"].numpy(), strict=True)
        assert [(u, *items) for u, items in ((u, i.tolist()) for u, i in rows)] == [
            (b"b", b"r", b"q", b"q"),
            (b"b", b"p", b"q", b"q"),
            (b"c", b"q", *features["item_id"].numpy()[2, 1:].tolist()),
        ]
        assert set(features["item_id"].numpy()[2, 1:]) <= {b"p", b"r"}
        assert label.numpy().tolist() == [[1, 0, 0]] * 3


def test_numbers_as_ids_and_other_names() -> None:
    ratings = RATINGS.assign(
        who=RATINGS["user_id"].map({"a": 7, "b": 3, "c": 20}),
        what=RATINGS["item_id"].map({"p": 100, "q": 50, "r": 70}),
        stars=np.arange(6),
    )[["who", "what", "time", "stars"]]
    log = Log("numbers", ratings, roles=Roles("who", "what", weight="stars"))
    examples = interaction_examples(log, np.array([0, 5]), "weight")
    raw = examples.raw()
    assert set(raw) == {"who", "what", "history"}
    assert raw["who"].tolist() == [3, 20] and raw["what"].tolist() == [70, 50]
    assert examples.label.tolist() == [1, 3]
    items = interaction_examples(log, np.array([0, 5]), "item").label
    assert items.tolist() == [70, 50] and items.dtype == np.int64


def test_missing_weights_are_named() -> None:
    without = dataclasses.replace(LOG, interactions=RATINGS.drop(columns="weight"))
    with pytest.raises(ValueError, match="must have a column 'weight'"):
        interaction_examples(without, np.arange(6), "weight")
    assert interaction_examples(without, np.arange(6)).label.tolist() == [1] * 6


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(ValueError, match="`label` must be .* Received: 'rating'"):
        interaction_examples(LOG, np.arange(6), "rating")  # type: ignore[arg-type]


def test_an_item_without_a_row_is_named() -> None:
    log = dataclasses.replace(LOG, items=ITEMS[ITEMS["item_id"] != "r"])
    with pytest.raises(ValueError, match="must have a row in `items`. Received: 'r'"):
        interaction_examples(log, np.arange(6))
    assert len(interaction_examples(log, np.array([0, 1]))) == 2

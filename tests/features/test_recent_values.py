"""Recent values: what is cut of long bags is what no column reads."""

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    Preprocessor,
    VocabularyColumn,
)
from tfrec_zoo.features.recent_values import RecentValues

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEM = VocabularyColumn("item", space="item")


def bag(length: int, key: str = "history", **more: object) -> EmbeddingColumn:
    values = VocabularyColumn(key, space="item")
    return EmbeddingColumn(BagColumn(values, length, **more), 4)  # type: ignore[arg-type]


def spec(*query: EmbeddingColumn) -> FeatureSpec:
    return FeatureSpec(query, (ITEM,))


@pytest.mark.parametrize("is_static", [True, False])
def test_the_last_values_of_each_row_stay_in_their_order(is_static: bool) -> None:
    recent = RecentValues(spec(bag(2), bag(3)))
    rows = [["a", "b", "", "c", "d"], ["", "", "e", "", ""], [""] * 5, ["f", "g", "h", "i", ""]]
    if is_static:
        found = recent.of({"history": tf.constant(rows), "other": 1})["history"]
    else:
        shape = [tf.TensorSpec([None, None], tf.string)]
        found = tf.function(lambda x: recent.of({"history": x}), shape)(rows)["history"]
    assert found.numpy().astype(str).tolist() == [
        ["b", "c", "d"], ["", "", "e"], ["", "", ""], ["g", "h", "i"]
    ]  # fmt: skip


def test_short_bags_stay_as_they_are() -> None:
    recent = RecentValues(spec(bag(5)))
    rows = tf.constant([["a", "", "b"]])
    assert recent.of({"history": rows})["history"] is rows
    assert recent.of({}) == {}


def test_ages_stay_beside_their_values() -> None:
    recent = RecentValues(spec(bag(2, half_life=10.0, ages="ages")))
    found = recent.of(
        {
            "history": tf.constant([["a", "b", "", "c"], ["d", "", "", ""]]),
            "ages": tf.constant([[4.0, 3.0, 2.0, 1.0], [9.0, 8.0, 7.0, 6.0]], tf.float64),
        }
    )
    assert found["history"].numpy().astype(str).tolist() == [["b", "c"], ["", "d"]]
    np.testing.assert_array_equal(found["ages"], [[3.0, 1.0], [np.nan, 9.0]])


def test_scores_are_those_of_the_last_values() -> None:
    columns = spec(bag(3), bag(2, half_life=5.0, ages="ages"))
    encode = Preprocessor(Features.fit(columns, {"item": list("abcdefgh")}))
    rng = np.random.default_rng(0)
    long = tf.constant(rng.choice([*"abcdefgh", "", "unknown"], [6, 40]))
    ages = tf.constant(np.sort(rng.random([6, 40]) * 100)[:, ::-1])
    raw = {"history": long, "ages": ages}
    whole, cut = encode(raw), encode(RecentValues(columns).of(raw))
    for name, ids in whole["ids"].items():
        assert ids.shape == [6, 40] and cut["ids"][name].shape == [6, 3]
        for mine, all_, own, every in zip(
            cut["ids"][name], ids, cut["values"]["ages"], whole["values"]["ages"], strict=True
        ):
            assert mine[mine > 0].numpy().tolist() == all_[all_ > 0].numpy().tolist()
            np.testing.assert_array_equal(own[mine > 0], every[all_ > 0])

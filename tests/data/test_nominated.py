"""The features of nominations: the same numbers for examples and for requests."""

import numpy as np
import pytest

from tfrec_zoo.data.nominated import (
    first_of_each,
    is_nomination_key,
    nominations_of_examples,
    nominations_of_requests,
    own_ranks,
    ranks_among,
    relative_score,
    union,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAMES = ("network", "popularity")


def lists(rng: np.random.Generator, rows: int, width: int, items: int) -> np.ndarray:
    """Distinct items of each row, some of them missing at the end."""
    found = np.stack([rng.permutation(items)[:width] for _ in range(rows)]).astype(np.int32)
    found[np.arange(width) >= rng.integers(0, width + 1, rows)[:, None]] = -1
    return found


def test_of_examples_and_of_requests_they_are_the_same() -> None:
    rng = np.random.default_rng(0)
    nominated = {name: lists(rng, 40, 9, 14) for name in NAMES}
    scores = {name: rng.normal(size=(40, 14)).astype(np.float32) for name in NAMES}
    items = np.broadcast_to(np.arange(14, dtype=np.int32), (40, 14))
    served = nominations_of_requests(
        {name: ranks_among(tf.constant(items), tf.constant(n)) for name, n in nominated.items()},
        {name: tf.constant(score) for name, score in scores.items()},
    )
    # Each item of each row as an example.
    ranks = {name: own_ranks(items.ravel(), np.repeat(n, 14, 0)) for name, n in nominated.items()}
    trained = nominations_of_examples(ranks, {name: s.ravel() for name, s in scores.items()})
    assert served.keys() == trained.keys() and len(served) == 5
    names = np.char.decode(served.pop("candidate_sources").numpy().astype("S"))
    np.testing.assert_array_equal(names.reshape(-1, 2), trained.pop("candidate_sources"))
    for key, values in served.items():
        assert values.dtype == tf.float32 and trained[key].dtype == np.float32
        np.testing.assert_array_equal(values.numpy().ravel(), trained[key])
    # By hand, for one item.
    at = nominated["network"][3].tolist().index(nominated["network"][3, 0])
    own = 3 * 14 + nominated["network"][3, at]
    assert trained["candidate_reciprocal_rank_network"][own] == 1


def test_ranks_by_hand() -> None:
    nominated = np.array([[5, 7, 2], [7, -1, -1]], np.int32)
    items = tf.constant([[2, 5, 4, -1], [7, 5, -1, 7]])
    assert ranks_among(items, nominated).numpy().tolist() == [[3, 1, 0, 0], [1, 0, 0, 1]]
    assert own_ranks(np.array([2, 5]), nominated).tolist() == [3, 0]
    # Of what a caller names twice the first place counts.
    assert ranks_among(tf.constant([[4]]), tf.constant([[9, 4, -1, 4]])).numpy().tolist() == [[2]]
    nothing = tf.zeros([2, 0], tf.int32)
    assert ranks_among(items, nothing).numpy().tolist() == [[0] * 4] * 2
    assert ranks_among(nothing, nominated).shape == (2, 0)


def test_the_union_has_each_item_once_in_the_order_of_the_sources() -> None:
    rng = np.random.default_rng(1)
    rows = np.concatenate([lists(rng, 30, 6, 11), lists(rng, 30, 7, 11)], axis=1)
    expected = [[item for item in dict.fromkeys(row) if item >= 0] for row in rows.tolist()]
    served, trained = union(tf.constant(rows), 3).numpy(), first_of_each(rows)
    assert served.shape[1] == max(map(len, expected)) < rows.shape[1]
    for row, own, places, bag in zip(rows, served, trained, expected, strict=True):
        assert own[own >= 0].tolist() == bag == places[places >= 0].tolist()
        # The latter stay where they were.
        np.testing.assert_array_equal(places[places >= 0], row[places >= 0])
        assert own.tolist() == [*bag, *[-1] * (len(own) - len(bag))]


@pytest.mark.parametrize("rows", [0, 2])
def test_the_union_is_as_wide_as_need_be(rows: int) -> None:
    found = union(tf.fill([rows, 5], 4), 2).numpy()
    assert found.tolist() == [[4, -1]] * rows and found.shape == (rows, 2)


def test_relative_scores_are_shares() -> None:
    best = np.log([[4.0, 3.0, 1.0]]).astype(np.float32)
    found = relative_score(np.log([[4.0, 0.5]]).astype(np.float32), best)
    np.testing.assert_allclose(np.exp(found), [[4 / 8, 0.5 / 8]], rtol=1e-6)
    nothing = np.full((1, 3), -np.inf, np.float32)
    assert np.isnan(relative_score(np.zeros((1, 2), np.float32), nothing)).all()


def test_what_tells_of_nominations() -> None:
    keys = ("candidate_sources", "candidate_score_x", "candidate_reciprocal_rank_y", "candidate")
    assert [is_nomination_key(key) for key in keys] == [True, True, True, False]

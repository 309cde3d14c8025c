"""Searches restricted to some items, against NumPy."""

import numpy as np
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.serving import ExactIndex, ScannIndex
from tfrec_zoo.serving.index import NO_ITEM, ScoreIndex

RNG = np.random.default_rng(0)
CANDIDATES = RNG.normal(size=(9, 3)).astype(np.float32)
QUERY = RNG.normal(size=(5, 3)).astype(np.float32)
#: Everything; some, one of them twice; an item that there isn't; excluded ones; fewer than k.
ALLOW = np.array(
    [[-1] * 4, [5, 2, 5, 8], [NO_ITEM, -1, -1, -1], [1, 3, 4, -1], [7, NO_ITEM, -1, -1]]
)
EXCLUDE = np.array([[0, 1], [8, -1], [-1, -1], [3, 4], [-1, -1]])


def expected(query, candidates, allow, exclude, k):
    ids = np.full((len(query), k), -1)
    scores = np.full((len(query), k), -np.inf, np.float32)
    for row, vector in enumerate(query):
        allowed = set(allow[row].tolist()) - {-1} or set(range(len(candidates)))
        left = [i for i in allowed - set(exclude[row].tolist()) if i >= 0]
        best = sorted(left, key=lambda i: -float(candidates[i] @ vector))[:k]
        ids[row, : len(best)] = best
        scores[row, : len(best)] = candidates[best] @ vector
    return ids, scores


@pytest.mark.parametrize("kind", ["vectors", "scores"])
@pytest.mark.parametrize("k", [2, 4, 9])
def test_exact(kind, k):
    index = ExactIndex(tf.constant(CANDIDATES)) if kind == "vectors" else ScoreIndex()
    query = QUERY if kind == "vectors" else QUERY @ CANDIDATES.T
    allow, exclude = tf.constant(ALLOW, tf.int32), tf.constant(EXCLUDE, tf.int32)
    scores, rows = tf.function(index.search)(tf.constant(query), k, exclude, allow)
    ids, values = expected(QUERY, CANDIDATES, ALLOW, EXCLUDE, k)
    np.testing.assert_array_equal(rows.numpy(), ids)
    np.testing.assert_allclose(scores.numpy(), values, rtol=1e-5)


def test_nothing_to_restrict():
    index = ExactIndex(tf.constant(CANDIDATES))
    plain = index.search(tf.constant(QUERY), 4)
    for allow in (np.full((5, 3), -1), np.zeros((5, 0))):
        found = index.search(tf.constant(QUERY), 4, None, tf.constant(allow, tf.int32))
        np.testing.assert_array_equal(found[1].numpy(), plain[1].numpy())
        np.testing.assert_array_equal(found[0].numpy(), plain[0].numpy())


def test_an_approximate_index_is_exact_among_what_is_allowed(scann_ops):
    candidates = RNG.normal(size=(1500, 8)).astype(np.float32)
    query = RNG.normal(size=(6, 8)).astype(np.float32)
    index = ScannIndex(tf.constant(candidates), k=5)
    # The worst items of each query, which a search of all would not come across.
    worst = np.argsort(query @ candidates.T, axis=1)[:, :20]
    exclude = worst[:, 15:]
    found = index.search(
        tf.constant(query), 10, tf.constant(exclude, tf.int32), tf.constant(worst, tf.int32)
    )
    ids, scores = expected(query, candidates, worst, exclude, 10)
    np.testing.assert_array_equal(found[1].numpy(), ids)
    np.testing.assert_allclose(found[0].numpy(), scores, rtol=1e-4, atol=1e-4)

"""What is read as a whole is never copied, whatever was looked up in it before."""

import numpy as np
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.losses import HardNegatives, ItemCounts
from tfrec_zoo.reads import taken
from tfrec_zoo.serving import ExactIndex, IvfIndex, ScannIndex
from tfrec_zoo.serving.index import Keep

NUM_ITEMS, K = 1500, 10
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(NUM_ITEMS, 8)).astype(np.float32)


def is_copied(variable: tf.Variable) -> bool:
    """Whether two reads of a variable are in two places of memory."""
    first, second = (variable.read_value() for _ in range(2))
    return np.asarray(first).ctypes.data != np.asarray(second).ctypes.data


def test_a_look_up_in_a_variable_makes_reads_copy_it() -> None:
    table = tf.Variable(VECTORS)
    assert not is_copied(table)
    np.testing.assert_array_equal(taken(table, tf.constant([2, 2, 0])), VECTORS[[2, 2, 0]])
    assert not is_copied(table)
    tf.gather(table, [2, 2, 0])
    assert is_copied(table)


@pytest.mark.parametrize("kind", [ExactIndex, IvfIndex, ScannIndex])
def test_no_search_makes_reads_copy(kind, request) -> None:
    if kind is ScannIndex:
        request.getfixturevalue("scann_ops")
    index = kind(tf.constant(VECTORS), *([] if kind is ExactIndex else [K]))
    codes = tf.Variable(RNG.integers(1, 4, size=(NUM_ITEMS, 2)), dtype=tf.int32)

    @tf.function
    def answer(query, exclude, allow, wanted):
        keep = Keep([codes], [wanted])
        found = index.search(query, K, exclude, allow, keep)
        return found, index.scores_of(query, tf.maximum(found[1], 0)), keep.every()

    query = tf.constant(RNG.normal(size=(2, 8)), tf.float32)
    excluded = tf.constant([[*range(K, NUM_ITEMS)]] * 2)  # With little left, an exact search.
    allowed = tf.constant([[*range(50)]] * 2)
    for wanted in ([True] * 4, [False, True, False, False]):
        for exclude in (tf.fill(excluded.shape, -1), excluded):
            for allow in (tf.fill(allowed.shape, -1), allowed):
                answer(query, exclude, allow, tf.constant([wanted] * 2))
    held = index.state.dataset if kind is ScannIndex else index.candidates
    assert not is_copied(held) and not is_copied(codes)


def test_no_draw_makes_reads_copy() -> None:
    counts, hard = ItemCounts(4), HardNegatives(3)
    counts.adapt([0, 1, 1, 3])
    hard(tf.zeros([1, 8]), tf.constant([0]), 1)
    hard.fill(tf.constant([1, 2, 3]), tf.constant(VECTORS[:3]))

    @tf.function
    def draw(query):
        drawn = tf.concat([counts.draw(5), hard(query, tf.constant([3, 0]), 4)], axis=0)
        return counts.expected_draws(drawn, 5), counts.expected(drawn, 2)

    draw(tf.constant(VECTORS[:2]))
    assert not any(is_copied(table) for table in (counts.bounds, hard.classes, hard.vectors))

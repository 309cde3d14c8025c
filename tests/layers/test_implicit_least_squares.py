import sys

import numpy as np
import pytest

from tfrec_zoo.layers import implicit_least_squares

# isort: split
import tensorflow as tf

MODULE = sys.modules[implicit_least_squares.__module__]


def splits(rows):
    return np.cumsum([0, *map(len, rows)])


def test_by_hand():
    # One dimension: x = Σ v / (Σ v² + G + penalty).
    vectors, rows = [[1.0], [2.0], [-1.0]], [[0, 1], [], [2]]
    x, gain = implicit_least_squares(
        tf.constant(vectors), [[0.5]], [1.5, 1.0, 0.5], [0, 1, 2], splits(rows)
    )
    np.testing.assert_allclose(x, [[3 / 7], [0], [-1 / 2]], rtol=1e-6)
    # At 3/7: (1 − 3/7)² + (1 − 6/7)² + 2 · 9/49 = 35/49, below 2 by 9/7.
    np.testing.assert_allclose(gain, [9 / 7, 0, 1 / 2], rtol=1e-6)


@pytest.mark.parametrize("block", [1, 60, 2**22])
@pytest.mark.parametrize("weighted", [False, True])
def test_is_the_minimum_of_each_row(block, weighted, monkeypatch):
    monkeypatch.setattr(MODULE, "_BLOCK", block)
    rng = np.random.default_rng(0)
    dim, num_rows, columns = 4, 17, 9
    rows = [rng.permutation(columns)[: rng.integers(0, 8)] for _ in range(num_rows)]
    assert {0, 7} <= set(map(len, rows))
    vectors = rng.normal(size=[columns, dim])
    weights = rng.uniform(0.2, 2, columns) if weighted else np.ones(columns)
    gramian = vectors.T @ vectors / 3
    penalty = rng.uniform(0.1, 1, num_rows)
    compiled = tf.function(implicit_least_squares)
    found, gain = compiled(
        *(tf.constant(a, tf.float32) for a in (vectors, gramian, penalty)),
        tf.constant(np.concatenate(rows), tf.int32),
        tf.constant(splits(rows), tf.int32),
        tf.constant(weights, tf.float32) if weighted else None,
    )
    assert found.shape == (num_rows, dim)
    for row, x, below, p in zip(rows, found.numpy(), gain.numpy(), penalty, strict=True):
        v, w = vectors[row], weights[row]

        def value(x, v=v, w=w, p=p):
            return w @ (1 - v @ x) ** 2 + x @ gramian @ x + p * x @ x

        expected = np.linalg.solve(v.T @ (w[:, None] * v) + gramian + p * np.eye(dim), v.T @ w)
        np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(below, value(np.zeros(dim)) - value(expected), atol=1e-4)


def test_no_rows():
    none = tf.zeros([0], tf.int32)
    x, gain = implicit_least_squares(
        tf.ones([2, 3]), tf.eye(3), tf.zeros([0]), none, tf.zeros([1], tf.int32)
    )
    assert x.shape == (0, 3) and gain.shape == (0,)


def test_the_width_is_known_in_graphs():
    signature = [
        *(tf.TensorSpec(shape) for shape in ([5, 2], [2, 2], [None])),
        *(tf.TensorSpec([None], tf.int32) for _ in range(2)),
    ]
    compiled = tf.function(implicit_least_squares, input_signature=signature)
    x, gain = compiled.get_concrete_function().structured_outputs
    assert x.shape.as_list() == [None, 2] and gain.shape.rank == 1

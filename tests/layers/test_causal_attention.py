import numpy as np
import pytest

from tfrec_zoo.layers import NUM_INTERVALS, CausalAttention

# isort: split
import tensorflow as tf

X = np.random.default_rng(0).normal(size=[3, 5, 6]).astype(np.float32)
KNOWN = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 0, 1, 1]], bool)


def built(num_heads=2, **kwargs):
    layer = CausalAttention(num_heads, seed=1, **kwargs)
    layer(X)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) / 2 for weight in layer.get_weights()])
    return layer


def test_by_hand():
    # Two positions, 1 and 2, of one component; √d_h is 1.
    layer = CausalAttention()
    x = np.array([[[1], [2]]], np.float32)
    layer(x)
    layer.query.kernel.assign([[np.log(2)]])
    layer.key.kernel.assign([[1]])
    layer.value.kernel.assign([[3]])
    # The first sees itself alone: 3. The second, with scores 2 log 2 and 4 log 2, weighs 4 : 16 the
    # values 3 and 6: (3 + 4 · 6) / 5 = 5.4.
    np.testing.assert_allclose(layer(x), [[[3], [5.4]]], rtol=1e-5)
    # If the first is not known, itself alone: 6.
    found = layer(x, tf.constant([[False, True]]))
    np.testing.assert_allclose(found[0, 1], [6], rtol=1e-6)


@pytest.mark.parametrize("num_heads", [1, 2, 3])
def test_equations_position_by_position(num_heads):
    layer = built(num_heads)
    query, key, value = (part.kernel.numpy() for part in (layer.query, layer.key, layer.value))
    assert [w.shape for w in layer.get_weights()] == [(6, 6)] * 3
    found, width = layer(X, tf.constant(KNOWN)).numpy(), 6 // num_heads
    for row, t in np.argwhere(KNOWN):
        seen = [j for j in range(t + 1) if KNOWN[row, j]]
        for h in range(num_heads):
            at = slice(h * width, (h + 1) * width)
            q, k, v = (
                X[row, t] @ query[:, at],
                X[row, seen] @ key[:, at],
                X[row, seen] @ value[:, at],
            )
            odds = np.exp(k @ q / np.sqrt(width))
            expected = odds / odds.sum() @ v
            np.testing.assert_allclose(found[row, t, at], expected, rtol=1e-4, atol=1e-5)
    assert np.isfinite(found).all()


def test_what_comes_later_or_is_unknown_changes_nothing():
    layer = built()
    before = layer(X, tf.constant(KNOWN)).numpy()
    later = X.copy()
    later[:, 3:] = 7
    after = layer(later, tf.constant(KNOWN)).numpy()
    np.testing.assert_array_equal(after[:, :3][KNOWN[:, :3]], before[:, :3][KNOWN[:, :3]])
    other = np.where(KNOWN[..., None], X, -9).astype(np.float32)
    after = layer(other, tf.constant(KNOWN)).numpy()
    np.testing.assert_array_equal(after[KNOWN], before[KNOWN])


def test_weights_are_dropped_in_training_alone():
    layer = built(dropout=0.5)
    plain = built()(X)
    np.testing.assert_array_equal(layer(X), plain)
    # A first position has but one weight, which is doubled or dropped.
    found = layer(X, training=True).numpy()[:, 0].reshape(3, 2, 3)
    once = plain.numpy()[:, 0].reshape(3, 2, 3)
    ratio = found / once
    assert np.all(np.isclose(ratio, 0) | np.isclose(ratio, 2))
    np.testing.assert_allclose(np.ptp(ratio, axis=-1), 0, atol=1e-5)


def test_any_length_in_a_graph():
    layer = built()
    spec = tf.TensorSpec([None, None, 6]), tf.TensorSpec([None, None], tf.bool)
    compiled = tf.function(layer.__call__, input_signature=spec)
    np.testing.assert_allclose(compiled(X, KNOWN), layer(X, tf.constant(KNOWN)), 1e-5, 1e-6)
    assert compiled(X[:, :1], KNOWN[:, :1]).shape == (3, 1, 6)
    assert compiled(X[:, :0], KNOWN[:, :0]).shape == (3, 0, 6)


def test_kernels_start_apart():
    layer = CausalAttention(seed=0)
    layer(np.zeros([1, 2, 40], np.float32))
    one, two, three = layer.get_weights()
    assert max(np.mean(one == two), np.mean(two == three), np.mean(one == three)) < 0.01


@pytest.mark.parametrize("num_heads", [0, -1, 2.0])
def test_wrong_number_of_heads(num_heads):
    with pytest.raises(ValueError, match=f"`num_heads` must be .* Received: {num_heads}"):
        CausalAttention(num_heads)


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="must divide .* Received: 4 heads, width 6"):
        CausalAttention(4)(X)


def test_bias_by_interval_by_hand():
    layer = CausalAttention(2, time_bias=True)
    x, intervals = np.array([[[2, 2], [4, 4]]], np.float32), tf.constant([[[1, 0], [7, 2]]])
    layer(x, None, intervals)
    layer.query.kernel.assign(tf.zeros([2, 2]))
    layer.value.kernel.assign(tf.eye(2))
    plain = layer(x, None, intervals)
    np.testing.assert_allclose(plain, [[[2, 2], [3, 3]]], rtol=1e-6)
    table = np.zeros([NUM_INTERVALS, 2], np.float32)
    table[6], table[1] = np.log([3, 1]), np.log([1, 3])  # Of the ids 7 and 2.
    layer.bias_table.table.assign(table)
    # The second weighs 2 and 4 as 3 : 1 in one head, as 1 : 3 in the other.
    np.testing.assert_allclose(layer(x, None, intervals), [[[2, 2], [2.5, 3.5]]], rtol=1e-6)
    # What is unknown has no bias.
    np.testing.assert_allclose(layer(x, None, tf.zeros([1, 2, 2], tf.int32)), plain, rtol=1e-6)
    np.testing.assert_allclose(layer(x), plain, rtol=1e-6)

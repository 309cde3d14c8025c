import numpy as np
import pytest

from tfrec_zoo.layers import NUM_INTERVALS, TransductionUnit

# isort: split
import tensorflow as tf

X = np.random.default_rng(0).normal(size=[3, 5, 6]).astype(np.float32)
KNOWN = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 0, 1, 1]], bool)


def built(num_heads=2, **kwargs):
    layer = TransductionUnit(8, num_heads, seed=1, **kwargs)
    layer(X)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) / 2 for weight in layer.get_weights()])
    return layer


def silu(x):
    return x / (1 + np.exp(-x))


def test_by_hand():
    # Two positions, (1, −1) and (−1, 1), which are their own norms. Q and K are 0, so that what
    # counts is the bias by distance, which is larger of the one before than of a position itself.
    layer = TransductionUnit(4)
    x = np.array([[[1, -1], [-1, 1]]], np.float32)
    layer(x)
    layer.distance_table.table.assign([[1], [3], [9], [9]])
    u, v = np.array([[2, 0], [0, 2]]), np.array([[5, 0], [0, 5]])
    layer.input_layer.kernel.assign(np.concatenate([u, v, np.zeros([2, 4])], axis=1))
    layer.output_layer.kernel.assign(np.eye(2))
    layer.output_layer.bias.assign([0.5, 0.0])
    # V is (SiLU(5), SiLU(−5)) = (4.9665, −0.0335) of the first, and the same turned of the second.
    # The first attends to itself: it is larger in front, its norm is (1, −1), its gate (1.7616,
    # −0.2384). The second has more of the first than of itself: it is larger in front, too.
    gate = silu(2.0), silu(-2.0)
    first = [1 + gate[0] * 1 + 0.5, -1 + gate[1] * -1]
    second = [-1 + gate[1] * 1 + 0.5, 1 + gate[0] * -1]
    np.testing.assert_allclose(layer(x)[0], [first, second], rtol=1e-4, atol=1e-4)
    # If the first is not known, the second has itself alone, and its norm is (−1, 1).
    found = layer(x, tf.constant([[False, True]]))
    second = [-1 + gate[1] * -1 + 0.5, 1 + gate[0] * 1]
    np.testing.assert_allclose(found[0, 1], second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_heads", [1, 2, 3])
def test_equations_position_by_position(num_heads):
    layer = built(num_heads, time_bias=True)
    intervals = np.random.default_rng(3).integers(0, NUM_INTERVALS + 1, [3, 5, 5])
    found = layer(X, tf.constant(KNOWN), tf.constant(intervals, tf.int32)).numpy()
    parts = [part.numpy() for part in tf.split(layer.input_layer.kernel, 4, axis=1)]
    distances = layer.distance_table.table.numpy()[:, 0]
    by_interval = np.append(0, layer.interval_table.table.numpy()[:, 0])

    def norm(x):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-6)

    width = 6 // num_heads
    for row, t in np.argwhere(KNOWN):
        u, _, q, _ = (silu(norm(X[row, t]) @ part) for part in parts)
        attended = np.zeros(6)
        for j in (j for j in range(t + 1) if KNOWN[row, j]):
            _, v, _, k = (silu(norm(X[row, j]) @ part) for part in parts)
            for at in (slice(h * width, (h + 1) * width) for h in range(num_heads)):
                bias = distances[t - j] + by_interval[intervals[row, t, j]]
                attended[at] += silu(q[at] @ k[at] + bias) / 8 * v[at]
        expected = (u * norm(attended)) @ layer.output_layer.kernel.numpy()
        expected += layer.output_layer.bias.numpy() + X[row, t]
        np.testing.assert_allclose(found[row, t], expected, rtol=1e-3, atol=1e-4)
    assert np.isfinite(found).all()


def test_what_comes_later_or_is_unknown_changes_nothing():
    layer = built()
    before = layer(X, tf.constant(KNOWN)).numpy()
    changed = X.copy()
    changed[:, 4] = 9
    changed[~KNOWN] = -9
    after = layer(changed, tf.constant(KNOWN)).numpy()
    for row, t in np.argwhere(KNOWN[:, :4]):
        np.testing.assert_allclose(after[row, t], before[row, t], rtol=1e-5, atol=1e-6)


def test_more_of_the_same_weighs_more():
    """Where a softmax has the same mean of one and of many, the sum grows with their number."""
    layer = TransductionUnit(4)
    layer(X[:, :4])
    layer.norms[1] = lambda x: x  # What is attended to, as it is.
    layer.distance_table.table.assign(tf.ones([4, 1]))
    same = np.repeat(X[:1, :1], 4, axis=1)
    gated = (layer(same) - same - layer.output_layer.bias).numpy()[0]
    for t in range(4):
        np.testing.assert_allclose(gated[t], (t + 1) * gated[0], rtol=1e-4, atol=1e-6)


def test_without_a_bias_by_time_intervals_change_nothing():
    layer, intervals = built(), tf.ones([3, 5, 5], tf.int32)
    np.testing.assert_array_equal(layer(X, None, intervals), layer(X))


def test_dropout_is_of_what_is_projected():
    layer = built(dropout=0.5)
    np.testing.assert_array_equal(layer(X), layer(X, training=False))
    layer.output_layer.kernel.assign(tf.zeros([6, 6]))
    np.testing.assert_array_equal(layer(X, training=True), layer(X))


def test_in_half_precision_sums_stay_in_single():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = TransductionUnit(8, 2, seed=1)
        found = layer(X)
        assert found.dtype == tf.float32 and layer.input_layer.compute_dtype == "bfloat16"
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    same = TransductionUnit(8, 2, seed=1)
    np.testing.assert_allclose(found, same(X), rtol=0.05, atol=0.05)


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="`num_heads` must divide .* Received: 4 heads, width 6"):
        TransductionUnit(8, 4)(X)
    with pytest.raises(ValueError, match="must be a positive integer. Received: 0"):
        TransductionUnit(8, 0)

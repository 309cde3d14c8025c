import numpy as np
import pytest

from tfrec_zoo.layers import ResidualUnit

# isort: split
import tensorflow as tf

X = np.random.default_rng(0).normal(size=[3, 5]).astype(np.float32)


def built(**kwargs):
    unit = ResidualUnit(4, seed=1, **kwargs)
    unit(X)
    rng = np.random.default_rng(2)
    for weight in unit.weights:
        weight.assign(rng.normal(size=weight.shape))
    return unit


def test_by_hand():
    unit = ResidualUnit(1)
    unit(np.zeros([1, 2], np.float32))
    unit.set_weights([np.array([[1], [2]]), np.array([-3]), np.array([[1, -2]]), np.array([0, 1])])
    # ReLU(5 + 2·1 - 3) = 4: (5, 1) + (4, -8) + (0, 1) = (9, -6), rectified (9, 0).
    # ReLU(1 + 2·0 - 3) = 0: (1, 0) + (0, 1) = (1, 1).
    found = unit(np.array([[5, 1], [1, 0]], np.float32))
    np.testing.assert_allclose(found, [[9, 0], [1, 1]])


def test_equation_row_by_row():
    unit = built()
    w0, b0, w1, b1 = (weight.numpy() for weight in unit.weights)
    # 5 → 4 → 5, with biases.
    assert [w.shape for w in (w0, b0, w1, b1)] == [(5, 4), (4,), (4, 5), (5,)]
    expected = np.zeros([3, 5])
    for row in range(3):
        h = [max(b0[u] + sum(X[row, i] * w0[i, u] for i in range(5)), 0) for u in range(4)]
        for i in range(5):
            f = b1[i] + sum(h[u] * w1[u, i] for u in range(4))
            expected[row, i] = max(X[row, i] + f, 0)
    assert 0 < np.sum(expected == 0) < 15
    np.testing.assert_allclose(unit(X), expected, rtol=1e-5, atol=1e-5)


def test_without_weights_it_passes_on_what_is_positive():
    unit = built()
    for weight in unit.weights:
        weight.assign(tf.zeros_like(weight))
    np.testing.assert_array_equal(unit(X), np.maximum(X, 0))


def test_a_list_is_its_rows():
    unit = built()
    x = np.random.default_rng(3).normal(size=[2, 7, 5]).astype(np.float32)
    listed = unit(x)
    assert listed.shape == (2, 7, 5)
    np.testing.assert_allclose(tf.reshape(listed, [14, 5]), unit(x.reshape(14, 5)), atol=1e-5)


def test_gradient_reaches_all_weights():
    unit = built()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(unit(X))
    for gradient in tape.gradient(loss, unit.trainable_variables):
        assert np.any(gradient != 0)


def test_l2_on_the_kernels():
    unit = built(l2=0.5)
    kernels = unit.weights[0::2]
    expected = [0.5 * np.sum(kernel.numpy() ** 2) for kernel in kernels]
    np.testing.assert_allclose(unit.losses, expected, rtol=1e-6)
    assert built().losses == []


def test_kernels_of_equal_shape_do_not_start_equal():
    unit = ResidualUnit(X.shape[1], seed=4)
    unit(X)
    assert unit.inner.kernel.shape == unit.outer.kernel.shape
    assert not np.any(unit.inner.kernel.numpy() == unit.outer.kernel.numpy())


@pytest.mark.parametrize("units", [0, -1, 2.0])
def test_wrong_units(units):
    with pytest.raises(ValueError, match=f"`units` must be a positive integer. Received: {units}"):
        ResidualUnit(units)

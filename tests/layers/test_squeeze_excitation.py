import numpy as np
import pytest

from tfrec_zoo.layers import SqueezeExcitation

# isort: split
import tensorflow as tf

V = np.random.default_rng(0).normal(size=[3, 7, 4]).astype(np.float32)


def built(reduction_ratio=3, **kwargs):
    layer = SqueezeExcitation(reduction_ratio, seed=1, **kwargs)
    layer(V)
    rng = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def test_by_hand():
    layer = SqueezeExcitation(2)
    v = np.array([[[1, 3], [-2, 0]], [[1, 3], [6, 0]], [[-1, -1], [0, 0]]], np.float32)
    layer(v)
    layer.squeeze.kernel.assign([[1], [2]])
    layer.excite.kernel.assign([[3, -1]])
    # Means (2, -1): 2·1 - 1·2 = 0, no field matters. Means (2, 3): 2 + 6 = 8, weights 24 and
    # ReLU(-8) = 0. Means (-1, 0): ReLU(-1) = 0.
    expected = np.zeros([3, 2, 2])
    expected[1, 0] = [24, 72]
    np.testing.assert_allclose(layer(v), expected)


@pytest.mark.parametrize(("reduction_ratio", "units"), [(1, 7), (2, 3), (3, 2), (10, 1)])
def test_equations_row_by_row(reduction_ratio, units):
    layer = built(reduction_ratio)
    w1, w2 = layer.squeeze.kernel.numpy(), layer.excite.kernel.numpy()
    assert (w1.shape, w2.shape) == ((7, units), (units, 7))
    assert sum(weight.numpy().size for weight in layer.weights) == 2 * 7 * units
    expected, zeros = np.zeros([3, 7, 4]), 0
    for row in range(3):
        z = [sum(V[row, i]) / 4 for i in range(7)]
        hidden = [max(sum(z[i] * w1[i, u] for i in range(7)), 0) for u in range(units)]
        for i in range(7):
            a = max(sum(hidden[u] * w2[u, i] for u in range(units)), 0)
            zeros += a == 0
            expected[row, i] = a * V[row, i]
    assert np.abs(expected).max() > 0.1 and zeros
    np.testing.assert_allclose(layer(V), expected, rtol=1e-5, atol=1e-6)


def test_a_list_is_its_rows():
    layer = built()
    v = np.random.default_rng(3).normal(size=[2, 5, 7, 4]).astype(np.float32)
    listed = layer(v)
    assert listed.shape == (2, 5, 7, 4)
    rows = layer(v.reshape(10, 7, 4))
    np.testing.assert_allclose(tf.reshape(listed, [10, 7, 4]), rows, rtol=1e-5, atol=1e-6)
    spec = tf.TensorSpec([None, None, 7, 4])
    compiled = tf.function(layer.__call__, input_signature=[spec])
    np.testing.assert_allclose(compiled(v), listed, rtol=1e-5, atol=1e-6)


def test_gradient_reaches_all_weights():
    layer = built()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(V) ** 2)
    for gradient in tape.gradient(loss, layer.trainable_variables):
        assert np.any(gradient != 0)


def test_l2_on_the_kernels():
    layer = built(l2=0.5)
    expected = [0.5 * np.sum(weight.numpy() ** 2) for weight in layer.weights]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-6)
    assert built().losses == []


def test_seed():
    layer, other = SqueezeExcitation(1, seed=4), SqueezeExcitation(1, seed=5)
    layer(V)
    other(V)
    assert np.any(other.squeeze.kernel != layer.squeeze.kernel)
    assert not np.any(layer.squeeze.kernel.numpy() == layer.excite.kernel.numpy())


@pytest.mark.parametrize("ratio", [0, -3, 1.5])
def test_wrong_ratio(ratio):
    message = f"`reduction_ratio` must be a positive integer. Received: {ratio}"
    with pytest.raises(ValueError, match=message):
        SqueezeExcitation(ratio)

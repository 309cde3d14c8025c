import numpy as np

from tfrec_zoo.layers import VectorCross

# isort: split
import tensorflow as tf

RNG = np.random.default_rng(0)
X_0, X_L = RNG.normal(size=[2, 3, 4]).astype(np.float32)


def built(**kwargs):
    layer = VectorCross(seed=1, **kwargs)
    layer((X_0, X_L))
    layer.b.assign(RNG.normal(size=[4]))
    return layer


def test_by_hand():
    layer = VectorCross()
    layer((np.zeros([1, 2], np.float32), np.zeros([1, 2], np.float32)))
    layer.w.assign([[2], [-1]])
    layer.b.assign([10, 20])
    x_0, x_l = np.array([[3, 5]], np.float32), np.array([[4, 7]], np.float32)
    # x_l · w = 4·2 - 7·1 = 1: (3, 5) + (10, 20) + (4, 7)
    np.testing.assert_allclose(layer((x_0, x_l)), [[17, 32]])
    # x_0 · w = 3·2 - 5·1 = 1: (3, 5) + (10, 20) + (3, 5); then 16·2 - 30·1 = 2
    x_1 = layer((x_0, x_0))
    np.testing.assert_allclose(x_1, [[16, 30]])
    np.testing.assert_allclose(layer((x_0, x_1)), [[2 * 3 + 10 + 16, 2 * 5 + 20 + 30]])


def test_agrees_with_numpy():
    layer = built()
    w, b = layer.w.numpy().astype(np.float64), layer.b.numpy().astype(np.float64)
    expected = np.empty([3, 4])
    for row in range(3):
        # The paper's x_0 x_lᵀ w, the matrix of all products first.
        product = np.outer(X_0[row], X_L[row]) @ w[:, 0]
        for i in range(4):
            expected[row, i] = product[i] + b[i] + X_L[row, i]
    np.testing.assert_allclose(layer((X_0, X_L)), expected, rtol=1e-5, atol=1e-6)


def test_number_of_parameters():
    # w and b of width 4.
    assert sum(int(np.prod(v.shape)) for v in built().trainable_variables) == 4 + 4


def test_a_list_is_its_rows():
    layer = built()
    x_0, x_l = RNG.normal(size=[2, 2, 5, 4]).astype(np.float32)
    listed = layer((x_0, x_l))
    assert listed.shape == (2, 5, 4)
    flat = layer((x_0.reshape(10, 4), x_l.reshape(10, 4)))
    np.testing.assert_allclose(tf.reshape(listed, [10, 4]), flat, rtol=1e-6, atol=1e-6)
    spec = tf.TensorSpec([None, None, 4])
    compiled = tf.function(lambda a, b: layer((a, b)), input_signature=(spec, spec))
    np.testing.assert_allclose(compiled(x_0, x_l), listed, rtol=1e-6, atol=1e-6)


def test_seed_and_l2():
    layer = built(l2=0.5)
    np.testing.assert_array_equal(layer.w, built().w)
    other = VectorCross(seed=2)
    other((X_0, X_L))
    assert np.all(other.w != layer.w)
    np.testing.assert_allclose(layer.losses, [0.5 * np.sum(layer.w.numpy() ** 2)], rtol=1e-6)
    assert built().losses == []

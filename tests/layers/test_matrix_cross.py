import numpy as np
import pytest

from tfrec_zoo.layers import MatrixCross, VectorCross

# isort: split
import tensorflow as tf

RNG = np.random.default_rng(0)
X_0, X_L = RNG.normal(size=[2, 3, 4]).astype(np.float32)
BOTH = pytest.mark.parametrize("projection_dim", [None, 2])


def built(projection_dim=None, **kwargs):
    layer = MatrixCross(projection_dim, seed=1, **kwargs)
    layer((X_0, X_L))
    layer.b.assign(RNG.normal(size=[4]))
    return layer


def test_by_hand():
    layer = MatrixCross()
    layer((np.zeros([1, 2], np.float32), np.zeros([1, 2], np.float32)))
    # W = [[1, 2], [3, 4]], of which the kernel is the transpose.
    layer.kernels[0].assign([[1, 3], [2, 4]])
    layer.b.assign([10, 20])
    x_0, x_l = np.array([[3, 5]], np.float32), np.array([[6, 7]], np.float32)
    # W x_l = (6 + 14, 18 + 28) = (20, 46); x_0 ⊙ (30, 66) = (90, 330); and x_l
    np.testing.assert_allclose(layer((x_0, x_l)), [[96, 337]])


def test_low_rank_by_hand():
    layer = MatrixCross(1)
    layer((np.zeros([1, 2], np.float32), np.zeros([1, 2], np.float32)))
    v, u = layer.kernels
    v.assign([[1], [2]])
    u.assign([[3, -1]])
    layer.b.assign([10, 20])
    x_0, x_l = np.array([[3, 5]], np.float32), np.array([[6, 7]], np.float32)
    # Vᵀ x_l = 6 + 14 = 20; U 20 + b = (70, 0); x_0 ⊙ (70, 0) = (210, 0); and x_l
    np.testing.assert_allclose(layer((x_0, x_l)), [[216, 7]])


@BOTH
def test_agrees_with_numpy(projection_dim):
    layer = built(projection_dim)
    kernels = [kernel.numpy().astype(np.float64) for kernel in layer.kernels]
    # W, or U Vᵀ.
    matrix = kernels[0].T if projection_dim is None else kernels[1].T @ kernels[0].T
    expected = np.empty([3, 4])
    for row in range(3):
        for i in range(4):
            weighed = sum(matrix[i, j] * X_L[row, j] for j in range(4))
            expected[row, i] = X_0[row, i] * (weighed + layer.b.numpy()[i]) + X_L[row, i]
    np.testing.assert_allclose(layer((X_0, X_L)), expected, rtol=1e-5, atol=1e-6)


def test_equal_rows_are_the_cross_of_dcn():
    layer, vector = MatrixCross(), VectorCross()
    for one in (layer, vector):
        one((X_0, X_L))
    w = RNG.normal(size=[4, 1])
    vector.w.assign(w)
    layer.kernels[0].assign(np.repeat(w, 4, axis=1))
    np.testing.assert_allclose(layer((X_0, X_L)), vector((X_0, X_L)), rtol=1e-5, atol=1e-6)


def test_number_of_parameters():
    # W of 4·4 and b; or V and U of 4·2 each and b.
    for layer, number in ((built(), 16 + 4), (built(2), 8 + 8 + 4)):
        assert sum(int(np.prod(v.shape)) for v in layer.trainable_variables) == number


@BOTH
def test_a_list_is_its_rows(projection_dim):
    layer = built(projection_dim)
    x_0, x_l = RNG.normal(size=[2, 2, 5, 4]).astype(np.float32)
    listed = layer((x_0, x_l))
    assert listed.shape == (2, 5, 4)
    flat = layer((x_0.reshape(10, 4), x_l.reshape(10, 4)))
    np.testing.assert_allclose(tf.reshape(listed, [10, 4]), flat, rtol=1e-6, atol=1e-6)
    spec = tf.TensorSpec([None, None, 4])
    compiled = tf.function(lambda a, b: layer((a, b)), input_signature=(spec, spec))
    np.testing.assert_allclose(compiled(x_0, x_l), listed, rtol=1e-6, atol=1e-6)


@BOTH
def test_seed_and_l2(projection_dim):
    layer, same = built(projection_dim, l2=0.5), built(projection_dim)
    other = MatrixCross(projection_dim, seed=9)
    other((X_0, X_L))
    for one, again, another in zip(layer.kernels, same.kernels, other.kernels, strict=True):
        np.testing.assert_array_equal(one, again)
        assert np.all(one != another)
    expected = [0.5 * np.sum(kernel.numpy() ** 2) for kernel in layer.kernels]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-6)
    assert same.losses == []


def test_matrices_of_a_layer_do_not_start_equal():
    v, u = built(4).kernels
    assert not np.any(v.numpy() == u.numpy())


def test_wrong_projection_dim():
    with pytest.raises(ValueError, match="`projection_dim` must be positive. Received: 0"):
        MatrixCross(0)

import numpy as np
import pytest

from tfrec_zoo.layers import BilinearInteraction, second_order

# isort: split
import tensorflow as tf

V = np.random.default_rng(0).normal(size=[3, 4, 5]).astype(np.float32)
EACH_KIND = pytest.mark.parametrize("kind", ["all", "each", "interaction"])


def built(kind, **kwargs):
    layer = BilinearInteraction(kind, seed=1, **kwargs)
    layer(V)
    layer.kernel.assign(np.random.default_rng(2).normal(size=layer.kernel.shape))
    return layer


def test_by_hand():
    v = np.array([[[1, 2], [3, 4], [5, 6]]], np.float32)
    swap, double, corner = [[0, 1], [1, 0]], [[2, 0], [0, 2]], [[1, 0], [0, 0]]
    layer = BilinearInteraction("all")
    layer(v)
    layer.kernel.assign(swap)
    # (2, 1) ⊙ (3, 4), (2, 1) ⊙ (5, 6), (4, 3) ⊙ (5, 6)
    np.testing.assert_allclose(layer(v), [[[6, 4], [10, 6], [20, 18]]])
    layer = BilinearInteraction("each")
    layer(v)
    layer.kernel.assign([swap, double])
    # The same with W_1; then (6, 8) ⊙ (5, 6) with W_2.
    np.testing.assert_allclose(layer(v), [[[6, 4], [10, 6], [30, 48]]])
    layer = BilinearInteraction("interaction")
    layer(v)
    layer.kernel.assign([swap, double, corner])
    # (2, 1) ⊙ (3, 4), (2, 4) ⊙ (5, 6), (3, 0) ⊙ (5, 6)
    np.testing.assert_allclose(layer(v), [[[6, 4], [10, 24], [15, 0]]])
    # v_i is a row: v W, not W v.
    layer.kernel.assign([[[0, 1], [0, 0]]] * 3)
    np.testing.assert_allclose(layer(v), [[[0, 4], [0, 6], [0, 18]]])


# 4 fields: 6 pairs, 3 of the fields first in one.
@pytest.mark.parametrize(("kind", "kernels"), [("all", 1), ("each", 3), ("interaction", 6)])
def test_equations_pair_by_pair(kind, kernels):
    layer = built(kind)
    kernel = layer.kernel.numpy().reshape(-1, 5, 5)
    assert (len(layer.weights), len(kernel)) == (1, kernels)
    expected, pair = np.zeros([3, 6, 5]), 0
    for i in range(4):
        for j in range(i + 1, 4):
            w = kernel[{"all": 0, "each": i, "interaction": pair}[kind]]
            for row in range(3):
                for e in range(5):
                    left = sum(V[row, i, d] * w[d, e] for d in range(5))
                    expected[row, pair, e] = left * V[row, j, e]
            pair += 1
    np.testing.assert_allclose(layer(V), expected, rtol=1e-5, atol=1e-5)


def test_the_identity_gives_the_products_of_a_factorization_machine():
    layer = built("all")
    layer.kernel.assign(np.eye(5))
    pairs = second_order([V[:, i] for i in range(4)])
    np.testing.assert_allclose(tf.reduce_sum(layer(V), [1, 2]), pairs, rtol=1e-5, atol=1e-5)


@EACH_KIND
def test_a_list_is_its_rows(kind):
    layer = built(kind)
    v = np.random.default_rng(3).normal(size=[2, 7, 4, 5]).astype(np.float32)
    listed = layer(v)
    assert listed.shape == (2, 7, 6, 5)
    rows = layer(v.reshape(14, 4, 5))
    np.testing.assert_allclose(tf.reshape(listed, [14, 6, 5]), rows, rtol=1e-5, atol=1e-5)
    spec = tf.TensorSpec([None, None, 4, 5])
    compiled = tf.function(layer.__call__, input_signature=[spec])
    np.testing.assert_allclose(compiled(v), listed, rtol=1e-5, atol=1e-5)
    assert compiled.get_concrete_function().output_shapes[-2:] == [6, 5]


@EACH_KIND
def test_gradient_reaches_each_kernel(kind):
    layer = built(kind)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(V) ** 2)
    gradient = tf.reshape(tape.gradient(loss, layer.kernel), [-1, 25])
    assert np.all(np.any(gradient != 0, axis=1))


@EACH_KIND
def test_initial_kernels_are_glorots_of_one_matrix(kind):
    layer = BilinearInteraction(kind, seed=0)
    layer(np.zeros([1, 3, 100], np.float32))
    limit = (6 / (100 + 100)) ** 0.5
    assert 0.99 * limit < np.abs(layer.kernel).max() <= limit
    np.testing.assert_allclose(np.var(layer.kernel), limit**2 / 3, rtol=0.05)
    again = BilinearInteraction(kind, seed=0)
    again(np.zeros([1, 3, 100], np.float32))
    np.testing.assert_array_equal(again.kernel, layer.kernel)


def test_l2_on_the_kernels():
    layer = built("each", l2=0.5)
    np.testing.assert_allclose(layer.losses, [0.5 * np.sum(layer.kernel**2)], rtol=1e-6)
    assert built("each").losses == []


def test_wrong_kind():
    with pytest.raises(ValueError, match=r"`kind` must be one of \('all', .*Received: 'field'"):
        BilinearInteraction("field")


def test_one_field_has_no_pair():
    with pytest.raises(ValueError, match=r"A pair needs two fields. Received: .*\(3, 1, 5\)"):
        BilinearInteraction()(V[:, :1])

import numpy as np
import pytest

from tfrec_zoo.layers import TwoSidedDense

# isort: split
import tensorflow as tf

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=[3, 4]).astype(np.float32)
CANDIDATE = RNG.normal(size=[3, 2]).astype(np.float32)
LIST = RNG.normal(size=[3, 5, 2]).astype(np.float32)


def built(activation=None, **kwargs):
    layer = TwoSidedDense(6, activation, seed=1, **kwargs)
    layer((QUERY, CANDIDATE))
    layer.bias.assign(RNG.normal(size=[6]))
    return layer


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_is_a_dense_layer_of_the_concatenation(activation):
    layer = built(activation)
    dense = tf.keras.layers.Dense(6, activation)
    both = np.concatenate([QUERY, CANDIDATE], axis=-1)
    dense.build(both.shape)
    kernel = np.concatenate([layer.query_kernel.numpy(), layer.candidate_kernel.numpy()])
    dense.set_weights([kernel, layer.bias.numpy()])
    np.testing.assert_allclose(layer((QUERY, CANDIDATE)), dense(both), rtol=1e-6, atol=1e-6)

    repeated = np.repeat(QUERY[:, None], 5, axis=1)
    both = np.concatenate([repeated, LIST], axis=-1)
    np.testing.assert_allclose(layer((QUERY, LIST)), dense(both), rtol=1e-6, atol=1e-6)


def test_by_hand():
    layer = TwoSidedDense(1, "relu")
    layer((np.zeros([1, 2], np.float32), np.zeros([1, 1], np.float32)))
    layer.query_kernel.assign([[1], [2]])
    layer.candidate_kernel.assign([[-3]])
    layer.bias.assign([4])
    # 1·5 + 2·1 + 4 = 11, less 3·2 and 3·10
    found = layer((np.array([[5, 1]], np.float32), np.array([[[2], [10]]], np.float32)))
    np.testing.assert_allclose(found, [[[5], [0]]])


def test_a_list_is_its_candidates_one_by_one():
    layer = built("tanh")
    listed = layer((QUERY, LIST))
    assert listed.shape == (3, 5, 6)
    for i in range(5):
        np.testing.assert_allclose(listed[:, i], layer((QUERY, LIST[:, i])), atol=1e-6)


def test_in_a_function_of_unknown_sizes():
    layer = built()
    specs = (tf.TensorSpec([None, 4]), tf.TensorSpec([None, None, 2]))
    compiled = tf.function(lambda q, c: layer((q, c)), input_signature=specs)
    np.testing.assert_allclose(compiled(QUERY, LIST), layer((QUERY, LIST)), atol=1e-6)


def test_gradients_are_those_of_the_dense_layer():
    layer = built()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer((QUERY, LIST)))
    variables = [layer.query_kernel, layer.candidate_kernel, layer.bias]
    query, candidate, bias = tape.gradient(loss, variables)
    # Each query counts once per candidate: 5 times.
    np.testing.assert_allclose(query[:, 0], 5 * QUERY.sum(0), rtol=1e-5)
    np.testing.assert_allclose(candidate[:, 0], LIST.sum((0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bias, [15] * 6)


def test_initial_kernels():
    layer = TwoSidedDense(50, seed=0)
    layer((np.zeros([1, 300], np.float32), np.zeros([1, 100], np.float32)))
    # Glorot over [q; c]: uniform within √(6 / (300 + 100 + 50)), on both sides.
    limit = (6 / 450) ** 0.5
    for kernel in (layer.query_kernel, layer.candidate_kernel):
        assert 0.99 * limit < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(np.var(kernel), limit**2 / 3, rtol=0.05)
    assert not np.any(layer.bias)
    again = TwoSidedDense(50, seed=0)
    again((np.zeros([1, 300], np.float32), np.zeros([1, 100], np.float32)))
    np.testing.assert_array_equal(again.query_kernel, layer.query_kernel)
    np.testing.assert_array_equal(again.candidate_kernel, layer.candidate_kernel)
    assert not np.any(layer.query_kernel[:100].numpy() == layer.candidate_kernel.numpy())


def test_l2_on_the_kernels():
    layer = built(l2=0.5)
    kernels = (layer.query_kernel.numpy(), layer.candidate_kernel.numpy())
    np.testing.assert_allclose(layer.losses, [0.5 * np.sum(k**2) for k in kernels], rtol=1e-6)
    assert built().losses == []

import numpy as np
import pytest

from tfrec_zoo.layers import MatrixCross, MixtureCross

# isort: split
import tensorflow as tf

RNG = np.random.default_rng(0)
X_0, X_L = RNG.normal(size=[2, 3, 4]).astype(np.float32)


def built(**kwargs):
    layer = MixtureCross(**{"projection_dim": 2, "num_experts": 3, "seed": 1, **kwargs})
    layer((X_0, X_L))
    layer.b.assign(RNG.normal(size=[4]))
    return layer


def test_by_hand():
    layer = MixtureCross(1, 2, activation="relu")
    layer((np.zeros([1, 2], np.float32), np.zeros([1, 2], np.float32)))
    layer.v.assign([[[1], [2]], [[3], [0]]])
    layer.c.assign([[[2]], [[-1]]])
    layer.u.assign([[[1], [-1]], [[100], [100]]])
    layer.gate.assign([[np.log(3.0), 0], [0, 0]])
    layer.b.assign([10, 20])
    x_0, x_l = np.array([[3, 5]], np.float32), np.array([[1, 2]], np.float32)
    # Gates softmax(log 3, 0) = (3/4, 1/4).
    # Expert 1: relu(1 + 4) = 5, relu(2·5) = 10, U 10 + b = (20, 10), x_0 ⊙ that = (60, 50).
    # Expert 2: relu(3) = 3, relu(-3) = 0, b = (10, 20), x_0 ⊙ that = (30, 100).
    # 3/4 (60, 50) + 1/4 (30, 100) + x_l = (52.5 + 1, 62.5 + 2)
    np.testing.assert_allclose(layer((x_0, x_l)), [[53.5, 64.5]], rtol=1e-6)


@pytest.mark.parametrize(("name", "g"), [("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0))])
def test_agrees_with_numpy(name, g):
    layer = built() if name == "tanh" else built(activation=name)
    v, c, u, gate, b = (
        weight.numpy().astype(np.float64)
        for weight in (layer.v, layer.c, layer.u, layer.gate, layer.b)
    )
    expected = np.empty([3, 4])
    for row in range(3):
        odds = np.exp(gate.T @ X_L[row])
        expected[row] = X_L[row]
        for i in range(3):
            low = g(c[i] @ g(v[i].T @ X_L[row]))
            expected[row] += odds[i] / odds.sum() * X_0[row] * (u[i] @ low + b)
    np.testing.assert_allclose(layer((X_0, X_L)), expected, rtol=1e-5, atol=1e-6)


def test_equal_linear_experts_are_one_low_rank_matrix():
    mixture, matrix = built(activation="linear"), MatrixCross(2)
    matrix((X_0, X_L))
    v, u = RNG.normal(size=[2, 4, 2])
    for kernel, value in ((mixture.v, v), (mixture.u, u), (mixture.c, np.eye(2))):
        kernel.assign(np.repeat(value[None], 3, axis=0))
    matrix.set_weights([v, u.T, mixture.b.numpy()])
    np.testing.assert_allclose(mixture((X_0, X_L)), matrix((X_0, X_L)), rtol=1e-5, atol=1e-5)


def test_number_of_parameters():
    # Three experts of V and U, 4·2 each, and C, 2·2; gates 4·3; b.
    number = 3 * (8 + 8 + 4) + 12 + 4
    assert sum(int(np.prod(v.shape)) for v in built().trainable_variables) == number


def test_a_list_is_its_rows():
    layer = built()
    x_0, x_l = RNG.normal(size=[2, 2, 5, 4]).astype(np.float32)
    listed = layer((x_0, x_l))
    assert listed.shape == (2, 5, 4)
    flat = layer((x_0.reshape(10, 4), x_l.reshape(10, 4)))
    np.testing.assert_allclose(tf.reshape(listed, [10, 4]), flat, rtol=1e-5, atol=1e-6)
    spec = tf.TensorSpec([None, None, 4])
    compiled = tf.function(lambda a, b: layer((a, b)), input_signature=(spec, spec))
    np.testing.assert_allclose(compiled(x_0, x_l), listed, rtol=1e-5, atol=1e-6)


def test_initial_weights():
    layer = MixtureCross(50, 8, seed=0)
    layer((np.zeros([1, 100], np.float32), np.zeros([1, 100], np.float32)))
    # Glorot's uniform of each expert by itself: within √(6 / (inputs + outputs)).
    for kernel, widths in ((layer.v, 150), (layer.c, 100), (layer.u, 150), (layer.gate, 108)):
        limit = (6 / widths) ** 0.5
        assert 0.98 * limit < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(np.var(kernel), limit**2 / 3, rtol=0.1)
    assert not np.any(layer.b)
    assert not np.any(layer.v.numpy() == layer.u.numpy())
    assert not np.any(layer.v[0].numpy() == layer.v[1].numpy())


def test_seed_and_l2():
    layer, same, other = built(l2=0.5), built(), built(seed=9)
    kernels = [(one.v, one.c, one.u, one.gate) for one in (layer, same, other)]
    for one, again, another in zip(*kernels, strict=True):
        np.testing.assert_array_equal(one, again)
        assert np.all(one != another)
    expected = [0.5 * np.sum(kernel.numpy() ** 2) for kernel in kernels[0]]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-6)
    assert same.losses == []


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`projection_dim` must be positive. Received: 0"):
        MixtureCross(0, 2)
    with pytest.raises(ValueError, match="`num_experts` must be at least 2.*Received: 1"):
        MixtureCross(2, 1)

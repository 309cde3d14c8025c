import numpy as np
import pytest

from tfrec_zoo.layers import Tower, TwoSided

# isort: split
import tensorflow as tf

X = np.random.default_rng(0).normal(size=[6, 5]).astype(np.float32)


def randomise_biases(tower):
    rng = np.random.default_rng(1)
    for layer in tower.layers:
        layer.bias.assign(rng.normal(size=layer.bias.shape))


def test_agrees_with_numpy():
    tower = Tower((4, 3), activation="relu", seed=0)
    tower(X)
    randomise_biases(tower)
    h = X
    for layer in tower.layers:
        h = np.maximum(h @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    assert h.shape == (6, 3)
    np.testing.assert_allclose(tower(X), h, rtol=1e-5, atol=1e-6)


def test_by_hand():
    tower = Tower((2, 1), activation="relu")
    tower(np.zeros([1, 2], np.float32))
    # h = relu((1, 2) W) = relu((1 + 2·1, -1 + 2·(-3))) = (3, 0); relu(2·3 + 5·0 - 1) = 5
    weights = [[[1, -1], [1, -3]], [0, 0], [[2], [5]], [-1]]
    tower.set_weights([np.array(weight, np.float32) for weight in weights])
    np.testing.assert_allclose(tower(np.array([[1, 2]], np.float32)), [[5]])


def test_activation_of_the_last_layer():
    tower = Tower((4, 3), activation="tanh")
    tower(X)
    hidden = np.tanh(X @ tower.layers[0].kernel.numpy())
    expected = np.tanh(hidden @ tower.layers[1].kernel.numpy())
    np.testing.assert_allclose(tower(X), expected, rtol=1e-5, atol=1e-6)


def test_any_rank():
    tower = Tower((4, 3))
    stacked = tower(X.reshape(2, 3, 5))
    assert stacked.shape == (2, 3, 3)
    np.testing.assert_allclose(tf.reshape(stacked, [6, 3]), tower(X), atol=1e-6)


def test_no_layers_are_the_identity():
    tower = Tower((), dropout=0.5, l2=1.0)
    np.testing.assert_array_equal(tower(X, training=True), X)
    assert tower.weights == []


def test_dropout_after_each_layer():
    # Ones pass through identity kernels: what is dropped shows, what is kept is doubled.
    ones = np.ones([1, 1000], np.float32)

    def share_of(values, layers, **arguments):
        tower = Tower((1000,) * layers, "linear", 0.5, seed=0, **arguments)
        tower(ones)
        for layer in tower.layers:
            layer.kernel.assign(np.eye(1000))
        np.testing.assert_array_equal(tower(ones, training=False), ones)
        np.testing.assert_array_equal(tower(ones), ones)
        found, counts = np.unique(tower(ones, training=True), return_counts=True)
        assert found.tolist() == values
        return counts[0] / 1000

    # Five standard deviations of √(p (1 - p) / 1000).
    assert abs(share_of([0, 2], layers=1) - 1 / 2) < 0.08
    assert abs(share_of([0, 4], layers=2) - 3 / 4) < 0.07
    # But for the output.
    assert share_of([1], layers=1, drop_output=False) == 1
    assert abs(share_of([0, 2], layers=2, drop_output=False) - 1 / 2) < 0.08


def test_l2_on_the_kernels():
    tower = Tower((4, 3), l2=0.1)
    tower(X)
    randomise_biases(tower)
    expected = [0.1 * np.sum(layer.kernel.numpy() ** 2) for layer in tower.layers]
    np.testing.assert_allclose(tower.losses, expected, rtol=1e-6)
    plain = Tower((4, 3))
    plain(X)
    assert plain.losses == []


def test_seed():
    one, same, other = Tower((5, 5), seed=3), Tower((5, 5), seed=3), Tower((5, 5), seed=9)
    np.testing.assert_array_equal(one(X), same(X))
    assert np.any(one(X) != other(X))
    # Layers of equal shape don't start equal.
    assert not np.any(one.layers[0].kernel.numpy() == one.layers[1].kernel.numpy())


@pytest.mark.parametrize("units", [(4, 0), (-1,), (2.0,), ("4",)])
def test_wrong_units(units):
    with pytest.raises(ValueError, match="`hidden_units` must be positive integers. Received: "):
        Tower(units)


@pytest.mark.parametrize("dropout", [1.0, -0.1])
def test_wrong_dropout(dropout):
    with pytest.raises(ValueError, match=rf"`dropout` must be in \[0, 1\). Received: {dropout}"):
        Tower((4,), dropout=dropout)


@pytest.mark.parametrize("hidden_units", [(), (4,), (4, 3)])
def test_two_sides_are_the_query_repeated(hidden_units):
    rng = np.random.default_rng(2)
    query = rng.normal(size=[2, 3]).astype(np.float32)
    candidate = rng.normal(size=[2, 7, 2]).astype(np.float32)
    tower = Tower(hidden_units, seed=0)
    found = tower(TwoSided(query, candidate))
    assert tower.count_params() == sum(
        (n + 1) * m for n, m in zip((5, 4), hidden_units, strict=False)
    )
    randomise_biases(tower)
    repeated = np.concatenate([np.repeat(query[:, None], 7, axis=1), candidate], axis=-1)
    found = tower(TwoSided(query, candidate))
    np.testing.assert_allclose(found, tower(repeated), rtol=1e-5, atol=1e-6)


def test_two_sides_in_half_precision_are_the_query_repeated():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        tower = Tower((4, 3), seed=0)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    query, candidate = tf.ones([2, 3]), tf.random.stateless_normal([2, 7, 2], seed=[0, 1])
    found = tower(TwoSided(query, candidate))
    assert found.dtype == tf.bfloat16
    repeated = tf.concat([tf.tile(query[:, None], [1, 7, 1]), candidate], axis=-1)
    np.testing.assert_allclose(
        tf.cast(found, tf.float32), tf.cast(tower(repeated), tf.float32), atol=0.05
    )


def test_batch_normalization_comes_before_the_activation():
    tower = Tower((4, 3), activation="relu", normalization="batch", seed=0)
    tower(X)
    h = X.astype(np.float64)
    for layer in tower.layers:
        z = h @ layer.kernel.numpy()
        h = np.maximum((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5), 0)
    np.testing.assert_allclose(tower(X, training=True), h, atol=1e-5)
    # The running mean is 0.9 of zero and 0.1 of the batch's.
    z = X @ tower.layers[0].kernel.numpy()
    np.testing.assert_allclose(tower.norms[0].norm.moving_mean, 0.1 * z.mean(0), atol=1e-6)
    # In serving the running means stand for the batch's.
    served = X
    for layer, norm in zip(tower.layers, tower.norms, strict=True):
        mean, variance = norm.norm.moving_mean.numpy(), norm.norm.moving_variance.numpy()
        served = np.maximum((served @ layer.kernel.numpy() - mean) / np.sqrt(variance + 1e-5), 0)
    np.testing.assert_allclose(tower(X), served, atol=1e-5)


def test_layer_normalization_is_of_each_row_and_not_of_a_vector_to_compare():
    tower = Tower((4, 3), activation="tanh", normalization="layer", drop_output=False, seed=0)
    tower(X)
    z = X @ tower.layers[0].kernel.numpy()
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)
    expected = np.tanh(np.tanh(z) @ tower.layers[1].kernel.numpy())
    np.testing.assert_allclose(tower(X), expected, atol=1e-5)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_two_sides_are_normalized_as_one(normalization):
    tower = Tower((4, 3), normalization=normalization, seed=0)
    tower(X, training=True)  # The running means are of something.
    query, candidates = X[:2, :2], X[2:].reshape(2, 2, 5)[..., 2:]
    whole = np.concatenate([np.repeat(query[:, None], 2, axis=1), candidates], axis=-1)
    sides = TwoSided(tf.constant(query), tf.constant(candidates))
    np.testing.assert_allclose(tower(sides), tower(whole), atol=1e-6)

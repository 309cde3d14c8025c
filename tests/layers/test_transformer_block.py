import numpy as np
import pytest

from tfrec_zoo.layers import TransformerBlock

# isort: split
import tensorflow as tf

X = np.random.default_rng(0).normal(size=[3, 5, 4]).astype(np.float32)
KNOWN = tf.constant([[True] * 5, [False, False, True, True, True], [False] * 4 + [True]])


def built(**kwargs):
    layer = TransformerBlock(seed=1, **kwargs)
    layer(X)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) / 2 for weight in layer.get_weights()])
    return layer


def normalized(norm, x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * norm.gamma + norm.beta


def test_each_part_adds_to_what_it_reads():
    layer = built()
    y = X + layer.attention(normalized(layer.norms[0], X), KNOWN).numpy()
    hidden = normalized(layer.norms[1], y) @ layer.hidden.kernel + layer.hidden.bias
    hidden = np.maximum(hidden, 0)
    assert 0.1 < np.mean(hidden > 0) < 0.9
    expected = y + hidden @ layer.output_layer.kernel + layer.output_layer.bias
    np.testing.assert_allclose(layer(X, KNOWN), expected, rtol=1e-5, atol=1e-5)


def test_number_of_weights():
    # Q, K, V; two kernels and biases; two gains and biases.
    assert sum(w.size for w in built().get_weights()) == 3 * 16 + 2 * (16 + 4) + 2 * (4 + 4)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_is_for_training(dropout):
    layer = built(dropout=dropout)
    np.testing.assert_array_equal(layer(X), built()(X))
    changed = np.any(layer(X, training=True).numpy() != layer(X).numpy(), axis=-1)
    assert changed.mean() > 0.8 if dropout else not changed.any()


def test_no_two_kernels_start_alike():
    layer = TransformerBlock(seed=3)
    layer(np.zeros([1, 2, 30], np.float32))
    kernels = [w for w in layer.get_weights() if w.shape == (30, 30)]
    assert len(kernels) == 5
    for i, kernel in enumerate(kernels):
        assert all(np.mean(kernel == other) < 0.01 for other in kernels[:i])

import numpy as np
import pytest

from tfrec_zoo.layers import InteractingAttention

# isort: split
import tensorflow as tf

E = np.random.default_rng(0).normal(size=[3, 4, 5]).astype(np.float32)
RESIDUAL = pytest.mark.parametrize("residual", [True, False])


def built(head_dim=3, num_heads=2, residual=True, **kwargs):
    layer = InteractingAttention(head_dim, num_heads, residual, seed=1, **kwargs)
    layer(E)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) / 2 for weight in layer.get_weights()])
    return layer


def kernels(layer):
    """Q, K, V and, with a residual, W."""
    parts = [layer.query, layer.key, layer.value]
    parts += [layer.shortcut] if layer.residual else []
    return [part.kernel.numpy().astype(np.float64) for part in parts]


def test_by_hand():
    # Two fields, 1 and 2, of one component; two heads, also of one.
    e = np.array([[[1], [2]]], np.float32)
    layer = InteractingAttention(1, 2)
    layer(e)
    log2 = np.log(2)
    layer.query.kernel.assign([[log2, 1]])
    layer.key.kernel.assign([[1, 0]])
    layer.value.kernel.assign([[3, 1]])
    layer.shortcut.kernel.assign([[0, -1]])
    # Head 1, scores e_m e_k log 2. Field 1: log 2 and 2 log 2, weights 2 : 4, of values 3 and 6:
    # (3 + 2 · 6) / 3 = 5. Field 2: 2 log 2 and 4 log 2, 4 : 16, (3 + 4 · 6) / 5 = 5.4.
    # Head 2, scores 0: the mean of 1 and 2, less the field: 0.5, and -0.5, which ReLU makes 0.
    np.testing.assert_allclose(layer(e), [[[5, 0.5], [5.4, 0]]], rtol=1e-5)
    # Without the residual.
    plain = InteractingAttention(1, 2, residual=False)
    plain(e)
    plain.set_weights([part.kernel.numpy() for part in (layer.query, layer.key, layer.value)])
    np.testing.assert_allclose(plain(e), [[[5, 1.5], [5.4, 1.5]]], rtol=1e-5)


@RESIDUAL
@pytest.mark.parametrize(("num_heads", "head_dim"), [(1, 4), (2, 3), (3, 1)])
def test_equations_field_by_field(num_heads, head_dim, residual):
    layer = built(head_dim, num_heads, residual)
    query, key, value, *rest = kernels(layer)
    width = num_heads * head_dim
    # No biases: three or four matrices of 5 by all heads.
    assert [w.shape for w in layer.get_weights()] == [(5, width)] * (4 if residual else 3)
    expected = np.zeros([3, 4, width])
    for row in range(3):
        for m in range(4):
            for h in range(num_heads):
                at = range(h * head_dim, (h + 1) * head_dim)
                odds = []
                for k in range(4):
                    score = sum((E[row, m] @ query[:, c]) * (E[row, k] @ key[:, c]) for c in at)
                    odds.append(np.exp(score))
                for c in at:
                    for k in range(4):
                        alpha = odds[k] / sum(odds)
                        expected[row, m, c] += alpha * (E[row, k] @ value[:, c])
            if residual:
                expected[row, m] += E[row, m] @ rest[0]
    expected = np.maximum(expected, 0)
    assert 0.1 < np.mean(expected > 0) < 0.9
    np.testing.assert_allclose(layer(E), expected, rtol=1e-5, atol=1e-5)


def test_missing_fields_take_part():
    e = E.copy()
    e[:, 2] = 0
    layer = built(residual=False)
    _, _, value = kernels(layer)
    found = layer(e).numpy()
    # As one that attends: to all four fields alike, itself among them.
    np.testing.assert_allclose(
        found[:, 2], np.maximum((e @ value).mean(1), 0), rtol=1e-5, atol=1e-5
    )
    # As one attended to: without it the others' weights would be larger.
    without = layer(np.delete(e, 2, axis=1)).numpy()
    others = np.delete(found, 2, axis=1)
    assert np.all(others[without > 0] < without[without > 0])
    # All missing: nothing.
    assert not np.any(built()(np.zeros_like(E)))


def test_order_of_the_fields_does_not_matter():
    layer, order = built(), [2, 0, 3, 1]
    np.testing.assert_allclose(layer(E[:, order]), layer(E).numpy()[:, order], rtol=1e-5, atol=1e-6)


@RESIDUAL
def test_a_list_is_its_rows(residual):
    layer = built(residual=residual)
    e = np.random.default_rng(3).normal(size=[2, 7, 4, 5]).astype(np.float32)
    listed = layer(e)
    assert listed.shape == (2, 7, 4, 6)
    rows = layer(e.reshape(14, 4, 5))
    np.testing.assert_allclose(tf.reshape(listed, [14, 4, 6]), rows, rtol=1e-5, atol=1e-6)
    spec = tf.TensorSpec([None, None, 4, 5])
    compiled = tf.function(layer.__call__, input_signature=[spec])
    np.testing.assert_allclose(compiled(e), listed, rtol=1e-5, atol=1e-6)
    assert compiled.get_concrete_function().output_shapes[-2:] == [4, 6]


@RESIDUAL
def test_gradient_reaches_every_kernel(residual):
    layer = built(residual=residual)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(E) ** 2)
    for gradient in tape.gradient(loss, layer.trainable_variables):
        assert np.any(gradient != 0)


def test_initial_kernels_are_glorots():
    layer = InteractingAttention(40, 2, seed=0)
    e = np.zeros([1, 2, 100], np.float32)
    layer(e)
    limit = (6 / (100 + 2 * 40)) ** 0.5
    for kernel in kernels(layer):
        assert 0.99 * limit < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(np.var(kernel), limit**2 / 3, rtol=0.05)
    again = InteractingAttention(40, 2, seed=0)
    again(e)
    for kernel, same in zip(kernels(layer), kernels(again), strict=True):
        np.testing.assert_array_equal(kernel, same)
    for i, kernel in enumerate(kernels(layer)):
        for other in kernels(layer)[:i]:
            assert np.mean(kernel == other) < 0.01


def test_l2_on_the_kernels():
    layer = built(l2=0.5)
    expected = [0.5 * np.sum(kernel**2) for kernel in kernels(layer)]
    np.testing.assert_allclose(sorted(layer.losses), sorted(expected), rtol=1e-6)
    assert built().losses == []


@pytest.mark.parametrize("size", [0, -1, 2.0])
@pytest.mark.parametrize("argument", ["head_dim", "num_heads"])
def test_wrong_sizes(argument, size):
    message = f"`{argument}` must be a positive integer. Received: {size}"
    with pytest.raises(ValueError, match=message):
        InteractingAttention(**{"head_dim": 3, argument: size})

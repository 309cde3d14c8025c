import numpy as np
import pytest

from tfrec_zoo.layers import CompressedInteraction, TwoSided, second_order

# isort: split
import tensorflow as tf

X = np.random.default_rng(0).normal(size=[3, 4, 5]).astype(np.float32)
ACTIVATIONS = {"linear": lambda x: x, "relu": lambda x: max(x, 0.0), "tanh": np.tanh}
EACH = pytest.mark.parametrize("activation", ACTIVATIONS)
SPLIT = pytest.mark.parametrize("split_half", [False, True])


def built(layer_sizes=(6, 4, 3), activation="linear", split_half=False, **kwargs):
    layer = CompressedInteraction(layer_sizes, activation, split_half, seed=1, **kwargs)
    layer(X)
    rng = np.random.default_rng(2)
    for kernel in layer.kernels:
        kernel.assign(rng.normal(size=kernel.shape) / 2)
    return layer


def with_kernels(x, kernels, **kwargs):
    layer = CompressedInteraction([len(kernel[0]) for kernel in kernels], **kwargs)
    layer(x)
    layer.set_weights([np.array(kernel, np.float32) for kernel in kernels])
    return layer(x)


# Two fields, (1, 2) and (3, 4).
HAND = np.array([[[1, 2], [3, 4]]], np.float32)
# One map a layer, and after it, of that map and each field.
ALL, FIRST, SECOND = [[1], [1], [1], [1]], [[1], [0]], [[0], [1]]


def test_by_hand():
    # (1, 4) + (3, 8) + (3, 8) + (9, 16) = (16, 36), which sums to 52.
    np.testing.assert_allclose(with_kernels(HAND, [ALL]), [[52]])
    # Then times the first field: (16, 72), 88; or the second: (48, 144), 192.
    np.testing.assert_allclose(with_kernels(HAND, [ALL, FIRST]), [[52, 88]])
    np.testing.assert_allclose(with_kernels(HAND, [ALL, SECOND]), [[52, 192]])
    # And once more, times the second: (48, 288) is 336.
    np.testing.assert_allclose(with_kernels(HAND, [ALL, FIRST, SECOND]), [[52, 88, 336]])
    # Two maps, twice the square of the first field (2, 8) and that of the second (9, 16).
    # Rows of a kernel: field by field, and for each the maps of the layer before.
    squares = [[2, 0], [0, 0], [0, 0], [0, 1]]
    np.testing.assert_allclose(with_kernels(HAND, [squares]), [[10, 25]])
    # The first map times the second field: (6, 32) is 38. The second times the first: (9, 32), 41.
    np.testing.assert_allclose(with_kernels(HAND, [squares, [[0], [0], [1], [0]]]), [[10, 25, 38]])
    np.testing.assert_allclose(with_kernels(HAND, [squares, [[0], [1], [0], [0]]]), [[10, 25, 41]])


def test_activation_by_hand():
    # (1, 4) - (3, 8) + 0.5 (9, 16) = (2.5, 4); then times minus the first field, (-2.5, -8).
    mixed = [[1], [-1], [0], [0.5]]
    negative = [[-1], [0]]
    np.testing.assert_allclose(with_kernels(HAND, [mixed, negative]), [[6.5, -10.5]])
    found = with_kernels(HAND, [mixed, negative], activation="relu")
    np.testing.assert_allclose(found, [[6.5, 0]])
    # Maps are activated before they are summed: (1, 4) - 0.4 (3, 8) is (-0.2, 0.8).
    found = with_kernels(HAND, [[[1], [-0.4], [0], [0]]], activation="relu")
    np.testing.assert_allclose(found, [[0.8]], rtol=1e-6)


def test_split_half_by_hand():
    # Of (2, 8) and (9, 16) the first goes on and the second's 25 is in the output.
    squares = [[2, 0], [0, 0], [0, 0], [0, 1]]
    # (2, 8) times each field: (2, 16) and (6, 32).
    found = with_kernels(HAND, [squares, [[1, 0], [0, 1]]], split_half=True)
    np.testing.assert_allclose(found, [[25, 18, 38]])


@EACH
@SPLIT
def test_equations_product_by_product(activation, split_half):
    layer = built(activation=activation, split_half=split_half)
    sizes = (6, 4, 3)
    goes_on = (3, 2, 3) if split_half else sizes
    kernels = [kernel.numpy() for kernel in layer.kernels]
    # 4 fields times the maps that come from the layer before.
    assert [kernel.shape for kernel in kernels] == [
        (16, 6),
        (4 * goes_on[0], 4),
        (4 * goes_on[1], 3),
    ]
    expected = []
    for row in X.astype(np.float64):
        previous, outputs = row, []
        for k, size in enumerate(sizes):
            maps = np.zeros([size, 5])
            for h in range(size):
                for d in range(5):
                    total = 0.0
                    for j in range(4):
                        for i in range(len(previous)):
                            w = kernels[k][j * len(previous) + i, h]
                            total += w * previous[i, d] * row[j, d]
                    maps[h, d] = ACTIVATIONS[activation](total)
            is_split = split_half and k < 2
            previous = maps[: goes_on[k]]
            outputs += [maps[h].sum() for h in range(goes_on[k] if is_split else 0, size)]
        expected.append(outputs)
    found = layer(X)
    assert found.shape == (3, 3 + 2 + 3 if split_half else 6 + 4 + 3)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_one_map_is_a_factorization_machine():
    # Half of all products of two fields but a field's own.
    layer = CompressedInteraction((1,))
    layer(X)
    layer.kernels[0].assign(np.reshape((1 - np.eye(4)) / 2, [16, 1]))
    pairs = second_order([X[:, i] for i in range(4)])
    np.testing.assert_allclose(layer(X)[:, 0], pairs, rtol=1e-5, atol=1e-5)


@EACH
@SPLIT
def test_a_list_is_its_rows(activation, split_half):
    layer = built(activation=activation, split_half=split_half)
    width = 8 if split_half else 13
    x = np.random.default_rng(3).normal(size=[2, 7, 4, 5]).astype(np.float32)
    listed = layer(x)
    assert listed.shape == (2, 7, width)
    rows = layer(x.reshape(14, 4, 5))
    np.testing.assert_allclose(tf.reshape(listed, [14, width]), rows, rtol=1e-5, atol=1e-5)
    spec = tf.TensorSpec([None, None, 4, 5])
    compiled = tf.function(layer.__call__, input_signature=[spec])
    np.testing.assert_allclose(compiled(x), listed, rtol=1e-5, atol=1e-5)
    assert compiled.get_concrete_function().output_shapes[-1] == width


@EACH
def test_gradient_reaches_each_map(activation):
    layer = built(activation=activation)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(X) ** 2)
    for gradient in tape.gradient(loss, layer.kernels):
        assert np.all(np.any(gradient != 0, axis=0))


def test_initial_kernels_are_glorots():
    layer = CompressedInteraction((30, 20), seed=0)
    x = np.zeros([1, 10, 2], np.float32)
    layer(x)
    # Of 10 · 10 products into 30 maps, and of 10 · 30 into 20.
    for kernel, inputs, maps in zip(layer.kernels, (100, 300), (30, 20), strict=True):
        limit = (6 / (inputs + maps)) ** 0.5
        assert 0.99 * limit < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(np.var(kernel), limit**2 / 3, rtol=0.05)
    again = CompressedInteraction((30, 20), seed=0)
    again(x)
    for kernel, same in zip(layer.kernels, again.kernels, strict=True):
        np.testing.assert_array_equal(kernel, same)
    # The second does not draw the numbers of the first.
    one, two = (kernel.numpy().ravel()[:600] for kernel in layer.kernels)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.2


def test_l2_on_the_kernels():
    layer = built(l2=0.5)
    expected = [0.5 * np.sum(kernel.numpy() ** 2) for kernel in layer.kernels]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-6)
    assert built().losses == []


@pytest.mark.parametrize("sizes", [(), (4, 0), (-1,), (2.0,), ("4",)])
def test_wrong_sizes(sizes):
    with pytest.raises(ValueError, match="`layer_sizes` must be one or more positive integers. Re"):
        CompressedInteraction(sizes)


def test_odd_sizes_are_not_split():
    with pytest.raises(ValueError, match=r"all of `layer_sizes` but the last .*: \(4, 3, 2\)"):
        CompressedInteraction((4, 3, 2), split_half=True)
    CompressedInteraction((4, 3), split_half=True)


@EACH
@SPLIT
@pytest.mark.parametrize("layer_sizes", [(6,), (6, 4, 3)])
def test_two_sides_are_the_query_repeated(activation, split_half, layer_sizes):
    rng = np.random.default_rng(3)
    query = rng.normal(size=[2, 3, 5]).astype(np.float32)
    candidate = rng.normal(size=[2, 7, 1, 5]).astype(np.float32)
    layer = built(layer_sizes, activation, split_half)
    repeated = np.concatenate([np.repeat(query[:, None], 7, axis=1), candidate], axis=-2)
    found = layer(TwoSided(query, candidate))
    np.testing.assert_allclose(found, layer(repeated), rtol=1e-4, atol=1e-4)


def test_is_built_by_two_sides():
    layer = CompressedInteraction((6, 2))
    layer(TwoSided(tf.ones([2, 3, 5]), tf.ones([2, 7, 1, 5])))
    assert [kernel.shape for kernel in layer.kernels] == [[16, 6], [24, 2]]

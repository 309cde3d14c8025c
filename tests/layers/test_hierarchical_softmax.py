import numpy as np
import pytest

from tfrec_zoo.layers import HierarchicalSoftmax, huffman_leaves, zipf_counts
from tfrec_zoo.optimizers import LazyAdam

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

DIM = 3
#: One class at depth 1, none at 2, three at 3, two at 4: a tree that is no Huffman tree of Zipf's.
UNEVEN = (0, 1, 0, 3, 2)


def make(leaves, scale=1.0, dimension=DIM):
    """A layer with random weights, and queries."""
    rng = np.random.default_rng(0)
    layer = HierarchicalSoftmax(leaves, dimension)
    for weight in (layer.nodes, layer.bias):
        weight.assign(scale * rng.normal(size=weight.shape))
    return layer, rng.normal(size=[5, dimension]).astype(np.float32)


def codes_of(leaves):
    """The code of each class, 0 for left, and the row of each inner node by its code."""
    level, codes, rows = [""], [], {}
    for number in leaves:
        inner = level[: len(level) - number]
        codes += level[len(inner) :]
        rows |= {code: len(rows) + i for i, code in enumerate(inner)}
        level = [code + bit for code in inner for bit in "01"]
    return codes, rows


def reference(layer, query):
    """log P of all classes, [..., classes], by the equation."""
    codes, rows = codes_of(layer.leaves)
    logits = query.astype(np.float64) @ layer.nodes.numpy().T + layer.bias.numpy()

    def log_probability(code):
        signs = [1 if bit == "0" else -1 for bit in code]
        x = [sign * logits[..., rows[code[:i]]] for i, sign in enumerate(signs)]
        return -np.sum(np.log1p(np.exp(np.negative(x))), axis=0)

    return np.stack([log_probability(code) for code in codes], axis=-1)


def test_the_tree_by_hand():
    codes, rows = codes_of(UNEVEN)
    assert codes == ["1", "001", "010", "011", "0000", "0001"]
    assert rows == {"": 0, "0": 1, "00": 2, "01": 3, "000": 4}


@pytest.mark.parametrize(
    "leaves", [(0, 2), (0, 1, 2), UNEVEN, huffman_leaves(zipf_counts(37)), (0, *[1] * 38, 2)]
)
def test_probabilities(leaves):
    layer, query = make(leaves)
    found, expected = layer(query).numpy(), reference(layer, query)
    assert found.shape == (5, layer.num_classes) == (5, sum(leaves))
    assert layer.nodes.shape == (sum(leaves) - 1, DIM)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)
    # One class each, by its path: all of them in lists, and one by one.
    classes = np.broadcast_to(np.arange(sum(leaves)), expected.shape)
    losses = layer.cross_entropy(query[:, None], classes)
    np.testing.assert_allclose(losses, -expected, rtol=1e-5, atol=1e-6)
    for c in range(0, sum(leaves), 5):
        losses = layer.cross_entropy(query, np.full(5, c))
        np.testing.assert_allclose(losses, -expected[:, c], rtol=1e-5, atol=1e-6)


def test_at_first_a_class_has_two_to_the_minus_its_depth():
    layer = HierarchicalSoftmax(UNEVEN, DIM)
    found = np.exp(layer(np.ones([1, DIM], np.float32)))
    np.testing.assert_allclose(found, [[1 / 2, 1 / 8, 1 / 8, 1 / 8, 1 / 16, 1 / 16]], rtol=1e-6)


def test_a_list_of_queries_is_taken_as_its_rows():
    layer, query = make(UNEVEN)
    lists = np.stack([query, 2 * query], axis=1)  # [5, 2, dim]
    np.testing.assert_allclose(
        layer(lists).numpy().reshape([10, -1]), layer(lists.reshape([10, DIM])), rtol=1e-6
    )
    np.testing.assert_allclose(layer(lists[:, 0]), layer(query), rtol=1e-6)


def test_sure_decisions_have_finite_losses():
    layer, query = make(UNEVEN, scale=1e4)
    losses = layer.cross_entropy(query[:, None], np.tile(np.arange(6), [5, 1])).numpy()
    assert np.isfinite(losses).all() and losses.max() > 1e4
    np.testing.assert_allclose(layer(query), -losses, rtol=1e-5, atol=1e-2)


def test_gradients_are_those_of_all_probabilities():
    layer, query = make(UNEVEN)
    classes, query = tf.constant([4, 0, 3, 3, 5]), tf.constant(query)
    both = []
    for losses in (
        lambda: layer.cross_entropy(query, classes),
        lambda: -tf.gather(layer(query), classes, batch_dims=1),
    ):
        with tf.GradientTape() as tape:
            tape.watch(query)
            loss = tf.reduce_sum(losses() ** 2)
        both.append(tape.gradient(loss, [layer.nodes, layer.bias, query]))
    assert all(isinstance(gradient, tf.IndexedSlices) for gradient in both[0][:2])
    for found, expected in zip(*both, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(found), tf.convert_to_tensor(expected), rtol=1e-4, atol=1e-5
        )


def test_a_step_moves_the_nodes_on_the_paths_only():
    layer, query = make(UNEVEN)
    before = layer.nodes.numpy(), layer.bias.numpy()
    optimizer = LazyAdam(0.1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(layer.cross_entropy(query, [0, 3, 3, 0, 0]))
    weights = layer.trainable_weights
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    # The codes 1 and 011 pass the root, 0 and 01: rows 0, 1 and 3.
    moved = np.any(layer.nodes.numpy() != before[0], axis=1)
    assert moved.tolist() == [True, True, False, True, False]
    assert (layer.bias.numpy() != before[1]).tolist() == moved.tolist()
    after = tf.reduce_mean(layer.cross_entropy(query, [0, 3, 3, 0, 0]))
    assert after < loss


@pytest.mark.parametrize("leaves", [UNEVEN, huffman_leaves(zipf_counts(200))])
@pytest.mark.parametrize("k", [1, 6])
def test_a_wide_beam_is_exact(leaves, k):
    layer, query = make(leaves)
    expected = tf.math.top_k(layer(query), k)
    search = tf.function(lambda query: layer.top_k(query, k, beam=200))
    found, classes = search(query)
    np.testing.assert_allclose(found, expected.values, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(classes, expected.indices)


def test_a_beam_is_exact_from_one_over_the_last_probability():
    layer, query = make(huffman_leaves(zipf_counts(500)))
    expected = tf.math.top_k(layer(query), 3)
    for row in range(5):
        beam = int(np.ceil(np.exp(-float(expected.values[row, -1]))))
        assert beam < 200  # There are levels with more nodes than that.
        _, classes = layer.top_k(query[row : row + 1], 3, beam)
        np.testing.assert_array_equal(classes[0], expected.indices[row])


def test_a_narrow_beam_finds_less_and_says_so():
    layer, query = make(huffman_leaves(zipf_counts(200)))
    scores = layer(query).numpy()
    found, classes = layer.top_k(query, 50, beam=1)
    found, classes = found.numpy(), classes.numpy()
    is_found = classes >= 0
    assert is_found[:, 0].all() and not is_found[:, -1].any()
    assert (found[~is_found] == -np.inf).all() and (classes[~is_found] == -1).all()
    rows, _ = np.nonzero(is_found)
    np.testing.assert_allclose(found[is_found], scores[rows, classes[is_found]], 1e-5, 1e-5)
    assert (np.diff(found[:, :3]) <= 0).all()


@pytest.mark.parametrize(
    "leaves", [(), (1,), (0, 1), (0, 3), (0, 1, 1), (0, 2, 0), (0, 0, 0), (-1, 4)]
)
def test_wrong_leaves(leaves):
    with pytest.raises(ValueError, match="leaves of a binary tree of two classes .* Received: "):
        HierarchicalSoftmax(leaves, DIM)


def test_wrong_numbers():
    with pytest.raises(ValueError, match="`dimension` must be positive. Received: 0"):
        HierarchicalSoftmax(UNEVEN, 0)
    layer, query = make(UNEVEN)
    for k in (0, 7):
        with pytest.raises(ValueError, match=f"`k` must be in 1 … 6. Received: {k}"):
            layer.top_k(query, k)
    with pytest.raises(ValueError, match="`beam` must be positive. Received: 0"):
        layer.top_k(query, 2, beam=0)


def test_half_precision_keeps_probabilities_in_float32():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer, query = make(UNEVEN)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    half = tf.cast(query, tf.float16)
    found, losses = layer(half), layer.cross_entropy(half, np.arange(5))
    assert found.dtype == losses.dtype == tf.float32
    np.testing.assert_allclose(found, reference(layer, half.numpy()), rtol=1e-5, atol=1e-5)

import json
import math

import numpy as np
import pytest

from tfrec_zoo.losses import BPR, WARP

# isort: split
import tensorflow as tf

LOG2, LOG3 = math.log(2), math.log(3)
EACH = pytest.mark.parametrize("loss", [BPR(), WARP(20)], ids=["BPR", "WARP"])


def harmonic(rank):
    """1 + 1/2 + … + 1/rank."""
    return sum(1 / r for r in range(1, rank + 1))


def warp_by_hand(scores, num_items, margin):
    """Tries the negatives one by one; returns the loss, and its gradient by the scores."""
    gradient = np.zeros(len(scores))
    for t, negative in enumerate(scores[1:], start=1):
        if margin - scores[0] + negative > 0:
            weight = harmonic((num_items - 1) // t)
            gradient[0], gradient[t] = -weight, weight
            return weight * (margin - scores[0] + negative), gradient
    return 0.0, gradient


# BPR.


def test_bpr_by_hand():
    # -log σ(0) = log 2; -log σ(log 2) = log(3/2); -log σ(-log 2) = log 3.
    scores = tf.constant([[1.0, 1.0, 1.0], [LOG2, 0.0, 2 * LOG2], [1 + LOG2, 1.0, 1.0]])
    found = BPR()(tf.zeros([3, 3]), scores)
    assert found.shape == (3,)
    expected = [LOG2, (math.log(1.5) + LOG3) / 2, math.log(1.5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bpr_gradient_by_hand():
    # Behind by log 3: the negative moves by σ(log 3) = 3/4; level: by 1/2; each a half of the mean.
    scores = tf.Variable([[1.0, 1 + LOG3, 1.0]])
    with tf.GradientTape() as tape:
        loss = BPR()(tf.zeros([1, 3]), scores)
    np.testing.assert_allclose(tape.gradient(loss, scores), [[-0.625, 0.375, 0.25]], rtol=1e-6)


def test_bpr_is_numpy_s():
    scores = np.random.default_rng(0).normal(0, 3, [40, 6])
    lead = scores[:, :1] - scores[:, 1:]
    expected = np.mean(-np.log(1 / (1 + np.exp(-lead))), axis=1)
    found = BPR()(tf.zeros([40, 6]), tf.constant(scores, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_bpr_of_large_scores():
    scores = tf.Variable([[-1000.0, 1000.0], [1000.0, -1000.0]])
    with tf.GradientTape() as tape:
        loss = BPR()(tf.zeros([2, 2]), scores)
    np.testing.assert_allclose(loss, [2000, 0])
    np.testing.assert_allclose(tape.gradient(loss, scores), [[-1, 1], [0, 0]])


# WARP.


def test_warp_by_hand():
    # 11 items: the first violator at t = 1, 2, 3, 4 tells of ranks 10, 5, 3, 2.
    scores = tf.constant(
        [
            [1.0, 2.0, 9.0, 9.0, 9.0],  # t = 1, hinge 1 - 1 + 2 = 2
            [4.0, 2.0, 3.5, 9.0, 9.0],  # t = 2, hinge 1 - 4 + 3.5 = 0.5
            [4.0, -5.0, 3.0, 4.0, 9.0],  # t = 3, as a lead of exactly the margin is enough
            [4.0, 0.0, 0.0, 0.0, 6.0],  # t = 4, hinge 3
            [4.0, 0.0, 3.0, 2.0, 2.75],  # none
        ]
    )
    found = WARP(11)(tf.zeros([5, 5]), scores)
    assert found.shape == (5,)
    # L(10) = 7381/2520, L(5) = 137/60, L(3) = 11/6, L(2) = 3/2.
    expected = [2 * 7381 / 2520, 0.5 * 137 / 60, 11 / 6, 3 * 1.5, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_warp_margin_by_hand():
    # 1 ahead: within a margin of 3 but not of 1/2. 4 items, t = 1: L(3) = 11/6.
    scores = tf.constant([[1.0, 0.0], [1.0, 0.75]])
    np.testing.assert_allclose(
        WARP(4, margin=3.0)(tf.zeros([2, 2]), scores), [2 * 11 / 6, 2.75 * 11 / 6], rtol=1e-6
    )
    np.testing.assert_allclose(
        WARP(4, margin=0.5)(tf.zeros([2, 2]), scores), [0, 0.25 * 11 / 6], rtol=1e-6
    )


def test_warp_moves_the_first_violator_and_the_positive_alone():
    scores = tf.Variable([[4.0, 2.0, 3.5, 9.0, 3.5], [4.0, 0.0, 1.0, 2.0, 3.0]])
    with tf.GradientTape() as tape:
        loss = WARP(11)(tf.zeros([2, 5]), scores)
    weight = 137 / 60  # t = 2: L(5)
    expected = [[-weight, 0, weight, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(tape.gradient(loss, scores), expected, rtol=1e-6)


@pytest.mark.parametrize(("num_items", "margin"), [(2, 1.0), (7, 0.3), (1000, 2.0)])
def test_warp_is_numpy_s(num_items, margin):
    rng = np.random.default_rng(0)
    # As many negatives as there are other items at most; the positives are ahead by and large.
    scores = rng.normal(0, 1, [200, min(num_items, 9)])
    scores[:, 0] += 1
    losses, gradients = zip(*(warp_by_hand(row, num_items, margin) for row in scores), strict=True)
    assert 0 in losses and np.count_nonzero(losses) > 50
    variable = tf.Variable(scores, dtype=tf.float32)
    with tf.GradientTape() as tape:
        found = WARP(num_items, margin)(tf.zeros(scores.shape), variable)
    np.testing.assert_allclose(found, losses, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tape.gradient(found, variable), gradients, rtol=1e-5)


def test_warp_of_more_draws_than_items():
    # 3 items, t = 3: floor(2/3) = 0, but a violator was there, so the rank is at least 1.
    scores = tf.constant([[5.0, 0.0, 0.0, 5.5]])
    np.testing.assert_allclose(WARP(3)(tf.zeros([1, 4]), scores), [1.5], rtol=1e-6)


def test_warp_rank_one_is_the_plain_hinge():
    scores = tf.constant([[0.0, 0.25], [0.0, -3.0]])
    np.testing.assert_allclose(WARP(2)(tf.zeros([2, 2]), scores), [1.25, 0])


@pytest.mark.parametrize("arguments", [{"num_items": 1}, {"num_items": 5, "margin": 0.0}])
def test_warp_errors(arguments):
    received = f"num_items={arguments['num_items']}, margin={arguments.get('margin', 1.0)}"
    message = f"`num_items` must be at least 2 and `margin` positive. Received: {received}"
    with pytest.raises(ValueError, match=message):
        WARP(**arguments)


# Both.


@EACH
@pytest.mark.parametrize("shape", [[3], [3, 1], [2, 3, 4], []])
def test_lists_are_needed(loss, shape):
    with pytest.raises(ValueError, match=r"needs lists \[batch, 1 \+ negatives\].* Received"):
        loss(tf.zeros(shape), tf.zeros(shape))


@EACH
def test_labels_are_ignored(loss):
    scores = tf.constant(np.random.default_rng(1).normal(size=[5, 4]), tf.float32)
    found = loss(tf.zeros([5, 4]), scores)
    assert np.count_nonzero(found) > 2
    labels = tf.constant(np.random.default_rng(2).normal(size=[5, 4]), tf.float32)
    np.testing.assert_array_equal(loss(labels, scores), found)


@EACH
def test_in_a_graph_of_unknown_shape(loss):
    scores = tf.constant(np.random.default_rng(1).normal(size=[5, 4]), tf.float32)
    signature = [tf.TensorSpec([None, None], tf.float32)]
    graph = tf.function(lambda s: loss(tf.zeros_like(s), s), input_signature=signature)
    np.testing.assert_allclose(graph(scores), loss(tf.zeros([5, 4]), scores), rtol=1e-6)


@EACH
def test_sample_weight_and_reduction(loss):
    scores = tf.constant([[0.0, 1.0], [0.0, 3.0], [1.0, 2.0]])
    plain = loss(tf.zeros([3, 2]), scores).numpy()
    weight = tf.constant([2.0, 0.0, 1.0])
    weighted = loss(tf.zeros([3, 2]), scores, sample_weight=weight)
    np.testing.assert_allclose(weighted, plain * [2, 0, 1])
    reduction = tf.keras.losses.Reduction.SUM_OVER_BATCH_SIZE
    mean = type(loss).from_config({**loss.get_config(), "reduction": reduction})
    np.testing.assert_allclose(mean(tf.zeros([3, 2]), scores), plain.mean(), rtol=1e-6)


def test_config():
    bpr = BPR.from_config(json.loads(json.dumps(BPR(name="x").get_config())))
    assert (bpr.name, bpr.reduction) == ("x", "none")
    warp = WARP(12, margin=0.25, name="y")
    again = WARP.from_config(json.loads(json.dumps(warp.get_config())))
    assert (again.num_items, again.margin, again.name, again.reduction) == (12, 0.25, "y", "none")

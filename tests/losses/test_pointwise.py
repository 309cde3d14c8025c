import json
import math

import numpy as np
import pytest

from tfrec_zoo.losses import Logistic, Squared

# isort: split
import tensorflow as tf

LOG2, LOG3 = math.log(2), math.log(3)
EACH = pytest.mark.parametrize("loss", [Logistic(), Squared()], ids=["Logistic", "Squared"])


def test_logistic_by_hand():
    # softplus(0) = log 2; softplus(log 2) = log 3; softplus(-log 2) = log(3/2).
    # Anything above 0 is a positive, and weighs no more than 1 does.
    label = tf.constant([0.0, 1.0, 0.0, 1.0, 0.5, 60.0, -1.0])
    logit = tf.constant([0.0, 0.0, LOG2, LOG2, -LOG2, LOG2, LOG2])
    expected = [LOG2, LOG2, LOG3, math.log(1.5), LOG3, math.log(1.5), LOG3]
    found = Logistic()(label, logit)
    assert found.shape == (7,)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_logistic_gradient_and_large_logits():
    label = tf.constant([0.0, 4.0, 0.0, 4.0, 0.0, 1.0, 0.0, 1.0])
    logit = tf.Variable([0.0, 0.0, LOG3, LOG3, 1000.0, -1000.0, -1000.0, 1000.0])
    with tf.GradientTape() as tape:
        loss = Logistic()(label, logit)
    np.testing.assert_allclose(loss[4:], [1000, 1000, 0, 0])
    # p for a negative, p - 1 for a positive; p = 1/2, 1/2, 3/4, 3/4, ...
    np.testing.assert_allclose(
        tape.gradient(loss, logit), [0.5, -0.5, 0.75, -0.25, 1, -1, 0, 0], rtol=1e-6
    )


def test_squared_by_hand():
    label, rating = tf.constant([5.0, 3.0, 1.0]), tf.Variable([4.0, 3.0, 3.5])
    with tf.GradientTape() as tape:
        loss = Squared()(label, rating)
    np.testing.assert_allclose(loss, [1, 0, 6.25])
    np.testing.assert_allclose(tape.gradient(loss, rating), [-2, 0, 5])  # 2 (rating - label)


@EACH
def test_one_loss_per_element_of_a_list(loss):
    # Keras's own would give [batch] means. Labels may be whole numbers.
    label, logit = tf.constant([[0, 5, 1], [2, 0, 0]]), tf.constant([[0.5, -1, 2], [3, 0, -0.5]])
    found = loss(label, logit)
    assert found.shape == (2, 3)
    for i in range(2):
        np.testing.assert_array_equal(found[i], loss(label[i], logit[i]))
    flat = loss(tf.reshape(label, [-1]), tf.reshape(logit, [-1]))
    np.testing.assert_array_equal(tf.reshape(found, [-1]), flat)


@EACH
@pytest.mark.parametrize("shapes", [([3], [3, 1]), ([3, 1], [3]), ([3], [1]), ([3], [])])
def test_shapes_must_agree(loss, shapes):
    y_true, y_pred = (tf.ones(shape) for shape in shapes)
    # Keras squeezes a column beside a vector before the loss sees it, but not `call`.
    with pytest.raises(ValueError, match="must have the same shape. Received: "):
        loss.call(y_true, y_pred)


@EACH
def test_sample_weight_reduction_and_config(loss):
    label, logit = tf.constant([0.0, 1.0]), tf.constant([1.0, 3.0])
    plain = loss(label, logit).numpy()
    weighted = loss(label, logit, sample_weight=tf.constant([2.0, 0.0]))
    np.testing.assert_allclose(weighted, [2 * plain[0], 0])
    mean = type(loss)(reduction=tf.keras.losses.Reduction.SUM_OVER_BATCH_SIZE)
    np.testing.assert_allclose(mean(label, logit), plain.mean(), rtol=1e-6)
    again = type(loss).from_config(json.loads(json.dumps(type(loss)(name="x").get_config())))
    assert (again.name, again.reduction) == ("x", "none")

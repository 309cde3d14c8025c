import json
import math

import numpy as np
import pytest

from tfrec_zoo.losses import WeightedLogistic

# isort: split
import tensorflow as tf

LOG2, LOG3 = math.log(2), math.log(3)


def test_by_hand():
    # softplus(0) = log 2; softplus(log 2) = log 3; softplus(-log 2) = log(3/2).
    watch_time = tf.constant([0.0, 5.0, 0.0, 5.0, 0.5])
    logit = tf.constant([0.0, 0.0, LOG2, LOG2, -LOG2])
    expected = [LOG2, 5 * LOG2, LOG3, 5 * math.log(1.5), 0.5 * LOG3]
    found = WeightedLogistic()(watch_time, logit)
    assert found.shape == (5,)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    expected = [LOG2, LOG2, LOG3, math.log(1.5), LOG3]
    np.testing.assert_allclose(WeightedLogistic(weighted=False)(watch_time, logit), expected, 1e-6)


def test_is_a_weighted_cross_entropy():
    rng = np.random.default_rng(0)
    watch_time = np.where(rng.random(500) < 0.3, rng.exponential(60, 500), 0).astype(np.float32)
    logit = rng.normal(0, 3, 500).astype(np.float32)
    p = 1 / (1 + np.exp(-logit.astype(np.float64)))
    weight = np.where(watch_time > 0, watch_time, 1)
    expected = -weight * np.where(watch_time > 0, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(WeightedLogistic()(watch_time, logit), expected, rtol=1e-4)


def test_gradient():
    watch_time = tf.constant([0.0, 4.0, 0.0, 4.0])
    logit = tf.Variable([0.0, 0.0, LOG3, LOG3])  # probabilities 1/2, 1/2, 3/4, 3/4
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(WeightedLogistic()(watch_time, logit))
    # p for a negative, T (p - 1) for a positive
    np.testing.assert_allclose(tape.gradient(loss, logit), [0.5, -2.0, 0.75, -1.0], rtol=1e-6)


def test_large_logits():
    logit = tf.Variable([1000.0, -1000.0, 1000.0, -1000.0])
    watch_time = tf.constant([0.0, 0.0, 2.0, 2.0])
    with tf.GradientTape() as tape:
        loss = WeightedLogistic()(watch_time, logit)
    np.testing.assert_allclose(loss, [1000, 0, 0, 2000])
    np.testing.assert_allclose(tape.gradient(loss, logit), [1, 0, 0, -2])


@pytest.mark.parametrize(
    ("options", "odds"),
    [({}, 105 / 7), ({"weighted": False}, 3 / 7), ({"exact_odds": True}, 105 / 10)],
)
def test_odds_of_the_best_constant(options, odds):
    # 3 of 10 impressions are watched, 105 seconds in all: odds 105 / (10 - 3) = 15; clicks 3 / 7.
    # Exact odds are the mean watch time of all ten.
    watch_time = tf.constant([0.0, 60.0, 0.0, 0.0, 30.0, 0.0, 15.0, 0.0, 0.0, 0.0])
    loss = WeightedLogistic(**options)
    logit = tf.Variable(0.0)
    for _ in range(50):  # Newton
        with tf.GradientTape() as outer, tf.GradientTape() as inner:
            total = tf.reduce_sum(loss(watch_time, tf.fill([10], logit)))
            gradient = inner.gradient(total, logit)
        logit.assign_sub(tf.clip_by_value(gradient / outer.gradient(gradient, logit), -1, 1))
    assert abs(gradient) < 1e-4
    np.testing.assert_allclose(tf.exp(logit), odds, rtol=1e-5)


def test_shapes_and_types():
    # Lists of candidates; watch times may be whole numbers.
    watch_time, logit = tf.constant([[0, 5], [2, 0]]), tf.zeros([2, 2])
    found = WeightedLogistic()(watch_time, logit)
    np.testing.assert_allclose(found, [[LOG2, 5 * LOG2], [2 * LOG2, LOG2]], rtol=1e-6)


@pytest.mark.parametrize("shapes", [([3], [3, 1]), ([3, 1], [3]), ([3], [1])])
def test_shapes_must_agree(shapes):
    # Else every watch time would meet every logit.
    y_true, y_pred = (tf.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match="must have the same shape. Received: "):
        WeightedLogistic()(y_true, y_pred)


def test_reduction_and_sample_weight():
    watch_time, logit = tf.constant([0.0, 5.0]), tf.constant([0.0, 0.0])
    weighted = WeightedLogistic()(watch_time, logit, sample_weight=tf.constant([2.0, 0.0]))
    np.testing.assert_allclose(weighted, [2 * LOG2, 0], rtol=1e-6)
    mean = WeightedLogistic(reduction=tf.keras.losses.Reduction.SUM_OVER_BATCH_SIZE)
    np.testing.assert_allclose(mean(watch_time, logit), 3 * LOG2, rtol=1e-6)


def test_compiled_into_a_model_whose_output_is_a_column():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(loss=WeightedLogistic())
    loss = model.evaluate(np.ones([2, 3]), np.array([0.0, 5.0]), verbose=0)
    np.testing.assert_allclose(loss, 3 * LOG2, rtol=1e-6)  # (1 + 5) / 2 log 2


def test_config():
    loss = WeightedLogistic(weighted=False, name="clicks")
    again = WeightedLogistic.from_config(json.loads(json.dumps(loss.get_config())))
    assert (again.weighted, again.name, again.reduction) == (False, "clicks", "none")


def test_exact_odds_by_hand_and_only_where_weighted():
    # Watched for 5 at logit 0: 5 log 2 as a positive, log 2 as a negative.
    loss = WeightedLogistic(exact_odds=True)
    np.testing.assert_allclose(
        loss(tf.constant([0.0, 5.0]), tf.constant([LOG2, 0.0])), [LOG3, 6 * LOG2], rtol=1e-6
    )
    assert WeightedLogistic.from_config(loss.get_config()).exact_odds
    with pytest.raises(ValueError, match="`exact_odds` is for weighted training"):
        WeightedLogistic(weighted=False, exact_odds=True)

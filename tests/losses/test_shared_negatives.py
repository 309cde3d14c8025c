import numpy as np

from tfrec_zoo.losses import shared_softmax_losses

# isort: split
import tensorflow as tf

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=[5, 3]).astype(np.float32)
ITEMS = RNG.normal(size=[7, 3]).astype(np.float32)
CLASSES = np.array([0, 3, 3, 6, 1], np.int32)


def losses(negatives, log_odds, query=QUERY):
    return shared_softmax_losses(
        tf.constant(query),
        lambda classes: tf.gather(ITEMS, classes),
        tf.constant(CLASSES),
        tf.constant(negatives, tf.int32),
        tf.constant(log_odds, tf.float32),
    )


def test_all_classes_are_the_full_softmax():
    found = losses(np.arange(7), np.zeros(7))
    scores = QUERY @ ITEMS.T
    expected = np.log(np.exp(scores).sum(1)) - scores[np.arange(5), CLASSES]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_negatives_stand_for_as_many_as_they_are_rarely_drawn():
    odds = np.array([0.5, 2.0, 0.1])
    found = losses([3, 4, 0], np.log(odds))
    for row, own in enumerate(CLASSES):
        scores = ITEMS @ QUERY[row]
        others = [np.exp(scores[j]) / p for j, p in zip([3, 4, 0], odds, strict=True) if j != own]
        expected = np.log(np.exp(scores[own]) + sum(others)) - scores[own]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


def test_nothing_but_its_own_costs_nothing():
    assert losses([3], [0.0]).numpy()[1:3].tolist() == [0.0, 0.0]


def test_half_precision_and_no_queries():
    found = losses([3, 4, 0], np.zeros(3), QUERY.astype(np.float16))
    np.testing.assert_allclose(found, losses([3, 4, 0], np.zeros(3)), rtol=1e-2)
    empty = shared_softmax_losses(
        tf.zeros([0, 3]),
        lambda classes: tf.gather(ITEMS, classes),
        tf.zeros([0], tf.int32),
        tf.constant([1, 2]),
        tf.zeros([2]),
    )
    assert empty.shape == [0]

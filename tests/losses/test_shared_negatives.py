import numpy as np
import pytest

from tfrec_zoo.losses import Drawn, Negatives, shared_softmax_losses

# isort: split
import tensorflow as tf

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=[5, 3]).astype(np.float32)
ITEMS = RNG.normal(size=[7, 3]).astype(np.float32)
CLASSES = np.array([0, 3, 3, 6, 1], np.int32)
OF_POSITIVES = np.array([0.5, 1, 2, 0.1, 0.3], np.float32)


def losses(drawn, expected, is_known=None, correction="negatives"):
    return shared_softmax_losses(
        tf.constant(QUERY),
        lambda classes: tf.gather(ITEMS, classes),
        tf.constant(CLASSES),
        Drawn(tf.constant(drawn), tf.constant(expected, tf.float32), tf.constant(OF_POSITIVES)),
        Negatives("uniform", correction=correction),
        is_known,
    )


def test_all_classes_are_the_full_softmax():
    found = losses(range(7), np.ones(7))
    scores = QUERY @ ITEMS.T
    expected = np.log(np.exp(scores).sum(1)) - scores[np.arange(5), CLASSES]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("correction", ["negatives", "all", "none"])
def test_negatives_stand_for_as_many_as_they_are_rarely_drawn(correction):
    drawn, expected = [3, 4, 0], [0.5, 2.0, 0.1]
    is_known = np.zeros([5, 3], bool)
    is_known[0, 1] = is_known[3, 2] = True
    found = losses(drawn, expected, tf.constant(is_known), correction)
    for row, own in enumerate(CLASSES):
        odds = np.exp(ITEMS @ QUERY[row].astype(np.float64))
        of_own = odds[own] / (OF_POSITIVES[row] if correction == "all" else 1)
        others = [
            odds[j] / (1 if correction == "none" else times)
            for j, times, known in zip(drawn, expected, is_known[row], strict=True)
            if j != own and not known
        ]
        value = np.log(of_own + sum(others)) - np.log(of_own)
        np.testing.assert_allclose(found[row], value, rtol=1e-5)


def test_nothing_but_its_own_costs_nothing():
    assert losses([3], [1.0]).numpy()[1:3].tolist() == [0.0, 0.0]


def test_no_queries():
    drawn = Drawn(tf.constant([1, 2]), tf.ones([2]), tf.zeros([0]))
    empty = shared_softmax_losses(
        tf.zeros([0, 3]),
        lambda classes: tf.gather(ITEMS, classes),
        tf.zeros([0], tf.int32),
        drawn,
        Negatives("uniform"),
    )
    assert empty.shape == [0]

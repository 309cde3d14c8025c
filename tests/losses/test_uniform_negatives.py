import numpy as np

from tfrec_zoo.losses import expected_binary_losses, uniform_negatives

# isort: split
import tensorflow as tf

OWN = tf.constant([[2, 0, 2, -1], [-1, -1, -1, -1], [4, 3, 1, 2]])


def test_every_free_class_is_drawn_alike():
    draws = uniform_negatives(OWN, 30_000, 5, seed=1).numpy()
    for row, free in zip(draws, ([1, 3, 4], [0, 1, 2, 3, 4], [0]), strict=True):
        classes, counts = np.unique(row, return_counts=True)
        assert classes.tolist() == free
        # Of 30,000 draws a third has a standard deviation of 82.
        np.testing.assert_allclose(counts, 30_000 / len(free), atol=450)


def test_who_owns_all_has_none():
    own = tf.constant([[0, 1, 2, 2], [0, 1, 1, 1]])
    assert uniform_negatives(own, 3, 3).numpy().tolist() == [[-1] * 3, [2] * 3]


def test_draws_differ_by_example_and_repeat_by_seed():
    own = tf.zeros([2, 1], tf.int32)
    tf.random.set_seed(0)
    one = uniform_negatives(own, 50, 1000, seed=1).numpy()
    tf.random.set_seed(0)
    assert np.array_equal(uniform_negatives(own, 50, 1000, seed=1), one)
    assert np.mean(one[0] == one[1]) < 0.1


def test_expected_losses_are_the_mean_over_the_draws():
    scores = np.random.default_rng(0).normal(size=[3, 5]).astype(np.float32)
    classes = [2, 1, 3]
    found = expected_binary_losses(tf.constant(scores), tf.constant(classes), OWN)
    for row, free in enumerate(([1, 3, 4], [0, 1, 2, 3, 4], [0])):
        positive = -np.log(1 / (1 + np.exp(-scores[row, classes[row]])))
        negative = [-np.log(1 - 1 / (1 + np.exp(-scores[row, j]))) for j in free]
        np.testing.assert_allclose(found[row], positive + np.mean(negative), rtol=1e-5)
    # Without a negative the item is all there is.
    own = tf.constant([[0, 1]])
    np.testing.assert_allclose(
        expected_binary_losses(tf.zeros([1, 2]), tf.constant([0]), own), [np.log(2)], rtol=1e-6
    )

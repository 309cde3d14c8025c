import numpy as np
import pytest

from tfrec_zoo.losses import ItemCounts

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_exact_counts_by_hand():
    counts = ItemCounts(4, exponent=0.5)
    counts.adapt([0, 0, 0, 0, 1, -1, 3, 0, 0, 0, 0, 0])  # 9, 1, 0 and 1 of 11 known choices.
    expected = counts.expected(tf.constant([0, 2, 3]), tf.constant(22))
    np.testing.assert_allclose(expected, [18, 0, 2], rtol=1e-6)
    # Roots are 3, 1, 0 and 1.
    draws = counts.expected_draws(tf.constant([0, 1, 2, 3]), 10)
    np.testing.assert_allclose(draws, [6, 2, 0, 2], atol=1e-6)


def test_draws_follow_the_counts():
    tf.random.set_seed(0)
    counts = ItemCounts(4, exponent=1.0)
    counts.adapt(np.repeat([0, 1, 3], [5, 3, 2]))
    found = np.bincount(counts.draw(10_000), minlength=4)
    assert found[2] == 0
    expected = np.array([5000, 3000, 2000])
    # χ² with two degrees of freedom: above 13.8 once in a thousand.
    assert np.sum((found[[0, 1, 3]] - expected) ** 2 / expected) < 13.8


def test_estimate_by_hand():
    counts = ItemCounts(3, alpha=0.25)
    for batch in ([0, 1, -1], [0, 0], [0, 1], [1]):
        counts.update(tf.constant(batch))
    # Choices: 2, 4, 6, 7. Item 0: 2 after 2; twice after 2, 1 each: .5625 · 2 + .4375 · 1 = 1.5625;
    # .75 · 1.5625 + .25 · 2 = 1.671875. Item 1: 2; .75 · 2 + .25 · 4 = 2.5; .75 · 2.5 + .25 · 1 =
    # 2.125. Item 2 was none of seven.
    expected = counts.expected(tf.constant([0, 1, 2]), tf.constant(10))
    np.testing.assert_allclose(expected, [10 / 1.671875, 10 / 2.125, 10 / 8], rtol=1e-6)


def test_estimate_nears_the_odds():
    rng, chance = np.random.default_rng(0), np.array([0.5, 0.3, 0.15, 0.05])
    counts = ItemCounts(4, alpha=0.005)
    update = tf.function(counts.update)
    for _ in range(2000):
        update(tf.constant(rng.choice(4, 8, p=chance)))
    np.testing.assert_allclose(counts.expected(tf.range(4), tf.constant(8)), 8 * chance, rtol=0.15)


def test_what_can_not_be_counted():
    counts = ItemCounts(3)
    with pytest.raises(ValueError, match="must be choices to count. Received: 2 unknown"):
        counts.adapt([-1, -1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`count_items` first"):
        counts.draw(5)


def test_config():
    again = ItemCounts.from_config(ItemCounts(3, exponent=0.5, alpha=0.1).get_config())
    assert (again.num_items, again.exponent, again.alpha) == (3, 0.5, 0.1)

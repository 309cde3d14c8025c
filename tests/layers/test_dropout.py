"""Dropout: masks that follow from a seed and a step."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec_zoo.draws import at_step, uniform
from tfrec_zoo.layers import Dropout

X = tf.ones([4, 500])


def test_drops_a_share_and_scales_the_rest():
    found = Dropout(0.25, seed=1)(X, training=True).numpy()
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / 0.75)}
    assert np.mean(found == 0) == pytest.approx(0.25, abs=0.04)
    np.testing.assert_array_equal(Dropout(0.25)(X, training=False), X)
    np.testing.assert_array_equal(Dropout(0.0)(X, training=True), X)


def test_masks_follow_from_the_seed_the_step_and_the_place():
    layer = Dropout(0.5, seed=3)

    def masks(step: int, of: Dropout = layer) -> list[bytes]:
        with at_step(tf.constant(step, tf.int64)):
            return [of(X, training=True).numpy().tobytes() for _ in range(2)]

    first, again = masks(7)
    assert masks(7) == [first, again] and first != again
    assert {first, again}.isdisjoint([*masks(8), *masks(7, Dropout(0.5, seed=4))])
    # Without a step there is no end to the masks.
    assert len({layer(X, training=True).numpy().tobytes() for _ in range(3)}) == 3


def test_steps_of_a_traced_loop_draw_anew():
    step = tf.Variable(0, dtype=tf.int64)

    @tf.function
    def three_steps():
        drawn = tf.TensorArray(tf.float32, 3)
        for i in tf.range(3):
            with at_step(step):
                drawn = drawn.write(i, uniform([], seed=5))
            step.assign_add(1)
        return drawn.stack()

    found = three_steps().numpy()
    assert len(set(found)) == 3
    step.assign(1)
    np.testing.assert_array_equal(three_steps()[:2], found[1:])

"""Intervals of time as ids, finer where they are short."""

import tensorflow as tf

#: Ids that `interval_ids` gives: the longest is of 2^31 and more.
NUM_INTERVALS = 64


def interval_ids(intervals: tf.Tensor) -> tf.Tensor:
    """Returns ids of intervals, int32: two for each time that an interval doubles.

        id = 1 + ⌊2 log₂(1 + interval)⌋, at most `NUM_INTERVALS`

    What is below zero counts as zero.

    Args:
        intervals: Intervals, of any shape; NaN and infinite ones are unknown and get 0.

    Example:

    >>> interval_ids(tf.constant([0.0, 1.0, 3.0, 1e30, float("nan")])).numpy().tolist()
    [1, 3, 5, 64, 0]
    """
    is_known = tf.math.is_finite(intervals)
    known = tf.where(is_known, tf.clip_by_value(intervals, 0, 2.0**32), 0)
    octaves = tf.math.log1p(tf.cast(known, tf.float32)) / tf.math.log(2.0)
    # Whole octaves may come out a little too low.
    ids = 1 + tf.cast(2 * octaves + 1e-5, tf.int32)
    return tf.where(is_known, tf.minimum(ids, NUM_INTERVALS), 0)

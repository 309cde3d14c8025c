"""Membership: which rows are among those of a list."""

import tensorflow as tf


def is_in(rows: tf.Tensor, exclude: tf.Tensor) -> tf.Tensor:
    """Returns which of the rows, [batch, n], are among the excluded ones, [batch, length]."""
    # The largest int32 keeps the search in bounds and is never a row.
    ordered = tf.pad(tf.sort(exclude, axis=1), [[0, 0], [0, 1]], constant_values=tf.int32.max)
    at = tf.searchsorted(ordered, rows)
    return tf.gather(ordered, at, batch_dims=1) == rows

"""Bags of ids as sequences: what is known side by side, whatever is missing between."""

import tensorflow as tf


def packed(
    ids: tf.Tensor, max_length: int, ages: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns the last known ids of each row side by side, at the end, and their ages.

    Args:
        ids: Ids, [batch, length]; 0 is unknown or missing, and may be anywhere.
        max_length: Number of ids to keep.
        ages: Their ages, [batch, length], or None.

    Returns:
        Ids, [batch, longest], with zeros before them, and ages; there is at least one column.

    Example:

    >>> ids, _ = packed(tf.constant([[5, 0, 7, 0], [0, 0, 0, 2]]), 50)
    >>> ids.numpy().tolist()
    [[5, 7], [0, 2]]
    """
    ids = tf.pad(ids, [[0, 0], [1, 0]])
    is_known = tf.cast(ids > 0, tf.int32)
    longest = tf.reduce_max(tf.reduce_sum(is_known, axis=1))
    at = tf.argsort(is_known, stable=True)[:, -tf.clip_by_value(longest, 1, max_length) :]
    if ages is not None:
        ages = tf.gather(tf.pad(ages, [[0, 0], [1, 0]]), at, batch_dims=1)
    return tf.gather(ids, at, batch_dims=1), ages

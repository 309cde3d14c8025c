"""Membership: which rows are among those of a list, and which may be returned."""

import tensorflow as tf

from tfrec_zoo.serving.index.keep import Keep


def is_in(rows: tf.Tensor, exclude: tf.Tensor) -> tf.Tensor:
    """Returns which of the rows, [batch, n], are among the excluded ones, [batch, length]."""
    # The largest int32 keeps the search in bounds and is never a row.
    ordered = tf.pad(tf.sort(exclude, axis=1), [[0, 0], [0, 1]], constant_values=tf.int32.max)
    # `tf.searchsorted` can't tell how many lists there are of no values.
    at = tf.searchsorted(ordered, tf.pad(rows, [[0, 0], [0, 1]]))[:, :-1]
    return tf.gather(ordered, at, batch_dims=1) == rows


def may_be_returned(
    rows: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor | None = None, keep: Keep | None = None
) -> tf.Tensor:
    """Returns which rows a search might return, bool [batch, n].

    Args:
        rows: The rows, [batch, n]; none below 0 may be returned.
        exclude: As for `Index.search`.
        allow: As for `Index.search`.
        keep: As for `Index.search`.
    """
    kept = (rows >= 0) & tf.logical_not(is_in(rows, exclude))
    if allow is not None:
        is_restricted = tf.reduce_any(allow != -1, axis=1, keepdims=True)
        kept &= is_in(rows, allow) | tf.logical_not(is_restricted)
    if keep is not None:
        kept &= keep.of(rows)
    return kept

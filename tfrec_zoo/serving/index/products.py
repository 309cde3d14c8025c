"""Products: the best of all scores, and the scores of given items."""

import tensorflow as tf

from tfrec_zoo.reads import taken
from tfrec_zoo.serving.index.keep import Keep


def best_of(
    scores: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k best scores, [batch, k], and their rows.

    What is excluded or not kept gets the lowest float.
    """
    num_items = scores.shape[1]
    if keep is not None:
        scores = tf.where(keep.every(), scores, scores.dtype.min)
        scores = tf.ensure_shape(scores, [None, num_items])
    if exclude is not None:
        batch = tf.shape(exclude)[0]
        # An extra column receives the entries that exclude nothing.
        scores = tf.pad(scores, [[0, 0], [0, 1]])
        column = tf.where(exclude < 0, num_items, exclude)
        row = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(column))
        at = tf.reshape(tf.stack([row, column], axis=-1), [-1, 2])
        lowest = tf.fill([tf.shape(at)[0]], scores.dtype.min)
        scores = tf.tensor_scatter_nd_update(scores, at, lowest)[:, :num_items]
    return tf.math.top_k(scores, min(k, num_items))


def products(query: tf.Tensor, candidates: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Returns the products of each query with items of its own, [batch, n]."""

    def of_one(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return tf.linalg.matvec(taken(candidates, one[1]), one[0])

    query = tf.cast(query, candidates.dtype)
    return tf.cond(
        tf.shape(rows)[0] > 0,
        # A query at a time: long lists of a large batch would not fit into memory.
        lambda: tf.map_fn(of_one, (query, rows), fn_output_signature=candidates.dtype),
        lambda: tf.zeros(tf.shape(rows), candidates.dtype),  # None can't be stacked.
    )

"""Softmax of many queries, each over its own class and negatives that all of them share."""

from collections.abc import Callable

import tensorflow as tf


def shared_softmax_losses(
    query: tf.Tensor,
    vectors: Callable[[tf.Tensor], tf.Tensor],
    classes: tf.Tensor,
    negatives: tf.Tensor,
    log_odds: tf.Tensor,
) -> tf.Tensor:
    """Computes the cross-entropy of each query's class among itself and the negatives.

        s̃_ij = s_ij − log E[times that j is drawn],    loss_i = −log softmax([s_i; s̃_i1, …, s̃_in])_0

    A negative that is the query's own class does not count. Scores are [queries, 1 + n], however
    many queries there are.

    Args:
        query: Query vectors, [queries, dim].
        vectors: Function from classes, [n], to their vectors, [n, dim].
        classes: Classes of the queries, [queries].
        negatives: Classes that were drawn, [n].
        log_odds: Logarithm of the expected number of times that each of them is drawn, [n].

    Returns:
        The losses, [queries].

    Example:

    >>> vectors = lambda classes: tf.gather([[1.0], [2.0], [3.0]], classes)
    >>> losses = shared_softmax_losses(tf.constant([[0.0]]), vectors, tf.constant([0]),
    ...                                tf.constant([0, 1]), tf.math.log([1.0, 0.5]))
    >>> f"{losses[0]:.3f}"  # Item 1, drawn every other time, stands for two: log(1 + 2).
    '1.099'
    """
    own = tf.reduce_sum(query * tf.cast(vectors(classes), query.dtype), axis=1, keepdims=True)
    scores = tf.linalg.matmul(query, tf.cast(vectors(negatives), query.dtype), transpose_b=True)
    is_own = classes[:, None] == negatives
    scores = tf.where(is_own, scores.dtype.min, scores - tf.cast(log_odds, scores.dtype))
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.zeros_like(classes), tf.concat([own, scores], axis=1)
    )

"""Softmax of many queries, each over its own class and negatives that all of them share."""

from collections.abc import Callable

import tensorflow as tf

from tfrec_zoo.losses.negatives import Negatives
from tfrec_zoo.losses.sampled_softmax import Drawn
from tfrec_zoo.losses.softmax import softmax_losses


def shared_softmax_losses(
    query: tf.Tensor,
    vectors: Callable[[tf.Tensor], tf.Tensor],
    classes: tf.Tensor,
    drawn: Drawn,
    negatives: Negatives,
    is_known: tf.Tensor | None = None,
) -> tf.Tensor:
    """Computes the cross-entropy of each query's class among itself and what was drawn.

        loss_i = −log softmax([s_i; s̃_i1, …, s̃_in])_0,    s̃_ij = s_ij − log E[times that j is drawn]

    A negative that is the query's own class weighs nothing. The scores are [queries, 1 + n]: unlike
    those of `sampled_softmax_losses` they do not grow with the square of the number of queries, of
    which a batch of sequences has thousands.

    Args:
        query: Query vectors, float32 [queries, dim].
        vectors: Function from classes, [n], to their vectors, [n, dim].
        classes: Classes of the queries, [queries].
        drawn: What was drawn for all of them, [n].
        negatives: How the scores are corrected.
        is_known: Which of what was drawn is no negative of a query, bool [queries, n].

    Returns:
        The losses, [queries].

    Example:

    >>> vectors = lambda classes: tf.gather([[1.0], [2.0], [3.0]], classes)
    >>> drawn = Drawn(tf.constant([0, 1]), tf.constant([1.0, 0.5]), tf.constant([1.0]))
    >>> losses = shared_softmax_losses(tf.constant([[0.0]]), vectors, tf.constant([0]), drawn,
    ...                                Negatives("uniform"))
    >>> f"{losses[0]:.3f}"  # Item 1, drawn every other time, stands for two: log(1 + 2).
    '1.099'
    """
    own = tf.reduce_sum(query * tf.cast(vectors(classes), tf.float32), axis=1)
    scores = tf.linalg.matmul(query, tf.cast(vectors(drawn.classes), tf.float32), transpose_b=True)
    if negatives.correction != "none":
        scores -= tf.math.log(drawn.expected)
    if negatives.correction == "all":
        own -= tf.math.log(drawn.of_positives)
    is_out = classes[:, None] == drawn.classes
    if is_known is not None:
        is_out |= is_known
    scores = tf.where(is_out, -float("inf"), scores)
    return softmax_losses(tf.concat([own[:, None], scores], axis=1), tf.zeros_like(classes))

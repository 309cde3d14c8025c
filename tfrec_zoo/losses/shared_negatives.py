"""Softmax of many queries, each over its own class and negatives that all of them share."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrec_zoo.losses.drawn import Drawn
from tfrec_zoo.losses.negatives import Negatives
from tfrec_zoo.losses.softmax import softmax_losses
from tfrec_zoo.recommenders import tfrs


class DrawnCandidatesSoftmax(tf.keras.losses.Loss):
    """The loss of a `tfrs.tasks.Retrieval` whose candidates are negatives alone.

    Args:
        own: The score of each query's own class, [queries].
        log_expected: Logarithm of how often each candidate was to be expected, [candidates]; None
            corrects nothing.
    """

    def __init__(self, own: tf.Tensor, log_expected: tf.Tensor | None = None) -> None:
        super().__init__(tf.keras.losses.Reduction.NONE, "drawn_candidates_softmax")
        self._own, self._log_expected = own, log_expected

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the cross-entropies, [queries], of scores [queries, candidates]."""
        if self._log_expected is not None:
            y_pred -= self._log_expected
        scores = tf.concat([self._own[:, None], y_pred], axis=1)
        return softmax_losses(scores, tf.zeros_like(self._own, tf.int32))


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

    A negative that is the query's own class weighs nothing. The candidates of the
    `tfrs.tasks.Retrieval` are what was drawn: its scores are [queries, n], and do not grow with the
    square of the number of queries, of which a batch of sequences has thousands.

    Args:
        query: Query vectors, float32 [queries, dim].
        vectors: Function from classes, [n], to their vectors, [n, dim].
        classes: Classes of the queries, [queries]; the loss of −1, which is unknown, means nothing.
        drawn: What was drawn for all of them, [n]; −1 is none.
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
    both = tf.maximum(tf.concat([classes, drawn.classes], axis=0), 0)
    items = tf.cast(vectors(both), tf.float32)
    positives, candidates = tf.split(items, [tf.size(classes), tf.size(drawn.classes)])
    own = tf.reduce_sum(query * positives, axis=1)
    if negatives.correction == "all":
        own -= tf.math.log(drawn.of_positives)
    # The task's own correction takes no odds above 1.
    log_expected = None if negatives.correction == "none" else tf.math.log(drawn.expected)
    is_negative = (classes[:, None] != drawn.classes) & (drawn.classes >= 0)
    if is_known is not None:
        is_negative &= ~is_known
    task: Any = tfrs.tasks.Retrieval(loss=DrawnCandidatesSoftmax(own, log_expected))
    return task(
        query,
        candidates,
        score_mask=is_negative,
        compute_metrics=False,
        compute_batch_metrics=False,
    )

"""Sampled softmax: a few classes stand for all, corrected for their odds of being among them.

s̃_ij = s_ij − log E[times that j is among the candidates],    loss_i = −log softmax(s̃_i)_own(i)
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrec_zoo.losses.drawn import Drawn
from tfrec_zoo.losses.negatives import Negatives
from tfrec_zoo.losses.shared_negatives import shared_softmax_losses
from tfrec_zoo.losses.softmax import softmax_losses
from tfrec_zoo.recommenders import tfrs


class OwnCandidateSoftmax(tf.keras.losses.Loss):
    """The loss of a `tfrs.tasks.Retrieval`, in which candidate i is the positive of query i.

    Args:
        log_expected: Logarithm of how often each candidate was to be expected, [candidates], which
            its scores lose; None corrects nothing.
        corrects_own: Whether the score of a query's own candidate loses it too.
    """

    def __init__(self, log_expected: tf.Tensor | None = None, corrects_own: bool = True) -> None:
        super().__init__(tf.keras.losses.Reduction.NONE, "own_candidate_softmax")
        self._log_expected, self._corrects_own = log_expected, corrects_own

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the cross-entropies, [batch], of scores [batch, candidates]."""
        own = tf.range(tf.shape(y_pred)[0])
        if self._log_expected is not None:
            y_pred -= self._log_expected
            if not self._corrects_own:
                of_own = self._log_expected[: tf.size(own)]
                at = tf.stack([own, own], axis=1)
                y_pred = tf.tensor_scatter_nd_add(y_pred, at, of_own)
        return softmax_losses(y_pred, own)


def sampled_softmax_losses(
    query: tf.Tensor,
    vectors: Callable[[tf.Tensor], tf.Tensor],
    positives: tf.Tensor,
    drawn: Drawn,
    negatives: Negatives,
    known: tf.Tensor | None = None,
) -> tf.Tensor:
    """Computes the losses of a softmax over what was drawn, and the batch's items where they count.

    This is a `tfrs.tasks.Retrieval`. Its candidates are the batch's items and what was drawn, or
    what was drawn alone where other examples' items are no negatives. Masked scores have a softmax
    weight of exactly 0.

    Args:
        query: Query vectors, [batch, dim].
        vectors: Function from classes, [n], to their vectors, [n, dim]; those of −1 do not matter.
        positives: Classes of the examples, [batch]; −1 for unknown ones, whose loss is 0.
        drawn: What was drawn for the batch.
        negatives: Which candidates count, and how they are corrected.
        known: Classes that are no negatives of an example, [batch, length]; −1 is none.

    Returns:
        The loss of each example, [batch].
    """
    known = known if negatives.mask_known else None
    if negatives.has_batch:
        losses = _with_batch(query, vectors, positives, drawn, negatives, known)
    else:
        is_known = None if known is None else is_among(drawn.classes, known)
        losses = shared_softmax_losses(query, vectors, positives, drawn, negatives, is_known)
    return tf.where(positives >= 0, losses, 0.0)


def _with_batch(
    query: tf.Tensor,
    vectors: Callable[[tf.Tensor], tf.Tensor],
    positives: tf.Tensor,
    drawn: Drawn,
    negatives: Negatives,
    known: tf.Tensor | None,
) -> tf.Tensor:
    candidates = tf.concat([positives, drawn.classes], axis=0)
    mask = candidate_mask(positives, drawn.classes)
    if known is not None:
        is_other = positives[:, None] != candidates
        mask &= ~(is_among(candidates, known) & is_other)
    items = tf.cast(vectors(tf.maximum(candidates, 0)), tf.float32)
    # The task's own correction takes no odds above 1.
    log_expected = None
    if negatives.correction != "none":
        log_expected = tf.math.log(tf.concat([drawn.of_positives, drawn.expected], axis=0))
    softmax = OwnCandidateSoftmax(log_expected, corrects_own=negatives.correction == "all")
    task: Any = tfrs.tasks.Retrieval(loss=softmax)
    return task(query, items, score_mask=mask, compute_metrics=False, compute_batch_metrics=False)


def candidate_mask(positives: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Which candidates count for each example, bool [batch, batch + drawn].

    An example's own candidate does, and others but those of its own class ("accidental hits") and
    unknown ones.

    Args:
        positives: Classes of the examples, [batch]; −1 for unknown ones.
        drawn: Drawn classes, [drawn]; −1 is none.
    """
    of_batch = (positives[:, None] != positives) & (positives >= 0)
    of_batch |= tf.eye(tf.size(positives), dtype=tf.bool)
    return tf.concat([of_batch, (positives[:, None] != drawn) & (drawn >= 0)], axis=1)


def is_among(candidates: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Whether candidates, [n], are among the classes of each row, [rows, length]: [rows, n].

    The cost is that of looking up `known` among the candidates, and of the result.
    """
    distinct, place = tf.unique(candidates)
    order = tf.argsort(distinct)
    ordered = tf.gather(distinct, order)
    at = tf.minimum(tf.searchsorted(ordered, tf.reshape(known, [-1])), tf.size(ordered) - 1)
    is_found = tf.reshape(tf.gather(ordered, at), tf.shape(known)) == known
    is_found &= known >= 0
    row = tf.broadcast_to(tf.range(tf.shape(known)[0])[:, None], tf.shape(known))
    column = tf.reshape(tf.gather(order, at), tf.shape(known))
    hits = tf.boolean_mask(tf.stack([column, row], axis=-1), is_found)
    shape = [tf.size(distinct), tf.shape(known)[0]]
    found = tf.scatter_nd(hits, tf.ones(tf.shape(hits)[:1], tf.int32), shape) > 0
    return tf.transpose(tf.gather(found, place))

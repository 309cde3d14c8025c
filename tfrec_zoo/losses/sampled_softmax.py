"""Sampled softmax: a few classes stand for all, corrected for their odds of being among them.

s̃_ij = s_ij − log E[times that j is among the candidates],    loss_i = −log softmax(s̃_i)_own(i)
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrec_zoo import draws
from tfrec_zoo.losses.negatives import Negatives
from tfrec_zoo.losses.softmax import softmax_losses
from tfrec_zoo.recommenders import tfrs


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Classes drawn for a batch, and how many times each was to be expected.

    Args:
        classes: The classes, int32 [drawn]; −1 is none.
        expected: Expected number of times that each of them is drawn, [drawn].
        of_positives: The same for the examples' own classes, [batch].
    """

    classes: tf.Tensor
    expected: tf.Tensor
    of_positives: tf.Tensor


def draw_log_uniform(
    positives: tf.Tensor, number: int, num_classes: int, seed: int | None = None
) -> Drawn:
    """Draws distinct classes from a log-uniform distribution over popularity ranks.

    Class 0 is the most frequent, as in a `Vocabulary`. Class k is drawn in proportion to log((k +
    2) / (k + 1)), which is close to Zipf's law. This is the "background distribution" that
    candidate sampling corrects for (Covington et al. 2016, §3.1; Jean et al., ACL 2015).

    Args:
        positives: Classes of the examples, [batch].
        number: Number of classes drawn; all there are, if there are fewer.
        num_classes: Number of classes.
        seed: Seed of the draw.
    """
    scale = math.log(num_classes + 1)

    def proposed(uniform: tf.Tensor) -> tf.Tensor:
        ranks = tf.cast(tf.exp(uniform * scale), tf.int32) - 1
        return tf.minimum(ranks, num_classes - 1)

    def chance(classes: tf.Tensor) -> tf.Tensor:
        rank = tf.cast(classes, tf.float32)
        return tf.math.log1p(1.0 / (rank + 1.0)) / scale

    if number >= num_classes:
        return _all(positives, num_classes)
    classes, tries = _distinct(proposed, number, seed)
    # The chance to be among them after so many tries.
    expected, of_positives = (
        -tf.math.expm1(tf.cast(tries, tf.float32) * tf.math.log1p(-chance(c)))
        for c in (classes, positives)
    )
    return Drawn(classes, expected, of_positives)


def draw_uniform(
    positives: tf.Tensor, number: int, num_classes: int, seed: int | None = None
) -> Drawn:
    """Draws distinct classes, each as likely as any; see `draw_log_uniform`."""

    def proposed(uniform: tf.Tensor) -> tf.Tensor:
        return tf.minimum(tf.cast(uniform * num_classes, tf.int32), num_classes - 1)

    if number >= num_classes:
        return _all(positives, num_classes)
    classes, _ = _distinct(proposed, number, seed)
    expected, of_positives = (
        tf.fill(tf.shape(c), number / num_classes) for c in (classes, positives)
    )
    return Drawn(classes, expected, of_positives)


def _all(positives: tf.Tensor, num_classes: int) -> Drawn:
    return Drawn(tf.range(num_classes), tf.ones([num_classes]), tf.ones(tf.shape(positives)))


def _distinct(
    proposed: Callable[[tf.Tensor], tf.Tensor], number: int, seed: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws until there are as many distinct classes, and tells after how many tries there were.

    Args:
        proposed: Function from numbers that are uniform on [0, 1), float64 [n], to classes.
        number: Number of classes, fewer than there are.
        seed: Seed of the draw.

    Returns:
        The classes in the order of the draw, int32 [number], and the number of tries.
    """
    base = draws.stateless_seed(seed)

    def more(round_: tf.Tensor, drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # A seed of its own for each round: those of a step differ in their lower half alone.
        size = [number * 2 ** tf.minimum(round_, 4)]
        own = base + tf.stack([tf.cast(round_, tf.int64) * 2**56, tf.constant(0, tf.int64)])
        uniform = tf.random.stateless_uniform(size, own, dtype=tf.float64, alg="philox")
        return round_ + 1, tf.concat([drawn, proposed(uniform)], axis=0)

    def is_short(_: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        return tf.size(tf.unique(drawn).y) < number

    start = more(tf.constant(0), tf.zeros([0], tf.int32))
    _, drawn = tf.while_loop(
        is_short, more, start, shape_invariants=(tf.TensorShape([]), tf.TensorShape([None]))
    )
    distinct, place = tf.unique(drawn)
    tries = 1 + tf.argmax(place == number - 1, output_type=tf.int32)
    return distinct[:number], tries


class OwnCandidateSoftmax(tf.keras.losses.Loss):
    """The loss of a `tfrs.tasks.Retrieval`, in which candidate i is the positive of query i.

    Args:
        own_correction: Added to the score of each query's own candidate, [batch]; None for nothing.
    """

    def __init__(self, own_correction: tf.Tensor | None = None) -> None:
        super().__init__(tf.keras.losses.Reduction.NONE, "own_candidate_softmax")
        self._own_correction = own_correction

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the cross-entropies, [batch], of scores [batch, candidates]."""
        own = tf.range(tf.shape(y_pred)[0])
        if self._own_correction is not None:
            at = tf.stack([own, own], axis=1)
            y_pred = tf.tensor_scatter_nd_add(y_pred, at, self._own_correction)
        return softmax_losses(y_pred, own)


def sampled_softmax_losses(
    query: tf.Tensor,
    vectors: Callable[[tf.Tensor], tf.Tensor],
    positives: tf.Tensor,
    drawn: Drawn,
    negatives: Negatives,
    known: tf.Tensor | None = None,
) -> tf.Tensor:
    """Computes the losses of a softmax over the batch's items and what was drawn besides.

    This is a `tfrs.tasks.Retrieval`, whose extra candidates are what was drawn. Masked scores have
    a softmax weight of exactly 0.

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
    candidates = tf.concat([positives, drawn.classes], axis=0)
    mask = candidate_mask(positives, drawn.classes, negatives.has_batch)
    if known is not None and negatives.mask_known:
        is_other = positives[:, None] != candidates
        mask &= ~(is_among(candidates, known) & is_other)
    items, own_correction = tf.cast(vectors(tf.maximum(candidates, 0)), tf.float32), None
    if negatives.correction != "none":
        log_odds = tf.math.log(tf.concat([drawn.of_positives, drawn.expected], axis=0))
        # [query; 1] · [item; −log E]: the task's own correction takes no odds above 1.
        query = tf.pad(query, [[0, 0], [0, 1]], constant_values=1.0)
        items = tf.concat([items, -log_odds[:, None]], axis=1)
        if negatives.correction == "negatives":
            own_correction = log_odds[: tf.size(positives)]
    task: Any = tfrs.tasks.Retrieval(loss=OwnCandidateSoftmax(own_correction))
    losses = task(query, items, score_mask=mask, compute_metrics=False, compute_batch_metrics=False)
    return tf.where(positives >= 0, losses, 0.0)


def candidate_mask(positives: tf.Tensor, drawn: tf.Tensor, has_batch: bool) -> tf.Tensor:
    """Which candidates count for each example, bool [batch, batch + drawn].

    An example's own candidate does, and others but those of its own class ("accidental hits") and
    unknown ones.

    Args:
        positives: Classes of the examples, [batch]; −1 for unknown ones.
        drawn: Drawn classes, [drawn]; −1 is none.
        has_batch: Whether the items of other examples are negatives.
    """
    is_own = tf.eye(tf.size(positives), dtype=tf.bool)
    of_batch = is_own
    if has_batch:
        of_batch |= (positives[:, None] != positives) & (positives >= 0)
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

"""Sampled softmax: a few classes stand for all, corrected for how they were drawn."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class SampledClasses:
    """Classes drawn for a batch and how likely each was to be among them.

    Args:
        negatives: [num_sampled] distinct classes.
        negative_probability: [num_sampled] chance that each is drawn.
        positive_probability: [batch] chance that each example's own class is drawn.
    """

    negatives: tf.Tensor
    negative_probability: tf.Tensor
    positive_probability: tf.Tensor


def sample_classes(
    positives: tf.Tensor, num_sampled: int, num_classes: int, seed: int | None = None
) -> SampledClasses:
    """Draws distinct classes from a log-uniform distribution over popularity ranks.

    Class 0 is the most frequent, as in a `Vocabulary`; class k is drawn in proportion to
    log((k + 2) / (k + 1)), close to Zipf's law: the "background distribution" that candidate
    sampling corrects for (Covington et al. 2016, §3.1; Jean et al., ACL 2015).

    Args:
        positives: [batch] the examples' classes.
        num_sampled: How many to draw.
        num_classes: Number of classes.
        seed: Of the drawing.
    """
    negatives, positive_probability, negative_probability = tf.random.log_uniform_candidate_sampler(
        true_classes=tf.cast(positives, tf.int64)[:, None],
        num_true=1,
        num_sampled=num_sampled,
        unique=True,
        range_max=num_classes,
        seed=seed,
    )
    return SampledClasses(negatives, negative_probability, positive_probability[:, 0])


def sampled_softmax_losses(
    task: Any,
    query: tf.Tensor,
    vectors: Callable[[tf.Tensor], tf.Tensor],
    classes: tf.Tensor,
    num_sampled: int,
    num_classes: int,
    seed: int | None = None,
) -> tf.Tensor:
    """The [batch] losses of a sampled softmax, by a `tfrs.tasks.Retrieval`.

    Args:
        task: The task, with a loss of reduction NONE.
        query: [batch, dim] query vectors.
        vectors: Looks the vectors of classes up.
        classes: [batch] the examples' classes.
        num_sampled: How many others to draw.
        num_classes: Number of classes.
        seed: Of the drawing.
    """
    sampled = sample_classes(classes, num_sampled, num_classes, seed)
    candidates, probability, mask = sampled_candidates(classes, sampled)
    return task(
        query,
        tf.cast(vectors(candidates), tf.float32),
        candidate_sampling_probability=probability,
        score_mask=mask,
        compute_metrics=False,
        compute_batch_metrics=False,
    )


def sampled_candidates(
    positives: tf.Tensor, sampled: SampledClasses
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Lays positives and sampled negatives out as candidates of a `tfrs.tasks.Retrieval`.

    The task takes candidate i to be the positive of example i, and every other one a negative. The
    mask leaves out what is no sampled negative: the positives of other examples, and draws of the
    example's own class ("accidental hits").

    Returns:
        [batch + num_sampled] classes, [batch + num_sampled] sampling probabilities, and the
        [batch, batch + num_sampled] mask of the candidates that count.
    """
    positives = tf.cast(positives, tf.int64)
    batch = tf.size(positives)
    classes = tf.concat([positives, sampled.negatives], axis=0)
    probability = tf.concat([sampled.positive_probability, sampled.negative_probability], axis=0)
    is_own = tf.eye(batch, dtype=tf.bool)
    is_hit = positives[:, None] == sampled.negatives[None, :]
    return classes, probability, tf.concat([is_own, tf.logical_not(is_hit)], axis=1)

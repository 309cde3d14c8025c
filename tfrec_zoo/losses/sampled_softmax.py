"""Sampled softmax: a few sampled classes stand for all, corrected for their sampling odds."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class SampledClasses:
    """Classes sampled for a batch, and the probability of each to be among them.

    Args:
        negatives: Distinct classes, [num_sampled].
        negative_probability: Probability that each negative is drawn, [num_sampled].
        positive_probability: Probability that each example's own class is drawn, [batch].
    """

    negatives: tf.Tensor
    negative_probability: tf.Tensor
    positive_probability: tf.Tensor


def sample_classes(
    positives: tf.Tensor, num_sampled: int, num_classes: int, seed: int | None = None
) -> SampledClasses:
    """Draws distinct classes from a log-uniform distribution over popularity ranks.

    Class 0 is the most frequent, as in a `Vocabulary`. Class k is drawn in proportion to log((k +
    2) / (k + 1)), which is close to Zipf's law. This is the "background distribution" that
    candidate sampling corrects for (Covington et al. 2016, §3.1; Jean et al., ACL 2015).

    Args:
        positives: Classes of the examples, [batch].
        num_sampled: Number of negative classes sampled per batch.
        num_classes: Number of classes.
        seed: Seed of sampling.

    Returns:
        The sampled classes and their probabilities.
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
    """Computes the losses of a sampled softmax with a `tfrs.tasks.Retrieval`.

    Args:
        task: Retrieval task whose loss has reduction NONE.
        query: Query vectors, [batch, dim].
        vectors: Function from classes, [n], to their vectors, [n, dim].
        classes: Classes of the examples, [batch].
        num_sampled: Number of negative classes sampled per batch.
        num_classes: Number of classes.
        seed: Seed of sampling.

    Returns:
        The loss of each example, [batch].
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
    """Arranges positives and sampled negatives as candidates of a `tfrs.tasks.Retrieval`.

    The task takes candidate i as the positive of example i, and all others as negatives. The mask
    excludes what is not a sampled negative: the positives of other examples, and samples equal to
    the example's own class ("accidental hits").

    Args:
        positives: Classes of the examples, [batch].
        sampled: Sampled classes and their probabilities.

    Returns:
        Classes, [batch + num_sampled], sampling probabilities, [batch + num_sampled], and the mask
        of the candidates that count, [batch, batch + num_sampled].
    """
    positives = tf.cast(positives, tf.int64)
    batch = tf.size(positives)
    classes = tf.concat([positives, sampled.negatives], axis=0)
    probability = tf.concat([sampled.positive_probability, sampled.negative_probability], axis=0)
    is_own = tf.eye(batch, dtype=tf.bool)
    is_hit = positives[:, None] == sampled.negatives[None, :]
    return classes, probability, tf.concat([is_own, tf.logical_not(is_hit)], axis=1)

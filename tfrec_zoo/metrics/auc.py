"""Area under the ROC curve: exact over all examples, and within groups (GAUC)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.metrics.checks import binary_columns
from tfrec_zoo.metrics.grouped import GroupedMetric, weight_scored_lower


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class ExactAUC(tf.keras.metrics.Metric):
    """Computes the probability that a positive scores higher than a negative, ties counting half.

        AUC = sum over pairs of w_p w_n ([s_p > s_n] + [s_p = s_n] / 2) / sum over pairs of w_p w_n

    The result equals `sklearn.metrics.roc_auc_score`. `tf.keras.metrics.AUC` first sorts scores
    into 200 bins, which costs the third decimal if scores crowd together, as click probabilities
    do. Only the order of the scores matters: logits and probabilities give the same result.

    Every example is kept, at 24 bytes, in a buffer that doubles when full. `result` sorts them all,
    and Keras asks a compiled metric for its result after EVERY batch. That is fine for a validation
    set in large batches. For a long training epoch use `tf.keras.metrics.AUC`, and this metric in
    `evaluate`; or call `update_state` in a loop and `result` once.

    The buffer is part of the metric's state. Call `reset_state` before saving a compiled model if
    its file should not contain the labels and scores of the last evaluation.

    Without examples of both classes the result is NaN. The state cannot be summed over replicas, so
    a `tf.distribute` strategy must have a single one. `jit_compile=True` is not supported, because
    the buffer has no static shape.

    Args:
        name: Name of the metric.
        dtype: Data type of the result.

    Example:

    >>> metric = ExactAUC()
    >>> metric.update_state([1, 0, 1, 0], [0.9, 0.4, 0.4, 0.1])  # (1 + 1 + .5 + 1) / 4 pairs
    >>> float(metric.result())
    0.875

    References:
        Hanley & McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 1982.
    """

    def __init__(self, name: str = "auc", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"ExactAUC keeps every score and cannot be summed over replicas. "
                f"Received: a strategy with {replicas} replicas"
            )
        with tf.init_scope():
            # A row is a label, a score and a weight. The first `_size` rows are in use.
            self._rows = tf.Variable(
                tf.zeros([0, 3], tf.float64), shape=[None, 3], trainable=False, name="rows"
            )
            self._size = tf.Variable(0, dtype=tf.int32, trainable=False, name="size")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of examples.

        Args:
            y_true: Labels 0 or 1, [batch] or [batch, 1].
            y_pred: Scores, logits or probabilities, [batch] or [batch, 1].
            sample_weight: Weights of the examples, [batch], or None.
        """
        labels, scores, weights = binary_columns(y_true, y_pred, sample_weight)
        self._append(tf.stack([labels, scores, weights], axis=1))

    def result(self) -> tf.Tensor:
        """Returns the AUC over all examples seen, NaN without both classes."""
        rows = self._rows[: self._size]
        labels, scores, weights = tf.unstack(tf.gather(rows, tf.argsort(rows[:, 1])), num=3, axis=1)
        before = tf.concat([scores[:1], scores[:-1]], axis=0)
        ties = tf.cumsum(tf.cast(scores != before, tf.int32))  # one number per distinct score
        positive = tf.math.segment_sum(labels * weights, ties)  # [distinct scores]
        negative = tf.math.segment_sum((1 - labels) * weights, ties)
        lower = tf.cumsum(negative, exclusive=True)
        won = tf.reduce_sum(positive * (lower + negative / 2))
        pairs = tf.reduce_sum(positive) * tf.reduce_sum(negative)
        auc = tf.where(pairs > 0, tf.math.divide_no_nan(won, pairs), float("nan"))
        return tf.cast(auc, self.dtype)

    def reset_state(self) -> None:
        """Forgets all examples and frees the buffer."""
        self._rows.assign(tf.zeros([0, 3], tf.float64))
        self._size.assign(0)

    def merge_state(self, metrics: Iterable[Any]) -> None:
        """Adds the examples that other metrics of this class have seen."""
        for metric in metrics:
            self._append(metric._rows[: metric._size])

    def _append(self, rows: tf.Tensor) -> None:
        old_size = tf.identity(self._size)
        new_size = old_size + tf.shape(rows)[0]
        capacity = tf.shape(self._rows)[0]

        def grow() -> tf.Tensor:
            # Doubling the capacity makes O(n) copies of n examples in all, not n per batch.
            spare = tf.maximum(new_size, 2 * capacity) - capacity
            self._rows.assign(tf.pad(self._rows.read_value(), [[0, spare], [0, 0]]))
            return spare

        tf.cond(new_size > capacity, grow, lambda: tf.zeros_like(capacity))
        self._rows.scatter_nd_update(tf.range(old_size, new_size)[:, tf.newaxis], rows)
        self._size.assign(new_size)


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class GroupAUC(GroupedMetric):
    """Computes GAUC: the AUC within each group, averaged with the groups' impressions as weights.

        GAUC = sum over users of impressions_u AUC_u / sum over users of impressions_u

    The AUC over all examples rewards telling active users from idle ones, which changes no ranking
    that a user sees. GAUC only compares what the same user was shown. Groups without both classes
    are left out; if none remains, the result is NaN. Sample weights apply to the examples within a
    group, and their sum is the weight of the group.

    The metric works eagerly only and keeps every impression (see `GroupedMetric`).

    Args:
        name: Name of the metric.
        dtype: Data type of the result.

    Example:

    >>> metric = GroupAUC()
    >>> metric.update_state([1, 0, 0, 1], [0.9, 0.1, 0.8, 0.2], groups=["a", "a", "b", "b"])
    >>> float(metric.result())  # a: 1, b: 0
    0.5

    References:
        Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018,
        https://arxiv.org/abs/1706.06978
    """

    def __init__(self, name: str = "group_auc", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> None:
        """Adds a batch of impressions.

        Args:
            y_true: Labels 0 or 1, [batch] or [batch, 1].
            y_pred: Scores, logits or probabilities, [batch] or [batch, 1].
            sample_weight: Weights of the impressions, [batch], or None.
            groups: Group of each impression, such as its user, [batch] integers or strings.
                Required.
        """
        self._append(y_true, y_pred, sample_weight, groups)

    def result(self) -> tf.Tensor:
        """Returns the weighted mean AUC of the groups seen, NaN if no group has both classes."""
        self._require_eager()
        labels, scores, weights, groups = self._log.columns()
        positive, negative = weights * labels, weights * (1 - labels)
        lower, _ = weight_scored_lower(scores, negative, groups)
        pairs = np.bincount(groups, positive) * np.bincount(groups, negative)  # [groups]
        won = np.bincount(groups, positive * lower)
        impressions = np.bincount(groups, weights)
        both = pairs > 0
        if not both.any():
            return tf.constant(float("nan"), self.dtype)
        value = np.average(won[both] / pairs[both], weights=impressions[both])
        return tf.constant(value, self.dtype)

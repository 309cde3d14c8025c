"""Weighted per-user loss, the metric of YouTube's ranking paper: mispredicted watch time."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.metrics.checks import flat_column, require
from tfrec_zoo.metrics.grouped import GroupedMetric, weight_scored_lower


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class WeightedPerUserLoss(GroupedMetric):
    """Computes mispredicted watch time as a share of all watch time, over pairs of impressions.

    Every clicked impression is paired with every unclicked one of the same page. If the unclicked
    one scores higher, the watch time of the clicked one is mispredicted:

        loss = sum over pairs of T_clicked [s_unclicked > s_clicked] / sum over pairs of T_clicked

    The paper does not mention ties. Here a tie is HALF mispredicted. If it did not count, a model
    that scores everything the same would reach the perfect loss of 0; this way it gets .5, like a
    coin. Without a pair, or without watch time in any pair, the result is NaN.

    The metric works eagerly only and keeps every impression (see `GroupedMetric`); computing the
    result takes O(n log n), whatever the sizes of the pages.

    Args:
        name: Name of the metric.
        dtype: Data type of the result.

    Example:

    >>> metric = WeightedPerUserLoss()
    >>> metric.update_state(
    ...     [1, 1, 0], [0.9, 0.2, 0.5], [30.0, 10.0, 0.0], groups=["page", "page", "page"]
    ... )
    >>> float(metric.result())  # the 10 seconds are behind the unclicked one: 10 / 40
    0.25

    References:
        Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, §4.3 and
        table 1, https://doi.org/10.1145/2959100.2959190
    """

    def __init__(self, name: str = "weighted_per_user_loss", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(
        self, y_true: Any, y_pred: Any, watch_time: Any, *, groups: Any = None
    ) -> None:
        """Adds a batch of impressions.

        Args:
            y_true: Labels, 1 for a clicked impression, [batch] or [batch, 1].
            y_pred: Scores, [batch] or [batch, 1]; higher is shown first.
            watch_time: Watch times, [batch] or [batch, 1], finite and >= 0 for clicked impressions;
                ignored for unclicked ones.
            groups: Page (or user) of each impression, [batch] integers or strings. Required.
        """
        labels = flat_column(y_true, "y_true")
        watched = flat_column(watch_time, "watch_time", labels.shape[0])
        watched = tf.where(labels == 1, watched, 0.0)
        require(
            (watched >= 0) & tf.math.is_finite(watched),
            watched,
            "`watch_time` must be finite and >= 0 where clicked.",
        )
        self._append(y_true, y_pred, watched, groups)

    def result(self) -> tf.Tensor:
        """Returns mispredicted over total watch time, NaN if no pair has watch time."""
        self._require_eager()
        labels, scores, watched, groups = self._log.columns()
        lower, unclicked = weight_scored_lower(scores, 1 - labels, groups)
        total = np.sum(watched * unclicked)
        mispredicted = np.sum(watched * (unclicked - lower))
        return tf.constant(mispredicted / total if total > 0 else float("nan"), self.dtype)

"""The ranking paper's own yardstick: watch time put behind something nobody clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.metrics.checks import flat_column, require
from tfrec_zoo.metrics.grouped import GroupedMetric, weight_scored_lower


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class WeightedPerUserLoss(GroupedMetric):
    """Mispredicted watch time as a share of all watch time, over pairs of a page's impressions.

    Every clicked impression is paired with every unclicked one of the same page. Where the
    unclicked one scores higher, the clicked one's watch time is mispredicted:

        loss = sum over pairs of T_clicked [s_unclicked > s_clicked] / sum over pairs of T_clicked

    The paper does not speak of ties. Here a tie is HALF mispredicted: if it were not at all, a
    model that scores everything the same would reach the perfect loss of 0; this way it gets .5,
    as a coin would. With no pair, or no watch time in any pair, the result is NaN.

    Works eagerly only and keeps every impression (see `GroupedMetric`); the result takes
    O(n log n), whatever the sizes of the pages.

    Args:
      name: name of the metric.
      dtype: dtype of the result.

    Example:
      >>> metric = WeightedPerUserLoss()
      >>> metric.update_state(
      ...     [1, 1, 0], [0.9, 0.2, 0.5], [30.0, 10.0, 0.0], groups=["page", "page", "page"]
      ... )
      >>> float(metric.result())  # the 10 seconds are behind the unclicked one: 10 / 40
      0.25

    References:
      Covington, Adams and Sargin, 2016. Deep Neural Networks for YouTube Recommendations,
      section 4.3 and table 1. https://doi.org/10.1145/2959100.2959190
    """

    def __init__(self, name: str = "weighted_per_user_loss", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(
        self, y_true: Any, y_pred: Any, watch_time: Any, *, groups: Any = None
    ) -> None:
        """Adds a batch of impressions.

        Args:
          y_true: [batch] or [batch, 1] labels, 1 for a clicked impression.
          y_pred: [batch] or [batch, 1] scores; higher is shown first.
          watch_time: [batch] or [batch, 1], finite and >= 0 where clicked; not looked at where
            not clicked.
          groups: [batch] integers or strings, the page (or user) it was shown on. Required.
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
        """Mispredicted over total watch time, NaN where there is no watch time in any pair."""
        self._require_eager()
        labels, scores, watched, groups = self._log.columns()
        lower, unclicked = weight_scored_lower(scores, 1 - labels, groups)
        total = np.sum(watched * unclicked)
        mispredicted = np.sum(watched * (unclicked - lower))
        return tf.constant(mispredicted / total if total > 0 else float("nan"), self.dtype)

"""Metrics of predicted watch times: the weighted per-user loss of YouTube's paper, and XAUC."""

from __future__ import annotations

from typing import Any, Literal

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
        pairs: Which pairs of a page count: `"all"`, or `"one"`, drawn at random. The paper speaks
            of two impressions of a page; all pairs have less noise, and pages with many clicks
            more weight.
        seed: Seed of the drawing.
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

    def __init__(
        self,
        pairs: Literal["all", "one"] = "all",
        seed: int = 0,
        name: str = "weighted_per_user_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if pairs not in ("all", "one"):
            raise ValueError(f"`pairs` must be 'all' or 'one'. Received: {pairs!r}")
        self.pairs = pairs
        self.seed = seed

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
        watched = require(
            (watched >= 0) & tf.math.is_finite(watched),
            watched,
            "`watch_time` must be finite and >= 0 where clicked.",
        )
        self._append(y_true, y_pred, watched, groups)

    def result(self) -> tf.Tensor:
        """Returns mispredicted over total watch time, NaN if no pair has watch time."""
        self._require_eager()
        labels, scores, watched, groups = self._log.columns()
        if self.pairs == "one":
            rows = one_pair_per_group(labels, groups, self.seed).ravel()
            labels, scores, watched, groups = (
                column[rows] for column in (labels, scores, watched, groups)
            )
        lower, unclicked = weight_scored_lower(scores, 1 - labels, groups)
        total = np.sum(watched * unclicked)
        mispredicted = np.sum(watched * (unclicked - lower))
        return tf.constant(mispredicted / total if total > 0 else float("nan"), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "pairs": self.pairs, "seed": self.seed}


def one_pair_per_group(labels: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draws a clicked and an unclicked impression of each group that has both.

    Args:
        labels: 1 for a clicked impression, [n].
        groups: Group of each impression, [n].
        seed: Seed of the drawing.

    Returns:
        The rows of the pairs, the clicked one first, [pairs, 2].

    Example:

    >>> one_pair_per_group(np.array([1, 0, 0, 1]), np.array([7, 8, 7, 8])).tolist()
    [[0, 2], [3, 1]]
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    drawn = []
    for label in (1, 0):
        own = order[labels[order] == label]
        of_group, first = np.unique(groups[own], return_index=True)
        drawn.append((of_group, own[first]))
    (clicked, rows), (unclicked, others) = drawn
    _, left, right = np.intersect1d(clicked, unclicked, return_indices=True)
    return np.stack([rows[left], others[right]], axis=1)


def xauc(watch_times: Any, predictions: Any) -> float:
    """Computes the share of pairs whose predicted watch times are in the order of the true ones.

        XAUC = sum over pairs of ([s_i > s_j] + [s_i = s_j] / 2) / pairs,    all i, j with t_i > t_j

    The AUC is the same for labels of 0 and 1. Pairs with equal watch times have no order to predict
    and do not count; without any other pair the result is NaN. The right orders less the wrong ones
    are Kendall's, which SciPy counts by sorting, in O(n log n).

    Args:
        watch_times: True watch times, [n].
        predictions: Predicted watch times, or any scores that order them, [n].

    Raises:
        ValueError: If there are not as many predictions as watch times, or one is NaN.

    Example:

    >>> xauc([0.0, 0.0, 10.0, 30.0], [1.0, 2.0, 4.0, 3.0])  # 10 before 30 is the wrong way round
    0.8

    References:
        Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction for Video
        Recommendation", KDD 2022, https://arxiv.org/abs/2206.06003
    """
    true, predicted = np.asarray(watch_times, np.float64), np.asarray(predictions, np.float64)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(
            "`predictions` must have one number for each of `watch_times`, [n]. "
            f"Received: shapes {predicted.shape} and {true.shape}"
        )
    for name, values in (("watch_times", true), ("predictions", predicted)):
        if np.isnan(values).any():
            row = int(np.flatnonzero(np.isnan(values))[0])
            raise ValueError(f"`{name}` must be numbers. Received: nan in row {row}")
    pairs = len(true) * (len(true) - 1) / 2
    ordered, distinct = (pairs - _num_ties(values) for values in (true, predicted))
    if not ordered:
        return float("nan")
    if not distinct:
        return 0.5
    from scipy import stats  # Few need it, and it takes long to import.

    # τ_b = (right − wrong) / √(ordered distinct), and right + wrong + tied in prediction = ordered.
    tau = stats.kendalltau(true, predicted, method="asymptotic").statistic
    return float(0.5 + 0.5 * tau * np.sqrt(distinct / ordered))


def _num_ties(values: np.ndarray) -> float:
    """The number of pairs of equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float(np.sum(counts * (counts - 1) / 2))

"""Base of metrics that compare impressions only within a group: a user, a page or a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.metrics.checks import binary_columns


class GroupedMetric(tf.keras.metrics.Metric):
    """Keeps labeled, scored, weighted and grouped impressions until `result` is called.

    A metric within groups needs whole groups, and a group may be spread over many batches. So every
    impression is kept, in NumPy arrays on the host, at 24 bytes plus the group key. The metric
    works eagerly only, and takes `groups`, which Keras cannot pass to a compiled metric: update it
    in a loop over batches, or once after `model.predict`.

    Args:
        name: Name of the metric.
        dtype: Data type of the result.
    """

    def __init__(self, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._log = ImpressionLog()

    def reset_state(self) -> None:
        """Forgets all impressions."""
        self._log = ImpressionLog()

    def merge_state(self, metrics: Iterable[Any]) -> None:
        """Adds the impressions that other metrics of this class have seen."""
        for metric in metrics:
            self._log.batches.extend(metric._log.batches)

    def _append(self, y_true: Any, y_pred: Any, weights: Any, groups: Any) -> None:
        if groups is None:
            raise ValueError(
                f"`groups` is needed by {type(self).__name__}: one integer or string for each "
                "impression. Keras passes none to a metric given to `compile`; call "
                "`update_state` yourself. Received: groups=None"
            )
        self._require_eager()
        labels, scores, weights = binary_columns(y_true, y_pred, weights)
        self._log.append(labels.numpy(), scores.numpy(), weights.numpy(), groups)

    def _require_eager(self) -> None:
        if not tf.executing_eagerly():
            raise RuntimeError(
                f"{type(self).__name__} keeps NumPy arrays and works eagerly only. Call it "
                "outside of `tf.function`, or compile the model with `run_eagerly=True`. "
                "Received: a call in graph mode"
            )


class ImpressionLog:
    """Batches of impressions as NumPy columns: labels, scores, weights and group keys."""

    def __init__(self) -> None:
        self.batches: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def append(
        self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, groups: Any
    ) -> None:
        """Adds a batch. All columns are [batch], and `groups` are integers or strings."""
        keys = tf.convert_to_tensor(groups)
        if not (keys.dtype.is_integer or keys.dtype == tf.string):
            raise ValueError(
                f"`groups` must be integers or strings. Received: dtype {keys.dtype.name}"
            )
        if keys.shape not in ([len(scores)], [len(scores), 1]):
            raise ValueError(
                f"`groups` must have one value for each of the {len(scores)} rows. "
                f"Received: shape {keys.shape}"
            )
        keys = keys.numpy().reshape(-1)
        if self.batches and (keys.dtype == object) != (self.batches[0][3].dtype == object):
            raise ValueError(
                "`groups` must be all integers or all strings, the same in every batch. "
                f"Received: {keys[:5].tolist()} after {self.batches[0][3][:5].tolist()}"
            )
        self.batches.append((labels, scores, weights, keys))

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Returns labels, scores, weights and group numbers 0, 1, 2, ... of all impressions.

        Returns:
            Four arrays, [impressions] each.
        """
        if not self.batches:
            empty = np.zeros(0)
            return empty, empty, empty, np.zeros(0, np.int64)
        labels, scores, weights, keys = (np.concatenate(c) for c in zip(*self.batches, strict=True))
        numbers = np.unique(keys, return_inverse=True)[1]
        return labels, scores, weights, numbers


def weight_scored_lower(
    scores: np.ndarray, weights: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums, for each impression, the weights in its group that score lower, ties counting half.

    Sorted by group and score, the lower-scored impressions of a group come right before an
    impression, so the sum is a difference of two running sums: O(n log n), without a loop over
    groups.

    Args:
        scores: Scores, float [n].
        weights: Weights, float [n]; impressions of weight 0 do not count.
        groups: Group numbers, int [n].

    Returns:
        The weight scored lower and the weight of the whole group, both float [n].
    """
    order = np.lexsort((scores, groups))
    sorted_scores, sorted_groups = scores[order], groups[order]
    running = np.concatenate([[0.0], np.cumsum(weights[order])])
    group_changes = sorted_groups[1:] != sorted_groups[:-1]
    group_start, group_end = _bounds(group_changes, len(order))
    tie_start, tie_end = _bounds(
        group_changes | (sorted_scores[1:] != sorted_scores[:-1]), len(order)
    )
    lower, whole = np.empty(len(order)), np.empty(len(order))
    lower[order] = (running[tie_start] + running[tie_end]) / 2 - running[group_start]
    whole[order] = running[group_end] - running[group_start]
    return lower, whole


def _bounds(changes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns start and end of the run that contains each of `size` entries, given the changes."""
    edges = np.concatenate([[0], np.flatnonzero(changes) + 1, [size]])
    lengths = np.diff(edges)
    return np.repeat(edges[:-1], lengths), np.repeat(edges[1:], lengths)

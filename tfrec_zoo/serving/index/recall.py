"""Recall: the share of the exact best items that a search finds, and the least effort for it."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

#: Number of sample queries of each kind.
SAMPLE = 256
#: Scores that are held in memory at once.
_SCORES = 1 << 26


@dataclasses.dataclass(frozen=True)
class RecallSample:
    """Sample queries with the exact best items of each.

    Args:
        queries: Query vectors, float32 [queries, dim].
        best: Rows of the best items, [queries, k].
        num_items: Number of items.
    """

    queries: tf.Tensor
    best: np.ndarray
    num_items: int

    @classmethod
    def of(cls, candidates: tf.Tensor, queries: tf.Tensor, k: int) -> "RecallSample":
        """Searches exactly.

        Args:
            candidates: Item vectors, [items, dim].
            queries: Query vectors, [queries, dim], of which some are taken.
            k: Number of items to find.
        """
        num_items = int(candidates.shape[0])
        queries = tf.cast(queries, tf.float32)
        queries = queries[:: -(-int(queries.shape[0]) // SAMPLE)]
        step = max(_SCORES // num_items, 1)
        candidates = tf.cast(candidates, tf.float32)
        found = []
        for begin in range(0, int(queries.shape[0]), step):
            part = queries[begin : begin + step]
            scores = tf.linalg.matmul(part, candidates, transpose_b=True)
            found.append(tf.math.top_k(scores, min(k, num_items)).indices.numpy())
        return cls(queries, np.concatenate(found), num_items)

    @property
    def k(self) -> int:
        """Length of the lists."""
        return self.best.shape[1]

    def recall(self, rows: np.ndarray) -> float:
        """The share of the best items that are in lists.

        Args:
            rows: Rows that a search found, [queries, any]; −1 is none.

        Example:

        >>> sample = RecallSample(tf.zeros([2, 4]), np.array([[5, 6], [5, 7]]), num_items=8)
        >>> sample.recall(np.array([[6, 5, -1], [0, 7, 6]]))
        0.75
        """
        own = np.arange(len(self.best))[:, None] * self.num_items
        found = np.where(rows < 0, -1, rows + own)
        return float(np.isin(self.best + own, found).mean())


def least(recall_of: Callable[[int], float], target: float, most: int) -> tuple[int, float]:
    """Finds how little is enough, to an eighth, by bisection of the ratio.

    Args:
        recall_of: Recall by effort, which rises with it but for chance.
        target: Recall that is wanted.
        most: The most that is possible.

    Returns:
        The effort and its recall: those of the least that was enough, or of the most.

    Example:

    >>> least(lambda leaves: leaves / 1000, 0.3, 1000)
    (306, 0.306)
    >>> least(lambda leaves: leaves / 1000, 2.0, 1000)
    (1000, 1.0)
    """
    recall = recall_of(most)
    if recall < target:
        return most, recall
    too_little, enough = 0, most
    while enough - too_little > max(enough // 8, 1):
        middle = max(round((max(too_little, 1) * enough) ** 0.5), too_little + 1)
        found = recall_of(middle)
        if found >= target:
            enough, recall = middle, found
        else:
            too_little = middle
    return enough, recall

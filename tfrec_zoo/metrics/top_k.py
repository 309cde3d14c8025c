"""Metrics of ranked lists: hit rate, precision, recall, NDCG, average precision, reciprocal rank.

Each is a mean over rows (users, sessions or queries), so evaluations on the full catalogue and on
99 sampled negatives differ only in the candidates of a row. Ties count against the relevant
candidate (`ranks.py`).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec_zoo.metrics.checks import check_at_least_one, weight_column
from tfrec_zoo.metrics.ranks import MISS, relevant_ranks, target_ranks

_NO_RANK = tf.int32.max  # beyond every cutoff


class RankMetric(tf.keras.metrics.Metric):
    """Averages over rows a value that depends only on the ranks of the relevant candidates.

    Subclasses compute the value of a row in `row_values`. Rows without a relevant candidate are
    left out of the mean. Without any row the result is NaN, because nothing was measured. The sums
    are kept in float64.

    Args:
        k: Length of the list: only the first `k` ranks count. Some metrics accept None for no
            cutoff.
        name: Name of the metric; by default it contains the cutoff, as in `"ndcg_at_10"`.
        dtype: Data type of the result.
    """

    default_name = "rank_metric"
    cutoff_optional = False

    def __init__(self, k: int | None = None, name: str | None = None, dtype: Any = None) -> None:
        if k is not None or not self.cutoff_optional:
            k = check_at_least_one(k, "k")
        if name is None:
            name = self.default_name if k is None else f"{self.default_name}_at_{k}"
        super().__init__(name=name, dtype=dtype)
        self.k = k
        self.total = self.add_weight("total", initializer="zeros", dtype=tf.float64)
        self.count = self.add_weight("count", initializer="zeros", dtype=tf.float64)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of rows of scores.

        Args:
            y_true: Column of the one relevant candidate, int [batch] or [batch, 1], or columns of
                several, int [batch, m], padded with -1.
            y_pred: Scores, float [batch, candidates]; -inf masks a candidate.
            sample_weight: Weights of the rows, [batch], or None.
        """
        y_true = tf.convert_to_tensor(y_true)
        if y_true.shape.rank not in (1, 2):
            raise ValueError(
                "`y_true` must have the shape [batch], [batch, 1] or [batch, m]. "
                f"Received: shape {y_true.shape}"
            )
        if y_true.shape.rank == 1:
            ranks = target_ranks(y_pred, y_true)
        elif y_true.shape[1] == 1:
            ranks = target_ranks(y_pred, y_true[:, 0])
        else:
            ranks = relevant_ranks(y_pred, y_true)
        self.update_ranks(ranks, sample_weight)

    def update_ranks(self, ranks: Any, sample_weight: Any = None) -> None:
        """Adds a batch of ranks, which many metrics can share.

        Args:
            ranks: 0-based ranks, int [batch] as from `target_ranks`, or [batch, m] as from
                `relevant_ranks`; negative entries are padding, and `MISS` is never a hit.
            sample_weight: Weights of the rows, [batch], or None.
        """
        ranks = tf.convert_to_tensor(ranks)
        if ranks.shape.rank not in (1, 2) or not ranks.dtype.is_integer:
            raise ValueError(
                "`ranks` must be integers of the shape [batch] or [batch, m]. "
                f"Received: dtype {ranks.dtype.name}, shape {ranks.shape}"
            )
        ranks = tf.cast(ranks, tf.int32)
        if ranks.shape.rank == 1:
            ranks = ranks[:, tf.newaxis]
        ranks = tf.sort(tf.where(ranks < 0, _NO_RANK, ranks), axis=1)  # [batch, m]
        relevant = tf.math.count_nonzero(ranks < _NO_RANK, axis=1, dtype=tf.int32)  # [batch]
        weights = weight_column(sample_weight, relevant)
        weights = tf.where(relevant > 0, weights, 0.0)
        self.total.assign_add(tf.reduce_sum(weights * self.row_values(ranks, relevant)))
        self.count.assign_add(tf.reduce_sum(weights))

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Computes the value of each row; subclasses implement it.

        Args:
            ranks: Ranks in ascending order, int32 [batch, m]; padding is the largest int32.
            relevant: Number of relevant candidates in each row, int32 [batch].

        Returns:
            The values, float64 [batch], with any finite value for rows where `relevant` is 0.
        """
        raise NotImplementedError

    def result(self) -> tf.Tensor:
        """Returns the weighted mean over all rows seen, NaN if there were none."""
        mean = tf.math.divide_no_nan(self.total, self.count)
        return tf.cast(tf.where(self.count > 0, mean, float("nan")), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "k": self.k}

    def _hits(self, ranks: tf.Tensor) -> tf.Tensor:
        """Returns which ranks are within the cutoff, bool [batch, m]."""
        return ranks < (MISS if self.k is None else self.k)

    def _possible_hits(self, relevant: tf.Tensor) -> tf.Tensor:
        """Returns the number of hits of the best possible ranking, int32 [batch]."""
        return relevant if self.k is None else tf.minimum(relevant, self.k)


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class HitRate(RankMetric):
    """HR@k: the share of rows with a relevant candidate among the first k.

    Args:
        k: Length of the list: only the first `k` ranks count.
        name: Name of the metric, `"hit_rate_at_{k}"` by default.
        dtype: Data type of the result.

    Example:

    >>> metric = HitRate(2)
    >>> metric.update_state([0, 2], [[0.9, 0.1, 0.5], [0.7, 0.6, 0.2]])
    >>> float(metric.result())
    0.5

    References:
        He et al., "Neural Collaborative Filtering", WWW 2017, https://arxiv.org/abs/1708.05031
    """

    default_name = "hit_rate"

    def __init__(self, k: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(k, name, dtype)

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Returns 1 for a row with a hit, else 0, float64 [batch]."""
        return tf.cast(tf.reduce_any(self._hits(ranks), axis=1), tf.float64)


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class Precision(RankMetric):
    """Precision@k: the share of the first k candidates that are relevant.

    The divisor is k, even where there are fewer candidates or fewer relevant ones.

    Args:
        k: Length of the list: only the first `k` ranks count.
        name: Name of the metric, `"precision_at_{k}"` by default.
        dtype: Data type of the result.

    Example:

    >>> metric = Precision(2)
    >>> metric.update_state([[0, 1]], [[0.9, 0.1, 0.5]])
    >>> float(metric.result())
    0.5

    References:
        Herlocker et al., "Evaluating Collaborative Filtering Recommender Systems", TOIS 2004.
    """

    default_name = "precision"

    def __init__(self, k: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(k, name, dtype)

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Returns the number of hits over k, float64 [batch]."""
        hits = tf.math.count_nonzero(self._hits(ranks), axis=1, dtype=tf.float64)
        return hits / tf.cast(self.k, tf.float64)


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class Recall(RankMetric):
    """Recall@k: the share of a row's relevant candidates that are among the first k.

    The divisor is the number of relevant candidates, even if that is more than k. With one relevant
    candidate this is the hit rate.

    Args:
        k: Length of the list: only the first `k` ranks count.
        name: Name of the metric, `"recall_at_{k}"` by default.
        dtype: Data type of the result.

    Example:

    >>> metric = Recall(2)
    >>> metric.update_state([[0, 1]], [[0.9, 0.1, 0.5]])
    >>> float(metric.result())
    0.5

    References:
        Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, which
        divides by min(k, relevant) instead, https://arxiv.org/abs/1802.05814
    """

    default_name = "recall"

    def __init__(self, k: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(k, name, dtype)

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Returns the number of hits over that of relevant candidates, float64 [batch]."""
        hits = tf.math.count_nonzero(self._hits(ranks), axis=1, dtype=tf.float64)
        return tf.math.divide_no_nan(hits, tf.cast(relevant, tf.float64))


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class NDCG(RankMetric):
    """NDCG@k with binary relevance: log2-discounted hits, divided by their best possible value.

        DCG = sum over relevant i with rank_i < k of 1 / log2(rank_i + 2)

    is divided by the DCG of the ranking that puts all relevant candidates first. With one relevant
    candidate the divisor is 1.

    Args:
        k: Length of the list: only the first `k` ranks count.
        name: Name of the metric, `"ndcg_at_{k}"` by default.
        dtype: Data type of the result.

    Example:

    >>> metric = NDCG(10)
    >>> metric.update_state([1], [[0.9, 0.8, 0.7, 0.1]])  # second: 1 / log2(3)
    >>> round(float(metric.result()), 4)
    0.6309

    References:
        Järvelin & Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 2002.
    """

    default_name = "ndcg"

    def __init__(self, k: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(k, name, dtype)

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Returns the DCG over the DCG of the best ranking, float64 [batch]."""
        best = tf.range(tf.shape(ranks)[1])[tf.newaxis, :]  # the ideal ranks 0, 1, 2, ...
        possible = best < self._possible_hits(relevant)[:, tf.newaxis]
        gain = _discounted(ranks, self._hits(ranks))
        return tf.math.divide_no_nan(gain, _discounted(best, possible))


def _discounted(ranks: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    discounts = tf.math.log(tf.constant(2.0, tf.float64)) / tf.math.log(
        tf.cast(ranks, tf.float64) + 2.0
    )
    return tf.reduce_sum(tf.where(counted, discounts, 0.0), axis=1)


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class MeanAveragePrecision(RankMetric):
    """MAP@k: the precision at each hit, averaged over the hits that are possible.

        AP = sum over hits h = 1, 2, ... of h / (rank_h + 1), divided by min(relevant, k)

    This is the offline metric of the YouTube candidate generator (MAP on held-out watches). With
    one relevant candidate and no cutoff it is the mean reciprocal rank.

    Args:
        k: Length of the list: only the first `k` ranks count. None is no cutoff.
        name: Name of the metric, `"mean_average_precision"` with `"_at_{k}"` by default.
        dtype: Data type of the result.

    Example:

    >>> metric = MeanAveragePrecision()
    >>> metric.update_state([[0, 2]], [[0.9, 0.8, 0.7]])  # (1/1 + 2/3) / 2
    >>> round(float(metric.result()), 4)
    0.8333

    References:
        Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016.
    """

    default_name = "mean_average_precision"
    cutoff_optional = True

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Returns the average precision of each row, float64 [batch]."""
        hit_number = tf.cast(tf.range(tf.shape(ranks)[1])[tf.newaxis, :] + 1, tf.float64)
        precisions = hit_number / (tf.cast(ranks, tf.float64) + 1.0)
        total = tf.reduce_sum(tf.where(self._hits(ranks), precisions, 0.0), axis=1)
        return tf.math.divide_no_nan(total, tf.cast(self._possible_hits(relevant), tf.float64))


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class MRR(RankMetric):
    """Mean reciprocal rank of the best-placed relevant candidate, 0 if it is beyond k.

    Args:
        k: Length of the list: only the first `k` ranks count. None is no cutoff.
        name: Name of the metric, `"mrr"` with `"_at_{k}"` by default.
        dtype: Data type of the result.

    Example:

    >>> metric = MRR()
    >>> metric.update_state([0, 1], [[0.9, 0.1], [0.9, 0.1]])  # (1/1 + 1/2) / 2
    >>> float(metric.result())
    0.75

    References:
        Voorhees, "The TREC-8 Question Answering Track Report", TREC 1999.
    """

    default_name = "mrr"
    cutoff_optional = True

    def row_values(self, ranks: tf.Tensor, relevant: tf.Tensor) -> tf.Tensor:
        """Returns the reciprocal 1-based rank of the first hit, else 0, float64 [batch]."""
        best = ranks[:, :1]  # the ranks are sorted
        reciprocal = 1.0 / (tf.cast(best, tf.float64) + 1.0)
        return tf.reduce_sum(tf.where(self._hits(best), reciprocal, 0.0), axis=1)

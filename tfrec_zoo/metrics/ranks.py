"""Ranks of the relevant candidates in rows of scores, without sorting more than necessary.

Ties count AGAINST the relevant candidate, as in the evaluator of the NCF authors: a model that
gives every candidate the same score ranks the relevant one last, instead of first by luck.

References:
    He et al., "Neural Collaborative Filtering", WWW 2017, https://arxiv.org/abs/1708.05031
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec_zoo.metrics.checks import require

#: Rank of a relevant candidate that can't be recommended: a miss in every metric.
MISS = tf.int32.max - 1


def target_ranks(scores: Any, targets: Any) -> tf.Tensor:
    """Returns the 0-based rank of one relevant candidate per row.

    The rank is the number of OTHER candidates that do not score strictly lower:

        rank = #{j != target : not (score_j < score_target)}

    So ties count against the target, and so does NaN: a target that scores NaN is last, and another
    candidate that scores NaN comes before the target. Mask a candidate by the score -inf. A target
    that scores the lowest finite number is not to be found at all: it is a `MISS`.

    Args:
        scores: Scores, float [batch, candidates].
        targets: Column of the relevant candidate, int [batch]; negative if there is none.

    Returns:
        The ranks, int32 [batch]; -1 if there is no relevant candidate.

    Example:

    >>> target_ranks([[0.1, 0.9, 0.5], [0.3, 0.3, 0.3]], [2, 0]).numpy()
    array([1, 2], dtype=int32)
    """
    scores = _score_matrix(scores)
    targets = _index_tensor(targets, "targets", rank=1, rows=scores.shape[0])
    targets = _require_inside(targets, "targets", scores)
    target_scores = tf.gather(scores, tf.maximum(targets, 0), batch_dims=1)[:, tf.newaxis]
    not_lower = tf.logical_not(scores < target_scores)  # [batch, candidates], including the target
    ranks = tf.math.count_nonzero(not_lower, axis=1, dtype=tf.int32) - 1
    ranks = tf.where(target_scores[:, 0] == scores.dtype.min, MISS, ranks)
    return tf.where(targets >= 0, ranks, -1)


def relevant_ranks(scores: Any, relevant: Any) -> tf.Tensor:
    """Returns the 0-based ranks of several relevant candidates per row, best first.

    The rule is that of `target_ranks`: an irrelevant candidate that ties with a relevant one comes
    before it. Relevant candidates that tie with each other get consecutive ranks, so all ranks of a
    row differ. An index that is repeated in a row counts once.

    Args:
        scores: Scores, float [batch, candidates].
        relevant: Columns of the relevant candidates, int [batch, m]; negative entries are padding.

    Returns:
        The ranks in ascending order, int32 [batch, m], followed by -1 for each padded entry.

    Example:

    >>> relevant_ranks([[0.1, 0.9, 0.5, 0.7]], [[3, 0, -1]]).numpy()
    array([[ 1,  3, -1]], dtype=int32)
    """
    scores = _score_matrix(scores)
    if scores.dtype not in (tf.float32, tf.float64):
        scores = tf.cast(scores, tf.float32)  # `tf.searchsorted` has no half precision
    relevant = _index_tensor(relevant, "relevant", rank=2, rows=scores.shape[0])
    relevant = _require_inside(relevant, "relevant", scores)
    lowest = tf.constant(float("-inf"), scores.dtype)
    highest = tf.constant(float("inf"), scores.dtype)

    # After sorting, an index counts at its first appearance in a row only.
    relevant = tf.sort(relevant, axis=1)  # [batch, m]
    is_new = tf.concat(
        [tf.ones_like(relevant[:, :1], tf.bool), relevant[:, 1:] != relevant[:, :-1]], axis=1
    )
    is_relevant = is_new & (relevant >= 0)
    count = tf.math.count_nonzero(is_relevant, axis=1, keepdims=True, dtype=tf.int32)

    # Scores of the relevant candidates, best first; padding is -inf and comes last.
    own = tf.gather(scores, tf.maximum(relevant, 0), batch_dims=1)
    own = tf.where(is_relevant & ~tf.math.is_nan(own), own, lowest)
    own = tf.sort(own, axis=1, direction="DESCENDING")  # [batch, m]

    # Scores of the irrelevant candidates, ascending; the relevant ones are removed as -inf.
    rows = tf.cast(tf.where(is_relevant)[:, 0], relevant.dtype)
    columns = tf.boolean_mask(relevant, is_relevant)
    taken = tf.scatter_nd(
        tf.stack([rows, columns], axis=1),
        tf.ones_like(columns, tf.int32),
        tf.cast(tf.shape(scores), relevant.dtype),
    )
    others = tf.where(tf.math.is_nan(scores), highest, scores)
    others = tf.sort(tf.where(taken > 0, lowest, others), axis=1)  # [batch, candidates]

    candidates = tf.shape(scores)[1]
    not_lower = candidates - tf.searchsorted(others, own, side="left")
    not_lower = tf.minimum(not_lower, candidates - count)  # -inf ties with the removed
    position = tf.range(tf.shape(own)[1])[tf.newaxis, :]
    return tf.where(position < count, not_lower + position, -1)


def _score_matrix(scores: Any) -> tf.Tensor:
    scores = tf.convert_to_tensor(scores)
    if scores.shape.rank not in (2, None):
        raise ValueError(
            f"`scores` must have the shape [batch, candidates]. Received: shape {scores.shape}"
        )
    return scores if scores.dtype.is_floating else tf.cast(scores, tf.float64)


def _index_tensor(values: Any, name: str, *, rank: int, rows: int | None) -> tf.Tensor:
    values = tf.convert_to_tensor(values)
    if not values.dtype.is_integer:
        raise ValueError(
            f"`{name}` must be integers: the columns of the relevant candidates. "
            f"Received: dtype {values.dtype.name}"
        )
    if values.shape.rank not in (rank, None):
        wanted = "[batch]" if rank == 1 else "[batch, m]"
        raise ValueError(f"`{name}` must have the shape {wanted}. Received: shape {values.shape}")
    if values.shape.rank is not None and None not in (rows, values.shape[0]):
        if values.shape[0] != rows:
            raise ValueError(
                f"`{name}` must have one row for each of the {rows} rows of scores. "
                f"Received: shape {values.shape}"
            )
    return tf.cast(values, tf.int64)


def _require_inside(indices: tf.Tensor, name: str, scores: tf.Tensor) -> tf.Tensor:
    candidates = tf.shape(scores, out_type=tf.int64)[1]
    return require(
        indices < candidates,
        indices,
        f"`{name}` must be smaller than the number of candidates, the width of the scores.",
    )

"""Where the relevant candidates stand when a row of scores is sorted, without sorting in vain.

Ties count AGAINST the relevant candidate, as in the evaluator of the NCF authors: a model that
gives every candidate the same score then ranks the relevant one last, not by luck first.

References:
  He et al., 2017. Neural Collaborative Filtering. https://arxiv.org/abs/1708.05031
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec_zoo.metrics.checks import require


def target_ranks(scores: Any, targets: Any) -> tf.Tensor:
    """The 0-based rank of one relevant candidate per row.

    The rank is the number of OTHER candidates that do not score strictly lower:

        rank = #{j != target : not (score_j < score_target)}

    So ties count against the target, and so does a NaN: a NaN target is last, and another
    candidate's NaN stands before the target. A masked candidate is one that scores -inf.

    Args:
      scores: float [batch, candidates].
      targets: int [batch], the column of the relevant candidate; negative means there is none.

    Returns:
      int32 [batch]; -1 where there is no relevant candidate.

    Example:
      >>> target_ranks([[0.1, 0.9, 0.5], [0.3, 0.3, 0.3]], [2, 0]).numpy()
      array([1, 2], dtype=int32)
    """
    scores = _score_matrix(scores)
    targets = _index_tensor(targets, "targets", rank=1, rows=scores.shape[0])
    _require_inside(targets, "targets", scores)
    target_scores = tf.gather(scores, tf.maximum(targets, 0), batch_dims=1)[:, tf.newaxis]
    not_lower = tf.logical_not(scores < target_scores)  # [batch, candidates], the target too
    ranks = tf.math.count_nonzero(not_lower, axis=1, dtype=tf.int32) - 1
    return tf.where(targets >= 0, ranks, -1)


def relevant_ranks(scores: Any, relevant: Any) -> tf.Tensor:
    """The 0-based ranks of several relevant candidates per row, best first.

    The rule of `target_ranks`: an irrelevant candidate that ties with a relevant one stands
    before it. Relevant candidates that tie with each other take ranks in a row, so that all
    ranks of a row differ. An index repeated in a row counts once.

    Args:
      scores: float [batch, candidates].
      relevant: int [batch, m], columns of the relevant candidates; negative entries are filler.

    Returns:
      int32 [batch, m]: the ranks ascending, then -1 for as many entries as were filler.

    Example:
      >>> relevant_ranks([[0.1, 0.9, 0.5, 0.7]], [[3, 0, -1]]).numpy()
      array([[ 1,  3, -1]], dtype=int32)
    """
    scores = _score_matrix(scores)
    if scores.dtype not in (tf.float32, tf.float64):
        scores = tf.cast(scores, tf.float32)  # half precision cannot be searched
    relevant = _index_tensor(relevant, "relevant", rank=2, rows=scores.shape[0])
    _require_inside(relevant, "relevant", scores)
    lowest = tf.constant(float("-inf"), scores.dtype)
    highest = tf.constant(float("inf"), scores.dtype)

    # A relevant candidate is known by its first appearance in its row.
    relevant = tf.sort(relevant, axis=1)  # [batch, m]
    is_new = tf.concat(
        [tf.ones_like(relevant[:, :1], tf.bool), relevant[:, 1:] != relevant[:, :-1]], axis=1
    )
    is_relevant = is_new & (relevant >= 0)
    count = tf.math.count_nonzero(is_relevant, axis=1, keepdims=True, dtype=tf.int32)

    # Scores of the relevant ones, best first; filler sinks to the end as -inf.
    own = tf.gather(scores, tf.maximum(relevant, 0), batch_dims=1)
    own = tf.where(is_relevant & ~tf.math.is_nan(own), own, lowest)
    own = tf.sort(own, axis=1, direction="DESCENDING")  # [batch, m]

    # Scores of the irrelevant ones, ascending; the relevant ones are taken out as -inf.
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
    not_lower = tf.minimum(not_lower, candidates - count)  # at -inf: not the ones taken out
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


def _require_inside(indices: tf.Tensor, name: str, scores: tf.Tensor) -> None:
    candidates = tf.shape(scores, out_type=tf.int64)[1]
    require(
        indices < candidates,
        indices,
        f"`{name}` must be smaller than the number of candidates, the width of the scores.",
    )

"""Sampled ranking: the held-out item is ranked among a few that the user has not chosen.

This is the protocol of the NCF papers. Its numbers are higher than those of a full ranking, and it
can order models differently. Report it only for comparison with those papers.
"""

import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.negatives import NegativeSampling
from tfrec_zoo.evaluation.checks import require_examples
from tfrec_zoo.metrics import NDCG, HitRate, target_ranks
from tfrec_zoo.models.base import RecommenderModel

logger = logging.getLogger(__name__)


def sampled_ranking(
    model: RecommenderModel,
    examples: Examples,
    negatives: np.ndarray,
    ks: Sequence[int] = (10,),
    batch_size: int = 256,
) -> dict[str, float]:
    """Ranks each example's item among the given negatives.

    Ties count against the item, as in the evaluator of He et al. (2017). As there, a negative that
    equals the item or another negative does not count. Examples without negatives are left out,
    which is logged.

    Args:
        model: A ranking or retrieval model.
        examples: Examples to rank, with `candidates`, as from `interaction_examples`.
        negatives: Rows of the candidates' table, [examples, n]; −1 where there is none.
        ks: Lengths of the lists that are evaluated.
        batch_size: Number of examples per chunk.

    Returns:
        `sampled_hit_rate_at_k` and `sampled_ndcg_at_k`.

    Raises:
        ValueError: If there are no examples, or not a row of negatives for each.

    References:
        Krichene & Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020.
    """
    require_examples(examples)
    shape = np.shape(negatives)
    if examples.candidates is None or len(shape) != 2 or shape[0] != len(examples):
        raise ValueError(
            "`negatives` must have a row per example, [examples, n], and the examples `candidates`."
            f" Received: shape {shape} for {len(examples)} examples, "
            f"candidates={'None' if examples.candidates is None else 'given'}"
        )
    lists = examples.lists(model.preprocessor)
    own = examples.candidates.index[:, None]
    candidates = np.concatenate([own, negatives], axis=1)
    counts = ~_is_repeated(candidates) & (candidates >= 0)
    is_ranked = np.any(candidates[:, 1:] >= 0, axis=1)
    candidates = np.maximum(candidates, 0)
    if not is_ranked.all():
        logger.warning(
            "%d of %d examples are left out: there are no negatives, because their users chose "
            "every item", (~is_ranked).sum(), len(is_ranked),
        )  # fmt: skip
    metrics = [*(HitRate(k) for k in ks), *(NDCG(k) for k in ks)]

    @tf.function
    def scores(rows: tf.Tensor, candidates: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        features = lists(rows, candidates)
        scores = tf.cast(model.pair_scores(features), tf.float32)
        return tf.where(counts, scores, -float("inf"))

    for begin in range(0, len(examples), batch_size):
        part = slice(begin, begin + batch_size)
        rows = tf.range(begin, min(begin + batch_size, len(examples)), dtype=tf.int64)
        found = scores(rows, tf.constant(candidates[part]), tf.constant(counts[part]))
        ranks = tf.where(is_ranked[part], target_ranks(found, tf.zeros_like(rows)), -1)
        for metric in metrics:
            metric.update_ranks(ranks)
    return {f"sampled_{metric.name}": float(metric.result()) for metric in metrics}


def sample_negatives(
    examples: Examples, seen: Examples, number: int = 99, seed: int = 0
) -> np.ndarray:
    """Draws a fixed set of negatives for an evaluation.

    Args:
        examples: Examples to rank, whose `groups` are users.
        seen: Examples of what the same users chose, which is not drawn.
        number: Number of negatives per example.
        seed: Seed of sampling.

    Returns:
        Rows of the candidates' table, [examples, number], drawn uniformly from those in `seen`; −1
        for users who chose every one of them.
    """
    assert examples.groups is not None and examples.candidates is not None
    assert seen.groups is not None and seen.candidates is not None
    sampling = NegativeSampling(number)
    draw = sampling.drawer(seen.groups, seen.candidates.index)
    drawn = draw(tf.constant(examples.groups, tf.int64), tf.constant([seed, 99])).numpy()
    without = sampling.users_without(seen.groups, seen.candidates.index)
    return np.where(np.isin(examples.groups, without)[:, None], -1, drawn)


def _is_repeated(rows: np.ndarray) -> np.ndarray:
    """Returns which values have appeared before in their row."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    same = np.zeros(rows.shape, bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeated = np.empty_like(same)
    np.put_along_axis(repeated, order, same, axis=1)
    return repeated

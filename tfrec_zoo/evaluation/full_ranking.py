"""Full ranking: the held-out item is ranked among all items of the catalogue."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples, item_ids
from tfrec_zoo.evaluation.checks import require_examples
from tfrec_zoo.evaluation.outcomes import Outcomes
from tfrec_zoo.evaluation.seen import SeenClasses, masked
from tfrec_zoo.metrics import MISS, MRR, NDCG, CatalogueCoverage, HitRate, target_ranks
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.retrieval import match

#: Number of pairs that a ranking model scores at a time.
_PAIRS = 262_144


def full_ranking(
    model: RecommenderModel,
    examples: Examples,
    ks: Sequence[int] = (10, 50),
    mask_seen: bool = True,
    batch_size: int = 1024,
    outcomes: Outcomes | None = None,
) -> dict[str, float]:
    """Ranks each example's item among all items that the model knows.

    Scores are computed in chunks of examples, and a retrieval model's item vectors only once. Ties
    count against the item, and an item that the model does not know is a miss. With one relevant
    item, mean average precision is the mean reciprocal rank without cutoff; a miss counts 0.

    Args:
        model: A retrieval model, or a ranking model, which scores every item for every example.
        examples: Examples to rank, with `seen` items, and `candidates` for a ranking model.
        ks: Lengths of the lists that are evaluated.
        mask_seen: Whether items that the user has seen before cannot be recommended. A held-out
            item that the user has seen before is then a miss.
        batch_size: Number of examples per chunk, at most: chunks of a large catalogue, and those of
            a ranking model, are smaller, so that their scores fit in memory.
        outcomes: Where the ranks are kept, if anywhere.

    Returns:
        `hit_rate_at_k`, `ndcg_at_k`, `coverage_at_k` (share of the catalogue in at least one list)
        and `mean_average_precision`.

    Raises:
        ValueError: If there are no examples, or nothing says what was `seen`.
    """
    require_examples(examples)
    item = model.features.spec.item
    num_items = len(model.features.vocabularies[item.space])
    if outcomes is not None:
        outcomes.num_items = num_items
    at_once = max(_PAIRS // num_items, 1) if model.family == "ranking" else model.rows_at_once
    batch_size = min(batch_size, at_once)
    top = min(max(ks), num_items)
    rank_metrics = [*(HitRate(k) for k in ks), *(NDCG(k) for k in ks)]
    rank_metrics.append(MRR(name="mean_average_precision"))
    coverage = {k: CatalogueCoverage(num_items) for k in ks}
    ranked: Any = None
    for part in examples.parts():
        if mask_seen and part.seen is None:
            raise ValueError("`mask_seen` needs examples that say what was `seen`. Received: None")
        given, score = _scorer(model, part, num_items)
        if ranked is None or model.family == "ranking":
            ranked = _ranked(score, top, given(tf.range(1, dtype=tf.int64)))
        targets = part.label
        if part.candidates is not None:
            targets = part.candidates.values[item.key][part.candidates.index]
        classes = item_ids(model.preprocessor, targets) - 1
        seen_classes = SeenClasses(part, model.preprocessor) if mask_seen else None
        for begin in range(0, len(part), batch_size):
            end = min(begin + batch_size, len(part))
            seen = np.empty((0, 2), np.int64)
            if seen_classes is not None:
                seen = seen_classes.pairs(np.arange(begin, end))
            rows = tf.range(begin, end, dtype=tf.int64)
            scores, lists = ranked(given(rows), tf.constant(seen))
            target = tf.constant(np.maximum(classes[begin:end], 0))
            own = tf.gather(scores, target, batch_dims=1)
            # Unknown and masked items are misses, and appear in no list.
            is_ranked = (classes[begin:end] >= 0) & (own > scores.dtype.min)
            ranks = tf.where(is_ranked, target_ranks(scores, target), MISS)
            for metric in rank_metrics:
                metric.update_ranks(ranks)
            if outcomes is not None:
                outcomes.ranks.append(ranks.numpy())
            for k, metric in coverage.items():
                metric.update_state(lists[:, :k])
    results = {metric.name: float(metric.result()) for metric in rank_metrics}
    results.update({f"coverage_at_{k}": float(m.result()) for k, m in coverage.items()})
    return results


def _ranked(score: Callable[[Any], tf.Tensor], top: int, like: Any) -> Any:
    """A function of what is scored, and of pairs to mask, to all scores and the best classes.

    Args:
        score: The function of what is scored to scores.
        top: Number of best classes.
        like: Something to score, of any number of rows.
    """
    spec = tf.nest.map_structure(lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), like)

    @tf.function(input_signature=[spec, tf.TensorSpec([None, 2], tf.int64)])
    def scores_and_top(given: Any, seen: tf.Tensor) -> tuple:
        scores = masked(score(given), seen)
        best = tf.math.top_k(scores, top)
        return scores, tf.where(best.values > scores.dtype.min, best.indices, -1)

    return scores_and_top


def _scorer(model: Any, examples: Examples, num_items: int) -> tuple[Any, Any]:
    """What is scored of [n] example numbers, and the function of it to [n, items] scores.

    The scores are in the order of the vocabulary. The function of a retrieval model is the same for
    all examples.
    """
    if model.family == "retrieval":
        candidates = model.candidates()
        features_of = examples.assembler(model.preprocessor)
        return features_of, lambda features: match(model(features), candidates)
    lists = examples.lists(model.preprocessor)
    assert examples.candidates is not None
    table = examples.candidates.values[model.features.spec.item.key]
    row_of = np.full(1 + num_items, -1)
    row_of[item_ids(model.preprocessor, table)] = np.arange(len(table))
    if (row_of[1:] < 0).any():
        tokens = model.features.vocabularies[model.features.spec.item.space].tokens
        raise ValueError(
            "The examples' `candidates` must have a row for every item the model knows. "
            f"Received none for: {tokens[np.argmin(row_of[1:])]!r}"
        )
    catalogue = tf.constant(row_of[1:])

    def scores(rows: tf.Tensor) -> tf.Tensor:
        every = tf.broadcast_to(catalogue, [tf.size(rows), num_items])
        return tf.cast(model(lists(rows, every)), tf.float32)

    return tf.identity, scores

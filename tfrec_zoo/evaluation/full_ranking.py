"""Full ranking: the held-out item is ranked among all items of the catalogue."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
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
    [found] = full_rankings(model, examples, ks, {mask_seen: outcomes}, batch_size)
    return found


def full_rankings(
    model: RecommenderModel,
    examples: Examples,
    ks: Sequence[int] = (10, 50),
    masks: Mapping[bool, Outcomes | None] = MappingProxyType({True: None, False: None}),
    batch_size: int = 1024,
) -> list[dict[str, float]]:
    """What `full_ranking` finds with seen items masked and with them kept, of the same scores.

    Args:
        model: As of `full_ranking`.
        examples: As of `full_ranking`.
        ks: As of `full_ranking`.
        masks: Values of `mask_seen`, and where the ranks of each are kept, if anywhere.
        batch_size: As of `full_ranking`.

    Returns:
        The metrics of each mask.

    Raises:
        ValueError: If there are no examples, or nothing says what was `seen`.
    """
    require_examples(examples)
    item = model.features.spec.item
    num_items = len(model.features.vocabularies[item.space])
    at_once = max(_PAIRS // num_items, 1) if model.family == "ranking" else model.rows_at_once
    batch_size = min(batch_size, at_once)
    tallies = [_Tally(ks, num_items, outcomes) for outcomes in masks.values()]
    ranked: Any = None
    for part in examples.parts():
        if True in masks and part.seen is None:
            raise ValueError("`mask_seen` needs examples that say what was `seen`. Received: None")
        given, score = _scorer(model, part, num_items)
        if ranked is None or model.family == "ranking":
            top = min(max(ks), num_items)
            ranked = _ranked(score, top, given(tf.range(1, dtype=tf.int64)), len(masks))
        targets = part.label
        if part.candidates is not None:
            targets = part.candidates.values[item.key][part.candidates.index]
        classes = item_ids(model.preprocessor, targets) - 1
        seen_classes = SeenClasses(part, model.preprocessor) if True in masks else None
        for begin in range(0, len(part), batch_size):
            rows = np.arange(begin, min(begin + batch_size, len(part)))
            pairs = [
                seen_classes.pairs(rows) if mask and seen_classes else np.empty((0, 2), np.int64)
                for mask in masks
            ]
            found = ranked(given(tf.constant(rows)), [tf.constant(seen) for seen in pairs])
            for tally, (scores, lists) in zip(tallies, found, strict=True):
                tally.update(scores, lists, classes[rows])
    return [tally.results() for tally in tallies]


class _Tally:
    """The metrics of ranks and lists.

    Args:
        ks: Lengths of the lists.
        num_items: Number of items.
        outcomes: Where the ranks are kept, if anywhere.
    """

    def __init__(self, ks: Sequence[int], num_items: int, outcomes: Outcomes | None) -> None:
        self.of_ranks = [*(HitRate(k) for k in ks), *(NDCG(k) for k in ks)]
        self.of_ranks.append(MRR(name="mean_average_precision"))
        self.coverage = {k: CatalogueCoverage(num_items) for k in ks}
        self.outcomes = outcomes
        if outcomes is not None:
            outcomes.num_items = num_items

    def update(self, scores: tf.Tensor, lists: tf.Tensor, classes: np.ndarray) -> None:
        """Adds examples: scores of all items, [n, items]; the best, [n, top]; own classes, [n]."""
        target = tf.constant(np.maximum(classes, 0))
        own = tf.gather(scores, target, batch_dims=1)
        # Unknown and masked items are misses, and appear in no list.
        is_ranked = (classes >= 0) & (own > scores.dtype.min)
        ranks = tf.where(is_ranked, target_ranks(scores, target), MISS)
        for metric in self.of_ranks:
            metric.update_ranks(ranks)
        if self.outcomes is not None:
            self.outcomes.ranks.append(ranks.numpy())
        for k, metric in self.coverage.items():
            metric.update_state(lists[:, :k])

    def results(self) -> dict[str, float]:
        """The metrics by name."""
        results = {metric.name: float(metric.result()) for metric in self.of_ranks}
        results.update({f"coverage_at_{k}": float(m.result()) for k, m in self.coverage.items()})
        return results


def _ranked(score: Callable[[Any], tf.Tensor], top: int, like: Any, masks: int) -> Any:
    """A function of what is scored, and of pairs to mask, to all scores and the best classes.

    Args:
        score: The function of what is scored to scores.
        top: Number of best classes.
        like: Something to score, of any number of rows.
        masks: Number of sets of pairs, each of which the scores are masked by, and ranked.
    """
    spec = tf.nest.map_structure(lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), like)

    @tf.function(input_signature=[spec, masks * [tf.TensorSpec([None, 2], tf.int64)]])
    def scores_and_top(given: Any, pairs: list[tf.Tensor]) -> list[tuple[tf.Tensor, tf.Tensor]]:
        scores, found = score(given), []
        for seen in pairs:
            left = masked(scores, seen)
            best = tf.math.top_k(left, top)
            found.append((left, tf.where(best.values > scores.dtype.min, best.indices, -1)))
        return found

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

"""Full ranking: the held-out item against every item of the catalogue."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples, Windows, item_ids
from tfrec_zoo.metrics import MRR, NDCG, CatalogueCoverage, HitRate, target_ranks
from tfrec_zoo.models.retrieval import RetrievalModel


def full_ranking(
    model: RetrievalModel,
    examples: Examples,
    ks: Sequence[int] = (10, 50),
    mask_seen: bool = True,
    batch_size: int = 1024,
) -> dict[str, float]:
    """Ranks each example's item among all items the model knows.

    Item vectors are computed once, scores in chunks of examples. Ties count against the item; an
    item the model doesn't know is a miss. With one relevant item, mean average precision is the
    mean reciprocal rank without cut-off.

    Args:
        model: A retrieval model.
        examples: What to rank, with their `seen` items.
        ks: Cut-offs.
        mask_seen: Whether items the user has seen before can't be recommended. (A held-out item
            seen before is then a miss.)
        batch_size: Examples per chunk.

    Returns:
        `hit_rate_at_k`, `ndcg_at_k`, `coverage_at_k` (share of the catalogue in at least one list)
        and `mean_average_precision`.
    """
    if mask_seen and examples.seen is None:
        raise ValueError("`mask_seen` needs examples that say what was `seen`. Received: None")
    candidates = model.candidates()
    num_items = model.num_items
    top = min(max(ks), num_items)
    miss = max(num_items, *ks)
    rank_metrics = [*(HitRate(k) for k in ks), *(NDCG(k) for k in ks)]
    rank_metrics.append(MRR(name="mean_average_precision"))
    coverage = {k: CatalogueCoverage(num_items) for k in ks}

    dataset = examples.dataset(batch_size, model.preprocessor)
    signature = [
        dataset.element_spec[0],
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, 2], tf.int64),
    ]

    @tf.function(input_signature=signature)
    def ranks_and_top(features: object, classes: tf.Tensor, seen: tf.Tensor) -> tuple:
        scores = tf.linalg.matmul(model(features), candidates, transpose_b=True)
        lowest = tf.fill([tf.shape(seen)[0]], scores.dtype.min)
        scores = tf.tensor_scatter_nd_update(scores, seen, lowest)
        own = tf.gather(scores, tf.maximum(classes, 0), batch_dims=1)
        # Items that are unknown or masked come after all others, and are in no list.
        is_ranked = (classes >= 0) & (own > scores.dtype.min)
        ranks = tf.where(is_ranked, target_ranks(scores, tf.maximum(classes, 0)), miss)
        best = tf.math.top_k(scores, top)
        return ranks, tf.where(best.values > scores.dtype.min, best.indices, -1)

    seen_windows = examples.seen if mask_seen else None
    if seen_windows is not None:
        seen_ids = item_ids(model.preprocessor, seen_windows.values["history"])
    begin = 0
    for features, label, *_ in dataset:
        seen = np.empty((0, 2), np.int64)
        if seen_windows is not None:
            seen = _seen_pairs(seen_windows, seen_ids, begin, begin + len(label))
        ranks, lists = ranks_and_top(features, model.classes(label), tf.constant(seen))
        for metric in rank_metrics:
            metric.update_ranks(ranks)
        for k, metric in coverage.items():
            metric.update_state(lists[:, :k])
        begin += len(label)
    results = {metric.name: float(metric.result()) for metric in rank_metrics}
    results.update({f"coverage_at_{k}": float(m.result()) for k, m in coverage.items()})
    return results


def _seen_pairs(windows: Windows, ids: np.ndarray, begin: int, end: int) -> np.ndarray:
    """The distinct (row in chunk, class) pairs of what the examples' users had seen."""
    start, stop = windows.start[begin:end], windows.stop[begin:end]
    lengths = stop - start
    row = np.repeat(np.arange(end - begin), lengths)
    at = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    classes = ids[at + np.repeat(start, lengths)].astype(np.int64) - 1
    pairs = np.stack([row, classes], axis=1)
    return pairs[classes >= 0]

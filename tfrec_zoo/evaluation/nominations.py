"""What a retrieval model makes of the items of examples: nominations, scores and ranks."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.nominated import NOMINATED, own_ranks, relative_score
from tfrec_zoo.evaluation.seen import SeenClasses, masked
from tfrec_zoo.features import MISSING
from tfrec_zoo.models.retrieval import RetrievalModel, match


def nominate(retrieval: RetrievalModel, examples: Examples, k: int = NOMINATED) -> np.ndarray:
    """The [examples, k] items that a retrieval model puts first, but those seen before.

    Where fewer are left, the rest are the missing id.
    """
    vocabulary = retrieval.features.vocabularies[retrieval.item_column.space]
    tokens = vocabulary.array()
    # The last one is what class −1 stands for.
    tokens = np.append(tokens, np.array([MISSING[vocabulary.dtype]], tokens.dtype))
    rows = np.arange(len(examples))
    found = [classes.numpy() for _, _, _, classes in _searched(retrieval, examples, rows, k)]
    return tokens[np.concatenate([np.empty((0, min(k, len(tokens) - 1)), np.int64), *found])]


def scores_and_ranks(
    retrieval: RetrievalModel,
    examples: Examples,
    requests: np.ndarray | None = None,
    num_candidates: int = NOMINATED,
) -> np.ndarray:
    """What a source makes of the examples' own items, as a funnel works it out of requests.

    Args:
        retrieval: The retrieval model.
        examples: The examples.
        requests: [examples] which request each example is of, where examples share requests, such
            as those of a page; by default each is of its own.
        num_candidates: Number of items that the source nominates.

    Returns:
        float32 [examples, 2]: scores, relative to the best items that were not seen before (see
        `relative_score`), and ranks among these, from 1. What is not nominated has rank 0, and an
        item that the model doesn't know has no score: NaN.
    """
    size = len(examples)
    requests = np.arange(size) if requests is None else requests
    _, first, request = np.unique(requests, return_index=True, return_inverse=True)
    order = np.argsort(request, kind="stable")
    bounds = np.searchsorted(request[order], np.arange(len(first) + 1))
    key = retrieval.item_column.key
    own = examples.raw([key])[key]
    ids = retrieval.preprocessor.ids(retrieval.item_column, {key: tf.constant(own)}).numpy()
    result = np.zeros((size, 2), np.float32)
    result[:, 0] = np.nan
    number = max(NOMINATED, num_candidates)
    for begin, scores, best, classes in _searched(retrieval, examples, first, number):
        end = begin + int(scores.shape[0])
        rows = order[bounds[begin] : bounds[end]]
        rows = rows[ids[rows] > 0]
        at = np.stack([request[rows] - begin, ids[rows] - 1], axis=1)
        of_request = tf.gather(best[:, :NOMINATED], at[:, 0])
        result[rows, 0] = relative_score(tf.gather_nd(scores, at)[:, None], of_request)[:, 0]
        result[rows, 1] = own_ranks(at[:, 1], classes.numpy()[at[:, 0], :num_candidates])
    return result


def _searched(
    retrieval: RetrievalModel, examples: Examples, rows: np.ndarray, k: int
) -> Iterator[tuple[int, tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Yields, chunk by chunk of `rows`, where it begins, and what is found for it.

    The scores of all items, [n, items], the best scores of items not seen before, [n, k], and
    their classes, [n, k]; −inf and −1 where there are fewer than k.
    """
    features_of = examples.assembler(retrieval.preprocessor)
    candidates = retrieval.candidates()
    seen = SeenClasses(examples, retrieval.preprocessor)
    number = min(k, retrieval.num_items)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 2], tf.int64)]
    )
    def search(rows: tf.Tensor, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        scores = tf.cast(match(retrieval(features_of(rows)), candidates), tf.float32)
        best = tf.math.top_k(masked(scores, pairs), number)
        is_found = best.values > tf.float32.min
        values = tf.where(is_found, best.values, -float("inf"))
        return scores, values, tf.where(is_found, best.indices, -1)

    # Called as it is: other models' functions of the same name are no reason for a warning.
    found = search.get_concrete_function()
    size = min(retrieval.rows_at_once, 4096)
    for begin in range(0, len(rows), size):
        part = rows[begin : begin + size].astype(np.int64)
        yield begin, *found(tf.constant(part), tf.constant(seen.pairs(part)))

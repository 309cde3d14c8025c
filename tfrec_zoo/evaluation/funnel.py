"""Evaluation of a funnel: what it returns, against what was watched next."""

import dataclasses
import logging

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.sources import Windows
from tfrec_zoo.evaluation.checks import require_examples
from tfrec_zoo.features import raw_signature, request_arrays
from tfrec_zoo.serving.funnel import Funnel

logger = logging.getLogger(__name__)


def evaluate_funnel(
    funnel: Funnel,
    examples: Examples,
    limit: int = 2000,
    batch_size: int = 200,
    weight: np.ndarray | None = None,
) -> dict[str, float]:
    """Measures what a funnel returns against what was watched next.

    Args:
        funnel: The funnel.
        examples: Examples of next watches; what was seen before is left out.
        limit: Number of examples, evenly spaced, that are evaluated at most.
        batch_size: Examples per request.
        weight: [examples] how much each watch counts, such as its seconds.

    Returns:
        `hit_rate_at_10` and `ndcg_at_10`; with `weight`, `weight_at_10`, the mean weight of hits,
        counting 0 for a miss; and `evaluated_examples`, how many were evaluated.

    Raises:
        ValueError: If there are no examples.
    """
    require_examples(examples)
    rows = evenly_spaced(len(examples), limit)
    if len(rows) < len(examples):
        logger.info("Evaluating %d of %d examples, evenly spaced", len(rows), len(examples))
    part = examples.take(rows)
    [lists] = recommended(funnel, part, batch_size=batch_size)
    values = list_values(lists, part.label, None if weight is None else weight[rows])
    means = {name: float(value.mean()) for name, value in values.items()}
    return {**means, "evaluated_examples": len(rows)}


def evenly_spaced(size: int, limit: int) -> np.ndarray:
    """At most `limit` of the numbers below `size`, evenly spaced.

    >>> evenly_spaced(9, 3).tolist(), evenly_spaced(2, 3).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, size - 1, min(size, limit)).astype(np.int64)


def recommended(funnel: Funnel, *parts: Examples, batch_size: int = 200) -> list[np.ndarray]:
    """What a funnel recommends at the moments of examples, best first.

    Args:
        funnel: The funnel.
        *parts: Examples.
        batch_size: Examples per request.

    Returns:
        For each of the `parts` the items, [examples, k].
    """
    specs = raw_signature(funnel.request)
    serve = tf.function(lambda raw: funnel.serve(**raw)).get_concrete_function(specs)
    lists = []
    for examples in parts:
        batches = np.array_split(np.arange(len(examples)), max(-(-len(examples) // batch_size), 1))
        ids = np.concatenate(
            [serve(funnel_request(funnel, examples.take(b)))["ids"].numpy() for b in batches]
        )
        lists.append(np.char.decode(ids.astype("S"), "utf-8") if ids.dtype == object else ids)
    return lists


def list_values(
    lists: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None, k: int = 10
) -> dict[str, np.ndarray]:
    """The values of lists, one by one, whose means are the metrics of `evaluate_funnel`.

    Args:
        lists: [examples, n] recommended items, best first.
        label: [examples] the item that was watched.
        weight: [examples] how much that counts, or None.
        k: How many of each list count.

    Example:

    >>> values = list_values(np.array([["a", "b"], ["a", "c"]]), np.array(["b", "b"]))
    >>> values["hit_rate_at_10"].tolist(), values["ndcg_at_10"].round(3).tolist()
    ([1.0, 0.0], [0.631, 0.0])
    """
    is_hit = lists[:, :k] == label[:, None]
    hit, rank = is_hit.any(axis=1), is_hit.argmax(axis=1)
    values = {
        f"hit_rate_at_{k}": hit.astype(np.float64),
        f"ndcg_at_{k}": np.where(hit, 1 / np.log2(rank + 2), 0.0),
    }
    if weight is not None:
        values[f"weight_at_{k}"] = np.where(hit, weight, 0.0)
    return values


def funnel_request(funnel: Funnel, examples: Examples) -> dict[str, tf.Tensor]:
    """Examples as a request to a funnel, each at its moment, with all seen before excluded."""
    raw = examples.raw(funnel.request)
    if HISTORY in raw and examples.seen is not None:
        # The whole history, so that nothing seen is recommended.
        longest = max(int((examples.seen.stop - examples.seen.start).max(initial=1)), 1)
        whole = dataclasses.replace(examples.seen, length=longest)
        raw["exclude"] = Examples((whole,), examples.label).raw()[HISTORY]
    moments = [s.now for s in examples.sources if isinstance(s, Windows) and s.now is not None]
    if "time" in funnel.request and moments:
        raw["time"] = moments[0].astype(np.int64)
    specs = raw_signature(funnel.request)
    arrays = request_arrays(funnel.request, raw)
    return {key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}

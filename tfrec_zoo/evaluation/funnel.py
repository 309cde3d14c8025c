"""Evaluation of a funnel: what it returns, against what was watched next."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.features import raw_signature, request_arrays
from tfrec_zoo.metrics import NDCG, HitRate
from tfrec_zoo.serving.funnel import Funnel


def evaluate_funnel(
    funnel: Funnel, examples: Examples, limit: int = 2000, batch_size: int = 200
) -> dict[str, float]:
    """Hit rate and NDCG at 10 of what a funnel returns.

    Args:
        funnel: The funnel.
        examples: Examples of next watches; what was seen before is left out.
        limit: Number of examples, evenly spaced, that are evaluated at most.
        batch_size: Examples per request.
    """
    part = examples.take(
        np.linspace(0, len(examples) - 1, min(len(examples), limit)).astype(np.int64)
    )
    metrics = [HitRate(10), NDCG(10)]
    serve = tf.function(funnel.serve, reduce_retracing=True)
    for rows in np.array_split(np.arange(len(part)), -(-len(part) // batch_size)):
        batch = part.take(rows)
        ids = serve(**funnel_request(funnel, batch))["ids"].numpy()
        if ids.dtype == object:
            ids = np.char.decode(ids.astype("S"), "utf-8")
        is_hit = ids == batch.label[:, None]
        ranks = np.where(is_hit.any(axis=1), is_hit.argmax(axis=1), 10**6)
        for metric in metrics:
            metric.update_ranks(tf.constant(ranks, tf.int32))
    return {metric.name: float(metric.result()) for metric in metrics}


def funnel_request(funnel: Funnel, examples: Examples) -> dict[str, tf.Tensor]:
    """Examples as a request to a funnel, with all that was seen before excluded."""
    raw = examples.raw(funnel.request)
    if HISTORY in raw and examples.seen is not None:
        # The whole history, so that nothing seen is recommended.
        longest = max(int((examples.seen.stop - examples.seen.start).max(initial=1)), 1)
        whole = dataclasses.replace(examples.seen, length=longest)
        raw["exclude"] = Examples((whole,), examples.label).raw()[HISTORY]
    specs = raw_signature(funnel.request)
    arrays = request_arrays(funnel.request, raw)
    return {key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}

"""Latency: how long an index takes for one query, in a graph as in an export."""

import statistics
import time
from collections.abc import Mapping

import tensorflow as tf

from tfrec_zoo.serving.index.base import Index


def latencies(
    indexes: Mapping[str, Index], queries: tf.Tensor, k: int, rounds: int = 100
) -> dict[str, float]:
    """Median milliseconds of a search for one query; the indexes take turns.

    Args:
        indexes: The indexes by name.
        queries: Query vectors, [queries, dim], one of which is searched for at a time.
        k: Length of the lists.
        rounds: Number of searches of each that are counted.
    """
    queries = tf.cast(queries, tf.float32)
    exclude = tf.fill([1, 1], -1)
    searches = {}
    for name, index in indexes.items():

        def search(query: tf.Tensor, exclude: tf.Tensor, index: Index = index) -> tf.Tensor:
            return index.search(query, k, exclude)[1]

        specs = [
            tf.TensorSpec([None, queries.shape[1]], tf.float32),
            tf.TensorSpec([None, None], tf.int32),
        ]
        searches[name] = tf.function(search, input_signature=specs).get_concrete_function()
    found: dict[str, list[float]] = {name: [] for name in indexes}
    warm_up = max(rounds // 10, 1)
    for turn in range(warm_up + rounds):
        query = queries[turn % int(queries.shape[0])][None]
        for name, search_one in searches.items():
            begin = time.perf_counter()
            search_one(query, exclude).numpy()
            if turn >= warm_up:
                found[name].append(1000 * (time.perf_counter() - begin))
    return {name: statistics.median(values) for name, values in found.items()}

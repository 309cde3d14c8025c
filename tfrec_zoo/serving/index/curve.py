"""Curve: what recall each kind of index has at what latency."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.serving.index.approximate import ApproximateIndex
from tfrec_zoo.serving.index.choice import build_index
from tfrec_zoo.serving.index.latency import latencies

#: The kinds that have a curve, and the one that is a point of it.
KINDS = ("exact", "ivf", "scann")


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """An index that searches so much of a catalogue.

    Args:
        kind: Kind of the index.
        searched: How many of its blocks or leaves are searched; None for all items.
        of: How many there are, or the number of items.
        recall: Share of the exact best items that are found.
        milliseconds: Median latency of one query.
        is_chosen: Whether this is what an export searches.
    """

    kind: str
    searched: int | None
    of: int
    recall: float
    milliseconds: float
    is_chosen: bool = False


def recall_latency_curve(
    candidates: tf.Tensor,
    queries: tf.Tensor | None,
    kinds: Sequence[str] = KINDS,
    k: int = 100,
    rounds: int = 50,
    **kwargs: Any,
) -> list[CurvePoint]:
    """Measures recall and latency as more and more is searched.

    Args:
        candidates: Item vectors, [items, dim].
        queries: Users' vectors, [queries, dim], or None for items' own.
        kinds: Kinds of index.
        k: Length of the lists.
        rounds: Searches whose latency is measured, of each point.
        **kwargs: Further arguments of `ApproximateIndex`.

    Returns:
        The points, by kind, those that search less first. A curve ends where it is slower than
        exact search. A kind that can't be made has none, and a warning says why.
    """
    asked = candidates[:100] if queries is None else queries
    exact = build_index(candidates, "exact")
    whole = latencies({"exact": exact}, asked, k, rounds)["exact"]
    num_items = int(candidates.shape[0])
    points = [CurvePoint("exact", None, num_items, 1.0, whole)] if "exact" in kinds else []
    del exact
    for kind in kinds:
        index = None if kind == "exact" else build_index(candidates, kind, queries, k=k, **kwargs)  # type: ignore[arg-type]
        if not isinstance(index, ApproximateIndex):
            continue
        chosen = index.parts_to_search
        powers = {2**i for i in range(index.num_parts.bit_length())}
        for searched in sorted({chosen, index.num_parts, *powers}):
            index.parts_to_search = searched
            took = latencies({kind: index}, asked, k, rounds)[kind]
            if took > whole and searched > chosen:
                break
            recall = index.measured_recall()
            is_chosen = searched == chosen
            points.append(CurvePoint(kind, searched, index.num_parts, recall, took, is_chosen))
    return points

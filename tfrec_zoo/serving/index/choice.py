"""Choice: which kind of index a catalogue gets."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.serving.index.approximate import ApproximateIndex, check_target_recall
from tfrec_zoo.serving.index.base import Index
from tfrec_zoo.serving.index.exact import ExactIndex
from tfrec_zoo.serving.index.ivf import IvfIndex
from tfrec_zoo.serving.index.latency import latencies
from tfrec_zoo.serving.index.scann import ScannIndex
from tfrec_zoo.serving.index.scores import ScoreIndex

logger = logging.getLogger(__name__)

#: The kinds of index that `build_index` makes: its own, or a class of the caller's.
IndexKind = Literal["auto", "exact", "ivf", "scann"] | type[ApproximateIndex]
#: Number of items below which exact search is taken without measuring.
MEASURE_FROM = 20_000
#: Width of vectors from which on there is something to approximate.
_MIN_DIM = 2
#: By how much another index must be faster to be preferred to a simpler one.
_FASTER = 1.2
_APPROXIMATE: dict[str, type[ApproximateIndex]] = {"ivf": IvfIndex, "scann": ScannIndex}


def build_index(
    candidates: tf.Tensor | None,
    kind: IndexKind = "auto",
    queries: tf.Tensor | Callable[[], tf.Tensor] | None = None,
    **kwargs: Any,
) -> Index:
    """Makes an index: exact for small catalogues, the fastest that finds enough for large ones.

    Args:
        candidates: Item vectors, [items, dim], or None if queries are the scores of all items.
        kind: `"exact"`, `"ivf"`, `"scann"`, or `"auto"` to choose: exact below 20,000 items, and
            else the fastest for one query, as measured, of those that reach the target recall. A
            subclass of `ApproximateIndex` is an index of your own.
        queries: Users' vectors, [queries, dim], on which recall is measured; or what returns them,
            called if need be.
        **kwargs: Further arguments of `ApproximateIndex`.

    Returns:
        The index. Where the kind that was asked for can't be made (ScaNN does not load, or there
        are too few items or no vectors), a warning is logged and the index is exact. So it is where
        it misses its target recall, unless it was asked for and the catalogue is large.
    """
    cls = kind if isinstance(kind, type) else _APPROXIMATE.get(kind)
    if not (kind in ("auto", "exact") or cls is not None and issubclass(cls, ApproximateIndex)):
        raise ValueError(
            '`kind` must be "auto", "exact", "ivf", "scann", or a subclass of `ApproximateIndex`. '
            f"Received: {kind!r}"
        )
    if "target_recall" in kwargs:
        check_target_recall(kwargs["target_recall"])
    if candidates is None:
        if cls is not None:
            logger.warning("Searching exactly instead of with %s: items have no vectors", cls.title)
        return ScoreIndex()
    num_items, dim = candidates.shape
    if not is_measured(kind, num_items) or (kind == "auto" and dim < _MIN_DIM):
        return ExactIndex(candidates)
    is_small = num_items < MEASURE_FROM
    kwargs["queries"] = queries() if callable(queries) else queries
    if cls is None:
        return _fastest(candidates, **kwargs)
    index = _built(cls, candidates, **kwargs)
    if index is not None and (index.reaches_target or not is_small):
        return index
    if index is not None:
        _say_missed(index)
    return ExactIndex(candidates)


def is_measured(kind: IndexKind | str, num_items: int) -> bool:
    """Whether an index of a kind is made by measuring what it finds."""
    return kind not in ("auto", "exact") or (kind == "auto" and num_items >= MEASURE_FROM)


def _fastest(candidates: tf.Tensor, **kwargs: Any) -> Index:
    """The fastest index for one query of those that reach the target."""
    indexes: dict[str, Index] = {"exact": ExactIndex(candidates)}
    for kind, cls in _APPROXIMATE.items():
        index = _built(cls, candidates, **kwargs)
        if index is not None and not index.reaches_target:
            _say_missed(index)
        elif index is not None:
            indexes[kind] = index
    if len(indexes) == 1:
        return indexes["exact"]
    queries = kwargs["queries"]
    queries = candidates[:100] if queries is None else queries
    took = latencies(indexes, queries, kwargs.get("k", 100))
    best = "exact"
    for kind in indexes:
        if _FASTER * took[kind] < took[best]:
            best = kind
    chosen = indexes[best]
    chosen.milliseconds = {kind: round(value, 3) for kind, value in took.items()}
    words = ", ".join(f"{kind} {value:.2f}" for kind, value in took.items())
    logger.info("The index is %s; milliseconds of a search: %s", best, words)
    return chosen


def _built(
    cls: type[ApproximateIndex], candidates: tf.Tensor, **kwargs: Any
) -> ApproximateIndex | None:
    """The index, or None and a warning where it can't be made."""
    try:
        return cls(candidates, **kwargs)
    except (ImportError, ValueError) as error:
        logger.warning("Searching exactly instead of with %s: %s", cls.title, error)
        return None


def _say_missed(index: ApproximateIndex) -> None:
    logger.warning(
        "Not searching with %s, which finds %.3f of the best %d of %d items",
        index.title,
        index.recall,
        index.recall_at,
        index.num_items,
    )

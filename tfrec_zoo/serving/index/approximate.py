"""Base of the approximate indexes: built on sample queries, tuned to a recall, and honest of it."""

import logging
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfrec_zoo.serving.index.base import Index
from tfrec_zoo.serving.index.keep import Keep
from tfrec_zoo.serving.index.membership import is_in
from tfrec_zoo.serving.index.products import best_of, products
from tfrec_zoo.serving.index.recall import RecallSample

logger = logging.getLogger(__name__)

#: How many times as much is searched where items must have some attribute.
_WIDER = 4


def check_target_recall(share: float) -> None:
    """Raises an error for what is no share of items to find."""
    if not 0 < share <= 1:
        raise ValueError(f"`target_recall` must be above 0 and at most 1. Received: {share!r}")


class ApproximateIndex(Index):
    """Finds most of the best items, in time sublinear in their number.

    Recall is measured against exact search, with lists and room for exclusions as in serving, on
    users' vectors and on items' own. As little is searched as reaches the target on users' vectors,
    or on items' where there are no others; where that is not possible, a warning says so. A query
    for which fewer than k items are found, because most of the best are excluded or not kept, is
    answered by exact search.

    Args:
        candidates: Item vectors, [items, dim].
        k: Length of the lists of which recall is measured.
        queries: Users' vectors, [queries, dim], or none.
        target_recall: Share of the exact top k that must be found.
        spare: Number of items to search for beyond k, so that enough remain after exclusions.
        seed: Seed of what is drawn.

    Raises:
        ValueError: If there are too few items, or `target_recall` is no share.
    """

    MIN_ITEMS: ClassVar[int] = 1000
    #: How people call the kind, and what it searches some of.
    title: ClassVar[str]
    parts: ClassVar[str]
    #: How many parts there are, and how many a search reads.
    num_parts: int
    parts_to_search: int

    def __init__(
        self,
        candidates: tf.Tensor,
        k: int = 100,
        queries: tf.Tensor | None = None,
        target_recall: float = 0.95,
        spare: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(candidates)
        if self.num_items < self.MIN_ITEMS:
            raise ValueError(
                f"{self.title} needs at least {self.MIN_ITEMS} items; use an ExactIndex. "
                f"Received: {self.num_items}"
            )
        check_target_recall(target_recall)
        self.spare, self.target_recall = spare, float(target_recall)
        candidates = tf.cast(candidates, tf.float32)
        if queries is not None and queries.shape[0] < 2:
            queries = None
        # An index is not measured on the queries that it is built on.
        built_on = None if queries is None else tf.cast(queries[1::2], tf.float32).numpy()
        self._build(candidates.numpy(), built_on, seed)
        own = candidates[:: max(self.num_items // 256, 1)][:256]
        samples = {"items": own} if queries is None else {"users": queries[::2], "items": own}
        self._samples = _Samples(
            {of: RecallSample.of(candidates, some, k) for of, some in samples.items()}
        )
        #: Whose vectors the target is for.
        self.recall_of = next(iter(samples))
        self.recall_at = min(k, self.num_items)
        self._tune(target_recall)
        self.recalls = {of: self.measured_recall(of) for of in samples}
        self.recall = self.recalls[self.recall_of]
        self.reaches_target = self.recall >= target_recall
        level = logging.INFO if self.reaches_target else logging.WARNING
        words = "" if self.reaches_target else f", less than the target of {target_recall:g}"
        logger.log(
            level,
            "%s searches %d of %d %s: recall@%d %.3f%s",
            self.title,
            self.parts_to_search,
            self.num_parts,
            self.parts,
            self.recall_at,
            self.recall,
            words,
        )

    @property
    def description(self) -> dict[str, Any]:
        """The kind of the index, how much of it is searched, and the measured recall."""
        return {
            **super().description,
            **self.effort,
            "recall": round(self.recall, 4),
            "recall_at": self.recall_at,
            "recall_by_queries": {of: round(value, 4) for of, value in self.recalls.items()},
            "target_recall": self.target_recall,
            "reaches_target": self.reaches_target,
        }

    @property
    def effort(self) -> dict[str, Any]:
        """How much of the index a search reads, JSON-able."""
        return {
            self.parts: self.num_parts,
            f"{self.parts}_to_search": self.parts_to_search,
            "items_scored": self.items_scored,
        }

    @property
    def items_scored(self) -> int:
        """How many items a search scores by their vectors."""
        raise NotImplementedError

    def measured_recall(self, of: str | None = None) -> float:
        """The recall of the index as it stands.

        Args:
            of: Whose vectors it is measured on, `"users"` or `"items"`; by default those that the
                target is for.
        """
        sample = self._samples.of[of or self.recall_of]
        return sample.recall(self._nearby(sample.queries, sample.k, None)[1].numpy())

    @property
    def vectors(self) -> tf.Tensor:
        """The item vectors, float32 [items, dim]."""
        raise NotImplementedError

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        query = tf.cast(query, tf.float32)
        k = min(k, self.num_items)
        scores, rows = self._nearby(query, k, exclude, keep)
        is_short = scores[:, -1] == scores.dtype.min
        is_short &= tf.reduce_all(tf.math.is_finite(query), axis=1)
        return tf.cond(
            tf.reduce_any(is_short),
            lambda: self._with_exact(query, k, exclude, keep, is_short, scores, rows),
            lambda: (scores, rows),
        )

    def _with_exact(
        self,
        query: tf.Tensor,
        k: int,
        exclude: tf.Tensor | None,
        keep: Keep | None,
        is_short: tf.Tensor,
        scores: tf.Tensor,
        rows: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Searches exactly for those queries for which too little was found."""
        at = tf.where(is_short)
        some = tf.linalg.matmul(tf.gather_nd(query, at), self.vectors, transpose_b=True)
        some = tf.ensure_shape(some, [None, self.num_items])
        own = None if exclude is None else tf.gather_nd(exclude, at)
        best, best_rows = best_of(some, k, own, None if keep is None else keep.take(at))
        return (
            tf.tensor_scatter_nd_update(scores, at, best),
            tf.tensor_scatter_nd_update(rows, at, best_rows),
        )

    def _nearby(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Searches approximately; the lowest float marks an empty slot."""
        # Recall is measured at this width, so all searches have it.
        wider = 1 if keep is None else _WIDER
        width = min(wider * (k + self.spare), self.num_items)
        scores, rows = self._found(query, width, min(wider * self.parts_to_search, self.num_parts))
        kept = (rows >= 0) & tf.math.is_finite(scores)
        if exclude is not None:
            kept &= tf.logical_not(is_in(rows, exclude))
        if keep is not None:
            kept &= keep.of(rows)
        scores = tf.where(kept, scores, scores.dtype.min)
        # A search for what is excluded has lost the shape.
        scores, at = tf.math.top_k(tf.ensure_shape(scores, rows.shape), k)
        return scores, tf.gather(rows, at, batch_dims=1)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return products(query, self.vectors, rows)

    def _build(self, vectors: np.ndarray, queries: np.ndarray | None, seed: int) -> None:
        """Builds the index of item vectors, float32 [items, dim], for queries like these."""
        raise NotImplementedError

    def _tune(self, target_recall: float) -> None:
        """Makes a search read as little as reaches the target of `measured_recall`."""
        raise NotImplementedError

    def _found(self, query: tf.Tensor, width: int, parts: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds about the best items, in any order.

        Args:
            query: Query vectors, [batch, dim].
            width: Number of items to find at least.
            parts: Number of parts to search.

        Returns:
            Their scores and rows, [batch, width or more]. Row −1, or a score that is not finite,
            is none.
        """
        raise NotImplementedError


class _Samples:
    """Holds samples where TensorFlow doesn't look: they are no part of what is saved."""

    def __init__(self, of: dict[str, RecallSample]) -> None:
        self.of = of

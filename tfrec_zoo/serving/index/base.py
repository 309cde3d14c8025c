"""Base of the indexes: lists of a fixed length, exclusions, and searches among allowed items."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import tensorflow as tf

from tfrec_zoo.serving.index.keep import Keep
from tfrec_zoo.serving.index.membership import is_in

#: In place of the row of an item, says that there is no such item.
NO_ITEM = -2


class Index(tf.Module):
    """Finds the best items for query vectors, with exclusions.

    Args:
        candidates: Item vectors, [items, dim].
    """

    #: Operations that a process must register before it loads a SavedModel with this index.
    custom_ops: tuple[str, ...] = ()
    #: Name of the kind.
    kind: ClassVar[str] = "exact"
    #: Milliseconds of a search for one query, by kind, where the kind was chosen by them.
    milliseconds: Mapping[str, float] = MappingProxyType({})

    def __init__(self, candidates: tf.Tensor) -> None:
        super().__init__()
        self.num_items, self.dim = candidates.shape

    @property
    def description(self) -> dict[str, Any]:
        """The kind of the index, and what is known of what it finds, JSON-able."""
        found: dict[str, Any] = {"kind": self.kind, "recall": 1.0}
        return {**found, "milliseconds": dict(self.milliseconds)} if self.milliseconds else found

    def search(
        self,
        query: tf.Tensor,
        k: int,
        exclude: tf.Tensor | None = None,
        allow: tf.Tensor | None = None,
        keep: Keep | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the best items for each query.

        Args:
            query: Query vectors, [batch, dim].
            k: Number of items to return.
            exclude: Rows that must not be returned, [batch, length]; −1 excludes nothing.
            allow: The only rows that may be returned, [batch, length], all of which are scored, by
                exact search. `NO_ITEM` stands for an item that there isn't, −1 for nothing: a
                query with nothing else may have all items.
            keep: The only items that may be returned, by their attributes; k of them are found
                if there are so many.

        Returns:
            Scores in descending order, [batch, k], and rows, int32 [batch, k]. If there are fewer
            than k items, the rest has score −inf and row −1.
        """
        if keep is not None:
            return tf.cond(
                keep.restricts(),
                lambda: self._allowed(query, k, exclude, allow, keep),
                lambda: self._allowed(query, k, exclude, allow, None),
            )
        return self._allowed(query, k, exclude, allow, None)

    def scores_of(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Returns the scores of given items, [batch, n], exactly.

        Args:
            query: Query vectors, [batch, dim].
            rows: Rows of the items, [batch, n], none of them below 0.
        """
        return self._scores(query, rows)

    def _allowed(
        self,
        query: tf.Tensor,
        k: int,
        exclude: tf.Tensor | None,
        allow: tf.Tensor | None,
        keep: Keep | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if allow is None:
            return self._padded(*self._search(query, k, exclude, keep), k)
        return tf.cond(
            tf.reduce_any(allow != -1),
            lambda: self._restricted(query, k, exclude, allow, keep),
            lambda: self._padded(*self._search(query, k, exclude, keep), k),
        )

    def _restricted(
        self,
        query: tf.Tensor,
        k: int,
        exclude: tf.Tensor | None,
        allow: tf.Tensor,
        keep: Keep | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # In order, so that repeated rows are neighbors; with room for k.
        rows = tf.pad(tf.sort(allow, axis=1), [[0, 0], [k, 0]], constant_values=-1)
        is_first = tf.concat([rows[:, :1] >= 0, rows[:, 1:] != rows[:, :-1]], axis=1)
        kept = is_first & (rows >= 0)
        if exclude is not None:
            kept &= tf.logical_not(is_in(rows, exclude))
        if keep is not None:
            kept &= keep.of(rows)
        scores = self._scores(query, tf.maximum(rows, 0))
        scores = tf.where(kept, scores, scores.dtype.min)
        # Of equal scores the first row wins, as in a search of all items.
        scores, at = tf.math.top_k(scores, k)
        own = self._padded(scores, tf.gather(rows, at, batch_dims=1), k)
        is_restricted = tf.reduce_any(allow != -1, axis=1, keepdims=True)
        every = tf.cond(
            tf.reduce_all(is_restricted),
            lambda: own,
            lambda: self._padded(*self._search(query, k, exclude, keep), k),
        )
        return (
            tf.where(is_restricted, own[0], every[0]),
            tf.where(is_restricted, own[1], every[1]),
        )

    def _padded(self, scores: tf.Tensor, rows: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        found = scores > scores.dtype.min
        scores = tf.where(found, scores, -float("inf"))
        rows = tf.where(found, rows, -1)
        short = [[0, 0], [0, max(k - rows.shape[1], 0)]]
        scores = tf.pad(scores, short, constant_values=-float("inf"))
        return scores, tf.pad(rows, short, constant_values=-1)

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns up to k scores and rows; NaN or the lowest float marks an empty slot."""
        raise NotImplementedError

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Returns the scores of given items, [batch, n]."""
        raise NotImplementedError

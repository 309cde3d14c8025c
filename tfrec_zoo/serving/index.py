"""Indexes: search for the items whose vectors have the largest dot product with a query."""

import logging
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.scann_ops import load_scann_ops

logger = logging.getLogger(__name__)

#: Number of items from which ScaNN is faster than exact search.
SCANN_FROM = 20_000
#: Width of vectors from which on there is something to approximate.
_MIN_DIM = 2
#: In place of the row of an item, says that there is no such item.
NO_ITEM = -2


class Index(tf.Module):
    """Finds the best items for query vectors, with exclusions.

    Args:
        candidates: Item vectors, [items, dim].
    """

    #: Operations that a process must register before it loads a SavedModel with this index.
    custom_ops: tuple[str, ...] = ()

    def __init__(self, candidates: tf.Tensor) -> None:
        super().__init__()
        self.num_items, self.dim = candidates.shape

    @property
    def description(self) -> dict[str, Any]:
        """The kind of the index, and what is known of what it finds, JSON-able."""
        return {"kind": "exact", "recall": 1.0}

    def search(
        self,
        query: tf.Tensor,
        k: int,
        exclude: tf.Tensor | None = None,
        allow: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the best items for each query.

        Args:
            query: Query vectors, [batch, dim].
            k: Number of items to return.
            exclude: Rows that must not be returned, [batch, length]; −1 excludes nothing.
            allow: The only rows that may be returned, [batch, length], all of which are scored, by
                exact search. `NO_ITEM` stands for an item that there isn't, −1 for nothing: a
                query with nothing else may have all items.

        Returns:
            Scores in descending order, [batch, k], and rows, int32 [batch, k]. If there are fewer
            than k items, the rest has score −inf and row −1.
        """
        if allow is None:
            return self._padded(*self._search(query, k, exclude), k)
        return tf.cond(
            tf.reduce_any(allow != -1),
            lambda: self._restricted(query, k, exclude, allow),
            lambda: self._padded(*self._search(query, k, exclude), k),
        )

    def _restricted(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, allow: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # In order, so that repeated rows are neighbors; with room for k.
        rows = tf.pad(tf.sort(allow, axis=1), [[0, 0], [k, 0]], constant_values=-1)
        is_first = tf.concat([rows[:, :1] >= 0, rows[:, 1:] != rows[:, :-1]], axis=1)
        kept = is_first & (rows >= 0)
        if exclude is not None:
            kept &= tf.logical_not(is_in(rows, exclude))
        scores = self._scores(query, tf.maximum(rows, 0))
        scores = tf.where(kept, scores, scores.dtype.min)
        # Of equal scores the first row wins, as in a search of all items.
        scores, at = tf.math.top_k(scores, k)
        own = self._padded(scores, tf.gather(rows, at, batch_dims=1), k)
        is_restricted = tf.reduce_any(allow != -1, axis=1, keepdims=True)
        every = tf.cond(
            tf.reduce_all(is_restricted),
            lambda: own,
            lambda: self._padded(*self._search(query, k, exclude), k),
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
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns up to k scores and rows; NaN or the lowest float marks an empty slot."""
        raise NotImplementedError

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Returns the scores of given items, [batch, n]."""
        raise NotImplementedError


class ExactIndex(Index):
    """Scores every item, in plain TensorFlow that loads anywhere.

    Args:
        candidates: Item vectors, [items, dim].
    """

    def __init__(self, candidates: tf.Tensor) -> None:
        super().__init__(candidates)
        self.candidates = tf.Variable(candidates, trainable=False, name="candidates")

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        query = tf.cast(query, self.candidates.dtype)
        return _best(tf.linalg.matmul(query, self.candidates, transpose_b=True), k, exclude)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return _products(query, self.candidates, rows)


class ScoreIndex(Index):
    """Sorts queries that are already the scores of all items, [batch, items]."""

    def __init__(self) -> None:
        tf.Module.__init__(self)

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return _best(query, k, exclude)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return tf.gather(query, rows, batch_dims=1)


class ScannIndex(Index):
    """Searches approximately with ScaNN (Guo et al., ICML 2020), sublinear in the number of items.

    The catalogue is partitioned into about 2√items leaves. How many of them are searched is
    measured: as few as reach `target_recall` against exact search, on sample queries and with the
    lists as long as in serving. `recall` is the measured value; where all leaves are searched and
    the target is missed, a warning says so.

    Args:
        candidates: Item vectors, [items, dim], at least 1,000.
        k: Length of the lists of which recall is measured.
        queries: Sample queries, [queries, dim], such as users' vectors; by default some of the
            items' own vectors.
        target_recall: Share of the exact top k that must be found.
        spare: Number of items to search for beyond k, so that enough remain after exclusions. A
            user who has more of the top items excluded gets a shorter list.

    Raises:
        ImportError: If ScaNN is not installed, or does not load with this TensorFlow.
        ValueError: If there are too few items for its tree.
    """

    custom_ops = ("Scann>ScannSearchBatched", "Scann>TensorsToScann")
    MIN_ITEMS = 1000

    def __init__(
        self,
        candidates: tf.Tensor,
        k: int = 100,
        queries: tf.Tensor | None = None,
        target_recall: float = 0.95,
        spare: int = 200,
    ) -> None:
        scann_ops = load_scann_ops()
        super().__init__(candidates)
        if self.num_items < self.MIN_ITEMS:
            raise ValueError(
                f"ScaNN needs at least {self.MIN_ITEMS} items; use an ExactIndex. "
                f"Received: {self.num_items}"
            )
        self.spare = spare
        self.num_leaves = int(2 * self.num_items**0.5)
        width = min(k + spare, self.num_items)
        searcher = (
            scann_ops.builder(tf.cast(candidates, tf.float32), width, "dot_product")
            .tree(
                self.num_leaves, self.num_leaves, training_sample_size=min(self.num_items, 250_000)
            )
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(2 * width)
            .build()
        )
        self.state = searcher.serialize_to_module()
        queries = candidates[:: max(self.num_items // 256, 1)] if queries is None else queries
        queries = tf.cast(queries[:1024], tf.float32)
        self._measure(tf.cast(candidates, tf.float32), queries, k, target_recall)

    def _measure(
        self, candidates: tf.Tensor, queries: tf.Tensor, k: int, target_recall: float
    ) -> None:
        k = min(k, self.num_items)
        exact = [
            tf.math.top_k(tf.linalg.matmul(part, candidates, transpose_b=True), k).indices
            for part in tf.split(queries, _chunks(int(queries.shape[0]), 64))
        ]
        best = tf.sparse.from_dense(tf.concat(exact, axis=0) + 1)

        def measured(leaves: int) -> float:
            self.leaves_to_search = leaves
            _, rows = self._search(queries, k, None)
            found = tf.sparse.from_dense(rows[:, :k] + 1)
            hits = tf.sets.size(tf.sets.intersection(best, found))
            return float(tf.reduce_mean(tf.cast(hits, tf.float32)) / k)

        too_few, leaves = 0, max(self.num_leaves // 64, 1)
        recall = measured(leaves)
        while recall < target_recall and leaves < self.num_leaves:
            too_few, leaves = leaves, min(2 * leaves, self.num_leaves)
            recall = measured(leaves)
        # Between the last two, to an eighth.
        while recall >= target_recall and leaves - too_few > max(leaves // 8, 1):
            middle = (too_few + leaves) // 2
            found = measured(middle)
            if found >= target_recall:
                leaves, recall = middle, found
            else:
                too_few = middle
        self.leaves_to_search, self.recall, self.recall_at = leaves, recall, k
        self.reaches_target = recall >= target_recall
        level = logging.INFO if self.reaches_target else logging.WARNING
        words = "" if self.reaches_target else f", less than the target of {target_recall:g}"
        logger.log(
            level,
            "ScaNN searches %d of %d leaves: recall@%d %.3f%s",
            leaves,
            self.num_leaves,
            k,
            recall,
            words,
        )

    @property
    def description(self) -> dict[str, Any]:
        """The kind of the index, how much of it is searched, and the measured recall."""
        return {
            "kind": "scann",
            "leaves": self.num_leaves,
            "leaves_to_search": self.leaves_to_search,
            "recall": round(self.recall, 4),
            "recall_at": self.recall_at,
        }

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Recall is measured at this width, so all searches have it.
        width = min(k + self.spare, self.num_items)
        searcher = load_scann_ops().searcher_from_module(self.state)
        query = tf.cast(query, tf.float32)
        batch = tf.shape(query)[0]
        # ScaNN rejects empty batches, and queries that are not finite.
        finite = tf.reduce_all(tf.math.is_finite(query), axis=1, keepdims=True)
        rows, scores = searcher.search_batched(
            tf.pad(tf.where(finite, query, 0), [[0, tf.cast(batch == 0, tf.int32)], [0, 0]]),
            final_num_neighbors=width,
            pre_reorder_num_neighbors=min(2 * width, self.num_items),
            leaves_to_search=self.leaves_to_search,
        )
        # ScaNN pads short lists with NaN at row 0, but only up to the longest list of the batch.
        short = [[0, 0], [0, width - tf.shape(scores)[1]]]
        rows = tf.pad(tf.cast(rows, tf.int32), short)[:batch]
        scores = tf.pad(scores, short, constant_values=float("nan"))[:batch]
        rows = tf.ensure_shape(rows, [None, width])
        scores = tf.ensure_shape(scores, [None, width])
        kept = finite & tf.logical_not(tf.math.is_nan(scores))
        if exclude is not None:
            kept &= tf.logical_not(is_in(rows, exclude))
        scores = tf.where(kept, scores, scores.dtype.min)
        scores, at = tf.math.top_k(scores, min(k, width))
        return scores, tf.gather(rows, at, batch_dims=1)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        # The searcher keeps the vectors, in order, to reorder what it finds.
        return _products(query, self.state.dataset, rows)


def build_index(
    candidates: tf.Tensor | None,
    kind: Literal["auto", "exact", "scann"] = "auto",
    **kwargs: Any,
) -> Index:
    """Makes an index: exact for small catalogues, ScaNN for large ones.

    Args:
        candidates: Item vectors, [items, dim], or None if queries are the scores of all items.
        kind: `"exact"`, `"scann"`, or `"auto"` to choose by the number of items.
        **kwargs: Arguments of `ScannIndex`.

    Returns:
        The index. Where ScaNN does not load, or there are too few items for it or no vectors, a
        warning is logged and the index is exact. So it is where ScaNN misses its target recall
        although it searches all leaves, unless it was asked for and is faster all the same.
    """
    if kind not in ("auto", "exact", "scann"):
        raise ValueError(f'`kind` must be "auto", "exact" or "scann". Received: {kind!r}')
    if candidates is None:
        if kind == "scann":
            logger.warning("Searching exactly instead of with ScaNN: items have no vectors")
        return ScoreIndex()
    num_items = int(candidates.shape[0])
    is_small = num_items < SCANN_FROM
    if kind == "exact" or (kind == "auto" and (is_small or candidates.shape[1] < _MIN_DIM)):
        return ExactIndex(candidates)
    try:
        index = ScannIndex(candidates, **kwargs)
    except (ImportError, ValueError) as error:
        logger.warning("Searching exactly instead of with ScaNN: %s", error)
        return ExactIndex(candidates)
    if index.reaches_target or (kind == "scann" and not is_small):
        return index
    logger.warning(
        "Searching exactly instead of with ScaNN, which finds %.3f of the best %d of %d items",
        index.recall,
        index.recall_at,
        num_items,
    )
    return ExactIndex(candidates)


def _best(scores: tf.Tensor, k: int, exclude: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k best scores, [batch, k], and their rows; excluded ones get the lowest float."""
    num_items = scores.shape[1]
    if exclude is not None:
        batch = tf.shape(exclude)[0]
        # An extra column receives the entries that exclude nothing.
        scores = tf.pad(scores, [[0, 0], [0, 1]])
        column = tf.where(exclude < 0, num_items, exclude)
        row = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(column))
        at = tf.reshape(tf.stack([row, column], axis=-1), [-1, 2])
        lowest = tf.fill([tf.shape(at)[0]], scores.dtype.min)
        scores = tf.tensor_scatter_nd_update(scores, at, lowest)[:, :num_items]
    return tf.math.top_k(scores, min(k, num_items))


def _products(query: tf.Tensor, candidates: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Returns the products of each query with items of its own, [batch, n]."""

    def of_one(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return tf.linalg.matvec(tf.gather(candidates, one[1]), one[0])

    # A query at a time: long lists of a large batch would not fit into memory.
    query = tf.cast(query, candidates.dtype)
    return tf.map_fn(of_one, (query, rows), fn_output_signature=candidates.dtype)


def _chunks(total: int, size: int) -> list[int]:
    return [min(size, total - begin) for begin in range(0, total, size)]


def is_in(rows: tf.Tensor, exclude: tf.Tensor) -> tf.Tensor:
    """Returns which of the rows, [batch, n], are among the excluded ones, [batch, length]."""
    # The largest int32 keeps the search in bounds and is never a row.
    ordered = tf.pad(tf.sort(exclude, axis=1), [[0, 0], [0, 1]], constant_values=tf.int32.max)
    at = tf.searchsorted(ordered, rows)
    return tf.gather(ordered, at, batch_dims=1) == rows

"""IVF index: approximate search in plain TensorFlow, with an inverted file of blocks."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.reads import taken
from tfrec_zoo.serving.index.approximate import ApproximateIndex
from tfrec_zoo.serving.index.blocks import block_size, cut
from tfrec_zoo.serving.index.recall import least

#: By how much the mean square of all directions outweighs that of sample queries.
_SMOOTHING = 3.0
#: Blocks that are encoded at once.
_AT_ONCE = 1024
#: Queries that are answered at once, of a larger batch.
_QUERIES = 8


class IvfIndex(ApproximateIndex):
    """Searches the blocks of items whose centers match best, in plain TensorFlow, sublinearly.

    A search has three passes. The centers of all blocks are scored; the items of the best blocks
    are scored by short codes, what their vectors have beyond the center, on a few axes, in int8;
    and the best of these are scored by their vectors. Axes and blocks are those that matter for
    products with sample queries. How many blocks are searched and how many items are scored again
    is measured: as few as reach the target. No operation is custom, so that the index loads in any
    TensorFlow. Equal vectors, queries and seeds give equal indexes.

    Args:
        candidates: Item vectors, [items, dim], at least 1,000.
        k: Length of the lists of which recall is measured.
        queries: Users' vectors, [queries, dim], half of which say which directions matter; without
            them all matter alike, and recall is measured on items' own vectors.
        target_recall: Share of the exact top k that must be found.
        spare: Number of items to search for beyond k, so that enough remain after exclusions.
        seed: Seed of k-means.

    Raises:
        ValueError: If there are too few items.
    """

    kind, title, parts = "ivf", "IVF", "blocks"

    def _build(self, vectors: np.ndarray, queries: np.ndarray | None, seed: int) -> None:
        weighting, back = _weighting(vectors.shape[1], queries)
        weighted = vectors if queries is None else vectors @ weighting
        blocks = cut(weighted, block_size(len(vectors)), seed)
        self.num_parts, self.size = blocks.shape
        centers, codes, axes, steps = _encoded(weighted, blocks, _num_axes(vectors.shape[1]))

        def constant(values: np.ndarray, name: str) -> tf.Variable:
            return tf.Variable(values, trainable=False, name=name)

        self.candidates = constant(vectors, "candidates")
        # In the space of queries, so that these need no weighting; the axes have the codes' steps.
        self.centers = constant((centers @ back).astype(np.float32), "centers")
        self.axes = constant((back.T @ axes * steps).astype(np.float32), "axes")
        self.codes, self.rows = constant(codes, "codes"), constant(blocks, "rows")

    def _tune(self, target_recall: float) -> None:
        width = min(self.recall_at + self.spare, self.num_items)
        found: list[tuple[bool, float, int, int]] = []
        for times in (1, 2, 4, 8):
            self.num_scored = min(times * width, self.num_items)

            def recall_of(blocks: int) -> float:
                self.parts_to_search = blocks
                return self.measured_recall()

            # A search of more than half of the blocks is no faster than one of all items.
            blocks, recall = least(recall_of, target_recall, max(self.num_parts // 2, 1))
            blocks, scored = self._read(width, blocks)
            if recall < target_recall:
                found.append((True, -recall, blocks, self.num_scored))
                continue
            # In numbers that are read: short codes, and whole vectors far apart.
            cost = blocks * self.size * self.codes.shape[2] / 4 + 2 * scored * self.dim
            found.append((False, cost, blocks, self.num_scored))
            if blocks <= self.num_parts // 32:
                break
        *_, self.parts_to_search, self.num_scored = min(found)

    def _read(self, width: int, parts: int) -> tuple[int, int]:
        """How many blocks a search reads, and how many of their places it scores by vectors.

        The blocks hold as many places as are scored, and of places some are empty: so many more.
        """
        places = self.num_parts * self.size
        scored = -(-max(self.num_scored, width) * places // self.num_items)
        blocks = min(max(parts, -(-scored // self.size)), self.num_parts)
        return blocks, min(scored, blocks * self.size)

    @property
    def effort(self) -> dict[str, Any]:
        """How much of the index a search reads."""
        return {**super().effort, "block_size": self.size}

    @property
    def items_scored(self) -> int:
        """How many items a search scores by their vectors."""
        return self.num_scored

    def _found(self, query: tf.Tensor, width: int, parts: int) -> tuple[tf.Tensor, tf.Tensor]:
        blocks, scored = self._read(width, parts)
        query = tf.cast(query, tf.float32)

        def one() -> tuple[tf.Tensor, tf.Tensor]:
            return self._of_one(query, blocks, scored)

        def many() -> tuple[tf.Tensor, tf.Tensor]:
            return self._of_many(query, blocks, scored)

        scores, rows = tf.cond(tf.equal(tf.shape(query)[0], 1), one, many)
        return tf.ensure_shape(scores, [None, scored]), tf.ensure_shape(rows, [None, scored])

    def _of_one(self, query: tf.Tensor, blocks: int, scored: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Matrices in place of batches of them, which take longer."""
        # Not a reshape: Grappler would conclude from it that every batch has one query.
        query = query[0][None]
        matched = tf.linalg.matmul(query, self.centers, transpose_b=True)
        matched, at = tf.math.top_k(matched[0], blocks, sorted=False)
        codes = tf.cast(tf.gather(self.codes, at), tf.float32)
        codes = tf.reshape(codes, [blocks * self.size, self.codes.shape[2]])
        beyond = tf.linalg.matmul(codes, tf.linalg.matmul(query, self.axes), transpose_b=True)
        scores = tf.reshape(beyond, [blocks, self.size]) + matched[:, None]
        _, best = tf.math.top_k(tf.reshape(scores, [-1]), scored, sorted=False)
        rows = tf.gather(tf.reshape(tf.gather(self.rows, at), [-1]), best)
        vectors = taken(self.candidates, tf.maximum(rows, 0))
        return tf.linalg.matmul(query, vectors, transpose_b=True), rows[None]

    def _of_many(self, query: tf.Tensor, blocks: int, scored: int) -> tuple[tf.Tensor, tf.Tensor]:
        """A few queries at a time: the codes of all would take gigabytes."""
        batch = tf.shape(query)[0]
        matched = tf.linalg.matmul(query, self.centers, transpose_b=True)
        matched, at = tf.math.top_k(matched, blocks, sorted=False)
        on_axes = tf.linalg.matmul(query, self.axes)

        def of_some(some: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
            query, on_axes, matched, at = some
            codes = tf.cast(tf.gather(self.codes, at), tf.float32)
            codes = tf.reshape(codes, [_QUERIES, blocks * self.size, self.codes.shape[2]])
            beyond = tf.reshape(tf.linalg.matvec(codes, on_axes), [_QUERIES, blocks, self.size])
            scores = tf.reshape(beyond + matched[..., None], [_QUERIES, blocks * self.size])
            _, best = tf.math.top_k(scores, scored, sorted=False)
            rows = tf.reshape(tf.gather(self.rows, at), [_QUERIES, blocks * self.size])
            rows = tf.gather(rows, best, batch_dims=1)
            vectors = taken(self.candidates, tf.maximum(rows, 0))
            return tf.linalg.matvec(vectors, query), rows

        def parts(values: tf.Tensor) -> tf.Tensor:
            values = tf.pad(values, [[0, -batch % _QUERIES], [0, 0]])
            return tf.reshape(values, [-1, _QUERIES, values.shape[1]])

        scores, rows = tf.map_fn(
            of_some,
            tuple(parts(values) for values in (query, on_axes, matched, at)),
            fn_output_signature=(tf.float32, tf.int32),
        )
        scores, rows = (tf.reshape(values, [-1, scored])[:batch] for values in (scores, rows))
        return scores, rows

    @property
    def vectors(self) -> tf.Tensor:
        """The item vectors, float32 [items, dim]."""
        return self.candidates


def _num_axes(dim: int) -> int:
    """The number of axes of the short codes."""
    return min(dim, 16 if dim <= 64 else 32)


def _weighting(dim: int, queries: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """A matrix that makes distances of items those of their products with queries, and its inverse.

    Args:
        dim: Length of the vectors.
        queries: Sample queries, [queries, dim], or None for directions that all count alike.

    Returns:
        L and its inverse, [dim, dim], where L Lᵀ is the second moment of queries, smoothed.
    """
    if queries is None:
        return np.eye(dim, dtype=np.float32), np.eye(dim, dtype=np.float32)
    second = queries.T.astype(np.float64) @ queries / len(queries)
    second += (_SMOOTHING * np.trace(second) / dim + 1e-30) * np.eye(dim)
    lower = np.linalg.cholesky(second / np.trace(second) * dim)
    return lower.astype(np.float32), np.linalg.inv(lower).astype(np.float32)


def _encoded(
    vectors: np.ndarray, blocks: np.ndarray, num_axes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Encodes items by what they have beyond the center of their block.

    Args:
        vectors: Item vectors, [items, dim].
        blocks: Their rows, [blocks, size], −1 for none.
        num_axes: Number of axes of the codes.

    Returns:
        Centers, [blocks, dim]; codes, int8 [blocks, size, axes]; the axes, [dim, axes]; and the
        step of the codes on each, [axes].
    """
    dim = vectors.shape[1]
    centers = np.empty((len(blocks), dim), np.float32)
    moment = np.zeros((dim, dim))

    def parts() -> Any:
        for begin in range(0, len(blocks), _AT_ONCE):
            rows = blocks[begin : begin + _AT_ONCE]
            is_item = (rows >= 0)[..., None]
            yield slice(begin, begin + _AT_ONCE), vectors[np.maximum(rows, 0)] * is_item, is_item

    for at, own, is_item in parts():
        centers[at] = own.sum(axis=1) / is_item.sum(axis=1)
        beyond = ((own - centers[at, None]) * is_item).reshape(-1, dim)
        moment += beyond.T @ beyond
    squares, axes = np.linalg.eigh(moment)
    axes = axes[:, ::-1][:, :num_axes].astype(np.float32)
    # Four standard deviations; what is farther is cut off.
    deviation = np.sqrt(np.maximum(squares[::-1][:num_axes], 0) / len(vectors))
    steps = np.maximum(4 * deviation / 127, 1e-30).astype(np.float32)
    codes = np.empty((*blocks.shape, num_axes), np.int8)
    for at, own, is_item in parts():
        on_axes = ((own - centers[at, None]) * is_item) @ axes
        codes[at] = np.clip(np.rint(on_axes / steps), -127, 127)
    return centers, codes, axes, steps

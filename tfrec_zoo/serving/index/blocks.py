"""Blocks: a catalogue cut into groups of neighbors, all of one size."""

import warnings

import numpy as np
from threadpoolctl import threadpool_limits

#: Items per leaf that its center is learned from, and passes over them.
_SAMPLE_PER_LEAF, _PASSES = 64, 10
#: Passes of the power iteration that finds the direction in which a leaf is cut.
_CUT_PASSES = 3


def block_size(num_items: int) -> int:
    """The number of items of a block: about an eighth of √items, a power of two in 32 … 512.

    With it a search spends as much on the centers of all blocks as on the items of a few.
    """
    return 2 ** int(np.clip(round(np.log2(num_items**0.5 / 8)), 5, 9))


def cut(vectors: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Cuts items into blocks of neighbors: the leaves of k-means, each cut further if it is large.

    Equal vectors and seeds give equal blocks.

    Args:
        vectors: Item vectors, float32 [items, dim].
        size: Number of items of a block at most.
        seed: Seed of k-means.

    Returns:
        Rows of items, int32 [blocks, size], each in one block; −1 where a block has fewer.

    Raises:
        ValueError: If vectors are not finite.
    """
    from sklearn.cluster import KMeans  # Few need it, and it takes long to import.

    num_items = len(vectors)
    num_leaves = min(max(int(num_items**0.5), 1), max(num_items // size, 1))
    sample = vectors
    if num_items > _SAMPLE_PER_LEAF * num_leaves:
        rng = np.random.default_rng(seed)
        at = rng.choice(num_items, _SAMPLE_PER_LEAF * num_leaves, replace=False)
        sample = vectors[np.sort(at)]
    means = KMeans(num_leaves, init="random", n_init=1, max_iter=_PASSES, tol=0, random_state=seed)
    # With several threads sums have no fixed order, and leaves would differ from time to time.
    with warnings.catch_warnings(), threadpool_limits(1, "openmp"):
        warnings.simplefilter("ignore")  # Fewer distinct items than leaves are no harm.
        means.fit(sample)
    leaf = means.predict(vectors)
    order = np.argsort(leaf, kind="stable").astype(np.int32)
    sizes = np.bincount(leaf)
    ends = np.cumsum(sizes)
    blocks: list[np.ndarray] = []
    for end, length in zip(ends, sizes, strict=True):
        if length:
            _cut_leaf(vectors, order[end - length : end], -(-length // size), blocks)
    rows = np.full((len(blocks), size), -1, np.int32)
    for row, block in zip(rows, blocks, strict=True):
        row[: len(block)] = block
    return rows


def _cut_leaf(vectors: np.ndarray, rows: np.ndarray, parts: int, blocks: list[np.ndarray]) -> None:
    """Cuts rows into parts as equal as can be, across the direction in which they differ most."""
    if parts == 1:
        blocks.append(np.sort(rows))
        return
    first = parts // 2
    at = len(rows) * first // parts
    order = np.argpartition(_along(vectors[rows]), at)
    _cut_leaf(vectors, rows[order[:at]], first, blocks)
    _cut_leaf(vectors, rows[order[at:]], parts - first, blocks)


def _along(vectors: np.ndarray) -> np.ndarray:
    """Positions of vectors along the direction in which they differ most."""
    centered = vectors - vectors.mean(axis=0)
    axis = centered[np.argmax(np.einsum("nd,nd->n", centered, centered))]
    for _ in range(_CUT_PASSES):
        axis = centered.T @ (centered @ axis)
        axis /= max(float(np.linalg.norm(axis)), 1e-30)
    return centered @ axis

"""Huffman trees: the shape of the binary tree whose paths to frequent classes are short."""

import numpy as np


def zipf_counts(num_classes: int) -> np.ndarray:
    """Returns what Zipf's law says of classes in order of frequency, 1 / (rank + 1), [classes].

    Args:
        num_classes: Number of classes; class 0 is the most frequent.
    """
    return 1 / np.arange(1, num_classes + 1)


def huffman_leaves(counts: np.ndarray) -> tuple[int, ...]:
    """Returns how many leaves a Huffman tree has at each depth, from the root down.

    No binary tree has shorter paths on average, weighted by the counts. Many trees have these
    lengths of paths. In the canonical one, classes at one depth are neighbors, so that the numbers
    of leaves are all there is to know of it (Schwartz & Kallick, CACM 1964).

    Nodes are paired in rounds, in order of weight. The two lightest make the lightest pair, so
    whatever is no heavier than this pair is paired with its neighbor before any pair is. Zipf's law
    takes about log₂(classes) rounds. The depth is at most about 1.44 log₂(Σ counts / least count)
    where counts are positive; classes without counts form a balanced tree of their own.

    Args:
        counts: How often each class occurs, [classes], in any order; fractions will do.

    Returns:
        The number of leaves at depth 0, 1, 2 …

    Raises:
        ValueError: If there are no counts, or one is negative or not finite.

    Example:

    >>> huffman_leaves(np.array([8, 4, 2, 1, 1]))  # The codes 0, 10, 110, 1110 and 1111.
    (0, 1, 1, 1, 2)

    References:
        Huffman, "A Method for the Construction of Minimum-Redundancy Codes", 1952.
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 1 or not len(counts) or not np.all(np.isfinite(counts) & (counts >= 0)):
        raise ValueError(
            "`counts` must be a list of finite numbers that aren't negative. "
            f"Received: {counts!r:.200}"
        )
    size = len(counts)
    # Leaves by weight, then inner nodes as they are made, which is by weight, too.
    weight = np.concatenate([np.sort(counts), np.empty(size - 1)])
    parent = np.zeros(2 * size - 1, np.int32)
    leaf, inner, made = 0, size, size
    rounds = [size]
    while made < len(weight):
        lightest = np.sort([*weight[leaf : min(leaf + 2, size)], *weight[inner:made][:2]])
        limit = lightest[0] + lightest[1]
        leaf_end = leaf + np.searchsorted(weight[leaf:size], limit, side="right")
        inner_end = inner + np.searchsorted(weight[inner:made], limit, side="right")
        nodes = np.concatenate([np.arange(leaf, leaf_end), np.arange(inner, inner_end)])
        nodes = nodes[np.argsort(weight[nodes], kind="stable")]
        nodes = nodes[: len(nodes) // 2 * 2]
        end = made + len(nodes) // 2
        weight[made:end] = weight[nodes[0::2]] + weight[nodes[1::2]]
        parent[nodes] = np.repeat(np.arange(made, end), 2)
        num_leaves = np.count_nonzero(nodes < size)
        leaf, inner, made = leaf + num_leaves, inner + len(nodes) - num_leaves, end
        rounds.append(made)
    depth = np.zeros(len(weight), np.int32)
    ends = [len(weight) - 1, *rounds[-2::-1]]  # The root, the last one, has depth 0.
    for begin, end in zip([*ends[1:], 0], ends, strict=True):
        depth[begin:end] = depth[parent[begin:end]] + 1
    return tuple(np.bincount(depth[:size]).tolist())

import heapq

import numpy as np
import pytest

from tfrec_zoo.layers import huffman_leaves, zipf_counts


def cost_of_huffman(counts):
    """Σ count · depth by the algorithm as it is taught: it is the sum of all inner nodes."""
    heap, cost = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        heapq.heappush(heap, both)
        cost += both
    return cost


def cost_of(leaves, counts):
    depths = np.repeat(np.arange(len(leaves)), leaves)
    return np.sum(depths * np.sort(counts)[::-1])


def test_zipf():
    np.testing.assert_allclose(zipf_counts(4), [1, 1 / 2, 1 / 3, 1 / 4])


@pytest.mark.parametrize(
    "counts, leaves",
    [
        ([3], (1,)),
        ([3, 1], (0, 2)),
        ([1] * 8, (0, 0, 0, 8)),
        ([1, 1, 1], (0, 1, 2)),
        # 1 + 1 = 2, 2 + 2 = 4, 3 + 4 = 7, 6 + 7 = 13, 7 + 13 = 20.
        ([7, 6, 3, 2, 1, 1], (0, 0, 3, 1, 2)),
        # Without counts: the four make a balanced tree, beside the one that weighs something.
        ([5, 0, 0, 0, 0], (0, 1, 0, 4)),
        # Each more than all that are less: a chain.
        (2.0 ** np.arange(40), (0, *[1] * 38, 2)),
    ],
)
def test_by_hand(counts, leaves):
    assert huffman_leaves(np.array(counts)) == leaves


@pytest.mark.parametrize("seed", range(8))
def test_no_tree_is_shorter(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 400))
    for counts in (
        rng.integers(0, 5, size),  # With many ties.
        rng.integers(1, 10**6, size),
        np.round(1.5 ** np.arange(size % 60 + 2)).astype(np.int64),
        np.round(10**6 * zipf_counts(size)).astype(np.int64),
    ):
        leaves = huffman_leaves(counts)
        assert sum(leaves) == len(counts)
        assert sum(number / 2**depth for depth, number in enumerate(leaves)) == 1  # Kraft.
        assert cost_of(leaves, counts) == cost_of_huffman(counts.tolist())


def test_order_does_not_matter():
    counts = np.random.default_rng(0).integers(1, 100, 50)
    assert huffman_leaves(counts) == huffman_leaves(np.sort(counts))


@pytest.mark.parametrize("counts", [[], [1.0, -1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_wrong_counts(counts):
    with pytest.raises(ValueError, match="finite numbers that aren't negative. Received: array"):
        huffman_leaves(np.array(counts))

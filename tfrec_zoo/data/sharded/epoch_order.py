"""EpochOrder: which examples of which shards come when in an epoch."""

import dataclasses
from collections.abc import Iterator

import numpy as np

#: Number of shards whose examples are mixed, and are in memory at once.
OPEN = 4
#: Number of examples that are gathered at a time.
CHUNK = 8192


@dataclasses.dataclass(frozen=True)
class Span:
    """Examples of one shard that stand one after another in the shard's own order.

    Args:
        shard: Number of the shard.
        start: Position of the first of them in the order.
        stop: Position after the last of them.
    """

    shard: int
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class EpochOrder:
    """The order of an epoch, as far as it follows from the sizes of the shards and a seed.

    A few shards are open at a time; each chunk has equal parts of all of them, and is shuffled. A
    shard that has no more examples makes place for the next. Without shuffling, one shard follows
    another.

    Args:
        sizes: [shards] number of examples of each.
        shuffle: Whether to shuffle.
        seed: Seed of the epoch.

    Example:

    >>> order = EpochOrder(np.array([3, 0, 2]), shuffle=False)
    >>> [[(s.shard, s.start, s.stop) for s in chunk] for chunk in order.chunks(2)]
    [[(0, 0, 2)], [(0, 2, 3)], [(2, 0, 2)]]
    """

    sizes: np.ndarray
    shuffle: bool = True
    seed: int = 0

    def chunks(self, number: int = CHUNK) -> Iterator[list[Span]]:
        """Yields the spans of each chunk.

        Args:
            number: Number of examples of a chunk, about.
        """
        waiting = [int(shard) for shard in np.flatnonzero(self.sizes)]
        if self.shuffle:
            waiting = np.random.default_rng([self.seed, 0]).permutation(waiting).tolist()
        share = max(number // OPEN, 1) if self.shuffle else number
        opened: list[list[int]] = []
        while waiting or opened:
            while waiting and len(opened) < (OPEN if self.shuffle else 1):
                opened.append([waiting.pop(0), 0])
            spans = []
            for one in opened:
                shard, start = one
                one[1] = min(start + share, int(self.sizes[shard]))
                spans.append(Span(shard, start, one[1]))
            opened = [[shard, at] for shard, at in opened if at < self.sizes[shard]]
            yield spans

    def of_shard(self, shard: int) -> np.ndarray:
        """[examples] the order of the examples of a shard."""
        order = np.arange(self.sizes[shard])
        if not self.shuffle:
            return order
        return np.random.default_rng([self.seed, 1, shard]).permutation(order)

    def of_chunk(self, number: int, size: int) -> np.ndarray:
        """[size] the order of the examples of a chunk.

        Args:
            number: Number of the chunk in the epoch.
            size: Number of its examples.
        """
        if not self.shuffle:
            return np.arange(size)
        return np.random.default_rng([self.seed, 2, number]).permutation(size)

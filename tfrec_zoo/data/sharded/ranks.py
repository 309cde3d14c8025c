"""Values by their rank among more numbers than fit into memory."""

from collections.abc import Callable, Iterable

import numpy as np

_BINS = 1 << 16


def value_of_rank(
    parts: Callable[[], Iterable[np.ndarray]], rank: int, keep: int = 1 << 22
) -> float:
    """The number that has a rank in ascending order, exactly, found in a few passes.

    Each pass counts the numbers in equal bins and goes on in the one that has the rank, until few
    enough are left to be sorted.

    Args:
        parts: Returns the numbers part by part, finite ones; it is called once a pass.
        rank: The rank, from 0.
        keep: How many numbers may be sorted at once.

    Raises:
        IndexError: If there are no more than `rank` numbers.

    Example:

    >>> value_of_rank(lambda: [np.array([5.0, 1.0]), np.array([4.0])], 1)
    4.0
    """
    spans = [(part.min(), part.max()) for part in map(np.asarray, parts()) if len(part)]
    if not spans:
        raise IndexError(f"There must be more numbers than `rank`. Received: {rank} of 0")
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    # Numbers in [low, stop) are looked at; those below are so many that `rank` is left of them.
    low, stop = float(low), float(np.nextafter(float(high), np.inf))
    while True:
        edges = np.linspace(low, stop, _BINS + 1)
        counts = np.zeros(_BINS, np.int64)
        for part in parts():
            inside = part[(part >= low) & (part < stop)]
            at = np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, _BINS - 1)
            counts += np.bincount(at, minlength=_BINS)
        ends = np.cumsum(counts)
        if rank >= ends[-1]:
            raise IndexError(f"There must be more numbers than `rank`. Received: {rank}")
        bin_ = int(np.searchsorted(ends, rank, side="right"))
        rank -= int(ends[bin_] - counts[bin_])
        low, stop = float(edges[bin_]), float(edges[bin_ + 1])
        if np.nextafter(low, np.inf) >= stop:
            return low
        if counts[bin_] <= keep:
            left = [part[(part >= low) & (part < stop)] for part in parts()]
            return float(np.partition(np.concatenate(left), rank)[rank])

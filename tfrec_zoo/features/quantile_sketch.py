"""One-pass summary of the quantiles of a stream, in bounded memory."""

import math
from typing import Any

import numpy as np

#: How many times `capacity` values are sorted at once.
_BLOCK = 128


class QuantileSketch:
    """Summarizes the quantiles of a stream of numbers, read once, with a guaranteed rank error.

    Every `128 * capacity` values, a *block*, are sorted, and the 65th of each 128 in a row is kept:
    `capacity` values that stand for 128 each, a *summary*. As in a binary counter, two summaries of
    the same level are merged and sorted, and every second value is kept: this makes one summary of
    the next level, whose values stand for twice as many. Nothing is random, so equal streams give
    equal sketches, in whatever batches they come. NaN and infinite values are ignored.

    **Error.** Keeping of each `m` sorted values of weight `w` the one that `k` others precede
    changes the estimated number of values `<= x` by `-k w` to `+(m - 1 - k) w`. The sketch adds up
    these bounds, and where `m` is 2 keeps whichever of the two balances them. `rank_error` is their
    sum and half the largest weight, for the stream seen, so it holds for any data, order and tree
    of merges. With `n` values there are at most `L = log2(n / (128 capacity))` levels above the
    first. The first contributes at most `n / capacity` and each other one `n / (2 capacity)`, about
    half of it on either side, hence `rank_error <= (L + 5) / (4 capacity)`: it grows with the
    logarithm of `n`. `capacity = 10 / max_error` keeps it below `max_error` up to `2**45` values.
    Within the first block, 1.28 million values at the default `max_error`, the answers are exactly
    those of `numpy.quantile`.

    **Memory.** At most `(L + 130) * capacity` float64 values: 11 MB for a billion values at the
    default `max_error`, and less for fewer values than a block.

    Args:
        max_error: Largest error in rank of any quantile, as a fraction of the number of values.

    Example:

    >>> sketch = QuantileSketch()
    >>> sketch.update([3.0, 1.0, float("nan")])
    >>> sketch.update([2.0])
    >>> sketch.quantiles([0.0, 0.25, 1.0]).tolist()
    [1.0, 1.5, 3.0]

    References:
        Munro & Paterson, "Selection and Sorting with Limited Storage", TCS 1980; Manku et al.,
        "Approximate Medians and Other Quantiles in One Pass and with Limited Memory", SIGMOD 1998.
    """

    def __init__(self, max_error: float = 0.001) -> None:
        if not 0 < max_error < 1:
            raise ValueError(f"`max_error` must be between 0 and 1. Received: {max_error!r}")
        self.max_error = max_error
        self.capacity = math.ceil(10 / max_error)
        self.count = 0
        self._min, self._max = math.inf, -math.inf  # of the blocks that have been summarized
        # What isn't written to takes no memory.
        self._buffer = np.empty(_BLOCK * self.capacity)
        self._filled = 0
        # [level]: capacity values of weight _BLOCK * 2**level
        self._levels: list[np.ndarray | None] = []
        self._over = self._under = 0  # how far estimated ranks may be too high, too low

    @property
    def retained(self) -> int:
        """Number of values kept in memory."""
        return self._filled + sum(s.size for s in self._levels if s is not None)

    @property
    def rank_error(self) -> float:
        """Guaranteed bound of the rank error so far, as a fraction of `count`.

        At most a fraction `q + e` of the values lie below `quantiles(q)` and at least `q - e` at or
        below it, where `e` is `rank_error` plus the `1 / count` of `numpy.quantile` itself.
        """
        if not self._levels:
            return 0.0
        largest_weight = _BLOCK * 2 ** (len(self._levels) - 1)
        error = max(self._over, self._under) + (largest_weight - 1) / 2
        return error / self.count

    def update(self, values: Any) -> None:
        """Adds values to the sketch.

        Args:
            values: Array-like of numbers, of any shape.
        """
        new = np.asarray(values).reshape(-1)
        if new.dtype.kind not in "fiub":
            new = new.astype(np.float64)
        is_finite = np.isfinite(new)
        if not is_finite.all():
            new = new[is_finite]
        self.count += new.size
        while new.size:
            part = new[: self._buffer.size - self._filled]
            new = new[part.size :]
            self._buffer[self._filled : self._filled + part.size] = part
            self._filled += part.size
            if self._filled == self._buffer.size:
                self._filled = 0
                self._add_block()

    def merge(self, other: "QuantileSketch") -> None:
        """Adds the values that another sketch has seen, such as those of another part of the data.

        Args:
            other: Sketch with the same `max_error`, which stays unchanged.
        """
        if other.capacity != self.capacity:
            raise ValueError(
                f"Sketches must have the same `max_error`, {self.max_error!r}. "
                f"Received: {other.max_error!r}"
            )
        pending, summaries = other._buffer[: other._filled].copy(), list(other._levels)
        self.count += other.count - pending.size
        self._min, self._max = min(self._min, other._min), max(self._max, other._max)
        self._over, self._under = self._over + other._over, self._under + other._under
        for level, summary in enumerate(summaries):
            if summary is not None:
                self._add_summary(summary, level)
        self.update(pending)

    def quantiles(self, q: Any) -> np.ndarray:
        """Returns the values below which the fractions `q` of the stream lie.

        Args:
            q: Array-like of fractions in [0, 1]; 0 and 1 give the exact minimum and maximum.

        Returns:
            The quantiles, an array of the shape of `q`, nondecreasing in `q`.
        """
        q = np.asarray(q, dtype=np.float64)
        if not np.all((q >= 0) & (q <= 1)):
            raise ValueError(f"`q` must lie in [0, 1]. Received: {q!r}")
        if not self.count:
            raise ValueError("Quantiles need at least one finite value. Received: count=0")
        # Rounding keeps a rank just past the last of many equal values at that value.
        rank = np.round(q * (self.count - 1), 9)
        single = self._buffer[: self._filled]  # of weight one, whose order makes no difference
        single.sort()
        kept = [(s, _BLOCK * 2.0**i) for i, s in enumerate(self._levels) if s is not None]
        if not kept:
            near = np.unique([np.floor(rank), np.ceil(rank)]).astype(np.int64)
            return np.interp(rank + 0.5, near + 0.5, single[near])
        values = np.concatenate([s for s, _ in kept])
        weights = np.concatenate([np.full(s.size, weight) for s, weight in kept])
        order = np.argsort(values, kind="stable")
        at = np.searchsorted(single, values[order], side="right")
        values = np.insert(single, at, values[order])
        weights = np.insert(np.ones(single.size), at, weights[order])
        # A value of weight w is placed in the middle of the w ranks that it covers.
        ranks = np.cumsum(weights) - weights / 2
        ranks = np.concatenate([[0.5], ranks, [self.count - 0.5]])
        first, last = single.min(initial=self._min), single.max(initial=self._max)
        found = np.interp(rank + 0.5, ranks, np.concatenate([[first], values, [last]]))
        # The least of the values kept may have rank 0.5, though others below it were not kept.
        return np.where(rank > 0, found, first)

    def _add_block(self) -> None:
        """Makes a summary of the values of a full buffer."""
        self._buffer.sort()
        self._min, self._max = min(self._min, self._buffer[0]), max(self._max, self._buffer[-1])
        before = _BLOCK // 2
        self._under += before
        self._over += _BLOCK - 1 - before
        self._add_summary(self._buffer[before::_BLOCK].copy(), level=0)

    def _add_summary(self, summary: np.ndarray, level: int) -> None:
        self._levels.extend([None] * (level + 1 - len(self._levels)))
        while (resident := self._levels[level]) is not None:
            self._levels[level] = None
            keep_first = self._over <= self._under
            merged = np.sort(np.concatenate([resident, summary]))
            summary = merged[0 if keep_first else 1 :: 2].copy()
            if keep_first:
                self._over += _BLOCK * 2**level
            else:
                self._under += _BLOCK * 2**level
            level += 1
            if level == len(self._levels):
                self._levels.append(None)
        self._levels[level] = summary

"""One-pass summary of the quantiles of a stream, in bounded memory."""

import math
from typing import Any

import numpy as np


class QuantileSketch:
    """Summarizes the quantiles of a stream of numbers, read once, with a guaranteed rank error.

    Every `capacity` values are sorted into a *summary*. As in a binary counter, two summaries of
    the same level are merged and sorted, and every second value is kept: this makes one summary of
    the next level, whose values stand for twice as many. Nothing is random, so equal streams give
    equal sketches. NaN and infinite values are ignored.

    **Error.** Halving a merged summary of values of weight `w` changes the estimated number of
    values `<= x` by 0 to `+w` if the first of each pair is kept, and by `-w` to 0 if the second is.
    The sketch adds up these bounds and keeps whichever of the two balances them. `rank_error` is
    their sum for the stream seen, so it holds for any data, order and tree of merges. With `n`
    values there are at most `L = log2(n / capacity)` levels, and each contributes at most
    `n / (2 capacity)`, half of it on either side, hence `rank_error <= (L + 3) / (4 capacity)`: it
    grows with the logarithm of `n`. `capacity = 10 / max_error` keeps it below `max_error` up to
    `2**40` values. Up to `capacity` values the answers are exactly those of `numpy.quantile`.

    **Memory.** At most `(L + 2) * capacity` float64 values: 1.6 MB for a billion values at the
    default `max_error`.

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
        self._min, self._max = math.inf, -math.inf
        self._buffer = np.empty(self.capacity)
        self._filled = 0
        self._levels: list[np.ndarray | None] = []  # [level]: capacity values of weight 2**level
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
        largest_weight = 2 ** max(len(self._levels) - 1, 0)
        error = max(self._over, self._under) + (largest_weight - 1) / 2
        return error / max(self.count, 1)

    def update(self, values: Any) -> None:
        """Adds values to the sketch.

        Args:
            values: Array-like of numbers, of any shape.
        """
        remaining = np.asarray(values).reshape(-1)
        while remaining.size:
            free = self.capacity - self._filled
            new = np.asarray(remaining[:free], dtype=np.float64)
            remaining = remaining[free:]
            new = new[np.isfinite(new)]
            if not new.size:
                continue
            self.count += new.size
            self._min, self._max = min(self._min, new.min()), max(self._max, new.max())
            self._buffer[self._filled : self._filled + new.size] = new
            self._filled += new.size
            if self._filled == self.capacity:
                self._filled = 0
                self._add_summary(np.sort(self._buffer), level=0)

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
        summaries = [(self._buffer[: self._filled], 1.0)]
        summaries += [(s, 2.0**i) for i, s in enumerate(self._levels) if s is not None]
        values = np.concatenate([s for s, _ in summaries])
        weights = np.concatenate([np.full(s.size, weight) for s, weight in summaries])
        order = np.argsort(values, kind="stable")
        # A value of weight w is placed in the middle of the w ranks that it covers.
        ranks = np.cumsum(weights[order]) - weights[order] / 2
        ranks = np.concatenate([[0.5], ranks, [self.count - 0.5]])
        values = np.concatenate([[self._min], values[order], [self._max]])
        # Rounding keeps a rank just past the last of many equal values at that value.
        wanted = np.round(q * (self.count - 1), 9) + 0.5
        return np.interp(wanted, ranks, values)

    def _add_summary(self, summary: np.ndarray, level: int) -> None:
        self._levels.extend([None] * (level + 1 - len(self._levels)))
        while (resident := self._levels[level]) is not None:
            self._levels[level] = None
            keep_first = self._over <= self._under
            merged = np.sort(np.concatenate([resident, summary]))
            summary = merged[0 if keep_first else 1 :: 2].copy()
            if keep_first:
                self._over += 2**level
            else:
                self._under += 2**level
            level += 1
            if level == len(self._levels):
                self._levels.append(None)
        self._levels[level] = summary

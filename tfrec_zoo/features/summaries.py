"""Summaries of numbers: what normalizations learn of a stream, in one pass and bounded memory.

NaN and infinite values count in none of them.
"""

import math
from typing import Any, Protocol

import numpy as np

from tfrec_zoo.features.dense_columns import (
    DenseColumn,
    InteractionColumn,
    NumericColumn,
    VectorColumn,
)
from tfrec_zoo.features.quantile_sketch import QuantileSketch

#: Ranks at which a sketch is read to tell a value's mass from the rest.
_GRID = 100_001


class Summary(Protocol):
    """What a normalization learns of a stream of numbers."""

    @property
    def count(self) -> int:
        """Number of finite values so far."""

    def update(self, values: Any) -> None:
        """Adds an array of numbers, of any shape."""

    def statistics(self) -> tuple[float, ...]:
        """What is learned of them."""


class Quantiles:
    """Values at equally spaced ranks; with a mass apart, its value before those of all others.

    The mass is the most frequent value. Where all are equal, the boundaries are right above it.

    Args:
        mass: Whether the most frequent value is set apart.
        number: Number of boundaries.
        max_error: Largest rank error; see `QuantileSketch`.

    Example:

    >>> summary = Quantiles(mass=True, number=3)
    >>> summary.update([0, 0, 0, 0, 0, 0, 2, 4])
    >>> [round(value, 2) for value in summary.statistics()]
    [0.0, 0.0, 2.0, 4.0]
    """

    def __init__(self, mass: bool = False, number: int = 1000, max_error: float = 0.001) -> None:
        self.mass = mass
        self.number = number
        self._sketch = QuantileSketch(max_error)

    @property
    def count(self) -> int:
        """Number of finite values so far."""
        return self._sketch.count

    def update(self, values: Any) -> None:
        """Adds an array of numbers."""
        self._sketch.update(values)

    def mass_and_boundaries(self) -> tuple[Any, ...]:
        """The mass, if it is set apart, and the boundaries."""
        ranks = np.linspace(0, 1, self.number)
        if not self.mass:
            return (self._sketch.quantiles(ranks),)
        grid = self._sketch.quantiles(np.linspace(0, 1, _GRID))
        first = np.flatnonzero(np.append(True, grid[1:] != grid[:-1]))
        mass = grid[first[np.argmax(np.diff(first, append=len(grid)))]]
        others = grid[grid != mass]
        if not len(others):
            others = np.nextafter([mass], np.inf)
        return mass, np.quantile(others, ranks)

    def statistics(self) -> tuple[float, ...]:
        """The boundaries, after the mass if it is set apart."""
        *mass, boundaries = self.mass_and_boundaries()
        return (*(float(value) for value in mass), *boundaries.tolist())


class Extremes:
    """The least and the greatest value.

    >>> summary = Extremes()
    >>> summary.update([3, float("nan"), -1])
    >>> summary.statistics()
    (-1.0, 3.0)
    """

    def __init__(self) -> None:
        self.count = 0
        self._low, self._high = math.inf, -math.inf

    def update(self, values: Any) -> None:
        """Adds an array of numbers."""
        new = _finite(values)
        if new.size:
            self.count += new.size
            self._low, self._high = min(self._low, new.min()), max(self._high, new.max())

    def statistics(self) -> tuple[float, ...]:
        """The least and the greatest value."""
        return float(self._low), float(self._high)


class Moments:
    """The mean and the standard deviation, by the parallel update of Chan, Golub & LeVeque (1983).

    >>> summary = Moments()
    >>> summary.update([1, 2])
    >>> summary.update([3, 6])
    >>> mean, stddev = summary.statistics()
    >>> mean, round(stddev**2, 9)
    (3.0, 3.5)
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = 0.0

    def update(self, values: Any) -> None:
        """Adds an array of numbers."""
        new = _finite(values)
        if not new.size:
            return
        total = self.count + new.size
        mean = new.mean()
        difference = mean - self._mean
        self._squares += np.square(new - mean).sum() + difference**2 * self.count * new.size / total
        self._mean += difference * new.size / total
        self.count = total

    def statistics(self) -> tuple[float, ...]:
        """The mean and the standard deviation."""
        return float(self._mean), math.sqrt(self._squares / max(self.count, 1))


class Count:
    """The number of finite values, for columns of which nothing else is learned."""

    def __init__(self) -> None:
        self.count = 0

    def update(self, values: Any) -> None:
        """Adds an array of numbers."""
        self.count += _finite(values).size

    def statistics(self) -> tuple[float, ...]:
        """Nothing."""
        return ()


def summaries_of(column: DenseColumn) -> dict[str, Summary]:
    """Returns what has to be summarized for a column, by the names of its numbers."""
    if isinstance(column, NumericColumn):
        return {column.key: _summary(column.normalization, column.mass)}
    if isinstance(column, InteractionColumn):
        count, *ages = column.statistics
        how = column.normalization
        return {count: _summary(how, column.mass), **{age: _summary(how) for age in ages}}
    return {column.key: Count()} if isinstance(column, VectorColumn) else {}


def _summary(normalization: str, mass: bool = False) -> Summary:
    kinds: dict[str, Summary] = {
        "quantile": Quantiles(mass),
        "min-max": Extremes(),
        "z-score": Moments(),
    }
    return kinds.get(normalization, Count())


def _finite(values: Any) -> np.ndarray:
    values = np.asarray(values, np.float64).reshape(-1)
    return values[np.isfinite(values)]

"""A metric by how frequent something is: by the activity of users, by the popularity of items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tfrec_zoo.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def by_frequency(
    axes: Axes, values: Mapping[str, np.ndarray], counts: np.ndarray, of: str, metric: str
) -> None:
    """Means of a metric, with standard errors, in buckets of counts that double in width.

    Args:
        axes: Where to draw.
        values: What each example is worth, [examples], by the name of the model.
        counts: How frequent the user, or the item, of each example is, [examples].
        of: What is counted, in words.
        metric: Name of the metric.

    Example:

    >>> _, axes = new_figure()
    >>> counts, hits = np.array([1, 2, 3, 3]), np.array([1.0, 0.0, 0.0, 1.0])
    >>> by_frequency(axes, {"mine": hits}, counts, "interactions of the user", "hit rate")
    >>> [text.get_text() for text in axes.get_xticklabels()]  # Numbers of examples below.
    ['1\\n1', '2–3\\n3']
    >>> axes.lines[0].get_ydata().round(2).tolist()
    [1.0, 0.33]
    """
    bounds, bucket = _buckets(np.asarray(counts))
    held = np.unique(bucket)
    number = np.array([(bucket == each).sum() for each in held])
    for name, value in values.items():
        parts = [np.asarray(value, np.float64)[bucket == each] for each in held]
        mean = np.array([part.mean() for part in parts])
        error = [part.std(ddof=1) / len(part) ** 0.5 if len(part) > 1 else 0.0 for part in parts]
        axes.errorbar(
            range(len(held)), mean, error, fmt="o-", markersize=4, capsize=3, linewidth=1,
            label=name,
        )  # fmt: skip
    ticks = [f"{_range(*bounds[each])}\n{size:,}" for each, size in zip(held, number, strict=True)]
    axes.set_xticks(range(len(held)), ticks, fontsize="x-small")
    axes.set(xlabel=f"{of}; examples below", ylabel=metric, ylim=(0, None))
    if len(values) > 1:
        axes.legend(fontsize="small")


def activity_and_popularity(
    values: Mapping[str, np.ndarray], activity: np.ndarray, popularity: np.ndarray, metric: str
) -> Figure:
    """A metric by the activity of the user and by the popularity of the item, side by side.

    Args:
        values: What each example is worth, [examples], by the name of the model.
        activity: Number of training interactions of the user of each example, [examples].
        popularity: Number of training interactions of the item of each example, [examples].
        metric: Name of the metric.
    """
    figure, (left, right) = new_figure(columns=2, width=5.2, height=3.2)
    by_frequency(left, values, activity, "interactions of the user", metric)
    by_frequency(right, values, popularity, "interactions of the item", metric)
    return figure


def _buckets(counts: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Bounds of the buckets, both inclusive, and the bucket of each count: 0, 1, 2–3, 4–7, …

    Of large counts buckets are four times as wide as the one before, so that there are few.
    """
    factor = 2 if counts.max(initial=0) < 1024 else 4
    edges = [0, 1]
    while edges[-1] <= counts.max(initial=0):
        edges.append(edges[-1] * factor)
    bounds = [(low, high - 1) for low, high in zip(edges, edges[1:], strict=False)]
    return bounds, np.searchsorted(edges, counts, side="right") - 1


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"

"""A number before and after its normalization: spread evenly, where quantiles do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec_zoo.plots.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def quantile_transform(
    values: np.ndarray, normalized: Callable[[np.ndarray], Any], name: str, bins: int = 30
) -> Figure:
    """Histograms of values before and after, and the function between them.

    Args:
        values: Values of a feature, [n]; those that are missing are left out.
        normalized: A fitted normalization, such as a `QuantileNormalization`, whose first output
            is shown.
        name: What the values are, with their unit.
        bins: Number of bars.

    Example:

    >>> from tfrec_zoo.features import QuantileNormalization
    >>> layer = QuantileNormalization(boundaries=[0.0, 1.0, 10.0])
    >>> figure = quantile_transform(np.array([0.0, 1.0, 5.5, 10.0]), layer, "minutes", bins=2)
    >>> [[int(bar.get_height()) for bar in axes.patches] for axes in figure.axes[::2]]
    [[2, 2], [1, 3]]
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    after = np.asarray(normalized(values))[:, 0]
    figure, (left, middle, right) = new_figure(columns=3, width=3.4, height=2.8)
    left.hist(values, bins=bins, color=COLOURS[0])
    left.set(xlabel=name, ylabel="examples", title="before")
    order = np.argsort(values)
    middle.plot(values[order], after[order], color=COLOURS[1])
    middle.set(xlabel=name, ylabel="normalized", title="the function")
    right.hist(after, bins=bins, range=(0, 1), color=COLOURS[0])
    right.set(xlabel="normalized", ylabel="examples", title="after")
    return figure

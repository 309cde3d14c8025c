"""Figures: readable in print, axes with units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that are told apart in grey and by the colour-blind: Okabe & Ito.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def require_matplotlib() -> None:
    """Checks that figures can be drawn.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ImportError(
            "Figures are drawn by matplotlib: pip install matplotlib. Received: none installed"
        ) from error


def new_figure(columns: int = 1, rows: int = 1, width: float = 5.0, height: float = 3.6) -> Any:
    """A figure and its axes, [columns] or [rows, columns] where there are several.

    Args:
        columns: Number of axes side by side.
        rows: Number of axes above each other.
        width: Width of each, in inches.
        height: Height of each, in inches.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns)
    for each in np.ravel(axes):
        each.set_prop_cycle(color=COLOURS)
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25, linewidth=0.6)
        each.set_axisbelow(True)
    return figure, axes


def bars(axes: Axes, frame: pd.DataFrame, value: str, label: str, by: str = "setting") -> None:
    """Horizontal bars of means, with the standard deviations over the seeds.

    Args:
        axes: Where to draw.
        frame: A row a run.
        value: Column that is shown.
        label: What the axis says, with the unit.
        by: Column whose values are the bars, from above in their order.
    """
    names = list(frame[by].unique())
    values = [frame.loc[frame[by] == name, value].astype(float) for name in names]
    spread = [v.std() if len(v) > 1 else 0.0 for v in values]
    axes.barh(
        range(len(names)),
        [v.mean() for v in values],
        xerr=spread if any(spread) else None,
        color=COLOURS[0],
        height=0.6,
        error_kw={"linewidth": 1, "capsize": 3},
    )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(label)


def line(axes: Axes, frame: pd.DataFrame, x: str, y: str, label: str, **style: Any) -> None:
    """The means over the seeds as a line, with a band of one standard deviation.

    The band ends at the least value, below which an axis of logarithms may have nothing.

    Args:
        axes: Where to draw.
        frame: A row a point, of one or several seeds.
        x: Column of the abscissa.
        y: Column of the ordinate.
        label: What the legend says.
        **style: Arguments of `Axes.plot`.
    """
    grouped = frame.groupby(x)[y]
    mean, spread = grouped.mean(), grouped.std().fillna(0.0)
    low, high = np.maximum(mean - spread, grouped.min()), mean + spread
    [drawn] = axes.plot(mean.index, mean, label=label, **style)
    axes.fill_between(mean.index, low, high, alpha=0.2, color=drawn.get_color(), linewidth=0)

"""Trial curves: the metric of a search after each epoch of each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tfrec_zoo.plots.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trial_curves(epochs: Mapping[int, Sequence[float]], best: int, metric: str) -> Figure:
    """A line for each trial, of which the best stands out.

    Args:
        epochs: The metric after each epoch, by the number of the trial.
        best: Number of the best trial.
        metric: Name of the metric.

    Example:

    >>> figure = trial_curves({0: [0.5, 0.75], 1: [0.5, 0.625]}, best=0, metric="auc")
    >>> [(line.get_label(), line.get_ydata().tolist()) for line in figure.axes[0].lines]
    [('trial 1', [0.5, 0.625]), ('trial 0, the best', [0.5, 0.75])]
    """
    figure, axes = new_figure(width=6.5, height=3.6)
    for number in sorted(epochs, key=lambda number: number == best):
        values, style = epochs[number], {"color": COLOURS[7], "linewidth": 1.0, "markersize": 3}
        label = f"trial {number}"
        if number == best:
            label, style = f"{label}, the best", {"color": COLOURS[0], "markersize": 5}
        axes.plot(range(1, len(values) + 1), values, "o-", label=label, **style)
        # Where each ended, which may be long before the others.
        end = (len(values), values[-1])
        axes.annotate(str(number), end, (6, -4), textcoords="offset points", fontsize="small")
    axes.set(xlabel="epoch", ylabel=f"{metric.replace('_', ' ')}, validation examples")
    axes.xaxis.get_major_locator().set_params(integer=True)
    return figure

"""The recall of indexes against their latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfrec_zoo.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfrec_zoo.serving.index.curve import CurvePoint


def recall_latency(points: Sequence[CurvePoint], k: int) -> Figure:
    """A line for each kind of index; a star marks what an export searches.

    Args:
        points: What `recall_latency_curve` measured.
        k: The length of the lists whose recall it is.
    """
    figure, axes = new_figure(width=6.0, height=4.0)
    for kind in dict.fromkeys(point.kind for point in points):
        own = [point for point in points if point.kind == kind]
        x, y = [point.milliseconds for point in own], [point.recall for point in own]
        [line] = axes.plot(x, y, "o-", markersize=4, label=kind)
        chosen = [point for point in own if point.is_chosen]
        axes.plot(
            [point.milliseconds for point in chosen],
            [point.recall for point in chosen],
            "*",
            markersize=12,
            color=line.get_color(),
        )
    axes.set(xscale="log", xlabel="milliseconds per query (median)", ylabel=f"recall@{k}")
    axes.legend()
    return figure

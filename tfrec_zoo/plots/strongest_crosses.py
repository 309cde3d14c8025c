"""The crosses that a wide side weighs most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tfrec_zoo.plots.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def strongest_crosses(crosses: pd.DataFrame) -> Figure:
    """A bar for each cross, the strongest above: to the right of zero it speaks for a positive.

    Args:
        crosses: `cross` in words and `weight`, as `WideDeep.strongest_crosses` returns them.

    Example:

    >>> frame = pd.DataFrame({"cross": ["topic=a & age=b", "user=c"], "weight": [0.5, -0.25]})
    >>> [float(bar.get_width()) for bar in strongest_crosses(frame).axes[0].patches]
    [0.5, -0.25]
    """
    figure, axes = new_figure(width=6.0, height=0.8 + 0.26 * len(crosses))
    colours = [COLOURS[0] if weight > 0 else COLOURS[1] for weight in crosses["weight"]]
    axes.barh(range(len(crosses)), crosses["weight"], color=colours, height=0.7)
    axes.set_yticks(range(len(crosses)), crosses["cross"], fontsize="small")
    axes.invert_yaxis()
    axes.axvline(0, color=COLOURS[6], linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("weight (logit)")
    return figure

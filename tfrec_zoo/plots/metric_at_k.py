"""Metrics against K: how many of the held-out items are found in how long a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tfrec_zoo.plots.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def metric_at_k(
    ranks: Mapping[str, np.ndarray], num_items: int | None = None, longest: int = 100
) -> Figure:
    """Hit rate and NDCG of one held-out item per example, against the length of the lists.

    Args:
        ranks: The 0-based ranks of the held-out items, [examples], by the name of the model.
        num_items: Number of items that are ranked, to show what lists drawn at random would find.
        longest: The longest list.

    Example:

    >>> figure = metric_at_k({"mine": np.array([0, 2, 9])}, longest=3)
    >>> figure.axes[0].lines[0].get_ydata().round(3).tolist()  # Hit rate at 1, 2 and 3.
    [0.333, 0.333, 0.667]
    >>> figure.axes[1].lines[0].get_ydata().round(3).tolist()  # 1 / log2(4) = .5 for rank 2.
    [0.333, 0.333, 0.5]
    """
    figure, (hits, gains) = new_figure(columns=2, width=4.0, height=3.2)
    longest = longest if num_items is None else max(min(longest, num_items), 1)
    ks = np.arange(1, longest + 1)
    discounts = 1 / np.log2(ks + 1)
    for name, values in ranks.items():
        found = np.asarray(values)
        at = np.bincount(found[found < longest], minlength=longest) / max(len(found), 1)
        for axes, gain in ((hits, at), (gains, at * discounts)):
            axes.plot(ks, np.cumsum(gain), label=name)
    if num_items is not None:
        by_chance = {"color": COLOURS[7], "linestyle": ":", "label": "at random"}
        hits.plot(ks, ks / num_items, **by_chance)
        gains.plot(ks, np.cumsum(discounts) / num_items, **by_chance)
    for axes, name in ((hits, "hit rate"), (gains, "NDCG")):
        axes.set(xlabel="K, length of the list", ylabel=f"{name} at K", ylim=(0, None))
    hits.legend(fontsize="small")
    return figure

"""A map of vectors: places in two dimensions, coloured by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tfrec_zoo.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def embedding_map(maps: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """A map for each model, side by side, with one legend for all.

    Args:
        maps: Places, [items, 2], and kinds, [items] strings, by the title of the map.

    Example:

    >>> places = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> [axes] = embedding_map({"mine": (places, np.array(["a", "b", "a"]))}).axes
    >>> {points.get_label(): points.get_offsets().tolist() for points in axes.collections}
    {'a': [[0.0, 1.0], [4.0, 5.0]], 'b': [[2.0, 3.0]]}
    """
    figure, axes = new_figure(columns=len(maps), width=5.0, height=5.0)
    colours = _colours(np.concatenate([kind for _, kind in maps.values()]))
    for each, (title, (places, kinds)) in zip(np.ravel(axes), maps.items(), strict=True):
        for kind, colour in colours.items():
            own = places[kinds == kind]
            each.scatter(own[:, 0], own[:, 1], s=9, color=colour, label=kind, linewidth=0)
        each.set_title(title, fontsize="medium")
        each.set(xlabel="first dimension", ylabel="second dimension")
    handles = np.ravel(axes)[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4 * len(maps), fontsize="small")
    return figure


def _colours(kinds: np.ndarray) -> dict[str, Any]:
    """A colour for each kind, the most frequent ones first."""
    from matplotlib import colormaps

    names = pd.Series(kinds).value_counts().index
    palette = [colormaps[name](i) for name in ("tab20", "tab20b") for i in range(20)]
    return {name: palette[i % len(palette)] for i, name in enumerate(names)}

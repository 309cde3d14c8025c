"""The lineage of the models: which paper takes up which, by year."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfrec_zoo.plots.figures import COLOURS, new_figure
from tfrec_zoo.registry import MODELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The models, from above; each with those whose idea it takes up.
PARENTS: Mapping[str, tuple[str, ...]] = {
    "Popularity": (),
    "ItemKNN": (),
    "EASE": ("ItemKNN",),
    "iALS": (),
    "SASRec": (),
    "HSTU": ("SASRec",),
    "TwoTower": ("YouTubeRetrieval",),
    "YouTubeRetrieval": ("MatrixFactorization",),
    "MatrixFactorization": (),
    "LightGCN": ("MatrixFactorization",),
    "GMF": ("MatrixFactorization",),
    "NeuMF": ("GMF", "NCFMLP"),
    "NCFMLP": (),
    "AutoInt": ("FactorizationMachine",),
    "FiBiNET": ("FactorizationMachine",),
    "DLRM": ("FactorizationMachine",),
    "FactorizationMachine": ("MatrixFactorization", "LogisticRegression"),
    "DeepFM": ("FactorizationMachine", "WideDeep"),
    "xDeepFM": ("DeepFM", "DCN"),
    "WideDeep": ("LogisticRegression",),
    "DCN": ("WideDeep",),
    "DCNV2": ("DCN",),
    "LogisticRegression": (),
    "DeepCrossing": (),
    "YouTubeRanking": ("LogisticRegression",),
    "D2Q": ("YouTubeRanking",),
}


def years() -> dict[str, int | None]:
    """The year of each model's paper, as the registry names it; None of what has no paper."""
    found = {name: re.search(r"\b(?:19|20)\d\d$", entry.paper) for name, entry in MODELS.items()}
    return {name: None if year is None else int(year[0]) for name, year in found.items()}


def lineage() -> Figure:
    """Draws every model at the year of its paper, with lines from those whose idea it takes up.

    Example:

    >>> figure = lineage()
    >>> {text.get_text() for text in figure.axes[0].texts} >= {"DeepFM", "Popularity (baseline)"}
    True
    """
    figure, axes = new_figure(width=9.0, height=0.34 * len(PARENTS))
    known = years()
    first = min(year for year in known.values() if year is not None)
    places = {name: (known[name] or first, -row) for row, name in enumerate(PARENTS)}
    for name, parents in PARENTS.items():
        for parent in parents:
            axes.annotate(
                "", places[name], places[parent], zorder=1,
                arrowprops={"arrowstyle": "-|>", "color": COLOURS[7], "shrinkA": 6, "shrinkB": 6,
                            "connectionstyle": "arc3,rad=0.06", "linewidth": 1},
            )  # fmt: skip
    for name, (year, row) in places.items():
        colour = COLOURS[0] if MODELS[name].family == "retrieval" else COLOURS[1]
        axes.plot(year, row, "o", markersize=7, color=colour, zorder=2)
        words = name if known[name] else f"{name} (baseline)"
        axes.text(
            year + 0.3, row, words, va="center", fontsize="small", zorder=3,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6},
        )  # fmt: skip
    for family, colour in (("retrieval", COLOURS[0]), ("ranking", COLOURS[1])):
        axes.plot([], [], "o", color=colour, label=family)
    axes.legend(loc="lower left", fontsize="small")
    axes.set(xlabel="year", yticks=[])
    axes.margins(x=0.1)
    axes.spines["left"].set_visible(False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return figure

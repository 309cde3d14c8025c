"""Draws overview.svg, of the README, and lineage.svg: python docs/images/draw.py."""

import pathlib

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tfrec_zoo import plots, registry

_INK, _FAINT, _BRAND, _PALE, _WHITE = "#1f2937", "#6b7280", "#0f766e", "#e6f4f1", "#ffffff"
_WIDTH, _HEIGHT = 11.0, 3.9


def _box(axes: Axes, x: float, width: float, title: str, lines: list[str], fill: str) -> None:
    """A box with its title above and lines below it."""
    shape = FancyBboxPatch(
        (x, 0.65),
        width,
        2.65,
        boxstyle="round,pad=0,rounding_size=0.12",
        fc=fill,
        ec=_BRAND,
        lw=1.2,
    )
    axes.add_patch(shape)
    axes.text(x + width / 2, 3.08, title, ha="center", va="center", weight="bold", color=_INK)
    axes.text(
        x + width / 2, 1.82, "\n".join(lines), ha="center", va="center", fontsize=9.5, color=_INK,
        linespacing=1.45,
    )  # fmt: skip


def _arrow(axes: Axes, begin: float, end: float, words: str) -> None:
    arrow = FancyArrowPatch(
        (begin, 2.0), (end, 2.0), arrowstyle="-|>", mutation_scale=13, color=_BRAND, lw=1.4
    )
    axes.add_patch(arrow)
    axes.text(
        (begin + end) / 2, 2.12, words, ha="center", va="bottom", fontsize=7.5, color=_FAINT,
        linespacing=1.3,
    )  # fmt: skip


def _columns(names: list[str], number: int) -> list[str]:
    """Names in lines of so many."""
    return [" · ".join(names[i : i + number]) for i in range(0, len(names), number)]


def overview() -> Figure:
    """From a log, through both stages, to one graph that is served."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor=_WHITE)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.set_axis_off()
    families = {
        family: [e.name for e in registry.MODELS.values() if e.family == family]
        for family in ("retrieval", "ranking")
    }
    log = [
        "users, items,",
        "interactions,",
        "impressions",
        "",
        "CSV, Parquet,",
        "MovieLens,",
        "shards",
    ]
    served = ["raw request in,", "ids and scores out", "", "TensorFlow alone,", "TF Serving, HTTP;",
              "exact, IVF, ScaNN"]  # fmt: skip
    _box(axes, 0.15, 1.35, "Your log", log, _WHITE)
    _box(axes, 2.2, 2.35, "Candidate generation", _columns(families["retrieval"], 1), _PALE)
    _box(axes, 5.35, 2.95, "Ranking", _columns(families["ranking"], 2), _PALE)
    _box(axes, 9.15, 1.7, "One SavedModel", served, _WHITE)
    _arrow(axes, 1.55, 2.15, "features,\ndeclared\nonce")
    _arrow(axes, 4.6, 5.3, "hundreds\nof items")
    _arrow(axes, 8.35, 9.1, "the best\nfew")
    title = f"{len(registry.MODELS)} architectures, each a tf.keras.Model on TensorFlow "
    title += "Recommenders, trained by model.fit and measured under one protocol for each task"
    axes.text(_WIDTH / 2, 3.55, title, ha="center", color=_INK, fontsize=10)
    axes.text(
        _WIDTH / 2, 0.32, "from the whole catalogue to what is shown: each stage alone, or both in "
        "one graph", ha="center", color=_FAINT, fontsize=9,
    )  # fmt: skip
    return figure


if __name__ == "__main__":
    with rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "tfrec_zoo", "font.family": "sans-serif"}
    ):
        for name, figure in (("overview.svg", overview()), ("lineage.svg", plots.lineage())):
            path = pathlib.Path(__file__).with_name(name)
            figure.savefig(path, metadata={"Date": None})

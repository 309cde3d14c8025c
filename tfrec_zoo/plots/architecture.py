"""Pictures of architectures: the blocks of a model, and what passes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfrec_zoo.plots.blocks import Block, blocks_of
from tfrec_zoo.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FILLS = {
    "features": "#f2f2f2",
    "embeddings": "#dcebf7",
    "layer": "#fde9d9",
    "function": "#e2f0d9",
    "output": "#f2f2f2",
}
_WIDTH, _HEIGHT = 2.5, 0.62  # of a block, in inches
_ACROSS, _UP = 2.9, 1.05  # between the middles of blocks
_RADIUS = 0.2


def architecture(model: Any) -> Figure:
    """Draws the blocks of a model from the features, below, to the score, above.

    What stands beside an arrow is the shape of what passes, without the batch.

    Args:
        model: A model of the zoo with layers; see `blocks_of`.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo import DLRM
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("item")),))
    >>> model = DLRM(Features.fit(spec, {"user": np.array(["u"]), "item": np.array(["i"])}))
    >>> architecture(model).savefig("dlrm.png")
    """
    blocks = blocks_of(model)
    layers = _Layers(blocks)
    width, height = layers.width + 0.4, _UP * (max(layers.ranks) + 1) + 0.5
    figure, axes = new_figure(width=width, height=height)
    axes.set_axis_off()
    axes.set_xlim(-width / 2, width / 2)
    axes.set_ylim(-_UP / 2, height - _UP / 2)
    for i, block in enumerate(blocks):
        for j, shape in block.inputs.items():
            _draw_arrow(axes, layers.route(j, i), blocks[j], block, shape)
    for i, block in enumerate(blocks):
        _draw_block(axes, block, layers.place(i))
    axes.set_title(type(model).__name__)
    return figure


class _Layers:
    """Places of blocks in layers, from the features up (Sugiyama, Tagawa & Toda, 1981).

    An arrow that passes other blocks has a place of its own in each layer that it passes.
    """

    def __init__(self, blocks: list[Block]) -> None:
        self.ranks = _ranks(blocks)
        self._routes: dict[tuple[int, int], list[int]] = {}
        self._widths = [_ACROSS] * len(blocks)
        below: dict[int, list[int]] = {i: [] for i in range(len(blocks))}
        for i, block in enumerate(blocks):
            for j in block.inputs:
                route = [j]
                for rank in range(self.ranks[j] + 1, self.ranks[i]):
                    bend = len(self._widths)
                    self._widths.append(_ACROSS / 4)
                    self.ranks.append(rank)
                    below[bend] = [route[-1]]
                    route.append(bend)
                below[i].append(route[-1])
                self._routes[j, i] = [*route, i]
        above: dict[int, list[int]] = {i: [] for i in below}
        for i, given in below.items():
            for j in given:
                above[j].append(i)
        self._rows = [
            [i for i, own in enumerate(self.ranks) if own == rank]
            for rank in range(max(self.ranks) + 1)
        ]
        self._x = [0.0] * len(self.ranks)
        self._spread()
        for neighbours in (below, above) * 4:
            for row in self._rows:
                row.sort(key=lambda i, near=neighbours: self._pull(i, near[i]))  # type: ignore[misc]
            self._spread()
        self.width = max(sum(self._widths[i] for i in row) for row in self._rows)

    def _pull(self, i: int, neighbours: list[int]) -> float:
        """Where a block's neighbours in another layer are."""
        return sum(self._x[j] for j in neighbours) / len(neighbours) if neighbours else self._x[i]

    def _spread(self) -> None:
        """Places the blocks of each layer side by side, around the middle."""
        for row in self._rows:
            left = -sum(self._widths[i] for i in row) / 2
            for i in row:
                self._x[i] = left + self._widths[i] / 2
                left += self._widths[i]

    def place(self, i: int) -> tuple[float, float]:
        """The middle of a block, in inches."""
        return self._x[i], self.ranks[i] * _UP

    def route(self, source: int, target: int) -> list[tuple[float, float]]:
        """The points that an arrow passes, from the middle of a block to that of another."""
        return [self.place(i) for i in self._routes[source, target]]


def _ranks(blocks: list[Block]) -> list[int]:
    """How many blocks from the features each is; as near to what reads it as can be."""
    ranks: list[int] = []
    for block in blocks:
        ranks.append(1 + max((ranks[j] for j in block.inputs), default=-1))
    for i in reversed(range(len(blocks))):
        readers = [j for j, block in enumerate(blocks) if i in block.inputs]
        if len(readers) == 1 and len(blocks[i].inputs) < 2 and blocks[i].kind != "features":
            ranks[i] = ranks[readers[0]] - 1
    return ranks


def _draw_block(axes: Axes, block: Block, centre: tuple[float, float]) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    x, y = centre
    size = 9
    if block.kind == "operation":
        axes.add_patch(Circle(centre, _RADIUS, facecolor="white", edgecolor="black", zorder=3))
        size = 11 if len(block.label) == 1 else 7
    else:
        box = FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_FILLS[block.kind],
            edgecolor="black",
            linewidth=0.8,
            zorder=3,
        )
        axes.add_patch(box)
    axes.text(x, y, block.label, ha="center", va="center", fontsize=size, zorder=4)


def _draw_arrow(
    axes: Axes, route: list[tuple[float, float]], source: Block, target: Block, shape: str
) -> None:
    half = {"operation": _RADIUS}
    points = list(route)
    points[0] = (points[0][0], points[0][1] + half.get(source.kind, _HEIGHT / 2))
    points[-1] = (points[-1][0], points[-1][1] - half.get(target.kind, _HEIGHT / 2))
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color="0.35", linewidth=0.8, zorder=1)
    axes.annotate(
        "",
        points[-1],
        points[-2],
        arrowprops={"arrowstyle": "-|>", "linewidth": 0.8, "color": "0.35", "shrinkA": 0},
        zorder=2,
    )
    if shape and source.kind != "features":
        (x0, y0), (x1, y1) = points[:2]
        axes.text((x0 + x1) / 2 + 0.06, (y0 + y1) / 2, shape, fontsize=7, color="0.3", va="center")

"""The width of the embeddings: doubled until it is of no more use.

A rule of thumb: begin with a small width and double it, until the metric on the validation examples
moves by less than half a percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import tfrec_zoo as zoo
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.experiments.experiment import UNTIL_ENOUGH, Experiment
from tfrec_zoo.experiments.findings import Finding, by_differences
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.plots.figures import COLOURS, line, new_figure
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Relative change of the metric below which a width is wide enough.
TOLERANCE = 0.005


class Dimension(Experiment):
    """One table of item embeddings is both the input and the output (`tied`), so that one width is
    that of all; a layer twice as wide is between. It is doubled from 8 on. Validation predicts the
    watch before each user's last one, the test the last. The width that the rule chooses is the
    first whose double moves the validation by less than half a percent, in the mean of the seeds.
    """

    name = "dimension"
    title = "The width of the embeddings"
    source = "The doubling rule of later articles on the paper"
    claim = (
        "Doubling the width of the embeddings helps less and less; it is wide enough when the "
        "validation metric moves by less than .5 %."
    )
    columns = {
        "MAP, validation": "validation_map",
        "MAP, test": "mean_average_precision",
        "parameters": "parameters",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "widths": (4, 8),
            "training": {"epochs": 1},
        },
        "small": {
            "world": {"num_items": 500},
            "widths": (8, 16, 32, 64, 128, 256),
            "training": UNTIL_ENOUGH,
        },
        "full": {
            "world": {"num_users": 6000, "num_items": 2000, "num_days": 28},
            "widths": (8, 16, 32, 64, 128, 256, 512),
            "training": UNTIL_ENOUGH,
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The widths."""
        return {str(width): {"width": width} for width in self.parameters["widths"]}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """Validation and test of one width."""
        task, width = NextWatch(self.log(seed)), setting["width"]
        run = zoo.train(
            "YouTubeRetrieval",
            task,
            self.training(seed),
            hidden_units=(2 * width, width),
            tied=True,
        )
        validation = task.validating().examples(type(run.model), run.arguments).test
        metric = "mean_average_precision"
        found = full_ranking(run.model, validation)[metric]
        parameters = float(run.statistics["parameters"])
        return Measured(
            {"validation_map": found, metric: run.metrics[metric], "parameters": parameters},
            {"widths": [{"width": width, "validation": found, "test": run.metrics[metric]}]},
        )

    def figure(self, results: Results) -> Figure:
        """Validation and test by width, and the chosen width."""
        figure, axes = new_figure()
        frame = results.curve("widths")
        for name in ("validation", "test"):
            line(axes, frame, "width", name, name, marker="o")
        chosen = self._chosen(results)
        axes.axvline(chosen, color=COLOURS[6], linestyle="--", label=f"chosen: {chosen}")
        axes.set_xscale("log", base=2)
        axes.set_xticks(self._widths(results), [str(width) for width in self._widths(results)])
        axes.set_xlabel("width of the embeddings")
        axes.set_ylabel("MAP of the next watch")
        axes.legend()
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Whether doubling ends, and helps less and less."""
        widths = self._widths(results)
        frame = results.curve("widths").pivot(index="seed", columns="width", values="validation")
        chosen = self._chosen(results)
        is_last = chosen == widths[-1]
        first = frame[widths[1]] - frame[widths[0]]
        last = frame[widths[-1]] - frame[widths[-2]]
        values = ", ".join(f"{width}: {frame[width].mean():.4f}" for width in widths)
        return [
            Finding(
                "Doubling ends within the widths that were tried.",
                "can't be told" if is_last else "agrees",
                f"validation MAP {values}; chosen: {chosen}",
            ),
            by_differences(
                (first - last).to_numpy(),
                f"the first doubling adds {first.mean():.3g}, the last {last.mean():.3g}",
                "The last doubling adds less than the first.",
            ),
        ]

    @staticmethod
    def _widths(results: Results) -> list[int]:
        return sorted(int(width) for width in results.curve("widths")["width"].unique())

    def _chosen(self, results: Results) -> int:
        means = results.curve("widths").groupby("width")["validation"].mean()
        widths = self._widths(results)
        return chosen_width(widths, [means[width] for width in widths])


def chosen_width(widths: Sequence[int], values: Sequence[float]) -> int:
    """The first width whose double moves the metric by less than half a percent; or the last.

    >>> chosen_width([4, 8, 16, 32], [0.10, 0.12, 0.1205, 0.13])
    8
    """
    change = np.abs(np.diff(values)) / np.abs(values[:-1])
    small = np.flatnonzero(change < TOLERANCE)
    return widths[small[0]] if len(small) else widths[-1]

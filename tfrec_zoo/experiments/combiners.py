"""How the embeddings of the history are combined into one vector: mean, sum, maximum, …

Covington et al. (2016), §3.2: the variable-length bag of watches is mapped to a vector of fixed
width, which the first layer reads,

    x = (1/n) Σ e(w_i)    (mean),    Σ e(w_i)    (sum),    Σ e(w_i) / √n    (sqrtn),
    max_i e(w_i), component by component    (max).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tfrec_zoo as zoo
from tfrec_zoo.experiments.experiment import UNTIL_ENOUGH, Experiment
from tfrec_zoo.experiments.findings import Finding, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.features import EmbeddingColumn, FeatureSpec
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.tasks.specs import next_watch_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Combiners(Experiment):
    """One bag of the last 50 watches, pooled in four ways."""

    name = "combiners"
    title = "How the history is pooled"
    source = "§3.2"
    claim = "Averaging the embeddings of the history did best among sum, component-wise max, etc."
    columns = {
        "HR@10": "hit_rate_at_10",
        "NDCG@10": "ndcg_at_10",
        "MAP": "mean_average_precision",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "hidden_units": (16,),
            "training": {"epochs": 1},
        },
        "small": {"world": {}, "hidden_units": (128, 64), "training": UNTIL_ENOUGH},
        "full": {
            "world": {"num_users": 4000, "num_items": 2000, "num_days": 28},
            "hidden_units": (256, 128),
            "training": UNTIL_ENOUGH,
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The combiners."""
        return {name: {"combiner": name} for name in ("mean", "sum", "sqrtn", "max")}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The next watch, on what was watched last of all."""
        log = self.log(seed)
        spec = pooled(next_watch_spec(log, bags=(50,), profile=False), setting["combiner"])
        task = NextWatch(log, spec=spec)
        units = self.parameters["hidden_units"]
        run = zoo.train("YouTubeRetrieval", task, self.training(seed), hidden_units=units)
        return Measured(run.metrics)

    def figure(self, results: Results) -> Figure:
        """Bars of the mean average precision."""
        figure, axes = new_figure()
        bars(axes, results.metrics, "mean_average_precision", "MAP of the next watch")
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """The mean against each of the others."""
        others = [name for name in results.metrics["setting"].unique() if name != "mean"]
        return [
            is_above(
                results,
                "mean_average_precision",
                "mean",
                other,
                f"The mean is better than the {other}.",
            )
            for other in others
        ]


def pooled(spec: FeatureSpec, combiner: Any) -> FeatureSpec:
    """A spec whose bags are pooled in another way."""

    def with_combiner(column: Any) -> Any:
        bag = dataclasses.replace(column.categorical, combiner=combiner)
        return EmbeddingColumn(bag, column.dimension)

    return dataclasses.replace(spec, query=tuple(with_combiner(column) for column in spec.query))

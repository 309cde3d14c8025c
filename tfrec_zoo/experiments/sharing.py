"""One embedding of an ID space for all features that read it, or one each.

Covington et al. (2016), §4.1 and figure 7: the embeddings of the impression, of the bag of watches
and of the last watch,

    e(v),  (1/n) Σ e(w_i),  e(w_n),    come from one table e, or from three.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfrec_zoo.data import Examples
from tfrec_zoo.experiments.findings import Finding, is_below
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.ranking import RankingExperiment, losses, ranker_sizes, scored_test
from tfrec_zoo.features import Column, EmbeddingColumn, FeatureSpec
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.tasks.specs import impression_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TIMED_STEPS = 64


class Sharing(RankingExperiment):
    """One ranker whose embeddings of videos are shared by three features, or apart.

    The vocabulary is the same, and every feature is fed apart in both. The step is of training,
    in seconds of all processors together, with batches that are ready. The training loss after
    each epoch says how fast they learn.
    """

    name = "sharing"
    title = "One embedding per ID space"
    source = "§4.1"
    claim = (
        "Sharing the embeddings of an ID space is important for generalization, speeds up training "
        "and saves memory."
    )
    columns = {
        "weighted per-user loss": "weighted_per_user_loss",
        "of one pair a page": "loss_of_one_pair",
        "GAUC": "gauc",
        "parameters": "parameters",
        "ms per step": "milliseconds_per_step",
        "training loss, first epoch": "first_loss",
        "training loss, last epoch": "last_loss",
    }
    sizes = ranker_sizes(
        small={"world": {"num_users": 2500, "num_items": 600, "num_days": 7}},
        full={"world": {"num_users": 10000, "num_items": 4000, "num_days": 12}},
    )

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Shared or not."""
        return {"shared": {"shared": True}, "separate": {"shared": False}}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The losses on the last day, the parameters, and the time of a step."""
        spec = impression_spec(self.log(seed), embedding_dim=32)
        task = self.task(seed, spec=spec if setting["shared"] else separated(spec))
        run = self.train(seed, task)
        metrics = losses(*scored_test(run), pairs_seed=seed)
        metrics["parameters"] = run.statistics["parameters"]
        metrics["first_loss"] = run.history[0]["loss"]
        metrics["last_loss"] = run.history[-1]["loss"]
        train = task.examples(type(run.model), run.arguments).train
        assert isinstance(train, Examples)
        metrics["milliseconds_per_step"] = self._step(run.model, train)
        return Measured(metrics)

    def _step(self, model: Any, train: Examples) -> float:
        """Milliseconds of a training step."""
        batches = train.dataset(self.training(0).batch_size, model.preprocessor, shuffle=True)
        ready = batches.take(_TIMED_STEPS).cache()
        model.fit(ready, verbose=0)
        begin = time.process_time()
        model.fit(ready, verbose=0)
        return (time.process_time() - begin) / int(ready.cardinality()) * 1000

    def figure(self, results: Results) -> Figure:
        """Bars of loss, parameters and time."""
        figure, axes = new_figure(3, width=4.0, height=2.4)
        labels = {
            "weighted_per_user_loss": "weighted per-user loss",
            "parameters": "parameters",
            "milliseconds_per_step": "training step, CPU milliseconds",
        }
        for each, (metric, label) in zip(axes, labels.items(), strict=True):
            bars(each, results.metrics, metric, label)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Better, faster, smaller."""
        claims = {
            "weighted_per_user_loss": "Shared embeddings generalize better.",
            "parameters": "Shared embeddings are smaller.",
            "milliseconds_per_step": "A step with shared embeddings takes less time.",
            "first_loss": "Shared embeddings have learned more after an epoch.",
        }
        return [
            is_below(results, metric, "shared", "separate", claim)
            for metric, claim in claims.items()
        ]


def separated(spec: FeatureSpec) -> FeatureSpec:
    """A spec in which every embedded feature has a table of its own."""

    def column_of(column: Column) -> Column:
        if not isinstance(column, EmbeddingColumn):
            return column
        return dataclasses.replace(column, table=column.categorical.name)

    return FeatureSpec(
        tuple(column_of(c) for c in spec.query), tuple(column_of(c) for c in spec.candidate)
    )

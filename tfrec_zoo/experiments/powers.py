"""How the numbers of a ranker are normalized, and whether their powers are fed.

Covington et al. (2016), §4.3 "Normalizing Continuous Features": a number x becomes the share of
values up to x, and its square and root are fed beside it,

    x~ = ∫_{−∞}^{x} df,    features [x~, x~², √x~].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfrec_zoo.experiments.findings import Finding, is_below
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.ranking import RankingExperiment, losses, ranker_sizes, scored_test
from tfrec_zoo.features import Column, FeatureSpec, InteractionColumn, NumericColumn
from tfrec_zoo.plots.figures import bars, line, new_figure
from tfrec_zoo.tasks.specs import impression_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POWERS, _QUANTILE = "quantile, x² and √x", "quantile"


class Powers(RankingExperiment):
    """One ranker whose counts, ages and other numbers are normalized in several ways.

    The numbers are the item's age and length, the user's age, how many videos of the channel and of
    the topic the user has watched and how long ago, and how often the video was shown before.
    Flags stay 0 and 1. "plain quantile" does not set the most frequent value apart, which mostly is
    a count of 0; the others do, see `NumericColumn`.
    """

    name = "powers"
    title = "Normalization of numbers, and their powers"
    source = "§4.3"
    claim = (
        "Proper normalization of continuous features is critical for convergence; without x² and "
        "√x the offline loss rises by .2 %."
    )
    columns = {
        "weighted per-user loss": "weighted_per_user_loss",
        "of one pair a page": "loss_of_one_pair",
        "GAUC": "gauc",
        "training loss, last epoch": "training_loss",
    }
    sizes = ranker_sizes(
        small={"world": {"num_users": 2000, "num_items": 400, "num_days": 7}},
        full={
            "world": {"num_users": 8000, "num_items": 2000, "num_days": 11},
            "training": {"epochs": 3, "batch_size": 512, "learning_rate": 0.001},
        },
    )

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The normalizations."""
        every: dict[str, dict[str, Any]] = {
            _POWERS: {"normalization": "quantile", "powers": True},
            _QUANTILE: {"normalization": "quantile", "powers": False},
            "plain quantile": {"normalization": "quantile", "powers": False, "mass": False},
            "min-max": {"normalization": "min-max", "powers": False},
            "z-score": {"normalization": "z-score", "powers": False},
            "raw": {"normalization": "none", "powers": False},
        }
        kept = ("z-score",) if self.size == "toy" else every
        return {name: every[name] for name in kept}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The losses on the last day, and the training loss of each epoch."""
        spec = normalized(impression_spec(self.log(seed), embedding_dim=32), **setting)
        run = self.train(seed, self.task(seed, spec=spec))
        metrics = losses(*scored_test(run), pairs_seed=seed)
        learned = [
            {"epoch": epoch, "training_loss": reported["loss"]}
            for epoch, reported in enumerate(run.history, start=1)
        ]
        metrics["training_loss"] = learned[-1]["training_loss"]
        return Measured(metrics, {"learning": learned})

    def figure(self, results: Results) -> Figure:
        """Bars of the loss, and the training loss by epoch."""
        figure, (left, right) = new_figure(2)
        bars(left, results.metrics, "weighted_per_user_loss", "weighted per-user loss")
        curve = results.curve("learning")
        for setting in results.metrics["setting"].unique():
            own = curve[curve["setting"] == setting]
            line(right, own, "epoch", "training_loss", setting, marker="o")
        right.set_xlabel("epoch")
        right.set_ylabel("training loss, nats per impression")
        right.set_yscale("log")
        right.set_xticks(sorted(curve["epoch"].unique()))
        right.legend(frameon=False, fontsize=8)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """What powers add, and quantiles against the rest."""
        metric, known = "weighted_per_user_loss", list(self.settings())
        claims = [
            (_POWERS, _QUANTILE, "Powers lower the loss."),
            (_QUANTILE, "plain quantile", "Setting the most frequent value apart lowers the loss."),
            (_POWERS, "min-max", "Quantiles with powers are better than min-max."),
            (_POWERS, "z-score", "Quantiles with powers are better than z-scores."),
            (_POWERS, "raw", "Quantiles with powers are better than raw numbers."),
        ]
        found = [
            is_below(results, metric, better, worse, claim)
            for better, worse, claim in claims
            if {better, worse} <= set(known)
        ]
        claim = "Raw numbers converge worse: their training loss is higher."
        return [*found, is_below(results, "training_loss", _POWERS, "raw", claim)]


def normalized(
    spec: FeatureSpec, normalization: Any, powers: bool, mass: bool | None = None
) -> FeatureSpec:
    """A spec whose numbers are normalized in another way.

    Args:
        spec: The spec. What it doesn't normalize by quantiles, such as flags, stays as it is.
        normalization: The normalization.
        powers: Whether squares and roots are fed.
        mass: Whether the most frequent value is set apart; None leaves that to the spec. It is
            about quantiles alone.
    """

    def column_of(column: Column) -> Column:
        if not isinstance(column, NumericColumn | InteractionColumn):
            return column
        if column.normalization != "quantile":
            return column
        keeps = column.mass if mass is None else mass
        return dataclasses.replace(
            column,
            normalization=normalization,
            powers=powers,
            mass=keeps and normalization == "quantile",
        )

    return FeatureSpec(
        tuple(column_of(c) for c in spec.query), tuple(column_of(c) for c in spec.candidate)
    )

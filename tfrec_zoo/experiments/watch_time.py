"""Expected watch time as the odds of weighted logistic regression.

Covington et al. (2016), §4.2. Clicked impressions weigh their watch time T and others one, so that
the odds learned are

    Σ T / (N − k) = E[T] / (1 − P) ≈ E[T]    for k = P·N clicks among N impressions,

if the probability of a click P is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import SimulatedLog
from tfrec_zoo.evaluation import predict_recorded
from tfrec_zoo.experiments.findings import Finding, by_differences, is_above, is_below
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.ranking import RankingExperiment, losses, ranker_sizes, scored_test
from tfrec_zoo.plots.figures import bars, line, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Shares of the impressions at which the points of the curve part.
_CUTS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0)


class WatchTimes(RankingExperiment):
    """One ranker, trained with the paper's loss, with exact odds, and to predict clicks.

    "bias" is the sum of the predictions over that of the true expected watch times, less one, at
    the positions that were shown; "of perfect odds" is E[T] / (1 − P), which the paper's loss
    learns at best. Exact odds come of a clicked impression that is a negative of weight one, too.
    Click-bait and what it is worth are of pages as each ranker orders them: the mean place of
    click-bait among the impressions of its page, and the true seconds and clicks of the impression
    that comes first. The curve has impressions by their true click probability, where predictions
    are flatter than the truth because it depends on more than any column says; where no truth is
    known, by the predictions, with what was watched in the place of the truth.
    """

    name = "watch-time"
    title = "Watch time as odds"
    source = "§4.2"
    claim = (
        "The odds of weighted logistic regression closely estimate the expected watch time; "
        "ranking by click-through rate promotes click-bait; unweighted training mispredicts 4.1 % "
        "more watch time."
    )
    columns = {
        "weighted per-user loss": "weighted_per_user_loss",
        "bias": "bias",
        "bias of perfect odds": "bias_of_perfect_odds",
        "place of click-bait": "place_of_bait",
        "seconds at first place": "seconds_at_first",
        "clicks at first place": "clicks_at_first",
    }
    sizes = ranker_sizes(
        small={"world": {"num_users": 2000, "num_items": 400, "num_days": 7}},
        full={"world": {"num_users": 10000, "num_items": 2000, "num_days": 14}},
    )

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The losses."""
        settings = {
            "weighted": {},
            "exact odds": {"exact_odds": True},
            "unweighted": {"weighted": False},
        }
        kept = ("weighted", "unweighted") if self.size == "toy" else settings
        return {name: settings[name] for name in kept}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The loss, the level of the predictions, and what click-bait comes to."""
        task = self.task(seed)
        run = self.train(seed, task, **setting)
        test, logits = scored_test(run)
        metrics, curves = losses(test, logits, pairs_seed=seed), {}
        rows, log = task.rows[1], task.log
        assert log.impressions is not None and test.groups is not None
        shown = log.impressions.iloc[rows]
        is_simulated = isinstance(log, SimulatedLog)
        clicks = shown["true_click_probability" if is_simulated else log.roles.label].to_numpy()
        worth = shown["true_watch_time"].to_numpy() if is_simulated else test.label
        if run.model.predicts == "watch time":
            predicted = predict_recorded(run.model, test, np.exp(logits))
            metrics["bias"] = float(predicted.sum() / worth.sum() - 1)
            if is_simulated:
                odds = worth / (1 - clicks)
                metrics["bias_of_perfect_odds"] = float(odds.sum() / worth.sum() - 1)
            by = clicks if is_simulated else predicted
            curves["odds"] = by_shares(by, clicks, predicted, worth)
        if isinstance(log, SimulatedLog):
            chance, seconds = log.true_values_at_first(rows)
            items = pd.Index(log.items[log.roles.item]).get_indexer(shown[log.roles.item])
            is_bait = log.is_click_bait[items]
            metrics["place_of_bait"] = mean_place(logits, test.groups, is_bait)
            metrics["place_of_bait_by_true_seconds"] = mean_place(seconds, test.groups, is_bait)
            metrics["place_of_bait_by_true_clicks"] = mean_place(chance, test.groups, is_bait)
            best = first_of_groups(logits, test.groups)
            metrics["seconds_at_first"] = float(seconds[best].mean())
            metrics["clicks_at_first"] = float(chance[best].mean())
        else:
            best = first_of_groups(logits, test.groups)
            metrics["seconds_at_first"] = float(worth[best].mean())
            metrics["clicks_at_first"] = float(clicks[best].mean())
        return Measured(metrics, curves)

    def figure(self, results: Results) -> Figure:
        """Odds and watch times by the click probability, and the place of click-bait."""
        has_bait = "place_of_bait" in results.metrics
        figure, axes = new_figure(2 if has_bait else 1)
        left = np.ravel(axes)[0]
        curve = results.curve("odds")
        curve["x"] = curve["part"].map(lambda part: 100 * _CUTS[part + 1])
        if has_bait:
            # Points of the seeds are apart by little: they are drawn at their mean.
            curve["x"] = curve.groupby("part")["clicks"].transform("mean")
            left.set_xscale("log")
        for setting in curve["setting"].unique():
            line(left, curve[curve["setting"] == setting], "x", "predicted", setting, marker="o")
        truth = curve[curve["setting"] == curve["setting"].iloc[0]]
        name = "true watch time" if has_bait else "watched"
        line(left, truth, "x", "worth", name, color="black")
        line(left, truth, "x", "odds", "perfect odds", color="black", linestyle="--")
        left.set_yscale("log")
        left.set_xlabel("click probability" if has_bait else "per cent of the predictions, up to")
        left.set_ylabel("seconds per impression")
        left.legend(frameon=False)
        if has_bait:
            right = axes[1]
            bars(right, results.metrics, "place_of_bait", "mean place of click-bait (1 is first)")
            for kind, style in (("seconds", "-"), ("clicks", "--")):
                place = results.metrics[f"place_of_bait_by_true_{kind}"].mean()
                label = f"by true {'watch time' if kind == 'seconds' else 'clicks'}"
                right.axvline(place, color="black", linestyle=style, label=label)
            right.set_xlim(left=1)
            right.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Whether odds are watch times, what click-bait comes to, and unweighted training."""
        loss = "weighted_per_user_loss"
        weighted, plain = (results.values(name, loss) for name in ("weighted", "unweighted"))
        found = [
            by_differences(
                (plain / weighted - 1).dropna().to_numpy(),
                f"{loss}: weighted {weighted.mean():.4g}, unweighted {plain.mean():.4g}, as a "
                "share of the former .041 in the paper",
                "Unweighted training mispredicts more watch time.",
            ),
            by_differences(
                (0.1 - results.values("weighted", "bias").abs()).dropna().to_numpy(),
                f"bias {results.values('weighted', 'bias').mean():+.3g}, a tenth at most",
                "The odds are the expected watch time, to a tenth.",
            ),
            is_above(
                results, "bias", "weighted", "exact odds", "Exact odds lower what odds exceed by."
            ),
        ]
        if "place_of_bait" in results.metrics:
            claim = "Ranking by clicks puts click-bait further to the front than by watch time."
            found.append(is_below(results, "place_of_bait", "unweighted", "weighted", claim))
        claim = "What is ranked first by watch time is watched for longer than by clicks."
        return [*found, is_above(results, "seconds_at_first", "weighted", "unweighted", claim)]


def by_shares(
    by: np.ndarray, clicks: np.ndarray, predicted: np.ndarray, worth: np.ndarray
) -> list[dict[str, float]]:
    """Means over shares of impressions, those of the lowest values first.

    Args:
        by: [n] values that impressions are ordered by.
        clicks: [n] probabilities of a click, or clicks.
        predicted: [n] predictions.
        worth: [n] expected watch times, or watch times.

    Returns:
        The means of each share; `odds` is Σ worth / Σ (1 − clicks), what odds of its impressions
        are at best.
    """
    order = np.argsort(by, kind="stable")
    edges = (np.array(_CUTS) * len(order)).round().astype(int)
    points = []
    for part, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        own = order[begin:end]
        if not len(own):
            continue
        misses = (1 - clicks[own]).sum()
        points.append(
            {
                "part": part,
                "clicks": float(clicks[own].mean()),
                "predicted": float(predicted[own].mean()),
                "worth": float(worth[own].mean()),
                "odds": float(worth[own].sum() / misses) if misses else np.nan,
            }
        )
    return points


def mean_place(scores: np.ndarray, groups: np.ndarray, chosen: np.ndarray) -> float:
    """The mean place of chosen impressions among those of their group, 1 for the highest score.

    Args:
        scores: [n] scores.
        groups: [n] groups.
        chosen: [n] which impressions count, in groups that have others, too.
    """
    frame = pd.DataFrame({"score": scores, "group": groups, "chosen": chosen})
    by_group = frame.groupby("group")
    place = by_group["score"].rank(ascending=False)
    share = by_group["chosen"].transform("mean")
    return float(place[frame["chosen"] & (share < 1)].mean())


def first_of_groups(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The rows with the highest score of each group, [groups]."""
    order = np.argsort(-scores, kind="stable")
    return np.asarray(order[np.unique(groups[order], return_index=True)[1]])

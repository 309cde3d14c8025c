"""Approximate search for candidates: whether lists and live results depend on how it is done.

Covington et al. (2016), §3.1: at serving the scoring problem reduces to a nearest neighbour search
in the dot product space, and A/B results were not particularly sensitive to its algorithm.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec_zoo.experiments.findings import Finding, Verdict
from tfrec_zoo.experiments.hashing import HashIndex
from tfrec_zoo.experiments.live import (
    WATCH_SECONDS,
    LiveExperiment,
    hit_rate,
    lead_key,
    lead_metrics,
    live_metrics,
)
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.policies import Recommending
from tfrec_zoo.plots.figures import COLOURS, new_figure
from tfrec_zoo.serving import Funnel, serve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EXACT = "exact"
_TOWER = {"tied": True, "dropout": 0.2}
#: A difference that an A/B test would be glad to tell: as a share of what is watched.
_SENSITIVE = 0.1


class NearestNeighbours(LiveExperiment):
    """The same first stage (at full size with the second one behind it) with candidates that are
    searched exactly, by `ivf`, the zoo's inverted file in plain TensorFlow, by ScaNN, or by
    hashing, as YouTube's earlier systems did, tuned to find as large a share of the best as the
    setting says. Recall is what the index reports; lists of ten are compared with those of exact
    search at the pages of the first live day. With a few thousand videos `ivf` finds more than it
    is asked to, because it always scores the best hundreds by their vectors.
    """

    name = "ann"
    title = "Approximate search for candidates"
    source = "§3.1"
    claim = "A/B results were not particularly sensitive to the choice of the search algorithm."
    columns = {
        "recall of the search": "recall",
        "top 10 as by exact search": "overlap_at_10",
        "HR@10 offline": "hit_rate_at_10",
        "watched, s/user/day": WATCH_SECONDS,
        "± 95 % over users": f"{WATCH_SECONDS}_ci",
        "clicks/page": "clicks_per_page",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 60, "num_items": 90, "warm_days": 3, "live_days": 1,
                      "num_topics": 5},
            "model": "MatrixFactorization", "arguments": {"embedding_dim": 8},
            "training": {"epochs": 1, "batch_size": 128}, "ranking_units": None, "recalls": {},
        },
        "small": {
            "world": {"num_users": 700, "num_items": 1500, "warm_days": 10, "live_days": 3},
            "model": "YouTubeRetrieval", "arguments": {**_TOWER, "hidden_units": (128, 64)},
            "training": {"epochs": 8, "batch_size": 128}, "ranking_units": None,
            "recalls": {"ivf": (0.7,), "scann": (0.7, 0.9), "lsh": (0.7, 0.9)},
        },
        "full": {
            "world": {"num_users": 2500, "num_items": 3000, "warm_days": 14, "live_days": 7},
            "model": "YouTubeRetrieval", "arguments": {**_TOWER, "hidden_units": (256, 64)},
            "training": {"epochs": 6, "batch_size": 256}, "ranking_units": (128, 64),
            "recalls": {kind: (0.7, 0.9, 0.99) for kind in ("ivf", "scann", "lsh")},
        },
    }  # fmt: skip

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Exact search, and each kind of index with each recall."""
        return {
            _EXACT: {"index": "exact", "recall": 1.0},
            **{
                f"{kind}, {recall:g}": {"index": kind, "recall": recall}
                for kind, recalls in self.parameters["recalls"].items()
                for recall in recalls
            },
        }

    @functools.lru_cache(maxsize=16)  # noqa: B019 (an experiment lives as long as the process)
    def live(self, seed: int, index: Any, recall: float) -> tuple[dict[str, float], Any, Any]:
        """What a search is worth, the lists of the first day, and the seconds a day by user."""
        retrieval, ranking = self.stages(seed)
        k = min(20, retrieval.num_items)
        funnel = Funnel(
            {"retrieval": retrieval},
            ranking,
            self.log(seed),
            num_candidates=100,
            k=k,
            index=HashIndex if index == "lsh" else index,
            target_recall=recall,
        )
        policy = Recommending(serve(funnel), k)
        lists, watched = self.replay(seed, policy)
        outcome = self.site(seed).serve(policy)
        metrics = {
            "recall": float(funnel.indexes["retrieval"].get("recall", 1.0)),
            "hit_rate_at_10": hit_rate(lists, watched),
            **live_metrics(outcome),
        }
        return metrics, lists, outcome.per_user(WATCH_SECONDS)

    def measure(self, seed: int, **setting: Any) -> Measured:
        """A search live, and its lists beside those of exact search."""
        metrics, lists, own = self.live(seed, **setting)
        _, best, others = self.live(seed, **self.settings()[_EXACT])
        overlap = {"overlap_at_10": overlap_of(lists, best)}
        if lists is not best:
            metrics = {**metrics, **lead_metrics(own, {_EXACT: others})}
        return Measured({**metrics, **overlap})

    def figure(self, results: Results) -> Figure:
        """Lists and live watch time by the recall of the search."""
        figure, (left, right) = new_figure(columns=2)
        mean = results.metrics.groupby("setting", sort=False).mean(numeric_only=True)
        for number, kind in enumerate(dict.fromkeys(name.split(",")[0] for name in mean.index)):
            own = mean[[name.split(",")[0] == kind for name in mean.index]].sort_values("recall")
            style: dict[str, Any] = {"marker": "o", "color": COLOURS[number], "label": kind}
            left.plot(own["recall"], own["overlap_at_10"], **style)
            right.errorbar(
                own["recall"], own[WATCH_SECONDS], own[f"{WATCH_SECONDS}_ci"], capsize=3, **style
            )
        for axes in (left, right):
            axes.set_xlabel("share of the best 100 that the search finds")
            axes.legend(fontsize=8)
        left.set_ylabel("share of the top 10 as by exact search")
        right.set_ylabel("watched on pages live\n[s per user and day], 95 % over users")
        right.set_ylim(bottom=0)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Whether any search is told from the exact one, and whether that is worth a tenth."""
        found = [
            insensitive(results, name)
            for name in results.metrics["setting"].unique()
            if name != _EXACT
        ]
        if not found:
            found = [Finding(self.claim, "can't be told", "only exact search was run")]
        return found


def overlap_of(lists: np.ndarray, others: np.ndarray) -> float:
    """The mean share of the ids of lists that other lists hold, too, in any order.

    Args:
        lists: [rows, n] ids.
        others: [rows, n] ids.

    Example:

    >>> overlap_of(np.array([["a", "b"]]), np.array([["b", "c"]]))
    0.5
    """
    return float((lists[:, :, None] == others[:, None, :]).any(axis=2).mean())


def insensitive(results: Results, name: str) -> Finding:
    """Whether users watch as much with a search as with exact search, to a tenth.

    It agrees if the whole interval over users is within a tenth of what is watched with exact
    search, and disagrees if all of it is outside. Each seed has users of its own, so that the half
    width of the mean over n seeds is √(Σ half width²) / n.

    Args:
        results: What was measured.
        name: The setting.
    """
    claim = f"Users watch as much with {name} as with exact search, to a tenth."
    usual = results.values(_EXACT, WATCH_SECONDS).mean()
    leads, lows, highs = (
        results.values(name, lead_key(_EXACT) + end) for end in ("", "_low", "_high")
    )
    lead, half = leads.mean(), np.sqrt(np.sum(((highs - lows) / 2) ** 2)) / len(leads)
    low, high = lead - half, lead + half
    bound = _SENSITIVE * usual
    is_outside = low > bound or high < -bound
    is_within = -bound < low and high < bound
    verdict: Verdict = "disagrees" if is_outside else "agrees" if is_within else "can't be told"
    recall, overlap = (results.values(name, key).mean() for key in ("recall", "overlap_at_10"))
    evidence = (
        f"recall {recall:.2f}, top 10 {overlap:.0%} the same; {lead:+.1f} [{low:+.1f}, "
        f"{high:+.1f}] s of {usual:.1f} s, 95 % over the users of all seeds"
    )
    return Finding(claim, verdict, evidence)

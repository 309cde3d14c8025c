"""Policies live, on the same users and days, beside what they are worth offline.

Covington et al. (2016), §2 and §3.4: offline metrics guide development, but A/B tests decide,
because live results are not always correlated with offline ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import Policy
from tfrec_zoo.experiments.findings import Finding
from tfrec_zoo.experiments.live import (
    WATCH_SECONDS,
    LiveExperiment,
    earns_more,
    hit_rate,
    lead_metrics,
    live_metrics,
)
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.policies import Exploring, Popular, Random, Recommending
from tfrec_zoo.models import RetrievalModel
from tfrec_zoo.plots.figures import COLOURS, new_figure
from tfrec_zoo.serving import Funnel, serve
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_USUAL, _BEST = "the site's own system", "best pages (truth)"
_POPULAR, _SECONDS = "popular by watches", "popular by watch time"
_RETRIEVAL, _FUNNEL = "retrieval", "two stages, by watch time"
_CLICKS, _EXPLORING = "two stages, by clicks", "two stages, exploring"
_NO_AGE, _FRESH = "retrieval without example age", "retrieval, nothing shown lately"

#: The other policies whose users each one is compared with, user by user.
_AGAINST = {
    _SECONDS: (_RETRIEVAL,),
    _RETRIEVAL: (_POPULAR, _NO_AGE),
    _FRESH: (_RETRIEVAL,),
    _FUNNEL: (_RETRIEVAL, _POPULAR, _SECONDS, _CLICKS),
    _EXPLORING: (_FUNNEL,),
}


class AbTest(LiveExperiment):
    """Users who answer live: what each policy earns, and what it was worth offline.

    All policies serve the same users on the same days, after the warm days that they learned from.
    The models are not trained again, popularity is counted every day. Offline a list of ten is a
    hit if it holds what the user watched next under the site's own system.

    Offline, the first stage is best, because it is trained on the next watch, any watch. Live,
    seconds on pages count: the second stage is trained on pages, so that it is clicked more, and by
    watch time, so that a click is watched longer. Popularity by watch time is hardly ever right
    about the next watch, but each of its few clicks is watched longest. That the first stage shows
    the same videos again and again does not explain it: without those, it earns no more.
    """

    name = "ab-test"
    title = "Offline metrics and live tests"
    source = "§2, §3.4"
    claim = (
        "Live A/B results are not always correlated with offline experiments, and live decides; "
        "two stages, the second of which ranks by watch time, serve the site."
    )
    columns = {
        "HR@10 offline": "hit_rate_at_10",
        "watched, s/user/day": WATCH_SECONDS,
        "± 95 % over users": f"{WATCH_SECONDS}_ci",
        "clicks/page": "clicks_per_page",
        "s/click": "seconds_per_click",
        "regret s/page": "regret_per_page",
        "visits, of usual": "returns",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 60, "num_items": 80, "warm_days": 3, "live_days": 1,
                      "num_topics": 5},
            "hidden_units": (8,), "ranking_units": (8,),
            "training": {"epochs": 1, "batch_size": 128},
            "settings": ["random", "matrix factorization", _BEST],
        },
        "small": {
            "world": {"num_users": 600, "num_items": 600, "warm_days": 10, "live_days": 3},
            "hidden_units": (128, 64), "ranking_units": (64, 32),
            "training": {"epochs": 10, "batch_size": 128},
        },
        "full": {
            "world": {"num_users": 2500, "num_items": 1500, "warm_days": 18, "live_days": 7},
            "hidden_units": (256, 64), "ranking_units": (256, 128),
            "training": {"epochs": 6, "batch_size": 256},
        },
    }  # fmt: skip

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The policies."""
        names = self.parameters.get("settings", list(self._policies(0)))
        return {name: {"policy": name} for name in names}

    def _policies(self, seed: int) -> dict[str, str | Callable[[], Policy]]:
        """How each policy is made."""

        served = functools.partial(self.recommending, seed)
        return {
            "random": lambda: Random(seed),
            _POPULAR: lambda: Popular("watches"),
            _SECONDS: lambda: Popular("seconds"),
            "matrix factorization": lambda: served("factorization"),
            _NO_AGE: lambda: served("retrieval", example_age=False),
            _RETRIEVAL: lambda: served("retrieval"),
            _FRESH: lambda: served("retrieval", skips_shown=True),
            _CLICKS: lambda: served("retrieval", ranked_by="clicks"),
            _FUNNEL: lambda: served("retrieval", ranked_by="watch time"),
            _EXPLORING: lambda: Exploring(
                served("retrieval", ranked_by="watch time"), "thompson", seed=seed
            ),
            _USUAL: "usual",
            _BEST: "best",
        }

    @functools.lru_cache(maxsize=2)  # noqa: B019 (an experiment lives as long as the process)
    def retrieval(self, seed: int, example_age: bool) -> RetrievalModel:
        """The first stage."""
        log, split = self.split(seed)
        task = NextWatch(log, split=split, example_age=example_age)
        training = self.training(seed)
        units = self.parameters["hidden_units"]
        return zoo.train(
            "YouTubeRetrieval", task, training, hidden_units=units, tied=True, dropout=0.2
        ).model

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def factorization(self, seed: int) -> RetrievalModel:
        """The users' and the videos' vectors alone."""
        log, split = self.split(seed)
        training = self.training(seed, epochs=2 * self.parameters["training"]["epochs"])
        task = NextWatch(log, split=split)
        dim = self.parameters["hidden_units"][-1]
        return zoo.train("MatrixFactorization", task, training, embedding_dim=dim).model

    @functools.lru_cache(maxsize=8)  # noqa: B019
    def recommending(
        self,
        seed: int,
        first: Literal["retrieval", "factorization"],
        example_age: bool = True,
        ranked_by: Literal["clicks", "watch time"] | None = None,
        skips_shown: bool = False,
    ) -> Policy:
        """The policy of a first stage, alone or with the second."""
        if first == "retrieval":
            retrieval = self.retrieval(seed, example_age)
        else:
            retrieval = self.factorization(seed)
        log, k = self.log(seed), min(20, retrieval.num_items)
        if ranked_by is None:
            return Recommending(serve(retrieval, log, k=k), k, skips_shown)
        ranking = self.second_stage(seed, weighted=ranked_by == "watch time")
        funnel = Funnel({first: retrieval}, ranking, log, num_candidates=100, k=k)
        return Recommending(serve(funnel), k, skips_shown)

    @functools.lru_cache(maxsize=32)  # noqa: B019
    def live(self, seed: int, policy: str) -> tuple[dict[str, float], pd.Series]:
        """What a policy is worth, offline and live, and the seconds a day by user."""
        how = self._policies(seed)[policy]
        if policy == _USUAL:
            outcome = self.usual(seed)[0]
        else:
            made = how if isinstance(how, str) else how()
            outcome = self.site(seed).serve(made)
        metrics = live_metrics(outcome)
        if not isinstance(how, str):
            metrics["hit_rate_at_10"] = hit_rate(*self.replay(seed, how()))
        return metrics, outcome.per_user(WATCH_SECONDS)

    def measure(self, seed: int, **setting: Any) -> Measured:
        """A policy on all live days, beside those that it is compared with."""
        policy = setting["policy"]
        metrics, own = self.live(seed, policy)
        others = [name for name in _AGAINST.get(policy, ()) if name in self.settings()]
        against = {name: self.live(seed, name)[1] for name in others}
        return Measured({**metrics, **lead_metrics(own, against)})

    def figure(self, results: Results) -> Figure:
        """Seconds watched live, and the same beside the hit rate offline."""
        figure, (left, right) = new_figure(columns=2, height=4.4, width=6.0)
        mean = results.metrics.groupby("setting", sort=False).mean(numeric_only=True)
        numbers = {name: number for number, name in enumerate(mean.index, start=1)}
        left.barh(
            [f"{name}  {number}" for name, number in numbers.items()],
            mean[WATCH_SECONDS],
            xerr=mean[f"{WATCH_SECONDS}_ci"],
            color=[
                COLOURS[0] if name not in (_USUAL, _BEST) else COLOURS[7] for name in mean.index
            ],
            height=0.6,
            error_kw={"linewidth": 1, "capsize": 3},
        )
        left.invert_yaxis()
        left.grid(visible=False, axis="y")
        left.set_xlabel("watched on pages live [s per user and day], 95 % over users")
        offline = mean[mean["hit_rate_at_10"].notna()]
        right.plot(offline["hit_rate_at_10"], offline[WATCH_SECONDS], "o", color=COLOURS[0])
        for name, row in offline.iterrows():
            at = (row["hit_rate_at_10"], row[WATCH_SECONDS])
            right.annotate(str(numbers[name]), at, (5, 3), textcoords="offset points", fontsize=9)
        right.set_xlim(0, 1.3 * offline["hit_rate_at_10"].max() + 0.01)
        right.set_xlabel("hit rate of 10 on the next watch, offline")
        right.set_ylabel("watched on pages live [s per user and day]")
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """The stages, the objectives, and where offline and live disagree."""
        claims = [
            (_FUNNEL, _RETRIEVAL, "Two stages earn more watch time than the first alone."),
            (_FUNNEL, _POPULAR, "Two stages earn more watch time than popularity."),
            (_FUNNEL, _SECONDS, "Two stages earn more than popularity by watch time."),
            (_FUNNEL, _CLICKS, "Ranking by watch time earns more of it than by clicks."),
            (_RETRIEVAL, _POPULAR, "The first stage alone earns more than popularity."),
            (_FRESH, _RETRIEVAL, "The first stage earns more if it shows nothing twice."),
            (_RETRIEVAL, _NO_AGE, "Example age earns watch time in the first stage."),
            (_EXPLORING, _FUNNEL, "A place for new videos earns watch time at once."),
        ]
        there = set(results.metrics["setting"])
        found = [earns_more(results, a, b, c) for a, b, c in claims if {a, b} <= there]
        return [*found, disagreement(results)]


def disagreement(results: Results) -> Finding:
    """The policies that offline puts furthest apart, and live in the other order.

    Live the intervals over users must not overlap, in the mean over seeds.

    Args:
        results: What was measured.
    """
    claim = "Live results are not always correlated with offline ones."
    ends = [f"{WATCH_SECONDS}_{end}" for end in ("low", "high")]
    columns = ["hit_rate_at_10", WATCH_SECONDS, *ends]
    mean = results.metrics.groupby("setting", sort=False)[columns].mean().dropna()
    hits, seconds, low, high = (mean[column].to_numpy() for column in columns)
    rank = mean.corr("spearman").iloc[0, 1]
    words = f"rank correlation of {len(mean)} policies {rank:+.2f}"
    ahead = np.where(high[:, None] < low, hits[:, None] - hits, 0.0)
    a, b = np.unravel_index(ahead.argmax(), ahead.shape)
    if ahead[a, b] <= 0:
        return Finding(claim, "disagrees", f"{words}; no pair is told apart in the other order")
    pair = (
        f"{mean.index[a]} has hit rate {hits[a]:.3f} offline and {seconds[a]:.1f} s live, "
        f"{mean.index[b]} {hits[b]:.3f} and {seconds[b]:.1f} s"
    )
    return Finding(claim, "agrees", f"{words}; {pair}")

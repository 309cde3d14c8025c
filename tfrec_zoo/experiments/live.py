"""Live experiments: policies serve the same simulated users on the same days."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import LiveOutcome, LiveSite, Log, Policy, Split, simulate_live
from tfrec_zoo.data.live_outcome import interval
from tfrec_zoo.experiments.experiment import Experiment
from tfrec_zoo.experiments.findings import Finding, Verdict, is_above
from tfrec_zoo.experiments.measured import Results
from tfrec_zoo.models import RankingModel, RetrievalModel
from tfrec_zoo.tasks import NextWatch, WatchTime

_DAY = 86_400.0

#: What a user is watched to watch on pages, in seconds a day.
WATCH_SECONDS = "watch_seconds"


class LiveExperiment(Experiment):
    """An experiment whose settings are policies on a live site.

    `world` are arguments of `simulate_live`. Models are trained on the warm days. Offline they are
    measured on the first live day as the site's own system serves it, which no policy has seen.
    """

    #: Whether there is nothing to measure on a log, whose users don't answer.
    is_live_only: ClassVar[bool] = True

    def __init__(self, size: str = "small", log: Log | None = None) -> None:
        if log is not None and self.is_live_only:
            raise ValueError(
                f"{self.name!r} needs users who answer, and so the simulated data. "
                f"Received: the log {log.name!r}"
            )
        super().__init__(size, log)

    @functools.lru_cache(maxsize=1)  # noqa: B019 (an experiment lives as long as the process)
    def site(self, seed: int) -> LiveSite:
        """The site of a seed at the end of its warm days."""
        return simulate_live(**self.parameters["world"], seed=seed)

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def log(self, seed: int) -> Log:
        """The log of the warm days, or the one that was given."""
        return self.site(seed).log if self.given is None else self.given

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def usual(self, seed: int) -> tuple[LiveOutcome, pd.DataFrame]:
        """What the site's own system makes of the live days, and the requests of the first."""
        site = self.site(seed)
        heard: list[pd.DataFrame] = []
        outcome = site.serve("usual", listen=heard.append)
        asked = pd.concat(heard, ignore_index=True)
        return outcome, asked[asked["time"] < (site.warm_days + 1) * _DAY].reset_index(drop=True)

    def split(self, seed: int) -> tuple[Log, Split]:
        """The log that models are trained and measured on: the warm days, and the first live day.

        The first live day is that of the site's own system.
        """
        outcome, _ = self.usual(seed)
        end = self.site(seed).warm_days * _DAY
        time = outcome.log.interactions["time"].to_numpy()
        train = np.flatnonzero(time < end)
        test = np.flatnonzero((time >= end) & (time < end + _DAY))
        none = np.empty(0, np.int64)
        return outcome.log, Split(train, none, test, "first live day", end)

    def validated_split(self, seed: int) -> tuple[Log, Split]:
        """The same with the last warm day to validate on, and not to train on."""
        log, split = self.split(seed)
        end = self.site(seed).warm_days * _DAY - _DAY
        time = log.interactions["time"].to_numpy()[split.train]
        return log, dataclasses.replace(
            split, train=split.train[time < end], validation=split.train[time >= end], end=end
        )

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def stages(self, seed: int) -> tuple[RetrievalModel, RankingModel | None]:
        """The first stage, and the second one where there are `ranking_units`, by watch time."""
        log, split = self.split(seed)
        task, training = NextWatch(log, split=split), self.training(seed)
        model, arguments = self.parameters["model"], self.parameters["arguments"]
        retrieval = zoo.train(model, task, training, **arguments).model
        if self.parameters["ranking_units"] is None:
            return retrieval, None
        return retrieval, self.second_stage(seed)

    @functools.lru_cache(maxsize=2)  # noqa: B019
    def second_stage(self, seed: int, weighted: bool = True) -> RankingModel:
        """A ranker of `ranking_units`, by watch time or, if not `weighted`, by clicks."""
        log, split = self.split(seed)
        return zoo.train(
            "YouTubeRanking",
            WatchTime(log, test_from=split.end),
            zoo.Training(epochs=2, seed=seed, verbose=0),
            hidden_units=self.parameters["ranking_units"],
            dropout=0.1,
            weighted=weighted,
        ).model

    def replay(self, seed: int, policy: Policy, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """What a policy would have shown on the first live day, and what was watched next.

        Args:
            seed: The seed.
            policy: The policy, which is asked for lists at the moments of the pages that the site's
                own system filled, if the user watched something afterwards.
            k: Length of the lists.

        Returns:
            The lists, [pages, at most k], and the next watches, [pages].
        """
        outcome, requests = self.usual(seed)
        if hasattr(policy, "begin_day"):
            policy.begin_day(self.site(seed).warm_days, self.log(seed))
        watches = outcome.log.interactions[["user_id", "time", "video_id"]]
        moments = requests[["user_id", "time"]].astype({"user_id": watches["user_id"].dtype})
        following = pd.merge_asof(
            moments.reset_index().sort_values("time"),
            watches.sort_values("time"),
            on="time",
            by="user_id",
            direction="forward",
            allow_exact_matches=False,
        ).dropna()
        asked = requests.iloc[following["index"]].reset_index(drop=True)
        items = outcome.log.items
        lists = []
        for at in np.array_split(np.arange(len(asked)), max(len(asked) // 500, 1)):
            part = asked.iloc[at].reset_index(drop=True)
            uploaded = items[items["upload_time"] <= part["time"].max()]
            lists.append(np.asarray(policy(part, uploaded, k), object)[:, :k])
        return np.concatenate(lists), following["video_id"].to_numpy(object)


def hit_rate(lists: np.ndarray, watched: np.ndarray) -> float:
    """The share of lists that hold what was watched.

    >>> hit_rate(np.array([["a", "b"], ["a", "c"]]), np.array(["b", "b"]))
    0.5
    """
    return float((lists == watched[:, None]).any(axis=1).mean())


def live_metrics(outcome: LiveOutcome) -> dict[str, float]:
    """What is reported of an outcome: means over users of what they did a day, and over pages.

    Args:
        outcome: The outcome.

    Returns:
        `watch_seconds` with the ends of its interval over users, `watch_seconds_low` and
        `watch_seconds_high`, and half its width, `watch_seconds_ci`; `pages` and `clicks` a user
        and day, `clicks_per_page`, `seconds_per_click`, `expected_seconds_per_page`,
        `regret_per_page`; and `returns`, how often users come back at the end as a multiple of the
        usual.
    """
    found, daily = outcome.mean(WATCH_SECONDS), outcome.daily
    return {
        WATCH_SECONDS: found.mean,
        f"{WATCH_SECONDS}_low": found.low,
        f"{WATCH_SECONDS}_high": found.high,
        f"{WATCH_SECONDS}_ci": (found.high - found.low) / 2,
        "pages": float(daily["pages"].mean()),
        "clicks": float(daily["clicks"].mean()),
        "clicks_per_page": float(daily["clicks"].sum() / max(daily["pages"].sum(), 1)),
        "seconds_per_click": float(daily["watch_seconds"].sum() / max(daily["clicks"].sum(), 1)),
        "expected_seconds_per_page": float(outcome.pages["expected_seconds"].mean()),
        "regret_per_page": outcome.regret,
        "returns": float(outcome.satisfaction.mean()),
    }


def lead_metrics(own: pd.Series, others: Mapping[str, pd.Series]) -> dict[str, float]:
    """What the users of a policy watch more than under others, with intervals over users.

    Args:
        own: Seconds a day by user.
        others: Those under other policies, by their names.
    """
    found = {}
    for name, other in others.items():
        mean, low, high = interval((own - other).to_numpy())
        key = lead_key(name)
        found.update({key: mean, f"{key}_low": low, f"{key}_high": high})
    return found


def lead_key(other: str) -> str:
    """The name of the metric that says how far a policy is ahead of another."""
    return f"lead_over_{other}"


def earns_more(results: Results, better: str, worse: str, claim: str) -> Finding:
    """Whether users watch more under one policy than under another.

    With several seeds, differences are taken seed by seed, see `is_above`; with one, the interval
    of the paired differences over users decides, where it was measured.

    Args:
        results: What was measured.
        better: The policy that is claimed to earn more; its runs have the lead over the other.
        worse: The other.
        claim: The claim, as a sentence.
    """
    found = is_above(results, WATCH_SECONDS, better, worse, claim)
    ends = [f"{lead_key(worse)}_{end}" for end in ("low", "high")]
    if not set(ends) <= set(results.metrics):
        return found
    low, high = (results.values(better, end) for end in ends)
    if low.empty:
        return found
    shown = ", ".join(f"[{a:+.1f}, {b:+.1f}]" for a, b in zip(low, high, strict=True))
    evidence = f"{found.evidence}; 95 % intervals over users {shown} s"
    if len(low) > 1:
        return Finding(claim, found.verdict, evidence)
    is_told = low.iloc[0] > 0 or high.iloc[0] < 0
    verdict: Verdict = (
        "can't be told" if not is_told else "agrees" if low.iloc[0] > 0 else "disagrees"
    )
    return Finding(claim, verdict, evidence)

"""Policies: what fills the pages of simulated users, made of the models of the zoo."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd

from tfrec_zoo.data import Log, Policy
from tfrec_zoo.data.derived import RECENT_IMPRESSIONS
from tfrec_zoo.serving import Served

_DAY = 86_400.0


class Random:
    """Shows videos drawn evenly from all there are.

    Args:
        seed: Seed of the drawing.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> np.ndarray:
        """Answers requests; see `tfrec_zoo.data.Policy`."""
        ids = items["video_id"].to_numpy()
        # Some of them are watched, or drawn twice.
        return np.asarray(ids[self._rng.integers(0, len(ids), (len(requests), 10 * n))])


class Popular:
    """Shows what was watched most on the days before, but not what the user was shown lately.

    A user who has left a video alone clicks it less the next time, so that the same list on every
    page is soon worth less than a random one.

    Args:
        by: Whether videos are ordered by the number of their watches or by the seconds of them.
        days: Number of days that are counted, every day anew.
    """

    def __init__(self, by: Literal["watches", "seconds"] = "watches", days: float = 1) -> None:
        self._by, self._days = by, days
        self._ids = np.empty(0, object)

    def begin_day(self, day: int, log: Log) -> None:
        """Counts the watches."""
        watches = log.interactions
        watches = watches[watches["time"] >= (day - self._days) * _DAY]
        worth = watches["watch_seconds"] if self._by == "seconds" else watches["time"] * 0 + 1
        total = worth.groupby(watches["video_id"]).sum()
        self._ids = total.sort_values(ascending=False, kind="stable").index.to_numpy(object)

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> np.ndarray:
        """Answers requests; see `tfrec_zoo.data.Policy`."""
        can = ~is_among(requests["exclude"], self._ids)
        can &= ~is_among(requests[RECENT_IMPRESSIONS], self._ids)
        return best(np.where(can, -np.arange(len(self._ids)), -np.inf), self._ids, 2 * n)


class Recommending:
    """Shows what a model or a funnel recommends, best first.

    Args:
        served: The model, as `tfrec_zoo.serving.serve` or `load` returns it.
        k: Length of the lists that are asked for, more than a page because some can't be shown.
        skips_shown: Whether what the user was shown lately is left out.
    """

    def __init__(self, served: Served, k: int = 20, skips_shown: bool = False) -> None:
        self._served, self._k, self._skips_shown = served, k, skips_shown

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> np.ndarray:
        """Answers requests; see `tfrec_zoo.data.Policy`."""
        accepts = self._served.accepts
        request = {key: requests[key].tolist() for key in requests if key in accepts}
        if "time" in request:
            request["time"] = requests["time"].astype(np.int64).tolist()
        if self._skips_shown:
            pairs = zip(requests["exclude"], requests[RECENT_IMPRESSIONS], strict=True)
            request["exclude"] = [[*watched, *shown] for watched, shown in pairs]
        found = self._served.recommend(request, self._k)
        lists = np.full((len(requests), self._k), "", object)
        lists[found["row"], found["rank"] - 1] = found["id"]
        return lists


class Renewed:
    """Shows what a policy shows that is made anew at the beginning of each day.

    Args:
        make: Makes the policy of a day from its number and the log so far: of a model that was
            trained further by `retrain`, say, or knows new videos by `add_items`.
    """

    def __init__(self, make: Callable[[int, Log], Policy]) -> None:
        self._make = make
        self._policy: Policy | None = None

    def begin_day(self, day: int, log: Log) -> None:
        """Makes the policy of the day."""
        self._policy = self._make(day, log)

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> Any:
        """Answers requests; see `tfrec_zoo.data.Policy`."""
        assert self._policy is not None
        return self._policy(requests, items, n)


class Exploring:
    """Gives the last places of every page to new videos, chosen by a bandit.

    For a new video with n impressions so far, of which s seconds were watched, with the mean m and
    the standard deviation d of the seconds of all impressions, the bandits choose the most of::

        μ = (s + 20 m) / (n + 20)
        "epsilon-greedy"  μ, and on a share ε of the pages a random one
        "ucb"             μ + d sqrt(2 log(1 + N) / (n + 20)) / 4,  N = Σ n over the new videos
        "thompson"        a draw of Normal(μ, d² / (n + 20))

    What is watched is known the next day; impressions count at once, so that no page waits.

    Args:
        policy: What fills the other places.
        bandit: How new videos are chosen.
        places: Number of places on each page, which bounds the share of the traffic.
        days: Number of days for which a video is new.
        since: Moment before which no new video was uploaded.
        epsilon: Share of the pages with a random new video, for `"epsilon-greedy"`.
        seed: Seed of the drawing.
    """

    def __init__(
        self,
        policy: Policy,
        bandit: Literal["epsilon-greedy", "ucb", "thompson"] = "thompson",
        places: int = 1,
        days: float = 4,
        since: float = -np.inf,
        epsilon: float = 0.2,
        seed: int = 0,
    ) -> None:
        if bandit not in ("epsilon-greedy", "ucb", "thompson"):
            raise ValueError(
                f'`bandit` must be "epsilon-greedy", "ucb" or "thompson". Received: {bandit!r}'
            )
        self._policy, self._bandit, self._places, self._days = policy, bandit, places, days
        self._since, self._epsilon = since, epsilon
        self._rng = np.random.default_rng(seed)
        self._known = pd.DataFrame({"shown": [], "seconds": []}, dtype=np.float64)
        self._shown_today = pd.Series(dtype=np.float64)
        self._mean, self._deviation = 0.0, 1.0

    def begin_day(self, day: int, log: Log) -> None:
        """Counts impressions and seconds."""
        if hasattr(self._policy, "begin_day"):
            self._policy.begin_day(day, log)
        assert log.impressions is not None
        seconds = log.impressions["watch_seconds"]
        self._mean, self._deviation = float(seconds.mean()), float(seconds.std())
        by_video = seconds.groupby(log.impressions["video_id"])
        self._known = pd.DataFrame({"shown": by_video.size(), "seconds": by_video.sum()})
        self._shown_today = pd.Series(dtype=np.float64)

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> np.ndarray:
        """Answers requests; see `tfrec_zoo.data.Policy`."""
        lists = np.asarray(self._policy(requests, items, n), object)
        time = requests["time"].to_numpy()[:, None]
        since = np.maximum(time - self._days * _DAY, self._since)
        new = items[items["upload_time"] >= since.min()]
        ids, upload = new["video_id"].to_numpy(object), new["upload_time"].to_numpy()
        can = (upload <= time) & (upload >= since)
        can &= ~is_among(requests["exclude"], ids)
        scores = np.where(can, self._scores(ids, len(requests)), -np.inf)
        chosen = best(scores, ids, self._places)
        counts = pd.Series(chosen[chosen != ""]).value_counts()
        self._shown_today = self._shown_today.add(counts, fill_value=0.0)
        first = n - self._places
        return np.concatenate([lists[:, :first], chosen, lists[:, first:]], axis=1)

    def _scores(self, ids: np.ndarray, size: int) -> np.ndarray:
        """What the bandit makes of some videos for so many pages, [size, videos]."""
        known = self._known.reindex(ids, fill_value=0.0)
        shown = known["shown"].to_numpy(np.float64)
        mean = (known["seconds"].to_numpy() + 20 * self._mean) / (shown + 20)
        shown = shown + self._shown_today.reindex(ids, fill_value=0.0).to_numpy()
        spread = self._deviation / np.sqrt(shown + 20)
        if self._bandit == "thompson":
            return np.asarray(self._rng.normal(mean, spread, (size, len(ids))))
        if self._bandit == "ucb":
            bound = mean + spread * np.sqrt(2 * np.log1p(shown.sum())) / 4
            return np.broadcast_to(bound, (size, len(ids)))
        at_random = self._rng.random((size, 1)) < self._epsilon
        return np.where(at_random, self._rng.random((size, len(ids))), mean)


def is_among(bags: Iterable[Any], ids: np.ndarray) -> np.ndarray:
    """Which of some ids are in each bag.

    Args:
        bags: [rows] bags of ids.
        ids: [ids] distinct ids.

    Returns:
        [rows, ids] booleans.

    Example:

    >>> is_among([["a", "x"], []], np.array(["a", "b"], object)).tolist()
    [[True, False], [False, False]]
    """
    lists = list(bags)
    row = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    found = np.zeros((len(lists), len(ids)), np.bool_)
    if len(row):
        at = pd.Index(ids).get_indexer(np.concatenate(lists))
        found[row[at >= 0], at[at >= 0]] = True
    return found


def best(scores: np.ndarray, ids: np.ndarray, k: int) -> np.ndarray:
    """The ids of the best scores, best first; "" where fewer are above −∞.

    Args:
        scores: [rows, ids] scores.
        ids: [ids] ids.
        k: Number of ids of each row.

    Example:

    >>> best(np.array([[1.0, 3.0], [2.0, -np.inf]]), np.array(["a", "b"], object), 2).tolist()
    [['b', 'a'], ['a', '']]
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.where(np.take_along_axis(scores, order, axis=1) > -np.inf, ids[order], "")
    return np.concatenate([found, np.full((len(found), k - found.shape[1]), "", object)], axis=1)

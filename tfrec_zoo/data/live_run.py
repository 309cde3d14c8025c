"""A run of the live simulated site: days that begin where the warm ones ended, under a policy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec_zoo.data.live_requests import Pasts
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.satisfaction import Satisfaction
from tfrec_zoo.data.simulated_site import POLICY, POSITION_BIAS, Bools, Page, Site
from tfrec_zoo.data.simulated_world import DAY, Floats, Ints, Memory, item_table, sigmoid
from tfrec_zoo.data.simulator import frames_of

#: Appeals that are worked out at a time, and counts that are held as an array.
_APPEALS: Final = 2**18
_COUNTS: Final = 2**26


class Policy(Protocol):
    """What fills pages: anything that can be called like this.

    A policy may also have a method `begin_day(day, log)`, which is called before the first page of
    each live day with the `Log` of all that happened before that day.
    """

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> Any:
        """Answers requests.

        Args:
            requests: A row per request, each at its own `time`: `user_id` and the other columns of
                the log's users; `history` and `history_age`, the last 50 watched videos, oldest
                first, and the seconds since; `recent_impressions`; `search_tokens`; and
                `exclude`, everything the user has watched.
            items: The videos that are uploaded by the latest `time` of the requests, as in the
                log's items, with their `upload_time`.
            n: Number of videos on a page.

        Returns:
            [requests, any] video ids, best first. The first n are shown of those that the site can
            show: what is unknown, repeated, not uploaded yet, or was watched by the user, is left
            out.
        """


class DenseMemory(Memory):
    """A multiset of integer keys below a bound, counted in an array.

    Args:
        keys: The keys.
        size: The bound.
    """

    def __init__(self, keys: Ints, size: int) -> None:
        self._counts = np.bincount(keys, minlength=size)

    def count(self, keys: Ints) -> Ints:
        """Returns how often each key is in the multiset."""
        return self._counts[keys]

    def add(self, keys: Ints) -> None:
        """Adds keys, each as often as it is given."""
        np.add.at(self._counts, keys, 1)


class LiveRun(Site):
    """Live days of a site under a policy.

    All runs that begin at the same site have the same days, tastes and users. Who visits, clicks
    and searches is decided by the same random numbers, drawn for each user and place on the page;
    only how much of a video is watched, and what the site's own system nominates, is not.

    Args:
        warm: The site at the end of the warm days; it stays as it is.
        video_ids: [videos] the ids of the videos.
        policy: The policy; `"usual"` for the site's own noisy system, or `"best"` for the best
            pages there are, by the truth.
        seed: Seed of what happens in the live days.
        listen: Called with the requests of each batch of pages, whatever fills them.

    Attributes:
        pages_seen: For each batch of pages, the `user`, the `time` and the `best` that a page
            could have been worth in seconds.
        satisfaction: How satisfied the users are.
    """

    def __init__(
        self,
        warm: Site,
        video_ids: NDArray[Any],
        policy: Policy | str,
        seed: int,
        listen: Callable[[pd.DataFrame], Any] | None = None,
    ) -> None:
        vars(self).update(copy.deepcopy(vars(warm)))
        self.video_ids, self.policy, self.seed, self.listen = video_ids, policy, seed, listen
        self.first_page = self.pages
        self.pages_seen: list[dict[str, NDArray[Any]]] = []
        self.satisfaction = self._satisfaction()
        self._pasts = Pasts(self.users.frame, video_ids, self.tables)
        self._pasts.catch_up()
        self._items = item_table(self.videos, video_ids)
        self._index = pd.Index(video_ids)
        self._best = np.empty((0, self.page_size), np.int64)
        size = len(self.users.style) * (len(self.videos.topic) + 1)
        if size <= _COUNTS:
            for name in ("watched", "shown", "by_channel", "by_series"):
                setattr(self, name, DenseMemory(getattr(self, name).keys, size))

    def _satisfaction(self) -> Satisfaction:
        """How satisfied the users are by what they have been shown so far."""
        shown = {
            column: np.concatenate([part[column] for part in self.tables["impressions"]])
            for column in ("page_id", "user", "watch_seconds")
        }
        page, first = np.unique(shown["page_id"], return_index=True)
        seconds = np.bincount(np.searchsorted(page, shown["page_id"]), shown["watch_seconds"])
        return Satisfaction(shown["user"][first], np.asarray(seconds), len(self.users.style))

    def run_day(self, day: int) -> None:
        """Runs a day, before which the policy may look at what has happened."""
        begin_day = getattr(self.policy, "begin_day", None)
        if begin_day is not None:
            begin_day(day, Log(**frames_of(self, self.video_ids, day * DAY)))
        super().run_day(day)

    def run_slot(self, start: float, activity: float) -> None:
        """Runs one session of every user who visits, by random numbers of the slot's own."""
        part = int(start)
        self._of_users = np.random.default_rng([self.seed, 3, part])
        self.rng = np.random.default_rng([self.seed, 4, part])
        super().run_slot(start, activity)
        # Tastes drift alike, whatever has been drawn so far.
        self.rng = np.random.default_rng([self.seed, 5, part])

    def _uniform(self, user: Ints, *shape: int) -> Floats:
        """Draws for all users, so that each of them has the same numbers in all runs."""
        return np.asarray(self._of_users.random((len(self.users.style), *shape))[user])

    def _activity(self) -> Floats:
        return self.users.activity * self.satisfaction.multiplier()

    def _fill_page(self, user: Ints, topic: Ints, clock: Floats, ladder: Floats) -> Page:
        best, worth = self._best_page(user, topic, clock)
        self.pages_seen.append({"user": user, "time": clock, "best": worth})
        if self.listen is not None and len(user):
            self.listen(self._pasts.requests(user, clock))
        if self.policy == "usual":
            return super()._fill_page(user, topic, clock, ladder)
        video = best if self.policy == "best" else self._asked(user, clock)
        video, is_shown = self._showable(user, video, clock)
        logit, ratio = self._appeal(user, topic, video, clock)
        return Page(video, np.full(video.shape, POLICY), is_shown, logit, ratio)

    def _respond(self, user: Ints, clock: Floats, shown: Page) -> Floats:
        seconds = super()._respond(user, clock, shown)
        self.satisfaction.update(user, seconds.sum(axis=1))
        return seconds

    def _asked(self, user: Ints, clock: Floats) -> Ints:
        """Returns the videos that the policy answers with, [users, any], -1 for unknown ids."""
        if not len(user):
            return np.empty((0, 1), np.int64)
        requests = self._pasts.requests(user, clock)
        items = self._items[self.videos.upload <= clock.max()]
        assert not isinstance(self.policy, str)
        ids = np.asarray(self.policy(requests, items, self.page_size))
        if ids.ndim != 2 or len(ids) != len(user):
            raise ValueError(
                f"A policy must answer with a list of ids per request, an array of {len(user)} "
                f"rows. Received: shape {ids.shape}"
            )
        return self._index.get_indexer(ids.astype(object).ravel()).reshape(ids.shape)

    def _showable(self, user: Ints, video: Ints, clock: Floats) -> tuple[Ints, Bools]:
        """Moves the videos that can be shown to the front, and returns which places have one."""
        known = np.maximum(video, 0)
        order = np.argsort(video, axis=1, kind="stable")
        ordered = np.take_along_axis(video, order, axis=1)
        repeated = np.zeros(video.shape, np.bool_)
        np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        can = (video >= 0) & ~repeated & (self.videos.upload[known] <= clock[:, None])
        can &= self.watched.count(self._key(user, known)) == 0
        at = np.argsort(~can, axis=1, kind="stable")[:, : self.page_size]
        return np.take_along_axis(known, at, axis=1), np.take_along_axis(can, at, axis=1)

    def _best_page(self, user: Ints, topic: Ints, clock: Floats) -> tuple[Ints, Floats]:
        """Returns the best pages, [users, places] videos, and what is expected to be watched.

        They hold the uploaded, unwatched videos that are worth most at the top of a page, in that
        order.
        """
        size = len(self.videos.topic)
        videos = np.full((len(user), self.page_size), -1)
        worth = np.zeros(len(user))
        step = max(_APPEALS // size, 1)
        for begin in range(0, len(user), step):
            at = slice(begin, begin + step)
            every = np.broadcast_to(np.arange(size), (len(user[at]), size))
            logit, ratio = self._appeal(user[at], topic[at], every, clock[at])
            seconds = 1 + (self.videos.length - 1) * ratio
            can = self.videos.upload <= clock[at, None]
            can &= self.watched.count(self._key(user[at], every)) == 0
            values = np.where(can, sigmoid(logit) * seconds, 0)
            row = np.arange(len(values))[:, None]
            best = np.argpartition(-values, self.page_size - 1, axis=1)[:, : self.page_size]
            best = best[row, np.argsort(-values[row, best], axis=1)]
            chance = sigmoid(logit[row, best] - POSITION_BIAS * np.arange(self.page_size))
            worth[at] = (chance * seconds[row, best] * can[row, best]).sum(axis=1)
            videos[at] = np.where(can[row, best], best, -1)
        return videos, worth

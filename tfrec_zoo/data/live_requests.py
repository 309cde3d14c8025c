"""Requests of a live simulated site: all that it knows of its users when they ask for a page."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec_zoo.data.derived import (
    HISTORY,
    HISTORY_AGE,
    MAX_HISTORY,
    MAX_IMPRESSIONS,
    MAX_SEARCHES,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
    search_tokens,
)
from tfrec_zoo.data.simulated_world import Floats, Ints, occurrence

Tables = dict[str, list[dict[str, NDArray[Any]]]]


class Pasts:
    """What each user watched, was shown and searched for, kept up with the tables of a site.

    Args:
        users: The frame of the users.
        video_ids: [videos] the ids of the videos.
        tables: The tables of the site, to which it appends.
    """

    def __init__(self, users: pd.DataFrame, video_ids: NDArray[Any], tables: Tables) -> None:
        self._users, self._video_ids, self._tables = users, video_ids, tables
        size = len(users)
        self._read = dict.fromkeys(tables, 0)  # parts of each table that are taken in
        self._watched = _Last(size, MAX_HISTORY)
        self._shown = _Last(size, MAX_IMPRESSIONS)
        self._searches: list[list[list[str]]] = [[] for _ in range(size)]
        self._tokens: list[list[str]] = [[] for _ in range(size)]
        self.has_watched = np.zeros((size, len(video_ids)), np.bool_)

    def requests(self, user: Ints, clock: Floats) -> pd.DataFrame:
        """Returns the request of each of some users, each at a moment of its own.

        Args:
            user: [requests] the users.
            clock: [requests] the moments, after all that the tables hold of these users.
        """
        self.catch_up()
        frame = self._users.iloc[user].reset_index(drop=True)
        videos, times = self._watched.of(user)
        watched = self.has_watched[user]
        bounds = np.cumsum(watched.sum(axis=1))[:-1]
        return frame.assign(
            time=clock,
            **{
                HISTORY: [self._video_ids[row] for row in videos],
                HISTORY_AGE: [now - row for now, row in zip(clock, times, strict=True)],
                RECENT_IMPRESSIONS: [self._video_ids[row] for row in self._shown.of(user)[0]],
                SEARCH_TOKENS: [self._tokens[one] for one in user.tolist()],
                "exclude": np.split(self._video_ids[np.nonzero(watched)[1]], bounds),
            },
        )

    def catch_up(self) -> None:
        """Takes in what was appended to the tables."""
        for part in self._unread("interactions"):
            self._watched.push(part["user"], part["video"], part["time"])
            self.has_watched[part["user"], part["video"]] = True
        for part in self._unread("impressions"):
            self._shown.push(part["user"], part["video"], part["time"])
        for part in self._unread("searches"):
            for user, query in zip(part["user"].tolist(), part["query"], strict=True):
                self._searches[user].append(search_tokens(query))
                last = self._searches[user][-MAX_SEARCHES:]
                self._tokens[user] = list(itertools.chain.from_iterable(last))

    def _unread(self, name: str) -> list[dict[str, NDArray[Any]]]:
        parts = self._tables[name][self._read[name] :]
        self._read[name] += len(parts)
        return parts


class _Last:
    """The last few values of each user, and when they were.

    Args:
        num_users: Number of users.
        length: Number of values that are kept.
    """

    def __init__(self, num_users: int, length: int) -> None:
        self._values = np.full((num_users, length), -1)
        self._times = np.zeros((num_users, length))

    def push(self, user: Ints, value: Ints, time: Floats) -> None:
        """Adds values by ascending user, those of one user in order of time."""
        turn = occurrence(user)
        for nth in range(int(turn.max(initial=-1)) + 1):
            at = turn == nth
            for kept, new in ((self._values, value), (self._times, time)):
                kept[user[at], :-1] = kept[user[at], 1:]
                kept[user[at], -1] = new[at]

    def of(self, user: Ints) -> tuple[list[Ints], list[Floats]]:
        """Returns the values and the times of each of some users, oldest first."""
        values, times = self._values[user], self._times[user]
        start = (values < 0).sum(axis=1).tolist()
        rows = range(len(user))
        return (
            [values[row, start[row] :] for row in rows],
            [times[row, start[row] :] for row in rows],
        )

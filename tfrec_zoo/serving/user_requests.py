"""User requests: what the users of a log would ask at its end."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import (
    HISTORY,
    HISTORY_AGE,
    MAX_IMPRESSIONS,
    MAX_SEARCHES,
    MAX_TOKENS,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
    search_tokens,
)
from tfrec_zoo.data.entities import user_table
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.sharded import ShardedLog
from tfrec_zoo.features import RawFeature


class UserRequests:
    """A request for every user of a log, made of all that the log says of the user.

    Args:
        log: The log.
        keys: Keys of the features that are wanted; those that the log doesn't have are missing.
        end: Moment that ages count to; by default that of the latest interaction.
        rows: Rows of `log.users` who ask; by default all.
    """

    def __init__(
        self,
        log: Log,
        keys: Collection[str],
        end: float | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        r = log.roles
        self._log = log
        self._rows = np.arange(len(log.users)) if rows is None else rows
        self._user = r.user
        self._columns = {
            key: values
            for key, values in table_columns(user_table(log)).items()
            if key in keys or key == r.user
        }
        users = pd.Index(log.users[r.user])
        items = log.interactions[r.item].to_numpy()
        bags: dict[str, np.ndarray] = {HISTORY: items, **Catalogue.of(log).attributes_of(items)}
        if r.time in log.interactions:
            time = log.interactions[r.time].to_numpy(np.float64)
            bags[HISTORY_AGE] = (time.max(initial=-np.inf) if end is None else end) - time
        self._bags = [_Bags(log.interactions[r.user], users, bags, keys)]
        if log.searches is not None and SEARCH_TOKENS in keys:
            recent = log.searches.groupby(r.user, sort=False).tail(MAX_SEARCHES)
            tokens = recent[[r.user, r.query]]
            tokens = tokens.assign(**{r.query: tokens[r.query].map(search_tokens)})
            tokens = tokens.explode(r.query).dropna()
            found = {SEARCH_TOKENS: tokens[r.query].to_numpy(object)}
            self._bags.append(_Bags(tokens[r.user], users, found, keys, MAX_TOKENS))
        if log.impressions is not None and RECENT_IMPRESSIONS in keys:
            found = {RECENT_IMPRESSIONS: log.impressions[r.item].to_numpy()}
            shown_to = log.impressions[r.user]
            self._bags.append(_Bags(shown_to, users, found, keys, MAX_IMPRESSIONS))

    @property
    def fingerprint(self) -> str:
        """The checksum of the log, and of who asks."""
        who = hashlib.sha256(self._rows.astype(np.int64).tobytes()).hexdigest()
        return f"{self._log.checksum} {who}"

    @property
    def num_rows(self) -> int:
        """The number of users who ask."""
        return len(self._rows)

    def shards(self, size: int) -> Iterator[pd.DataFrame]:
        """Yields requests, `size` at a time, with the users' ids."""
        for begin in range(0, max(self.num_rows, 1), size):
            yield self._of(slice(begin, min(begin + size, self.num_rows)))

    def sample(self, number: int) -> pd.DataFrame:
        """Returns requests of users taken evenly from all, at most `number`, with their ids."""
        return self._of(slice(0, None, max(-(-self.num_rows // number), 1)))

    def _of(self, part: slice) -> pd.DataFrame:
        columns: dict[str, Any] = {}
        rows = self._rows[part]
        for key, values in self._columns.items():
            columns[key] = values[rows] if values.ndim == 1 else list(values[rows])
        for bags in self._bags:
            columns.update(bags.of(rows))
        return pd.DataFrame(columns)

    def request_of(
        self, shard: pd.DataFrame, first: int, features: Mapping[str, RawFeature]
    ) -> dict[str, Any]:
        """The features of a shard; see `RequestFile.request_of`."""
        return {key: shard[key].tolist() for key in shard.columns if key in features}


class ShardedUserRequests(UserRequests):
    """A request for every user of a log in shards, one shard after another.

    Args:
        log: The log.
        keys: Keys of the features that are wanted; those that the log doesn't have are missing.
    """

    def __init__(self, log: ShardedLog, keys: Collection[str]) -> None:
        self._sharded, self._keys = log, keys

    @property
    def fingerprint(self) -> str:
        """The checksum of the log."""
        return self._sharded.checksum

    @property
    def num_rows(self) -> int:
        """The number of users."""
        return sum(self._sharded.manifest["users"])

    def shards(self, size: int) -> Iterator[pd.DataFrame]:
        """Yields requests, at most `size` at a time, with the users' ids."""
        log = self._sharded
        for number in range(log.num_shards):
            if log.manifest["users"][number]:
                own = log.shard(number, told=False)
                yield from UserRequests(own, self._keys, log.span[1]).shards(size)

    def sample(self, number: int) -> pd.DataFrame:
        """Returns requests of users of one shard, at most `number`, with their ids."""
        return UserRequests(self._sharded.at_end, self._keys).sample(number)


def user_requests(log: Log, keys: Collection[str], rows: np.ndarray | None = None) -> UserRequests:
    """A request for every user of a log, be it in memory or in shards.

    Args:
        log: The log.
        keys: Keys of the features that are wanted; those that the log doesn't have are missing.
        rows: Rows of `log.users` who ask, if not all, of a log in memory.
    """
    if isinstance(log, ShardedLog):
        return ShardedUserRequests(log, keys)
    return UserRequests(log, keys, rows=rows)


class _Bags:
    """The last rows of each user in a frame whose rows of one user are adjacent."""

    def __init__(
        self,
        user: pd.Series,
        users: pd.Index,
        values: Mapping[str, np.ndarray],
        keys: Collection[str],
        longest: int | None = None,
    ) -> None:
        self._values = {key: column for key, column in values.items() if key in keys}
        order = users.get_indexer(user)
        first = np.flatnonzero(np.diff(order, prepend=-1))
        self._start = np.zeros(len(users), np.int64)
        self._stop = np.zeros(len(users), np.int64)
        self._start[order[first]] = first
        self._stop[order[first]] = np.append(first[1:], len(order))[: len(first)]
        if longest is not None:
            self._start = np.maximum(self._start, self._stop - longest)

    def of(self, rows: np.ndarray) -> dict[str, list[np.ndarray]]:
        """The bags of some users, by key."""
        bounds = list(zip(self._start[rows].tolist(), self._stop[rows].tolist(), strict=True))
        return {
            key: [column[start:stop] for start, stop in bounds]
            for key, column in self._values.items()
        }

"""ShardWriter: sorts and writes the users and interactions of one shard after another."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from tfrec_zoo.data.log import hashes_of, number_of_repeats, order_of_events
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.sharded.checksum import UnorderedChecksum
from tfrec_zoo.data.sharded.entities import (
    EntityTable,
    completed,
    final_ids,
    of_ids,
    telling_rows,
)
from tfrec_zoo.data.sharded.partition import shard_of
from tfrec_zoo.data.sharded.sharded_log import ITEMS, TELLING_USERS, events_file, users_file


class ShardWriter:
    """Writes shards, and adds up what the manifest says of them.

    Args:
        folder: Folder of the log.
        roles: The columns' parts.
        items: The items, under their final ids.
        item_rows: [items of interactions] the row of `items` of each number that rows have.
        users: The table of the users, if there is one.
        numbers: Whether ids of users are whole numbers.
        are_whole: Whether times and weights are whole numbers; what is not there is in no row.
        shards: Number of shards.
        fill: Whether users without a row in the table get one.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        roles: Roles,
        items: pd.DataFrame,
        item_rows: np.ndarray,
        users: EntityTable | None,
        numbers: bool,
        are_whole: Mapping[str, bool],
        shards: int,
        fill: bool,
    ) -> None:
        self._folder, self._roles = folder, roles
        self._item_rows, self._num_items = item_rows, len(items)
        self._item_hashes = hashes_of(items[roles.item])
        self._users, self._numbers, self._fill = users, numbers, fill
        self._types: dict[str, Any] = {
            part: np.int64 if is_whole else np.float64 for part, is_whole in are_whole.items()
        }
        self._checksum = UnorderedChecksum()
        self._checksum.add("items", {c: hashes_of(items[c]) for c in items})
        self._counts: dict[str, list[int]] = {"interactions": [], "users": []}
        self._spans: list[tuple[float, float] | None] = []
        self._repeats = 0
        self._given = self._shards = np.empty(0)
        self._schema: pa.Schema | None = None
        items.to_parquet(folder / ITEMS, index=False)
        if users is not None:
            self._shards = shard_of(users.ids, shards)
            self._given = final_ids(users.ids, numbers, roles.user)
            whole = users.frame.assign(
                **{roles.user: of_ids(self._given).set_axis(users.frame.index)}
            )
            told = telling_rows(whole)
            self._schema = pa.Schema.from_pandas(whole, preserve_index=False)
            self._write(told, folder / TELLING_USERS)

    def write(self, number: int, rows: pa.Table) -> None:
        """Writes a shard.

        Args:
            number: Number of the shard.
            rows: The rows in the order they were given in: `user`, `item` and `time`, perhaps
                `weight`.
        """
        key = self._roles.user
        ids = rows["user"].combine_chunks().dictionary_encode()
        if isinstance(ids, pa.ChunkedArray):  # Of a shard without rows.
            ids = pa.array([], rows["user"].type).dictionary_encode()
        found = final_ids(ids.dictionary.to_numpy(zero_copy_only=False), self._numbers, key)
        users = self._users_of(number, found)
        user = pd.Index(users[key]).get_indexer(pd.Index(of_ids(found)))
        user = user[ids.indices.to_numpy()] if len(found) else np.empty(0, np.int64)
        events = {"user": user, "item": self._item_rows[rows["item"].to_numpy()]}
        for part, kind in self._types.items():
            events[part] = rows[part].to_numpy().astype(kind)
        order = order_of_events(users[key], user, events["time"])
        if order is not None:
            events = {part: values[order] for part, values in events.items()}
        self._write(users, self._folder / users_file(number))
        events = {**events, "user": events["user"].astype(np.int32)}
        pa.parquet.write_table(pa.table(events), self._folder / events_file(number))
        self._add(users, events)

    def _users_of(self, number: int, found: np.ndarray) -> pd.DataFrame:
        """The users of a shard."""
        key = self._roles.user
        if self._users is None:
            return of_ids(np.unique(found)).to_frame(key)
        own = np.flatnonzero(self._shards == number)
        frame = self._users.frame.iloc[own].reset_index(drop=True)
        return completed("users", key, self._given[own], frame, found, self._fill)

    def _write(self, users: pd.DataFrame, path: pathlib.Path) -> None:
        table = pa.Table.from_pandas(users, schema=self._schema, preserve_index=False)
        pa.parquet.write_table(table, path)

    def _add(self, users: pd.DataFrame, events: Mapping[str, np.ndarray]) -> None:
        """Adds a shard to the counts and the checksum."""
        r = self._roles
        user, time = events["user"], events["time"]
        self._counts["interactions"].append(len(user))
        self._counts["users"].append(len(users))
        self._spans.append((float(time.min()), float(time.max())) if len(time) else None)
        self._repeats += number_of_repeats(user, time, events["item"])
        self._checksum.add("users", {c: hashes_of(users[c]) for c in users})
        columns = {
            r.user: hashes_of(users[r.user])[user],
            r.item: self._item_hashes[events["item"]],
        }
        for part in self._types:
            columns[getattr(r, part)] = hashes_of(pd.Series(events[part]))
        # Rows of one user are adjacent.
        is_first = np.append(True, user[1:] != user[:-1])[: len(user)]
        first = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        columns["position"] = (np.arange(len(user)) - first).astype(np.uint64)
        self._checksum.add("interactions", columns)

    def contents(self) -> dict[str, Any]:
        """What the manifest says of all shards."""
        spans = [span for span in self._spans if span is not None]
        last = [-np.inf if span is None else span[1] for span in self._spans]
        return {
            **self._counts,
            "items": self._num_items,
            "first": min(span[0] for span in spans),
            "last": max(span[1] for span in spans),
            "latest": int(np.argmax(last)),
            "repeats": self._repeats,
            "checksum": self._checksum.hexdigest(),
        }

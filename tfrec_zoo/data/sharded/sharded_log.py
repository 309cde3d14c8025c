"""ShardedLog: a log whose interactions are larger than memory, read a shard of users at a time."""

import functools
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from tfrec_zoo.artifacts import MANIFEST, read_manifest
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.sharded.entities import of_ids

#: What the manifest of a folder of shards says it is.
KIND = "log in shards"
ITEMS, TELLING_USERS = "items.parquet", "telling-users.parquet"


def events_file(number: int) -> str:
    """Name of the file of the interactions of a shard."""
    return f"interactions-{number:05d}.parquet"


def users_file(number: int) -> str:
    """Name of the file of the users of a shard."""
    return f"users-{number:05d}.parquet"


def is_sharded(folder: str | pathlib.Path) -> bool:
    """Whether a folder is one that `prepare` wrote.

    Args:
        folder: Any path.
    """
    try:
        return read_manifest(folder).get("kind") == KIND
    except (OSError, ValueError):
        return False


class ShardedLog(Log):
    """A log in the shards that `prepare` wrote: each user's interactions are in one of them.

    It stands where a `Log` does in the task `"next-watch"`, which makes the same examples of the
    shards, one at a time, as of the whole. The items are in memory. What needs all interactions at
    once raises an error.

    Args:
        folder: The folder.
        manifest: What its manifest says.

    Example:

    >>> import tempfile
    >>> from tfrec_zoo.data.sharded import prepare
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "may.csv").write_text("user_id,item_id,time\\nb,x,5\\na,x,4\\na,y,9\\n")
    >>> log = prepare(folder / "may.csv", folder / "log", shards=1)
    >>> log.shard(0).interactions["item_id"].tolist()
    ['x', 'y', 'x']
    """

    folder: pathlib.Path
    manifest: Mapping[str, Any]

    def __init__(self, folder: pathlib.Path, manifest: Mapping[str, Any]) -> None:
        roles, name = Roles(**manifest["roles"]), manifest["name"]
        self.__dict__.update(folder=folder, manifest=manifest, roles=roles, name=name)

    @classmethod
    def read(  # type: ignore[override]
        cls, folder: str | pathlib.Path, verify: bool = True
    ) -> "ShardedLog":
        """Reads what `prepare` wrote, but not the shards.

        Args:
            folder: The folder.
            verify: Whether to compare every file with its checksum first.

        Raises:
            FileNotFoundError: If there is no such folder.
            ValueError: If it is of something else, or a file is missing or not as it was written.
        """
        folder = pathlib.Path(folder)
        if not (folder / MANIFEST).is_file():
            raise FileNotFoundError(
                f"There is no log in shards, as `tfrec-zoo prepare` writes it. Received: {folder}"
            )
        manifest = read_manifest(folder, verify, again="prepare the log again")
        if manifest.get("kind") != KIND:
            raise ValueError(
                "Expected a folder that `tfrec-zoo prepare` wrote. Received one of "
                f"{manifest.get('kind', manifest.get('model'))!r}: {folder}"
            )
        try:
            log = cls(folder, manifest)
            if not (log.num_shards and log.checksum and log.span):
                raise ValueError("no shards")
            return log
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{folder / MANIFEST} is damaged: prepare the log again. Received: {error!r}"
            ) from error

    def __repr__(self) -> str:
        return f"ShardedLog({str(self.folder)!r}, {self.num_interactions} interactions)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShardedLog) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return len(self.manifest["interactions"])

    @property
    def num_interactions(self) -> int:
        """Number of interactions in all shards."""
        return sum(self.manifest["interactions"])

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last moment of an interaction."""
        return self.manifest["first"], self.manifest["last"]

    @property
    def has_times(self) -> bool:
        """Whether it is known when events happened: always, in shards."""
        return True

    @property
    def checksum(self) -> str:
        """The checksum of users, items and interactions; see `unordered_checksum`."""
        return self.manifest["checksum"]

    @functools.cached_property
    def items(self) -> pd.DataFrame:
        """A row per item, with its features."""
        frame = self._table(ITEMS).to_pandas()
        return frame.assign(**{self.roles.item: _plain(frame[self.roles.item])})

    @property
    def users(self) -> pd.DataFrame:
        """A row per user, with its features, read from all shards."""
        return pd.concat(map(self._users, range(self.num_shards)), ignore_index=True)

    @property
    def outline(self) -> Log:
        """A log of the same users and items, without interactions: what features are guessed of."""
        schema = pa.parquet.read_schema(self.folder / users_file(0))
        # Where nothing is told but the ids, nothing is guessed of them.
        users = self.users if len(schema.names) > 1 else self._users(0)[:0]
        return self._log(users, np.empty(0, np.int64), np.empty(0, np.int64), self._no_events())

    def shard(self, number: int, told: bool = True) -> Log:
        """The interactions of one shard, as a log of its users and of all items.

        Args:
            number: Number of the shard.
            told: Whether some other users follow that tell what columns hold, without interactions,
                so that the columns of each shard become features of one type and width.

        Raises:
            ValueError: If its files are missing or damaged.
        """
        users = self._users(number)
        if told and (self.folder / TELLING_USERS).is_file():
            users = pd.concat([users, self._frame_of_users(TELLING_USERS)], ignore_index=True)
        events = self._table(events_file(number))
        columns = {name: events[name].to_numpy() for name in events.column_names}
        user, item = (columns.pop(name).astype(np.int64) for name in ("user", "item"))
        return self._log(users, user, item, columns)

    def shards(self) -> Iterator[Log]:
        """Yields the log of each shard."""
        yield from map(self.shard, range(self.num_shards))

    @property
    def at_end(self) -> Log:
        """The shard with the latest interaction: what an export takes of users and of the end."""
        return self.shard(self.manifest["latest"], told=False)

    def times(self) -> Iterator[np.ndarray]:
        """Yields the times of the interactions of each shard."""
        for number in range(self.num_shards):
            yield self._table(events_file(number), ["time"])["time"].to_numpy()

    @property
    def interactions(self) -> pd.DataFrame:
        """Raises an error: they are in shards.

        Raises:
            ValueError: Always.
        """
        self._refuse()

    @property
    def user_codes(self) -> np.ndarray:
        """Raises an error, as `interactions` does."""
        self._refuse()

    @property
    def item_codes(self) -> np.ndarray:
        """Raises an error, as `interactions` does."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            "This needs all interactions at once, but those of a log in shards are read shard by "
            'shard: the task "next-watch" does, for retrieval models. Read the files with '
            f"`Log.read` for others, if they fit into memory. Received: {self!r}"
        )

    def _log(
        self,
        users: pd.DataFrame,
        user: np.ndarray,
        item: np.ndarray,
        numbers: Mapping[str, np.ndarray],
    ) -> Log:
        r = self.roles
        columns = {
            r.user: of_ids(users[r.user].to_numpy()[user]),
            r.item: of_ids(self.items[r.item].to_numpy()[item]),
            **{getattr(r, part): pd.Series(values) for part, values in numbers.items()},
        }
        events = pd.DataFrame(columns)
        return Log.of_codes(self.name, events, users, self.items, r, user, item)

    def _no_events(self) -> dict[str, np.ndarray]:
        schema = pa.parquet.read_schema(self.folder / events_file(0))
        names = [name for name in schema.names if name not in ("user", "item")]
        return {name: schema.empty_table()[name].to_numpy() for name in names}

    def _users(self, number: int) -> pd.DataFrame:
        return self._frame_of_users(users_file(number))

    def _frame_of_users(self, file: str) -> pd.DataFrame:
        frame = self._table(file).to_pandas()
        return frame.assign(**{self.roles.user: _plain(frame[self.roles.user])})

    def _table(self, file: str, columns: list[str] | None = None) -> pa.Table:
        try:
            return pa.parquet.read_table(self.folder / file, columns=columns)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{self.folder / file} is missing or damaged: prepare the log again. "
                f"Received: {error}"
            ) from error


def _plain(ids: pd.Series) -> pd.Series:
    """Ids of a file as a log keeps them."""
    return of_ids(ids.to_numpy(np.int64 if pd.api.types.is_integer_dtype(ids) else object))

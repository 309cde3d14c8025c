"""Log: the one in-memory form of a data set, whatever it came from."""

import dataclasses
import functools
import hashlib
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.columns import is_list
from tfrec_zoo.data.delimited import BadRows
from tfrec_zoo.data.frames import Frame, read_columns, without_empty_columns
from tfrec_zoo.data.log_files import read_log
from tfrec_zoo.data.roles import EVENTS, FRAMES, UPLOAD_TIME, Roles
from tfrec_zoo.data.times import TimeUnit, check_unit

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Log:
    """What users did, as pandas frames with named columns and declared roles.

    Events are kept sorted by user, then time; those of one user at the same time stay in the order
    they were given in. Ids are kept as strings or as whole numbers from 0 up, and other whole
    numbers (negative ones, those of more than 63 bits) as strings. Times are kept in seconds;
    whatever else they are given as is recognized, see `as_seconds`. Categorical columns become
    plain ones, and columns of users and items that hold no value are left out. What is recognized
    or left out is logged.

    A log whose interactions have no times is a log too: in which order its events came is unknown,
    and what needs the order refuses.

    Args:
        name: Name of the data set.
        interactions: Positive events (watches, ratings, purchases): user, item, time, and
            optionally weight.
        users: One row per user of the other frames, with its features; made from them if left out.
        items: One row per item, with its features; made from the other frames if left out.
        impressions: What was shown, chosen or not: user, item, time, label, and optionally weight
            and page.
        searches: What was searched for: user, time, query.
        roles: The columns' parts.
        time_unit: Unit of times that are numbers: `"s"`, `"ms"`, `"us"` or `"ns"`; by default it is
            recognized by how large they are.

    Raises:
        ValueError: If a column is missing, of the wrong type or holds missing values, labels other
            than 0 and 1 or weights below zero; ids are repeated in `users` or `items`; or a user of
            an event is not in `users`. The message names frame, column and rows.

    Example:

    >>> log = Log(name="mine", interactions=pd.DataFrame(
    ...     {"user_id": ["a", "a"], "item_id": ["x", "y"], "time": [2.0, 1.0]}))
    >>> log.interactions["item_id"].tolist()
    ['y', 'x']
    """

    name: str
    interactions: pd.DataFrame
    users: pd.DataFrame = None
    items: pd.DataFrame = None
    impressions: pd.DataFrame | None = None
    searches: pd.DataFrame | None = None
    roles: Roles = Roles()
    time_unit: TimeUnit | None = None

    def __post_init__(self) -> None:
        r = self.roles
        check_unit(self.time_unit)
        columns = getattr(self.interactions, "columns", ())
        has_times = bool(r.time) and (r.time in columns or r.time != Roles.time)
        if r.time and not has_times and isinstance(self.interactions, pd.DataFrame):
            logger.warning("%s: no column %r: the order of events is unknown", self.name, r.time)
        made = {
            name: read_columns(getattr(self, name), name, r, self.time_unit, has_times=has_times)
            for name in FRAMES
            if getattr(self, name) is not None or name == "interactions"
        }
        for frame in made.values():
            frame.refuse()
        if self.time_unit is not None:
            object.__setattr__(self, "time_unit", "s")
        rows_of_users = self._with_ids(made, "users", r.user)
        rows_of_items = self._with_ids(made, "items", r.item)
        for name, frame in made.items():
            data = frame.data
            if name in EVENTS:
                user, item = rows_of_users[name], rows_of_items.get(name)
                if (user < 0).any():
                    unknown = data[r.user].iloc[np.argmin(user)]
                    raise ValueError(
                        f"`users` must have a row for every user of `{name}`; add it, or drop the "
                        f"events. Received no row for: {unknown!r}"
                    )
                time = data[r.time].to_numpy() if has_times else np.zeros(len(data), np.int64)
                order = order_of_events(made["users"].data[r.user], user, time)
                if order is not None:
                    data, user, time = data.take(order), user[order], time[order]
                    item = None if item is None else item[order]
                if name == "interactions":
                    self.__dict__.update(user_codes=user, item_codes=item)
                    if repeats := number_of_repeats(user, time, item):
                        logger.info("%d of %d interactions repeat another", repeats, len(data))
            parts = dataclasses.astuple(r)
            data = without_empty_columns(data.reset_index(drop=True), name, (*parts, UPLOAD_TIME))
            object.__setattr__(self, name, data)

    def _with_ids(self, made: dict[str, Frame], name: str, key: str) -> dict[str, np.ndarray]:
        """Gives every frame the ids of one key in one type, and makes their table.

        Args:
            made: The frames by name; the table of the ids is added if there is none.
            name: Name of the table, `"users"` or `"items"`.
            key: Column of the ids.

        Returns:
            The [rows] rows of the table that each other frame's ids are in, -1 for none.
        """
        ids = {n: frame.ids[key] for n, frame in made.items() if key in frame.ids}
        is_text = {n: one.are_text for n, one in ids.items() if len(one.distinct)}
        if len(set(is_text.values())) > 1:
            types = {n: "text" if text else "whole numbers" for n, text in is_text.items()}
            raise ValueError(
                f'{key!r} must have one type everywhere: 1024 and "1024" are different ids, and '
                "ids in a text file are text; write numbers out with `.astype(str)`. "
                f"Received: {types}"
            )
        if not all(one.fit_int64 or one.are_text for one in ids.values() if len(one.distinct)):
            logger.info("%s: the numbers are kept as text, as not all are in 0 … 2**63 - 1", key)
            ids = {n: one.as_text() for n, one in ids.items()}
        if name not in made:
            found = [one.distinct for one in ids.values() if len(one.distinct)]
            known = np.unique(np.concatenate(found or [np.empty(0, object)]))
            made[name] = Frame(name, _series(known).to_frame(key), {}, [])
        else:
            known = ids[name].distinct
            if len(known) < len(made[name].data):
                at = np.argmax(pd.Series(ids[name].codes).duplicated())
                twice = known[ids[name].codes[at]]
                raise ValueError(f"`{name}` must have one row per id. Twice: {twice!r}")
        rows, table = {}, pd.Index(_series(known))
        for n, one in ids.items():
            # A frame without rows has no distinct ids.
            values = _series(one.distinct[one.codes] if len(one.codes) else one.distinct)
            made[n].data = made[n].data.assign(**{key: values.set_axis(made[n].data.index)})
            if n != name:
                found = table.get_indexer(pd.Index(_series(one.distinct)))
                rows[n] = np.append(found, -1)[one.codes]
        return rows

    @classmethod
    def read(
        cls,
        path: str | pathlib.Path,
        *,
        name: str | None = None,
        users: str | pathlib.Path | None = None,
        items: str | pathlib.Path | None = None,
        impressions: str | pathlib.Path | None = None,
        searches: str | pathlib.Path | None = None,
        roles: Roles | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        names: Sequence[str] | None = None,
        bags: Mapping[str, str] | Sequence[str] = (),
        user_columns: Sequence[str] = (),
        item_columns: Sequence[str] = (),
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
        bad_rows: BadRows = "error",
        **columns: str,
    ) -> "Log":
        """Reads a log from Parquet files, text files (CSV, TSV) or JSON lines, compressed or not.

        Ids in a text file are text, exactly as they are written (see `read_frame`), unless another
        file has whole numbers and all of the text are such numbers, too.

        Args:
            path: The file of the interactions; or a folder with `interactions.parquet` or
                `interactions.csv`, optionally the other frames under their names, and `roles.json`,
                such as `{"user": "customer"}`, which a file may have beside it as well. A file
                whose `label=` is given holds impressions; the chosen ones are the interactions.
            name: Name of the data set; by default, that of the file or folder.
            users: The file of the users.
            items: The file of the items.
            impressions: The file of the impressions.
            searches: The file of the searches.
            roles: The columns' parts, instead of those in `roles.json`.
            separator: Separator of the cells of the file of interactions; None finds it.
            encoding: Encoding of that file; None finds it.
            names: Names of its columns, where its first line is no header.
            bags: Columns that hold several values, as JSON or cut at a separator:
                `{"genres": "|"}`, or the names alone for bars.
            user_columns: Columns of the interactions that say something of the user, such as the
                country: the latest value of each user goes to `users`.
            item_columns: Columns of the interactions that say something of the item; a title goes
                to `items` anyway.
            time_unit: Unit of times that are numbers; None recognizes it.
            time_format: Format of times that are text, such as `"%d.%m.%Y"`; None is ISO 8601.
            bad_rows: `"error"` refuses rows that can't be read; `"skip"` leaves them out, repeated
                rows of users and items as well, and adds rows without features for the users and
                items of events that have none. Both are counted in the log.
            **columns: Columns by the part they play, such as `user="customer"`; see `Roles`.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If a file can't be read as what its name says, there is no such role or no
                such column, or the frames make no log.

        Example:

        >>> import tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "purchases.csv").write_text(
        ...     "customer;sku;bought at\\n007;tea;2024-01-31\\n7;tea;2024-02-01\\n")
        >>> log = Log.read(folder / "purchases.csv", user="customer", item="sku", time="bought at")
        >>> log.name, log.users["customer"].tolist(), log.interactions["bought at"].tolist()
        ('purchases', ['007', '7'], [1706659200, 1706745600])
        """
        others = {"users": users, "items": items, "impressions": impressions, "searches": searches}
        found_name, frames, roles = read_log(
            pathlib.Path(path),
            {frame: file for frame, file in others.items() if file is not None},
            roles,
            columns,
            text={"separator": separator, "encoding": encoding, "names": names},
            bags=bags,
            moved={"users": tuple(user_columns), "items": tuple(item_columns)},
            time_unit=time_unit,
            time_format=time_format,
            bad_rows=bad_rows,
        )
        return cls(name=name or found_name, roles=roles, **frames)

    @classmethod
    def of_codes(
        cls,
        name: str,
        interactions: pd.DataFrame,
        users: pd.DataFrame,
        items: pd.DataFrame,
        roles: Roles,
        user_codes: np.ndarray,
        item_codes: np.ndarray,
    ) -> "Log":
        """Makes a log of frames that were a log's before: they are taken as they are.

        Args:
            name: Name of the data set.
            interactions: Interactions, sorted, with times in seconds.
            users: A row per user.
            items: A row per item.
            roles: The columns' parts.
            user_codes: [interactions] row of `users` that each interaction's user has.
            item_codes: [interactions] row of `items` that each interaction's item has.
        """
        log = object.__new__(cls)
        log.__dict__.update(
            name=name,
            interactions=interactions,
            users=users,
            items=items,
            roles=roles,
            user_codes=user_codes,
            item_codes=item_codes,
        )
        return log

    @property
    def has_times(self) -> bool:
        """Whether it is known when events happened, and so in which order."""
        return bool(self.roles.time) and self.roles.time in self.interactions

    def require_times(self, what: str) -> None:
        """Raises an error if the order of events is unknown.

        Args:
            what: What needs it, in words.

        Raises:
            ValueError: If so.
        """
        if not self.has_times:
            raise ValueError(
                f"{what} needs the order of events: name the column of their times (time=, or "
                '--time on the command line), or take the task "choice", whose split is random. '
                f"Received a log {self.name!r} without times, with the columns "
                f"{list(self.interactions.columns)}"
            )

    @functools.cached_property
    def user_codes(self) -> np.ndarray:
        """[interactions] row of `users` that each interaction's user has."""
        return pd.Index(self.users[self.roles.user]).get_indexer(self.interactions[self.roles.user])

    @functools.cached_property
    def item_codes(self) -> np.ndarray:
        """[interactions] row of `items` that each interaction's item has, -1 for none."""
        return pd.Index(self.items[self.roles.item]).get_indexer(self.interactions[self.roles.item])

    @functools.cached_property
    def checksum(self) -> str:
        """Sha256 of the contents of every frame, in whichever order users and items were given."""
        digest = hashlib.sha256()
        keys = {"users": self.roles.user, "items": self.roles.item}
        for name in FRAMES:
            frame: Any = getattr(self, name)
            if frame is None:
                continue
            if name in keys:
                frame = frame.sort_values(keys[name])
            digest.update(name.encode())
            for column in frame.columns:
                digest.update(str(column).encode())
                digest.update(hashes_of(frame[column]).tobytes())
        return digest.hexdigest()


def hashes_of(values: pd.Series) -> np.ndarray:
    """[rows] hashes of the values of a column, uint64; those of lists are of what they hold."""
    if values.dtype == object:
        values = values.map(lambda v: repr([*v]) if is_list(v) else v)
    return pd.util.hash_pandas_object(values, index=False).to_numpy()


def _series(ids: np.ndarray) -> pd.Series:
    """Ids as a column: int64, or strings that rows share."""
    return pd.Series(ids, dtype=np.int64 if ids.dtype == np.int64 else object)


def order_of_events(ids: pd.Series, user: np.ndarray, time: np.ndarray) -> np.ndarray | None:
    """The order of events by user id, then time; None if it is theirs already."""
    rank = np.empty(len(ids), np.int64)
    rank[np.argsort(ids.to_numpy(), kind="stable")] = np.arange(len(ids))
    key = rank[user]
    is_later = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & (time[1:] >= time[:-1]))
    return None if is_later.all() else np.lexsort([time, key])


def number_of_repeats(user: np.ndarray, time: np.ndarray, item: Any) -> int:
    """How many sorted events are of the same user, time and item as an earlier one."""
    if not len(user):
        return 0
    same = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    at = np.append(same, False) | np.append(False, same)
    shared = pd.DataFrame({"user": user[at], "time": time[at], "item": item[at]})
    return int(shared.duplicated().sum())

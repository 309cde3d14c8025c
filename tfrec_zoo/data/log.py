"""Log: the one in-memory form of a data set, whatever it came from."""

import dataclasses
import functools
import hashlib
import pathlib
from typing import Any

import numpy as np
import pandas as pd

_FRAMES = ("interactions", "users", "items", "impressions", "searches")


@dataclasses.dataclass(frozen=True)
class Roles:
    """Which column plays which part, in every frame that has it.

    Args:
        user: User id.
        item: Item id.
        time: When it happened, in seconds from any origin.
        label: In impressions, whether the item was chosen (0 or 1).
        weight: How much an event counts: seconds watched, a rating, a price.
        page: In impressions, what was shown together.
        query: In searches, the words.
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str = "time"
    label: str = "clicked"
    weight: str = "weight"
    page: str = "page_id"
    query: str = "query"


@dataclasses.dataclass(frozen=True)
class Log:
    """What users did, as pandas frames with named columns and declared roles.

    Interactions are kept sorted by user, then time; events of one user at the same time stay in the
    order they were given in.

    Args:
        name: Name of the data set.
        interactions: Positive events (watches, ratings, purchases): user, item, time, and
            optionally weight.
        users: One row per user, with its features; made from the interactions if left out.
        items: One row per item, with its features; made from the interactions if left out.
        impressions: What was shown, chosen or not: user, item, time, label, and optionally weight
            and page.
        searches: What was searched for: user, time, query.
        roles: The columns' parts.

    Raises:
        ValueError: If a column is missing, holds missing ids, or ids are repeated in `users` or
            `items`.

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

    def __post_init__(self) -> None:
        r = self.roles
        needed = {
            "interactions": (r.user, r.item, r.time),
            "users": (r.user,),
            "items": (r.item,),
            "impressions": (r.user, r.item, r.time, r.label),
            "searches": (r.user, r.time, r.query),
        }
        for role, key in (("users", r.user), ("items", r.item)):
            if getattr(self, role) is None:
                _check(self.interactions, "interactions", (key,))
                unique = self.interactions[[key]].drop_duplicates().sort_values(key)
                object.__setattr__(self, role, unique.reset_index(drop=True))
        for frame_name in _FRAMES:
            frame = getattr(self, frame_name)
            if frame is None:
                continue
            _check(frame, frame_name, needed[frame_name])
            if frame_name in ("users", "items"):
                key = needed[frame_name][0]
                if frame[key].duplicated().any():
                    twice = frame[key][frame[key].duplicated()].iloc[0]
                    raise ValueError(f"`{frame_name}` must have one row per id. Twice: {twice!r}")
            else:
                keys = [r.user, r.time]
                if not _is_sorted(frame, keys):
                    frame = frame.sort_values(keys, kind="stable")
            object.__setattr__(self, frame_name, frame.reset_index(drop=True))

    @classmethod
    def read(cls, name: str, roles: Roles | None = None, **paths: str | pathlib.Path) -> "Log":
        """Reads a log from Parquet or CSV files (compressed or not), one per frame.

        Args:
            name: Name of the data set.
            roles: The columns' parts.
            **paths: `interactions=`, and optionally `users=`, `items=`, `impressions=`,
                `searches=`.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If a file can't be read as what its name says.
        """
        unknown = sorted(set(paths) - set(_FRAMES))
        if unknown:
            raise ValueError(f"A log has the frames {_FRAMES}. Received: {unknown}")
        return cls(
            name=name,
            roles=roles or Roles(),
            **{frame: read_frame(path) for frame, path in paths.items()},
        )

    @functools.cached_property
    def checksum(self) -> str:
        """Sha256 of the contents of every frame."""
        digest = hashlib.sha256()
        for name in _FRAMES:
            frame: Any = getattr(self, name)
            if frame is None:
                continue
            digest.update(name.encode())
            for column in frame.columns:
                values = frame[column]
                if values.map(type).isin([list, tuple, np.ndarray]).any():
                    values = values.map(lambda v: "|".join(map(str, v)))
                digest.update(str(column).encode())
                digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
        return digest.hexdigest()


def _is_sorted(frame: pd.DataFrame, keys: list[str]) -> bool:
    order = np.lexsort([frame[key].to_numpy() for key in reversed(keys)])
    return bool((order == np.arange(len(frame))).all())


def _check(frame: pd.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"`{name}` must be a pandas.DataFrame. Received: {type(frame)}")
    for column in columns:
        if column not in frame.columns:
            raise ValueError(
                f"`{name}` must have a column {column!r} (or another one named in `roles`). "
                f"Received columns: {list(frame.columns)}"
            )
        missing = int(frame[column].isna().sum())
        if missing:
            raise ValueError(
                f"Column {column!r} of `{name}` must have no missing values; drop those rows. "
                f"Received {missing} of {len(frame)} missing."
            )


def read_frame(path: str | pathlib.Path) -> pd.DataFrame:
    """Reads a Parquet or CSV file; a clear error says which file was wrong, and how."""
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no such file. Received: {path}")
    suffixes = path.suffixes
    try:
        if ".parquet" in suffixes:
            return pd.read_parquet(path)
        if ".csv" in suffixes:
            return pd.read_csv(path)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged or no {suffixes[0][1:]} file: {error}") from error
    raise ValueError(f"Expected a .parquet or .csv file. Received: {path}")

"""Log: the one in-memory form of a data set, whatever it came from."""

import dataclasses
import functools
import hashlib
import pathlib
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.columns import is_list
from tfrec_zoo.data.read import frame_files, name_of, read_frame, read_roles

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

    Events are kept sorted by user, then time; those of one user at the same time stay in the order
    they were given in. Ids are strings or whole numbers; categorical columns become plain ones.

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

    Raises:
        ValueError: If a column is missing, of the wrong type or holds missing values, ids are
            repeated in `users` or `items`, or a user of an event is not in `users`.

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
        frames = {}
        for name, columns in needed.items():
            frame = getattr(self, name)
            if frame is not None or name == "interactions":
                frames[name] = _checked(frame, name, columns, r)
        for name, key in (("users", r.user), ("items", r.item)):
            events = {n: frames[n][key] for n in frames if n != name and key in needed[n]}
            tables = {name: frames[name][key]} if name in frames else {}
            types = {n: str(v.dtype) for n, v in {**tables, **events}.items() if len(v)}
            if len({t == "int64" for t in types.values()}) > 1:
                raise ValueError(f"{key!r} must have one type everywhere. Received: {types}")
            if name not in frames:
                ids = pd.concat(events.values()).drop_duplicates().sort_values()
                frames[name] = ids.to_frame().reset_index(drop=True)
            ids = frames[name][key]
            if ids.duplicated().any():
                twice = ids[ids.duplicated()].iloc[0]
                raise ValueError(f"`{name}` must have one row per id. Twice: {twice!r}")
        for name, frame in frames.items():
            if name not in ("users", "items"):
                unknown = frame[r.user][~frame[r.user].isin(frames["users"][r.user])]
                if len(unknown):
                    raise ValueError(
                        f"`users` must have a row for every user of `{name}`; add it, or drop the "
                        f"events. Received no row for: {unknown.iloc[0]!r}"
                    )
                if not _is_sorted(frame, [r.user, r.time]):
                    frame = frame.sort_values([r.user, r.time], kind="stable")
            object.__setattr__(self, name, frame.reset_index(drop=True))

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
        **columns: str,
    ) -> "Log":
        """Reads a log from Parquet or CSV files, compressed or not.

        Args:
            path: The file of the interactions; or a folder with `interactions.parquet` or
                `interactions.csv`, optionally the other frames under their names, and `roles.json`,
                such as `{"user": "customer"}`.
            name: Name of the data set; by default, that of the file or folder.
            users: The file of the users.
            items: The file of the items.
            impressions: The file of the impressions.
            searches: The file of the searches.
            roles: The columns' parts, instead of those in `roles.json`.
            **columns: Columns by the part they play, such as `user="customer"`; see `Roles`.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If a file can't be read as what its name says, there is no such role or no
                such column, or the frames make no log.

        Example:

        >>> import tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "purchases.csv").write_text("customer,sku,bought_at\\nann,tea,7\\n")
        >>> log = Log.read(folder / "purchases.csv", user="customer", item="sku", time="bought_at")
        >>> log.name, log.items["sku"].tolist()
        ('purchases', ['tea'])
        """
        known = [field.name for field in dataclasses.fields(Roles)]
        if not columns.keys() <= set(known):
            raise ValueError(
                f"Columns are named by their roles, {known}, and frames are {_FRAMES[1:]}; "
                "the interactions, or a folder of all frames, are the first argument. "
                f"Received: {sorted(columns.keys() - set(known))}"
            )
        path = pathlib.Path(path)
        files: dict[str, str | pathlib.Path] = {"interactions": path}
        if path.is_dir():
            files = {**frame_files(path, _FRAMES)}
            if roles is None:
                columns = {**read_roles(path / "roles.json", known), **columns}
        others = {"users": users, "items": items, "impressions": impressions, "searches": searches}
        files.update((frame, file) for frame, file in others.items() if file is not None)
        frames = {frame: read_frame(file) for frame, file in files.items()}
        found = {str(column) for frame in frames.values() for column in frame.columns}
        for role, column in columns.items():
            if column not in found:
                raise ValueError(
                    f"The {role} must be a column of a frame, one of {sorted(found)}. "
                    f"Received: {role}={column!r}"
                )
        return cls(
            name=name or name_of(path),
            roles=dataclasses.replace(roles or Roles(), **columns),
            **frames,
        )

    @functools.cached_property
    def checksum(self) -> str:
        """Sha256 of the contents of every frame, in whichever order users and items were given."""
        digest = hashlib.sha256()
        keys = {"users": self.roles.user, "items": self.roles.item}
        for name in _FRAMES:
            frame: Any = getattr(self, name)
            if frame is None:
                continue
            if name in keys:
                frame = frame.sort_values(keys[name])
            digest.update(name.encode())
            for column in frame.columns:
                values = frame[column]
                if values.dtype == object:
                    values = values.map(lambda v: repr([*v]) if is_list(v) else v)
                digest.update(str(column).encode())
                digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
        return digest.hexdigest()


def _is_sorted(frame: pd.DataFrame, keys: list[str]) -> bool:
    order = np.lexsort([frame[key].to_numpy() for key in reversed(keys)])
    return bool((order == np.arange(len(frame))).all())


def _checked(frame: Any, name: str, columns: tuple[str, ...], roles: Roles) -> pd.DataFrame:
    """The frame, its needed columns checked and made plain: strings, int64 and other numbers."""
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"`{name}` must be a pandas.DataFrame. Received: {type(frame)}")
    plain: dict[str, pd.Series] = {}
    for column in frame.columns[frame.dtypes.map(lambda d: isinstance(d, pd.CategoricalDtype))]:
        plain[column] = frame[column].astype(object).infer_objects()
    for column in columns:
        if column not in frame.columns:
            raise ValueError(
                f"`{name}` must have a column {column!r} (or another one named in `roles`). "
                f"Received columns: {list(frame.columns)}"
            )
        values = plain.get(column, frame[column])
        missing = values.isna()
        wanted = ""
        if column in (roles.user, roles.item) and not missing.any():
            kind = pd.api.types.infer_dtype(values)
            if kind == "integer":
                values = plain[column] = values.astype(np.int64)
                missing = values < 0
            elif kind == "string":
                missing = values == ""
            else:
                wanted = "strings or whole numbers, not both"
        elif column == roles.time and not pd.api.types.is_numeric_dtype(values):
            wanted = (
                "numbers: seconds from any origin, which for dates are "
                "`(dates - pandas.Timestamp(0)).dt.total_seconds()`"
            )
        if missing.any():
            raise ValueError(
                f"Column {column!r} of `{name}` must have no missing values; drop those rows. "
                f"Received {int(missing.sum())} of {len(frame)} missing."
            )
        if wanted and len(frame):
            raise ValueError(
                f"Column {column!r} of `{name}` must hold {wanted}. "
                f"Received {values.dtype}: {values.head(3).tolist()}"
            )
    return frame.assign(**plain) if plain else frame

"""The files of a log: which there are, the parts of their columns, and the rows left out."""

import dataclasses
import logging
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.delimited import BadRows
from tfrec_zoo.data.frames import read_columns
from tfrec_zoo.data.read import frame_files, name_of, read_frame, read_roles, text_columns
from tfrec_zoo.data.roles import EVENTS, FRAMES, ROLES, UPLOAD_TIME, Roles
from tfrec_zoo.data.times import TimeUnit, check_unit
from tfrec_zoo.needs import Need, refuse_idle

logger = logging.getLogger(__name__)


def read_log(
    path: pathlib.Path,
    others: Mapping[str, str | pathlib.Path],
    roles: Roles | None,
    columns: Mapping[str, str],
    text: Mapping[str, Any],
    bags: Mapping[str, str] | Sequence[str],
    moved: Mapping[str, tuple[str, ...]],
    time_unit: TimeUnit | None,
    time_format: str | None,
    bad_rows: BadRows,
) -> tuple[str, dict[str, pd.DataFrame], Roles]:
    """Reads the frames of a log.

    Args:
        path: The file of the interactions, or a folder of all.
        others: Files of other frames.
        roles: The columns' parts, if not those in `roles.json`.
        columns: Columns by role, which come first.
        text: How the file of the interactions is read; see `read_frame`.
        bags: Columns that hold several values.
        moved: Columns of the interactions that say something of a user or an item, by the frame
            they go to.
        time_unit: Unit of times that are numbers.
        time_format: Format of times that are text.
        bad_rows: Whether rows that can't be read are an error, or left out.

    Returns:
        The name of the file or folder, the frames by name, and the roles.
    """
    if not columns.keys() <= set(ROLES):
        raise ValueError(
            f"Columns are named by their roles, {list(ROLES)}, and frames are {list(FRAMES)[1:]}; "
            "the interactions, or a folder of all frames, are the first argument. "
            f"Received: {sorted(columns.keys() - set(ROLES))}"
        )
    if bad_rows not in ("error", "skip"):
        raise ValueError(f'`bad_rows` must be "error" or "skip". Received: {bad_rows!r}')
    check_unit(time_unit, time_format)
    files: dict[str, str | pathlib.Path] = {"interactions": path}
    if path.is_dir():
        files = {**frame_files(path, tuple(FRAMES))}
    if roles is None:
        folder = path if path.is_dir() else path.parent
        columns = {**read_roles(folder / "roles.json", ROLES), **columns}
    files.update(others)
    chosen = dataclasses.replace(roles or Roles(), **columns)
    frames = {}
    for name, file in files.items():
        options = text if name == "interactions" else {}
        frames[name] = read_frame(
            file, ids=text_columns(chosen), bags=bags, bad_rows=bad_rows, **options
        )
    found = {str(column) for frame in frames.values() for column in frame.columns}
    wanted = {role: column for role, column in columns.items() if column}
    wanted.update((f"bags, column {n}", column) for n, column in enumerate(bags))
    wanted.update((f"{name[:-1]}_columns", c) for name, names in moved.items() for c in names)
    for role, column in wanted.items():
        if column not in found:
            raise ValueError(
                f"The {role} must be a column of a frame, one of {sorted(found)}. "
                f"Received: {role}={column!r}"
            )
    if columns.get("label") in frames["interactions"] and "impressions" not in frames:
        frames["impressions"] = frames.pop("interactions")
    events = "interactions" if "interactions" in frames else "impressions"
    # What plays a part in the events stays there, also an id that is the title.
    played = {getattr(chosen, role) for role in ROLES if role != "title"}
    taken = sorted(played & {column for columns in moved.values() for column in columns})
    if taken:
        raise ValueError(
            "`user_columns` and `item_columns` must be columns that play no part in the events. "
            f"Received: {taken}"
        )
    own = set(frames[events]) - set(frames.get("items", ())) - played
    if chosen.title in own:
        moved = {**moved, "items": (*moved["items"], chosen.title)}
    has_times = bool(chosen.time) and (chosen.time in frames[events] or chosen.time != Roles.time)
    if not has_times and UPLOAD_TIME not in frames.get("items", ()):
        of_times = Need(
            ("time_unit", "time_format"),
            lambda _: False,
            "is for a column of times, which there is none of: name it by `time` (--time), or "
            "leave it out",
        )
        given = {"time_unit": time_unit, "time_format": time_format}
        refuse_idle([of_times], {n: v for n, v in given.items() if v is not None}, None)
    for name, frame in frames.items():
        made = read_columns(frame, name, chosen, time_unit, time_format, has_times)
        if bad_rows == "error":
            made.refuse()
        frames[name] = made.usable()
    for name, key in (("users", chosen.user), ("items", chosen.item)):
        if moved[name]:
            order = chosen.time if has_times else None
            _move(frames, events, moved[name], name, key, order)
        _as_one_type(frames, key)
        if bad_rows == "skip" and name in frames:
            frames[name] = _completed(frames, name, key)
    if events == "impressions":
        shown = frames["impressions"]
        is_chosen = shown[chosen.label].astype(np.float64) == 1
        frames["interactions"] = shown[is_chosen].drop(columns=chosen.label)
    return name_of(path), frames, chosen


def _as_one_type(frames: dict[str, pd.DataFrame], key: str) -> None:
    """Makes numbers of ids that are text where another file has whole numbers.

    Text files have nothing but text. Only ids that are all written as whole numbers are, without
    leading zeros, become such: no id is changed by it.
    """
    given = {name: frame[key] for name, frame in frames.items() if key in frame}
    is_number = {name: pd.api.types.is_integer_dtype(ids) for name, ids in given.items()}
    if len(set(is_number.values())) < 2:
        return
    for name, ids in given.items():
        distinct = pd.unique(ids)
        if not is_number[name] and all(map(_is_canonical, distinct)):
            frames[name] = frames[name].assign(**{key: ids.astype(np.int64)})


def _is_canonical(text: Any) -> bool:
    """Whether a value is the text of a whole number from 0 up, as `str` writes it."""
    return isinstance(text, str) and re.fullmatch(r"0|[1-9]\d{0,17}", text) is not None


def _of_events(frames: Mapping[str, pd.DataFrame], key: str) -> pd.Series:
    """The distinct ids of one key in all frames of events that have it."""
    found = [frames[name][key] for name in EVENTS if name in frames and key in frames[name]]
    return pd.concat(found, ignore_index=True).drop_duplicates()


def _move(
    frames: dict[str, pd.DataFrame],
    events: str,
    columns: Sequence[str],
    name: str,
    key: str,
    time: str | None,
) -> None:
    """Moves columns of events to the frame of users or items: the latest value of each.

    Args:
        frames: The frames by name.
        events: The frame that has the columns.
        columns: The columns.
        name: The frame they go to; it is made if there is none.
        key: Column of its ids.
        time: Column of the times of the events, if they have any.
    """
    given = frames[events] if time is None else frames[events].sort_values(time, kind="stable")
    table = frames[name] if name in frames else _of_events(frames, key).to_frame(key)
    for column in columns:
        latest = given.dropna(subset=[column]).drop_duplicates(key, keep="last")
        table = table.assign(**{column: table[key].map(latest.set_index(key)[column])})
    frames[name] = table.reset_index(drop=True)
    frames[events] = frames[events].drop(columns=list(columns))


def _completed(frames: Mapping[str, pd.DataFrame], name: str, key: str) -> pd.DataFrame:
    """The frame of users or items with one row for each of its ids and for each of the events'."""
    table = frames[name].drop_duplicates(key, ignore_index=True)
    missing = _of_events(frames, key)
    missing = missing[~missing.isin(table[key])]
    for number, words in (
        (len(frames[name]) - len(table), "left out %d rows that repeat an id"),
        (len(missing), "added %d rows without features, of ids that have events only"),
    ):
        if number:
            logger.warning(f"%s: {words}", name, number)
    return pd.concat([table, missing.to_frame(key)], ignore_index=True) if len(missing) else table

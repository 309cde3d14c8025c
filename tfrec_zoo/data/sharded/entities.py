"""Tables of users and of items, brought together with the ids of interactions."""

import dataclasses
import logging
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.columns import is_list
from tfrec_zoo.data.frames import read_columns, without_empty_columns
from tfrec_zoo.data.ids import written_out
from tfrec_zoo.data.read import read_frame, text_columns
from tfrec_zoo.data.roles import UPLOAD_TIME, Roles
from tfrec_zoo.data.times import TimeUnit

logger = logging.getLogger(__name__)

_WHOLE = re.compile(r"0|[1-9]\d{0,18}")


@dataclasses.dataclass(frozen=True)
class EntityTable:
    """Users or items as a file gives them, a row each.

    Args:
        frame: The rows, other columns made plain.
        ids: [rows] the ids as text.
        are_text: Whether the file has them as text.
        fit_int64: Whether they are whole numbers from 0 to 2**63 - 1.
    """

    frame: pd.DataFrame
    ids: np.ndarray
    are_text: bool
    fit_int64: bool

    def with_missing_rows(self) -> "EntityTable":
        """The same rows in columns that may lack values, for rows to be added that have none."""
        more = pd.DataFrame(index=[0], columns=self.frame.columns[:0])
        frame = pd.concat([self.frame, more], ignore_index=True)[: len(self.frame)]
        return dataclasses.replace(self, frame=frame)


def read_table(
    path: str | pathlib.Path,
    name: str,
    roles: Roles,
    bags: Mapping[str, str] | Sequence[str] = (),
    time_unit: TimeUnit | None = None,
    time_format: str | None = None,
    bad_rows: Any = "error",
) -> EntityTable:
    """Reads the table of users or of items, cleaned as that of a log.

    Args:
        path: The file.
        name: `"users"` or `"items"`.
        roles: The columns' parts.
        bags: Columns that hold several values.
        time_unit: Unit of times that are numbers.
        time_format: Format of times that are text.
        bad_rows: Whether rows that can't be used are an error, or left out.

    Raises:
        ValueError: If there is a fault, or an id is there twice; repeated rows are left out where
            bad ones are.
    """
    key = roles.user if name == "users" else roles.item
    frame = read_frame(path, ids=text_columns(roles), bags=bags, bad_rows=bad_rows)
    made = read_columns(frame, name, roles, time_unit, time_format)
    if bad_rows == "error":
        made.refuse()
    usable = made.usable()
    if len(usable) < len(made.data):
        made = read_columns(usable, name, roles, "s")
    ids = made.ids[key]
    distinct = written_out(ids.distinct)
    text = distinct[ids.codes] if len(ids.codes) else distinct
    data = made.data
    is_twice = pd.Series(ids.codes).duplicated().to_numpy()
    if is_twice.any():
        if bad_rows == "error":
            twice = text[np.argmax(is_twice)]
            raise ValueError(f"`{name}` must have one row per id. Twice: {twice!r}")
        logger.warning("%s: left out %d rows that repeat an id", name, is_twice.sum())
        data, text = data[~is_twice], text[~is_twice]
    kept = (*dataclasses.astuple(roles), UPLOAD_TIME)
    data = without_empty_columns(data.reset_index(drop=True), name, kept)
    return EntityTable(data, text, ids.are_text, ids.fit_int64)


def are_numbers(are_text: bool, fit_int64: bool, table: EntityTable | None) -> bool:
    """Whether ids are kept as whole numbers, of interactions and their table together.

    Text files have nothing but text: beside numbers, text that is whole numbers is such, too.

    Args:
        are_text: Whether interactions have text.
        fit_int64: Whether their numbers are from 0 to 2**63 - 1.
        table: The table, if there is one.
    """
    sides = [(are_text, fit_int64)]
    if table is not None and len(table.ids):
        sides.append((table.are_text, table.fit_int64))
    fits = [fit for text, fit in sides if not text]
    return bool(fits) and all(fits)


def final_ids(ids: np.ndarray, numbers: bool, key: str) -> np.ndarray:
    """[n] ids as they are kept: strings, or int64.

    Args:
        ids: [n] ids as text, or int64 from 0 up.
        numbers: Whether they are to be whole numbers.
        key: The column of the ids.

    Raises:
        ValueError: If one is no whole number.
    """
    if not numbers:
        return written_out(ids)
    if ids.dtype == np.int64:
        return ids
    wrong = next((t for t in ids if not _WHOLE.fullmatch(t) or int(t) >= 2**63), None)
    if wrong is not None:
        raise ValueError(
            f'{key!r} must have one type everywhere: 1024 and "1024" are different ids, and '
            "ids in a text file are text; write numbers out with `.astype(str)`. "
            f"Received: whole numbers, and the text {wrong!r}"
        )
    return ids.astype(np.int64)


def of_ids(ids: np.ndarray) -> pd.Series:
    """Ids as a column: int64, or strings that rows share."""
    return pd.Series(ids, dtype=np.int64 if ids.dtype == np.int64 else object)


def completed(
    name: str, key: str, given: np.ndarray, frame: pd.DataFrame, wanted: np.ndarray, fill: bool
) -> pd.DataFrame:
    """The rows of a table under its final ids, with one for every id of the interactions.

    Args:
        name: `"users"` or `"items"`.
        key: Column of the ids.
        given: [rows] the final ids of the rows.
        frame: The rows.
        wanted: The ids of the interactions.
        fill: Whether rows without features are added; otherwise a missing one is an error.

    Raises:
        ValueError: If a row is missing.
    """
    table = frame.assign(**{key: of_ids(given).set_axis(frame.index)})
    missing = wanted[pd.Index(of_ids(given)).get_indexer(pd.Index(of_ids(wanted))) < 0]
    if not len(missing):
        return table
    if not fill:
        raise ValueError(
            f"`{name}` must have a row for every {name[:-1]} of `interactions`; add it, or drop "
            f"the events. Received no row for: {missing.tolist()[0]!r}, one of {len(missing)}"
        )
    return pd.concat([table, of_ids(missing).to_frame(key)], ignore_index=True)


def telling_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """A few rows that tell of each column what it holds: a value, a missing one, the longest list.

    Args:
        frame: Any frame.
    """
    chosen: set[int] = set()
    for name in frame.columns:
        values = frame[name]
        lengths = values.map(lambda v: len(v) if is_list(v) else 0).to_numpy(np.int64)
        is_missing = (values.isna() | (values.map(is_list) & (lengths == 0))).to_numpy(bool)
        for where in (is_missing, ~is_missing):
            chosen.update(np.flatnonzero(where)[:1].tolist())
        if lengths.any():
            chosen.add(int(lengths.argmax()))
    return frame.iloc[sorted(chosen)].reset_index(drop=True)

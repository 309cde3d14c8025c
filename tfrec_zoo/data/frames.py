"""Frames of a log: columns checked and made plain, with a reason for every row that is wrong."""

import dataclasses
import logging
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.columns import is_list
from tfrec_zoo.data.ids import Ids, read_ids
from tfrec_zoo.data.roles import EVENTS, FRAMES, UPLOAD_TIME, Roles
from tfrec_zoo.data.times import TimeUnit, as_seconds

logger = logging.getLogger(__name__)

#: Kinds of columns, as `pandas.api.types.infer_dtype` calls them, that are kept.
_PLAIN = ("string", "integer", "floating", "mixed-integer-float", "boolean", "empty")
_TIMES = "finite times: numbers, dates, or text in ISO 8601 or as `time_format` says"


@dataclasses.dataclass
class Fault:
    """Rows that a column is wrong in.

    Args:
        column: The column.
        rows: [rows] whether each is wrong.
        allowed: What the column must hold, in words.
        what: What the rows hold instead, in words.
        values: The column as it was given.
    """

    column: str
    rows: np.ndarray
    allowed: str
    what: str
    values: pd.Series


@dataclasses.dataclass
class Frame:
    """A frame whose needed columns have been looked at.

    Args:
        name: Name of the frame.
        data: The frame, other columns made plain, times in seconds.
        ids: The ids of users and of items, by column.
        faults: What is wrong with which rows.
        times: What times were recognized as, in words, by column; "" for plain seconds.
    """

    name: str
    data: pd.DataFrame
    ids: dict[str, Ids]
    faults: list[Fault]
    times: dict[str, str] = dataclasses.field(default_factory=dict)

    def refuse(self) -> None:
        """Raises an error for the first fault, with its rows.

        Raises:
            ValueError: If there is a fault.
        """
        for fault in self.faults:
            at = np.flatnonzero(fault.rows)
            values = fault.values.iloc[at[:3]].tolist()
            numbers = ", ".join(map(str, at[:5]))
            raise ValueError(
                f"Column {fault.column!r} of `{self.name}` must hold {fault.allowed}; correct the "
                "rows, drop them, or read the file with bad_rows='skip' (--bad-rows skip). "
                f"Received {len(at)} of {len(self.data)} {fault.what}: {values}, in row {numbers}"
                f"{', …' if len(at) > 5 else ''} (the first is 0)"
            )

    def usable(self) -> pd.DataFrame:
        """The rows without a fault, those left out counted in the log."""
        is_bad = np.zeros(len(self.data), bool)
        for fault in self.faults:
            number = int((fault.rows & ~is_bad).sum())
            if number:
                logger.warning(
                    "%s: left out %d of %d rows whose %r is %s",
                    *(self.name, number, len(self.data), fault.column, fault.what),
                )
            is_bad |= fault.rows
        return self.data[~is_bad].reset_index(drop=True) if is_bad.any() else self.data


def read_columns(
    frame: Any,
    name: str,
    roles: Roles,
    time_unit: TimeUnit | None = None,
    time_format: str | None = None,
    has_times: bool = True,
    tells: bool = True,
) -> Frame:
    """Looks at the columns of a frame that play a part, and makes the others plain.

    Args:
        frame: The frame.
        name: Name of the frame.
        roles: Which column plays which part.
        time_unit: Unit of times that are numbers; None recognizes it.
        time_format: Format of times that are text; None reads ISO 8601.
        has_times: Whether events have times.
        tells: Whether what times are recognized as is logged.

    Raises:
        ValueError: If it is no frame, a column is missing, or can't play its part at all.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"`{name}` must be a pandas.DataFrame. Received: {type(frame)}")
    frame = _with_plain_names(frame, name)
    needed = [getattr(roles, role) for role in FRAMES[name]]
    if name in EVENTS and has_times:
        needed.append(roles.time)
    for column in needed:
        if column not in frame.columns:
            raise ValueError(
                f"`{name}` must have a column {column!r}, or another one named in `roles` (user=, "
                f"item=, time=, …; --user, … on the command line). "
                f"Received columns: {list(frame.columns)}{_header_hint(frame.columns)}"
            )
    made = Frame(name, frame, {}, [])
    plain: dict[str, pd.Series] = {}
    for column in frame.columns:
        values = frame[column]
        if column in needed and column in (roles.user, roles.item):
            made.ids[column] = _ids(values, column, made)
        elif column in needed and column == roles.time or column == UPLOAD_TIME and name == "items":
            plain[column] = _times(values, column, made, time_unit, time_format)
        elif column in needed and column == roles.label:
            plain[column] = _labels(values, column, made)
        elif column in needed and column == roles.query:
            texts = ["" if _is_missing(value) else str(value) for value in values]
            plain[column] = pd.Series(texts, frame.index, dtype=object)
        elif column != roles.weight or name not in ("interactions", "impressions"):
            plain[column] = _plain(values, column, name)
    if roles.weight in frame.columns and name in ("interactions", "impressions"):
        label = plain.get(roles.label, pd.Series(1, frame.index))
        plain[roles.weight] = _weights(frame[roles.weight], roles.weight, made, label)
    made.data = frame.assign(**{c: v for c, v in plain.items() if v is not frame[c]})
    for column, words in made.times.items():
        if words and tells:
            logger.warning("%s: times in %r are %s", name, column, words)
    return made


def _header_hint(names: Iterable[str]) -> str:
    """What to do about names of columns that look like data, or nothing."""
    if not any(re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", name) for name in names):
        return ""
    return "; of a file whose first line is data, give the `names` (--names on the command line)"


def _with_plain_names(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The frame with strings as column names, without the index that a file was written with."""
    names = [str(column) for column in frame.columns]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ValueError(
            f"`{name}` must have columns of different names; rename or drop one. "
            f"Received twice: {twice}{_header_hint(names)}"
        )
    kept = []
    for at, column in enumerate(names):
        if re.fullmatch(r"(Unnamed: \d+)?", column.strip()):
            values = frame.iloc[:, at]
            if pd.api.types.is_integer_dtype(values) and (values == np.arange(len(values))).all():
                logger.info("%s: left out column %r, which counts the rows", name, column)
                continue
            if not column.strip() and values.isna().all():
                logger.info("%s: left out column %d, which has no name and no value", name, at)
                continue
            if not column.strip():
                raise ValueError(
                    f"Every column of `{name}` must have a name; name or drop it. Received none "
                    f"for column {at} (the first is 0), with {values.head(3).tolist()}"
                )
        kept.append(at)
    if [*frame.columns] != names or len(kept) < len(names):
        frame = frame.iloc[:, kept].set_axis([names[at] for at in kept], axis=1)
    return frame


def _ids(values: pd.Series, column: str, made: Frame) -> Ids:
    allowed = "strings or whole numbers, not both"
    try:
        ids = read_ids(values)
    except TypeError as error:
        raise ValueError(
            f"Column {column!r} of `{made.name}` must hold {error}: {values.dtype}, "
            f"{values.head(3).tolist()}"
        ) from None
    for what, rows in ids.faults.items():
        if rows.any():
            made.faults.append(Fault(column, rows, f"{allowed}, one a row", what, values))
    return ids


def _times(
    values: pd.Series, column: str, made: Frame, unit: TimeUnit | None, form: str | None
) -> pd.Series:
    try:
        seconds, recognized = as_seconds(values, unit, form)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"Column {column!r} of `{made.name}` must hold {_TIMES}. "
            f"Received {values.dtype}: {values.head(3).tolist()} ({error})"
        ) from error
    if column != UPLOAD_TIME:
        _refuse_idle(values, recognized, unit, form)
    made.times[column] = recognized
    numbers = seconds.to_numpy(np.float64)
    is_missing = values.isna().to_numpy() | (values == "").to_numpy(bool, na_value=False)
    wrong = ~np.isfinite(numbers) & ~is_missing
    if column != UPLOAD_TIME and is_missing.any():
        made.faults.append(Fault(column, is_missing, _TIMES, "missing", values))
    if wrong.any():
        made.faults.append(Fault(column, wrong, _TIMES, "that are no times", values))
    return seconds


def _refuse_idle(
    values: pd.Series, recognized: str, unit: TimeUnit | None, form: str | None
) -> None:
    """Raises an error for a unit of times that are dates, or a format of what is no text."""
    if unit is not None and recognized == "dates":
        raise ValueError(
            "`time_unit` is for times that are numbers; these are dates: leave it out. "
            f"Received: {unit!r}, and times such as {values.head(3).tolist()}"
        )
    if form is not None and pd.api.types.is_datetime64_any_dtype(values):
        raise ValueError(
            "`time_format` is for times that are text; these are dates: leave it out. "
            f"Received: {form!r}, and times such as {values.head(3).tolist()}"
        )


def _plain(values: pd.Series, column: str, name: str) -> pd.Series:
    """A column without a part: strings, numbers, booleans or lists, moments as seconds."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object).infer_objects()
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in ("datetime64", "datetime", "date", "period", "timedelta64", "timedelta"):
        return as_seconds(values)[0]
    if kind == "decimal":
        return values.astype(np.float64)
    if kind == "bytes":
        try:
            return values.map(lambda v: v.decode("utf-8") if isinstance(v, bytes) else v)
        except UnicodeDecodeError:
            pass
    elif kind in _PLAIN or all(is_list(v) or isinstance(v, str) or _is_missing(v) for v in values):
        return values
    examples = [value for value in values.tolist() if not _is_missing(value)][:3]
    raise ValueError(
        f"Column {column!r} of `{name}` must hold strings, numbers, or lists of one of them; "
        f"convert or drop it. Received {kind}: {examples!r:.200}"
    )


def _is_missing(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _labels(values: pd.Series, column: str, made: Frame) -> pd.Series:
    """Labels as they are, those in words as numbers."""
    given = values
    words = {"0": 0, "1": 1, "false": 0, "true": 1}
    if not pd.api.types.is_numeric_dtype(values):
        texts = values.astype(object).map(lambda v: words.get(str(v).strip().lower(), v))
        values = texts.infer_objects()
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = ~np.isin(numbers, [0.0, 1.0])
    if wrong.any():
        made.faults.append(Fault(column, wrong, "0 or 1 (false or true)", "neither", given))
    return values


def _weights(values: pd.Series, column: str, made: Frame, label: pd.Series) -> pd.Series:
    """Weights as numbers; what was not chosen needs none."""
    given = values
    if not pd.api.types.is_numeric_dtype(values):
        values = pd.to_numeric(values.astype(object), errors="coerce")
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    chosen = pd.to_numeric(label, errors="coerce").to_numpy(np.float64, na_value=np.nan) != 0
    wrong = ~(np.isfinite(numbers) & (numbers >= 0)) & (chosen | ~np.isnan(numbers))
    if wrong.any():
        allowed = "finite numbers from 0 up"
        made.faults.append(Fault(column, wrong, allowed, "missing, negative or infinite", given))
    return values


def without_empty_columns(frame: pd.DataFrame, name: str, kept: tuple[str, ...]) -> pd.DataFrame:
    """The frame without columns in which every value is missing or infinite."""
    if not len(frame):
        return frame
    empty = [c for c in frame.columns if c not in kept and _is_empty(frame[c])]
    if empty:
        logger.warning("%s: left out %s, which hold no value", name, empty)
        frame = frame.drop(columns=empty)
    return frame


def _is_empty(values: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(values):
        return not np.isfinite(values.to_numpy(np.float64, na_value=np.nan)).any()
    if values.dtype == object or pd.api.types.is_string_dtype(values):
        return not any(len(v) if is_list(v) else not (pd.isna(v) or v == "") for v in values)
    return bool(values.isna().all())

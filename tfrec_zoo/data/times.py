"""Times of events as seconds, whatever they were given as."""

import datetime
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

TimeUnit = Literal["s", "ms", "us", "ns"]

_PER_SECOND: dict[str, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def check_unit(unit: Any, form: str | None = None) -> None:
    """Raises an error for what is no unit of time, or for one beside a format of text."""
    if unit is not None and unit not in get_args(TimeUnit):
        raise ValueError(
            f"`time_unit` must be one of {list(get_args(TimeUnit))}, or None. Received: {unit!r}"
        )
    if unit is not None and form is not None:
        raise ValueError(
            "`time_unit` is for times that are numbers, `time_format` for text: leave one of the "
            f"two out. Received: {unit!r} and {form!r}"
        )


def as_seconds(
    values: pd.Series, unit: TimeUnit | None = None, form: str | None = None
) -> tuple[pd.Series, str]:
    """Times as seconds, and in words what they were recognized as.

    Dates and text are read as UTC unless they say their zone, and become seconds since 1970.
    Numbers of 1e11 or more at their median are milliseconds, of 1e14 microseconds and of 1e17
    nanoseconds since 1970; smaller ones are seconds from any origin, unless all are dates written
    as 20240131.

    Args:
        values: Numbers, dates, or text: ISO 8601, or as `form` says.
        unit: Unit of the numbers; None recognizes it.
        form: Format of the text, as `datetime.strptime` takes it.

    Returns:
        Whole numbers where all are, else float64, in which NaN is what is missing or can't be read
        and infinite what is; and what was recognized, "" for plain seconds.

    Example:

    >>> as_seconds(pd.Series(["2024-01-31", "2024-01-31T01:00:00+01:00"]))[0].tolist()
    [1706659200, 1706659200]
    >>> as_seconds(pd.Series([1706659200000]))
    (0    1706659200
    dtype: int64, 'milliseconds')
    """
    if pd.api.types.is_timedelta64_dtype(values):
        return _whole(values.dt.total_seconds()), ""
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    numbers = _numbers(values) if form is None else None
    if numbers is None:
        return _of_dates(values, form), "dates"
    if unit is None and _are_dates(numbers):
        return _of_dates(numbers.astype(np.int64).astype(str), "%Y%m%d"), "dates as 20240131"
    found = unit or _recognized(numbers)
    if found == "s":
        return numbers, ""
    return _whole(numbers / _PER_SECOND[found]), _WORDS[found]


def _numbers(values: pd.Series) -> pd.Series | None:
    """The values as numbers; None if they are something else, such as dates."""
    if pd.api.types.is_bool_dtype(values):
        return pd.Series(np.nan, values.index)
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        return values.astype(np.int64 if values.max() < 2**63 else np.float64)
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(np.float64)
    if pd.api.types.is_datetime64_any_dtype(values):
        return None
    codes, distinct = pd.factorize(values.to_numpy(object))
    is_bool = np.array([isinstance(value, bool | np.bool_) for value in distinct], bool)
    numbers = pd.to_numeric(pd.Series(distinct, dtype=object).mask(is_bool), errors="coerce")
    if len(distinct) and numbers.notna().sum() <= len(distinct) // 2 and not is_bool.any():
        return None
    known = np.append(numbers.to_numpy(np.float64), np.nan)
    return _whole(pd.Series(known[codes], values.index))


def _whole(numbers: pd.Series) -> pd.Series:
    """The numbers as int64 where all are whole."""
    whole = numbers.astype(np.int64) if (np.abs(numbers) < 2**53).all() else None
    return numbers if whole is None or (whole != numbers).any() else whole


def _recognized(numbers: pd.Series) -> str:
    finite = np.abs(numbers.to_numpy(np.float64))
    finite = finite[np.isfinite(finite)]
    middle = np.sort(finite)[len(finite) // 2] if len(finite) else 0.0
    least = {"ns": 1e17, "us": 1e14, "ms": 1e11, "s": 0.0}
    return next(unit for unit in least if middle >= least[unit])


def _are_dates(numbers: pd.Series) -> bool:
    """Whether all are dates written as whole numbers, such as 20240131."""
    if not len(numbers) or numbers.isna().any() or not numbers.between(19000101, 21001231).all():
        return False
    month, day = numbers // 100 % 100, numbers % 100
    return bool(
        (numbers % 1 == 0).all() and month.between(1, 12).all() and day.between(1, 31).all()
    )


def _of_dates(values: pd.Series, form: str | None = None) -> pd.Series:
    codes, distinct = pd.factorize(values)
    if not pd.api.types.is_datetime64_any_dtype(distinct):
        texts = [v.isoformat() if isinstance(v, datetime.date) else v for v in distinct]
        distinct = pd.to_datetime(
            pd.Series(texts, dtype=object), errors="coerce", utc=True, format=form or "ISO8601"
        )
    moments = pd.DatetimeIndex(distinct)
    if moments.tz is not None:
        moments = moments.tz_convert(None)
    seconds = moments.as_unit("us").asi8 / 10**6
    known = np.append(np.where(moments.isna(), np.nan, seconds), np.nan)
    return _whole(pd.Series(known[codes], values.index))

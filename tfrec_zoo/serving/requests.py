"""Requests: what users give, as typed arrays of what a model reads."""

import numbers
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features import MISSING, RawFeature, raw_array, request_arrays

#: A whole number as `str` writes it: no leading zeros, no plus sign.
_DECIMAL = re.compile(r"0|-?[1-9][0-9]*")


def checked_k(k: Any, longest: int | None = None, why: str = "") -> int:
    """A length of lists as an int.

    Args:
        k: What was given.
        longest: The greatest that is allowed, if there is one.
        why: What to say where it is greater.

    Raises:
        ValueError: If it is not a whole number from 1 to `longest`.
    """
    is_whole = isinstance(k, numbers.Integral) and not isinstance(k, bool)
    is_long = is_whole and longest is not None and k > longest
    if is_whole and k > 0 and not is_long:
        return int(k)
    bounds = "from 1 up" if longest is None else f"in 1 … {longest}"
    hint = f"{why} " if is_long else ""
    raise ValueError(f"`k` must be a whole number {bounds}. {hint}Received: {k!r}")


def typed_request(
    raw: Mapping[str, RawFeature], request: Any, ignored: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The features of a request as typed arrays, padded where bags are short.

    A whole number stands for its decimal text where text is expected, and text for a whole number
    where one is expected, if it is written as `str` writes it: `12` and `"12"` are one id, `"012"`
    is another.

    Args:
        raw: The features that may be given, by key.
        request: Raw features by key, one value (or bag) per row: lists, arrays or a pandas frame.
        ignored: Keys that may be given, too, and have no effect.

    Returns:
        An array for each of `raw`; what was not given is missing.

    Raises:
        KeyError, TypeError, ValueError: If the request is malformed; the message says how.
    """
    if not isinstance(request, Mapping | pd.DataFrame):
        raise TypeError(f"Expected features by key. Received: {request!r:.80}")
    given = {key: request[key] for key in request}
    left_out = {key: given.pop(key) for key in [*given] if key in ignored and key not in raw}
    bags = [key for key, feature in raw.items() if feature.is_bag]
    if left_out and not given and bags:
        # They say how many rows there are, if nothing else.
        given = {bags[0]: [[]] * len(next(iter(left_out.values())))}
    try:
        arrays = request_arrays(raw, given)
    except TypeError:
        arrays = request_arrays(raw, {key: _as_ids(v, raw.get(key)) for key, v in given.items()})
    rows = num_rows(arrays)
    for key, values in left_out.items():
        if not hasattr(values, "__len__") or isinstance(values, str | bytes) or len(values) != rows:
            raise ValueError(
                f"Every feature must have the same number of rows, {rows}. "
                f"Received: {key}={values!r:.80}"
            )
    return arrays


def num_rows(arrays: Mapping[str, np.ndarray]) -> int:
    """The number of rows of a typed request."""
    return len(next(iter(arrays.values())))


def typed_lists(values: Any, feature: RawFeature) -> tuple[np.ndarray, np.ndarray]:
    """A feature of lists of candidates, one list per row, padded with missing values.

    Args:
        values: A list (or array) per row, of values or of bags.
        feature: The feature of one candidate.

    Returns:
        The values, [rows, candidates] or, for bags, [rows, candidates, length], and the length of
        each list, [rows].

    Raises:
        TypeError: If the values are no lists, or not of the type; the message names the key.
    """
    key, dtype = feature.key, feature.dtype
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise TypeError(f"Feature {key!r}: expected a list per row. Received: {values!r:.80}")
    rows = ["" if isinstance(row, str | bytes | Mapping) else row for row in values]
    if any(not hasattr(row, "__len__") or isinstance(row, str) for row in rows):
        raise TypeError(f"Feature {key!r}: expected a list per row. Received: {values!r:.80}")
    lengths = np.array([len(row) for row in rows], np.int64)
    flat = [value for row in rows for value in row]
    try:
        array = raw_array(flat, dtype, feature.is_bag)
    except TypeError:
        try:
            array = raw_array(_as_ids(flat, feature), dtype, feature.is_bag)
        except TypeError as error:
            raise TypeError(f"Feature {key!r}: {error}") from None
    longest = int(lengths.max(initial=0))
    padded = np.full((len(rows), longest, *array.shape[1:]), MISSING[dtype], array.dtype)
    padded[np.arange(longest) < lengths[:, None]] = array
    return padded, lengths


def is_missing(values: np.ndarray) -> np.ndarray:
    """Which ids, text or whole numbers, are missing."""
    return values == "" if values.dtype == object else values < 0


def _as_ids(values: Any, feature: RawFeature | None) -> Any:
    """Values in which whole numbers and decimal text are what the feature expects."""
    if feature is None or feature.dtype == "float32":
        return values
    return _converted(values, feature.dtype)


def _converted(value: Any, dtype: str) -> Any:
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_converted(part, dtype) for part in value]
    if dtype == "int64":
        is_decimal = isinstance(value, str) and _DECIMAL.fullmatch(value)
        return int(value) if is_decimal else value
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    return str(int(value)) if is_number and value == value // 1 else value


def as_given(values: np.ndarray) -> np.ndarray:
    """Outputs with text as strings instead of bytes."""
    if values.dtype != object:
        return values
    codes, distinct = pd.factorize(values.ravel())
    decoded = np.array([*(value.decode("utf-8") for value in distinct), ""], object)
    return decoded[codes].reshape(values.shape)

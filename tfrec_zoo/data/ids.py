"""Ids as a log keeps them: text, or whole numbers from 0 up."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Ids:
    """The ids of a column: each distinct one once, and which of them each row has.

    Args:
        codes: [rows] positions in `distinct`; -1 for a row without a valid id.
        distinct: The distinct ids, in the order of their first rows: strings, int64, or objects if
            whole numbers are too large for that.
        faults: [rows] which rows have no valid id, by what is wrong with them.
    """

    codes: np.ndarray
    distinct: np.ndarray
    faults: Mapping[str, np.ndarray]

    @property
    def are_text(self) -> bool:
        """Whether the ids are strings."""
        return len(self.distinct) > 0 and isinstance(self.distinct[0], str)

    @property
    def fit_int64(self) -> bool:
        """Whether all are whole numbers from 0 to 2**63 - 1."""
        return self.distinct.dtype == np.int64 and bool((self.distinct >= 0).all())

    def as_text(self) -> "Ids":
        """The same ids, numbers written out."""
        return dataclasses.replace(self, distinct=written_out(self.distinct))


def written_out(ids: np.ndarray) -> np.ndarray:
    """[n] ids as text: strings as they are, numbers in digits.

    Args:
        ids: [n] ids: strings, int64, or objects if whole numbers are too large for that.

    Example:

    >>> written_out(np.array([24, 7])).tolist()
    ['24', '7']
    """
    if ids.dtype == np.int64:
        return pa.array(ids).cast(pa.string()).to_numpy(zero_copy_only=False)
    return ids.astype(str).astype(object)


def read_ids(values: pd.Series) -> Ids:
    """Reads ids: text, bytes of UTF-8, whole numbers of any size, and floats that are whole.

    Text stays as it is written. Only the empty text, None and NaN are missing.

    Args:
        values: A column of ids, of any type.

    Raises:
        TypeError: If the column has both text and numbers, or neither.

    Example:

    >>> ids = read_ids(pd.Series(["007", "7", "", "007"]))
    >>> ids.codes.tolist(), ids.distinct.tolist(), ids.faults["missing"].tolist()
    ([0, 1, -1, 0], ['007', '7'], [False, False, True, False])
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind not in ("string", "bytes", "integer", "floating", "mixed-integer-float", "empty"):
        raise TypeError(f"strings or whole numbers, not both. Received {kind}")
    codes, found = pd.factorize(values)
    distinct = np.asarray(found, object if kind in ("string", "bytes", "empty") else None)
    if kind in ("floating", "mixed-integer-float"):
        distinct = distinct.astype(np.float64)
        whole = np.isfinite(distinct) & (distinct == np.floor(distinct)) & (abs(distinct) < 2**53)
        faults = {"no whole number": ~whole}
        distinct = np.where(whole, distinct, 0).astype(np.int64)
    elif kind == "integer":
        distinct, faults = _smallest(distinct), {}
    else:
        texts = [_text(value) for value in distinct]
        faults = {
            "missing": np.array([text == "" for text in texts], bool),
            "not UTF-8": np.array([text is None for text in texts], bool),
            "more than one line": np.array([_has_lines(text) for text in texts], bool),
        }
        distinct = np.array([text or "" for text in texts], object)
    return _valid(codes, distinct, faults)


def _smallest(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers as int64 where they fit."""
    if numbers.dtype.kind == "i":
        return numbers.astype(np.int64)
    least, most = min(numbers, default=0), max(numbers, default=0)
    return numbers.astype(np.int64 if -(2**63) <= least and most < 2**63 else object)


def _text(value: Any) -> str | None:
    """The text of a value; None if it is none."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        value.encode("utf-8")
    except UnicodeError:
        return None
    return value


def _has_lines(text: str | None) -> bool:
    return text is not None and ("\n" in text or "\r" in text)


def _valid(codes: np.ndarray, distinct: np.ndarray, faults: dict[str, np.ndarray]) -> Ids:
    """Ids of distinct values, of which some are at fault."""
    of_rows = {what: np.append(wrong, False)[codes] for what, wrong in faults.items()}
    of_rows["missing"] = of_rows.get("missing", np.zeros(len(codes), bool)) | (codes < 0)
    is_valid = ~np.logical_or.reduce([*faults.values(), np.zeros(len(distinct), bool)])
    renumbered = np.append(np.where(is_valid, np.cumsum(is_valid) - 1, -1), -1)
    return Ids(renumbered[codes], distinct[is_valid], of_rows)

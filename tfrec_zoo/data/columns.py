"""Columns of frames: what they hold, and how they become raw features."""

from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features import raw_array, raw_vectors

#: Text columns with more distinct values than this share of the rows are names, not categories.
_NAMES = 0.5


def is_list(value: Any) -> bool:
    """Whether a cell of a frame holds several values."""
    return isinstance(value, list | tuple | np.ndarray)


def is_bag(values: pd.Series) -> bool:
    """Whether a column holds a list per row."""
    # Text alone is told apart without a look at each value in Python.
    is_mixed = values.dtype == object and pd.api.types.infer_dtype(values).startswith("mixed")
    return is_mixed and bool(values.map(is_list).any())


def is_text(values: pd.Series) -> bool:
    """Whether a column holds strings, missing ones allowed."""
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty")
    return pd.api.types.is_string_dtype(values)


def are_names(values: pd.Series) -> bool:
    """Whether a column of text has names, which nearly all differ, and no categories."""
    return values.nunique() > _NAMES * len(values)


def vector_width(values: pd.Series) -> int | None:
    """The width of a column of vectors: lists of numbers, not all whole, all of one length.

    None of any other column. Missing rows, None and empty lists, may be among them.
    """
    if not is_bag(values):
        return None
    rows = [row for row in values if is_list(row) and len(row)]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        return None
    flat = np.concatenate([np.asarray(row).ravel() for row in rows])
    return widths.pop() if flat.dtype.kind == "f" else None


def table_columns(frame: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The columns of a frame as raw features: strings, int64, float64, bags of them, and vectors.

    Raises:
        ValueError: If a column holds something else; the message names it.
    """
    columns: dict[str, np.ndarray] = {}
    for name in frame.columns:
        if name in leave_out:
            continue
        try:
            columns[name] = _raw_feature(frame[name])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {name!r} must hold strings, numbers, or lists of one of them; convert or "
                f"drop it. Received {frame[name].dtype}: {error}"
            ) from error
    return columns


def _raw_feature(values: pd.Series) -> np.ndarray:
    width = vector_width(values)
    if width is not None:
        return raw_vectors(values.to_list(), width)
    if is_bag(values):
        flat = [value for bag in values if is_list(bag) for value in bag]
        kinds = {"integer": "int64", "floating": "float64", "mixed-integer-float": "float64"}
        dtype: Any = kinds.get(pd.api.types.infer_dtype(flat, skipna=True), "string")
        return raw_array(values.to_list(), dtype, is_bag=True)
    if is_text(values):
        return values.fillna("").to_numpy(object)
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        return values.to_numpy(np.int64)
    if values.dtype != object and not pd.api.types.is_numeric_dtype(values):
        raise TypeError("neither text nor numbers")
    return values.to_numpy(np.float64, na_value=np.nan)

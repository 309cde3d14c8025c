"""Columns of frames: what they hold, and how they become raw features."""

from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features import raw_array


def is_list(value: Any) -> bool:
    """Whether a cell of a frame holds several values."""
    return isinstance(value, list | tuple | np.ndarray)


def is_bag(values: pd.Series) -> bool:
    """Whether a column holds a list per row."""
    return values.dtype == object and bool(values.map(is_list).any())


def is_text(values: pd.Series) -> bool:
    """Whether a column holds strings, missing ones allowed."""
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty")
    return pd.api.types.is_string_dtype(values)


def table_columns(frame: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The columns of a frame as raw features: strings, int64, float32, and bags of them.

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
    if is_bag(values):
        flat = [value for bag in values if is_list(bag) for value in bag]
        kinds = {"integer": "int64", "floating": "float32", "mixed-integer-float": "float32"}
        dtype: Any = kinds.get(pd.api.types.infer_dtype(flat, skipna=True), "string")
        return raw_array(values.to_list(), dtype, is_bag=True)
    if is_text(values):
        return values.fillna("").to_numpy(object)
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        return values.to_numpy(np.int64)
    if values.dtype != object and not pd.api.types.is_numeric_dtype(values):
        raise TypeError("neither text nor numbers")
    return values.to_numpy(np.float32, na_value=np.nan)

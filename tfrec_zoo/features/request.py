"""Raw requests: from what a person writes to typed arrays, with one meaning of "missing"."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from tfrec_zoo.features.spec import RawFeature
from tfrec_zoo.features.vocabulary import raw_values

#: What a missing value is, by raw type; also what short bags are filled up with.
MISSING: dict[str, Any] = {"string": "", "int64": -1, "float32": np.nan}


def raw_array(
    values: Any, dtype: Literal["string", "int64", "float32"], is_bag: bool = False
) -> np.ndarray:
    """Returns one raw feature as an array of its type, missing values made explicit.

    Args:
        values: [rows] values or, for a bag, [rows] sequences of any lengths (None: empty) or a
            [rows, length] array.
        dtype: Type of a value.
        is_bag: Whether each row holds a bag.

    Returns:
        [rows], or [rows, longest bag] filled up at the end with the missing value.

    Raises:
        TypeError: If a value is not of the type, or a bag is not a sequence.
    """
    if not is_bag:
        array = _typed(values, dtype)
        if array.ndim != 1:
            raise TypeError(f"Expected one value per row. Received shape {array.shape}")
        return array
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return _typed(values, dtype)
    rows: list[Any] = []
    for bag in values:
        if bag is None or (isinstance(bag, float) and np.isnan(bag)):
            bag = ()
        if isinstance(bag, str | bytes) or not hasattr(bag, "__len__"):
            raise TypeError(f"Expected a sequence of values per row. Received: {bag!r}")
        rows.append(bag)
    flat = _typed([value for bag in rows for value in bag], dtype)
    if flat.ndim != 1:
        raise TypeError(f"Expected a sequence of values per row. Received: {rows!r:.80}")
    lengths = np.array([len(bag) for bag in rows], np.int64)
    result = np.full((len(rows), lengths.max(initial=0)), MISSING[dtype], flat.dtype)
    result[np.arange(result.shape[1]) < lengths[:, None]] = flat
    return result


def _typed(values: Any, dtype: Literal["string", "int64", "float32"]) -> np.ndarray:
    if dtype != "float32":
        if isinstance(values, list | tuple):
            values = pd.Series(values, dtype=object).to_numpy() if _is_flat(values) else values
        if len(values) == 0:
            return np.empty(np.shape(values), object if dtype == "string" else np.int64)
        return raw_values(values, dtype)
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.where(pd.isna(array), np.nan, array)
    if array.dtype.kind in "SU" or any(isinstance(v, str | bytes) for v in array.ravel().tolist()):
        raise TypeError(f"Expected numbers. Received: {values!r:.80}")
    try:
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"Expected numbers. Received: {values!r:.80}") from None


def _is_flat(values: Any) -> bool:
    return not any(isinstance(v, list | tuple | np.ndarray) for v in values)


def request_arrays(
    raw: Mapping[str, RawFeature], request: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Returns every raw feature of a request as a typed array; keys left out become missing.

    Args:
        raw: The raw features expected.
        request: By key, one value (or bag) per row: lists, arrays or a pandas frame.

    Raises:
        KeyError: If the request has a key that is no feature.
        TypeError: If a value has the wrong type; the message names the key.
        ValueError: If features have different numbers of rows, or the request is empty.
    """
    unknown = sorted(str(key) for key in request if key not in raw)
    if unknown:
        raise KeyError(f"Unknown features: expected some of {sorted(raw)}. Received: {unknown}")
    arrays: dict[str, np.ndarray] = {}
    for key in request:
        try:
            arrays[key] = raw_array(request[key], raw[key].dtype, raw[key].is_bag)
        except TypeError as error:
            raise TypeError(f"Feature {key!r}: {error}") from None
    rows = {len(array) for array in arrays.values()}
    if len(rows) != 1:
        lengths = {key: len(array) for key, array in arrays.items()}
        raise ValueError(
            "A request must give at least one feature, and every feature the same number of rows. "
            f"Received rows: {lengths}"
        )
    shape = rows.pop()
    for key, feature in raw.items():
        if key not in arrays:
            missing = MISSING[feature.dtype]
            numpy_dtype = {"string": object, "int64": np.int64, "float32": np.float32}
            size = (shape, 0) if feature.is_bag else (shape,)
            arrays[key] = np.full(size, missing, numpy_dtype[feature.dtype])
    return arrays

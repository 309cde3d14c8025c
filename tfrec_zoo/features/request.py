"""Raw requests: user input converted to typed arrays, with one representation of "missing"."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from tfrec_zoo.features.columns import RawType
from tfrec_zoo.features.spec import RawFeature

#: The missing value of each raw type, which also pads short bags.
MISSING: dict[str, Any] = {"string": "", "int64": -1, "float64": np.nan, "float32": np.nan}

#: The type of Arrow that each raw type of a vocabulary has.
ARROW = {"string": pa.large_string(), "int64": pa.int64()}

_EXPECTED = {"string": "strings (UTF-8)", "int64": "whole numbers of 64 bits (int64)"}
_INT64 = np.iinfo(np.int64)
_NUMPY: dict[str, Any] = {
    "string": object,
    "int64": np.int64,
    "float64": np.float64,
    "float32": np.float32,
}


#: Types of raw values. Numbers are "float64", which keeps the digits of whole numbers up to 2**53.
AnyRawType = RawType | Literal["float64", "float32"]


def raw_values(values: Any, dtype: AnyRawType) -> np.ndarray:
    """Returns values as an array of Python strings, int64 or floats, with `MISSING` filled in.

    Args:
        values: Array-like of any shape, of strings, bytes, numbers, None and NaN.
        dtype: Type of the raw values.

    Raises:
        TypeError: If a value is not of that type.
    """
    is_object = isinstance(values, list | tuple) or pd.api.types.is_extension_array_dtype(values)
    if dtype == "float64" or dtype == "float32":
        return _floats(np.array(values, object) if is_object else np.asarray(values), _NUMPY[dtype])
    if dtype == "int64" and not is_object and _fits_int64(array := np.asarray(values)):
        return array.astype(np.int64)
    codes, distinct = distinct_values(values, dtype)
    distinct = np.append(distinct, np.array([MISSING[dtype]], distinct.dtype))
    return distinct[codes.ravel()].reshape(codes.shape)


def distinct_values(values: Any, dtype: RawType) -> tuple[np.ndarray, np.ndarray]:
    """Returns which distinct value each value is, and the distinct values.

    Args:
        values: Array-like of any shape, of strings, bytes, whole numbers, None and NaN.
        dtype: Type of the raw values.

    Returns:
        Codes in the shape of the values, and the distinct values, an array of Python strings or
        int64. The code of None and NaN is the number of distinct values.

    Raises:
        TypeError: If a value is not of that type.

    Example:

    >>> codes, distinct = distinct_values(["b", None, "a", b"b"], "string")
    >>> codes.tolist(), distinct.tolist()
    ([0, 2, 1, 0], ['b', 'a'])
    """
    array, flat = _flat(values)
    if dtype == "int64" and _fits_int64(flat):
        codes, distinct = pd.factorize(flat.astype(np.int64))
        return codes.reshape(array.shape), distinct
    if dtype == "string" and (text := _text(flat)) is not None:
        encoded = text.dictionary_encode()
        codes, distinct = encoded.indices, encoded.dictionary
        codes = codes.fill_null(len(distinct)) if codes.null_count else codes
        return codes.to_numpy().reshape(array.shape), distinct.to_numpy(zero_copy_only=False)
    is_extension = not isinstance(flat, np.ndarray)
    kind = "O" if is_extension else flat.dtype.kind
    if kind not in ("OSU" if dtype == "string" else "Ouf") and not _is_nan(flat):
        raise TypeError(f"Expected {_EXPECTED[dtype]}. Received type {array.dtype}: {array!r:.80}")
    try:
        codes, found = pd.factorize(flat if kind in "uf" or is_extension else flat.astype(object))
    except TypeError:  # A list, or another value that cannot be hashed.
        raise TypeError(f"Expected {_EXPECTED[dtype]}. Received: {array!r:.80}") from None
    # Each distinct value is converted once; several may come to the same.
    tokens = np.array([_token(value, dtype) for value in found], _NUMPY[dtype])
    renumbered, tokens = pd.factorize(tokens)
    return np.append(renumbered, len(tokens))[codes].reshape(array.shape), tokens


def arrow_values(values: Any, dtype: RawType) -> pa.Array:
    """Returns values one after another as an array of Arrow, null for None and NaN.

    Args:
        values: Array-like of any shape, of strings, bytes, whole numbers, None and NaN.
        dtype: Type of the raw values.

    Raises:
        TypeError: If a value is not of that type.
    """
    flat = _flat(values)[1]
    if dtype == "int64" and _fits_int64(flat):
        return pa.array(flat.astype(np.int64))
    if dtype == "string" and (text := _text(flat)) is not None:
        return text
    codes, distinct = distinct_values(values, dtype)
    codes = codes.ravel()
    return pa.array(distinct, ARROW[dtype]).take(pa.array(codes, mask=codes == len(distinct)))


def _flat(values: Any) -> tuple[Any, Any]:
    """Returns values as an array, and that flat: NumPy's, or a column of a type of pandas."""
    if pd.api.types.is_extension_array_dtype(values):
        return values, values
    # By default NumPy would turn numbers and NaNs in a list of strings into strings, and round
    # pandas' nullable integers.
    is_list = isinstance(values, list | tuple)
    array = np.array(values, object) if is_list else np.asarray(values)
    return array, array.ravel()


def _text(flat: Any) -> pa.Array | None:
    """Returns flat values as Arrow's text; None if they are anything else.

    Arrow compares bytes, which takes a fraction of the time of comparing Python's objects.
    """
    if not isinstance(flat.dtype, pd.StringDtype):
        if not isinstance(flat, np.ndarray) or flat.dtype.kind not in "OU":
            return None
    try:
        text = pa.array(flat, pa.large_string(), from_pandas=True)
    except (pa.ArrowException, UnicodeError):
        return None
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def _fits_int64(array: Any) -> bool:
    kind = array.dtype.kind if isinstance(array, np.ndarray) else "O"
    return kind in "ib" or (kind == "u" and bool(np.all(array <= _INT64.max)))


def _floats(array: np.ndarray, dtype: Any) -> np.ndarray:
    is_text = False
    if array.dtype.kind == "O":
        is_text = any(isinstance(value, str | bytes) for value in array.ravel())
        array = np.where(pd.isna(array), np.nan, array)
    if array.dtype.kind not in "Oiufb" or is_text:
        raise TypeError(f"Expected numbers. Received: {array!r:.80}")
    try:
        with np.errstate(over="ignore"):
            return array.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"Expected numbers. Received: {array!r:.80}") from None


def _is_nan(array: np.ndarray) -> bool:
    """Returns whether all is NaN, which is how pandas stores a column of missing strings."""
    return array.dtype.kind == "f" and bool(np.isnan(array).all())


def _token(value: Any, dtype: AnyRawType) -> str | int:
    if dtype == "int64":
        is_whole = isinstance(value, int | np.integer) or (
            isinstance(value, float | np.floating) and float(value).is_integer()
        )
        if is_whole and _INT64.min <= int(value) <= _INT64.max:
            return int(value)
    else:
        try:
            if isinstance(value, str):
                value.encode("utf-8")
                return value
            if isinstance(value, bytes):
                return value.decode("utf-8")
        except UnicodeError:
            pass
    raise TypeError(f"Expected {_EXPECTED[dtype]}. Received: {value!r:.80}")


def raw_array(values: Any, dtype: AnyRawType, is_bag: bool = False) -> np.ndarray:
    """Returns one raw feature as an array of its type, with missing values made explicit.

    Args:
        values: Values, [rows], or an array of them, [rows, 1]; for a bag sequences of any lengths,
            [rows] (None is empty), or an array, [rows, length].
        dtype: Type of the raw values.
        is_bag: Whether each row contains a bag of values.

    Returns:
        An array, [rows], or [rows, longest bag] for bags, padded at the end with the missing value.

    Raises:
        TypeError: If a value is not of the type, or a bag is not a sequence.
    """
    if not is_bag:
        array = raw_values(values, dtype)
        if getattr(values, "ndim", 0) == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise TypeError(f"Expected a list of one value per row. Received: {values!r:.80}")
        return array
    if getattr(values, "ndim", 0) == 2:
        return raw_values(values, dtype)
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise TypeError(f"Expected a list of one sequence per row. Received: {values!r:.80}")
    rows: list[Any] = []
    for bag in values:
        if pd.api.types.is_scalar(bag) and pd.isna(bag):
            bag = ()
        if isinstance(bag, str | bytes | Mapping) or not hasattr(bag, "__len__"):
            raise TypeError(f"Expected a sequence of values per row. Received: {bag!r:.80}")
        rows.append(bag)
    flat = raw_values([value for bag in rows for value in bag], dtype)
    if flat.ndim != 1:
        raise TypeError(f"Expected a sequence of values per row. Received: {rows!r:.80}")
    lengths = np.array([len(bag) for bag in rows], np.int64)
    result = np.full((len(rows), lengths.max(initial=0)), MISSING[dtype], flat.dtype)
    result[np.arange(result.shape[1]) < lengths[:, None]] = flat
    return result


def raw_vectors(values: Any, width: int) -> np.ndarray:
    """Returns vectors as float32, [rows, width]; those that are missing, and components, are 0.

    Args:
        values: Sequences of `width` numbers, [rows], or an array, [rows, width]. None, NaN and
            empty ones are missing.
        width: Number of components.

    Raises:
        TypeError: If a value is no vector of that width.
    """
    bags = raw_array(values, "float32", is_bag=True)
    is_ragged = getattr(values, "ndim", 1) != 2
    lengths = {len(row) for row in values if hasattr(row, "__len__")} if is_ragged else set()
    wrong = (lengths | {bags.shape[1]}) - {0, width}
    if wrong:
        raise TypeError(f"Expected vectors of {width} components. Received some of {sorted(wrong)}")
    vectors = np.where(np.isfinite(bags), bags, np.float32(0))
    return vectors if vectors.shape[1] else np.zeros((len(vectors), width), np.float32)


def request_arrays(
    raw: Mapping[str, RawFeature], request: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Returns every raw feature of a request as a typed array; absent keys become missing values.

    Args:
        raw: Expected raw features, by key.
        request: Raw features by key, one value (or bag) per row: lists, arrays or a pandas frame.

    Returns:
        The arrays by key, each [rows], [rows, longest bag] for a bag, or [rows, width] for a
        vector.

    Raises:
        KeyError: If the request has a key that is not a feature.
        TypeError: If a value has the wrong type; the message names the key.
        ValueError: If features have different numbers of rows, or the request is empty.
    """
    unknown = sorted(str(key) for key in request if key not in raw)
    if unknown:
        raise KeyError(f"Unknown features: expected some of {sorted(raw)}. Received: {unknown}")
    arrays: dict[str, np.ndarray] = {}
    for key in request:
        try:
            width = raw[key].width
            if width is not None:
                arrays[key] = raw_vectors(request[key], width)
            else:
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
            if feature.width is not None:
                arrays[key] = np.zeros((shape, feature.width), np.float32)
                continue
            size = (shape, 0) if feature.is_bag else (shape,)
            arrays[key] = np.full(size, MISSING[feature.dtype], _NUMPY[feature.dtype])
    return arrays

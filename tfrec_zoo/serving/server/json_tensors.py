"""JSON tensors: TensorFlow Serving's row and column formats as arrays, and its answers."""

import base64
import binascii
import itertools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.json_text import shown

#: How a request gives its tensors: by row or by column.
Format = Literal["instances", "inputs"]
_INTEGERS = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.uint32, tf.int64, tf.uint64)
_BYTES = "_bytes"


def read_tensors(
    document: Mapping[str, Any], inputs: Mapping[str, tf.TensorSpec]
) -> tuple[Format, dict[str, np.ndarray]]:
    """Reads the tensors of a predict request.

    Args:
        document: The body of the request.
        inputs: What the signature takes, by name.

    Returns:
        The format of the request, and its arrays by name.

    Raises:
        RequestError: If the request doesn't fit the signature; the message says where.

    Example:

    >>> spec = {"x": tf.TensorSpec([None], tf.float32)}
    >>> read_tensors({"instances": [1, 2.5]}, spec)
    ('instances', {'x': array([1. , 2.5], dtype=float32)})
    """
    if not inputs:
        raise RequestError(400, "The signature takes no inputs")
    if "instances" in document and "inputs" in document:
        raise RequestError(
            400,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
        )
    if "instances" in document:
        return "instances", _checked(_by_row(document["instances"], inputs), inputs)
    if "inputs" in document:
        return "inputs", _checked(_by_column(document["inputs"], inputs), inputs)
    raise RequestError(400, "Missing 'inputs' or 'instances' key")


def write_tensors(layout: Format, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The answer to a predict request, to be written as JSON.

    Args:
        layout: The format of the request.
        outputs: Arrays by name.

    Raises:
        RequestError: If the answer to rows has no row for each.
    """
    values = {name: _json_values(name, array) for name, array in sorted(outputs.items())}
    if layout == "inputs":
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    sizes = {name: array.shape[:1] for name, array in outputs.items()}
    if len(set(sizes.values())) > 1 or () in sizes.values():
        raise RequestError(
            400,
            "The outputs have not one size of batch, which the row format needs: ask by 'inputs'. "
            f"Received: { ({name: array.shape for name, array in outputs.items()}) }",
        )
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    rows = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def decimals(values: np.ndarray) -> list[float]:
    """[n] float32 values as the numbers that stand in the answers of TensorFlow Serving.

    They have six digits, or nine where six are not enough to tell the value.

    Example:

    >>> decimals(np.array([0.2, 1 / 3, 9e6], np.float32))
    [0.2, 0.333333343, 9000000.0]
    """
    given = values.tolist()
    short = [float("%.6g" % value) for value in given]  # noqa: UP031 (twice as fast)
    with np.errstate(over="ignore"):
        is_same = np.array(short, np.float64).astype(np.float32) == values
    if is_same.all():
        return short
    return [
        s if same else float("%.9g" % v)  # noqa: UP031
        for s, same, v in zip(short, is_same.tolist(), given, strict=True)
    ]


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not _is_bytes(value)


def _by_row(rows: Any, inputs: Mapping[str, tf.TensorSpec]) -> dict[str, np.ndarray]:
    if not isinstance(rows, list):
        raise RequestError(
            400, f"Expecting 'instances' to be a list/array. Received: {shown(rows)}"
        )
    if not rows:
        raise RequestError(400, "No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise RequestError(
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            f"required: {sorted(inputs)}",
        )
    if not _is_object(rows[0]):
        [(name, spec)] = inputs.items()
        at = next((n for n, row in enumerate(rows) if _is_object(row)), None)
        if at is not None:
            raise RequestError(400, f"Expecting value/list but got object at item {at}")
        return {name: _array(name, rows, spec.dtype)}
    for number, row in enumerate(rows):
        if not _is_object(row):
            raise RequestError(400, f"Expecting object but got value/list at item {number}")
        if row.keys() != inputs.keys():
            raise RequestError(
                400,
                f"Failed to process element: {number} of 'instances' list. Its keys must be equal "
                f"to: {', '.join(sorted(inputs))}. Received: {shown(sorted(row))}",
            )
    return {
        name: _array(name, [row[name] for row in rows], spec.dtype) for name, spec in inputs.items()
    }


def _by_column(given: Any, inputs: Mapping[str, tf.TensorSpec]) -> dict[str, np.ndarray]:
    if not _is_object(given):
        if len(inputs) > 1:
            raise RequestError(
                400,
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                f"required: {sorted(inputs)}",
            )
        [name] = inputs
        given = {name: given}
    for name in inputs:
        if name not in given:
            raise RequestError(400, f"Missing named input: {name} in 'inputs' object.")
    if len(given) > len(inputs):
        raise RequestError(
            400,
            f"The signature has the inputs {sorted(inputs)} alone. "
            f"Received others: {shown(sorted(set(given) - set(inputs)))}",
        )
    return {name: _array(name, given[name], spec.dtype) for name, spec in inputs.items()}


def _checked(
    arrays: dict[str, np.ndarray], inputs: Mapping[str, tf.TensorSpec]
) -> dict[str, np.ndarray]:
    for name, array in arrays.items():
        if not inputs[name].shape.is_compatible_with(array.shape):
            raise RequestError(
                400,
                f"Input {name!r} must have the shape {_shape(inputs[name].shape)}. "
                f"Received: {list(array.shape)}",
            )
    return arrays


def _shape(shape: tf.TensorShape) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape.as_list()) + "]"


def _array(name: str, value: Any, dtype: tf.DType) -> np.ndarray:
    """A nested list as an array, whose lists must be equally long."""
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    leaves = [value]
    for level, size in enumerate(shape):
        if not all(type(part) is list for part in leaves):
            raise RequestError(400, f"Input {name!r} has a value where a list is, at level {level}")
        if not all(len(part) == size for part in leaves):
            other = next(len(part) for part in leaves if len(part) != size)
            raise RequestError(
                400,
                f"Input {name!r}: lists of one level must be equally long; pad them with missing "
                f"values. Encountered list at unexpected size: {other} at level: {level} expected "
                f"size: {size}",
            )
        leaves = list(itertools.chain.from_iterable(leaves))
    return _leaves(name, leaves, dtype).reshape(shape)


def _leaves(name: str, values: list[Any], dtype: tf.DType) -> np.ndarray:
    if dtype == tf.string:
        found = np.empty(len(values), object)
        found[:] = [_bytes(name, value) for value in values]
        return found
    kinds: tuple[type, ...]
    if dtype == tf.bool:
        kinds = (bool,)
    elif dtype in _INTEGERS:
        kinds = (int,)
    elif dtype in (tf.float32, tf.float64):
        kinds = (int, float)
    else:
        raise RequestError(501, f"Input {name!r}: JSON has no values of the type {dtype.name}")
    if not all(type(value) in kinds for value in values):
        _misfit(name, next(value for value in values if type(value) not in kinds), dtype)
    if dtype == tf.bool:
        return np.array(values, np.bool_)
    least, greatest = _bounds(dtype)
    kept = (v for v in values if type(v) is int) if float in kinds else values
    # NaN compares as False, and the infinite are values of their own.
    for value in kept:
        if not least <= value <= greatest:
            _misfit(name, value, dtype)
    array = np.array(values, dtype.as_numpy_dtype if kinds == (int,) else np.float64)
    if dtype == tf.float32:
        with np.errstate(over="ignore"):
            single = array.astype(np.float32)
        is_lost = np.isinf(single) & np.isfinite(array)
        if is_lost.any():
            _misfit(name, values[int(is_lost.argmax())], dtype)
        return single
    return array


def _bounds(dtype: tf.DType) -> tuple[int, int]:
    """The whole numbers that a type holds without loss."""
    if dtype in (tf.float32, tf.float64):
        greatest = 2 ** (24 if dtype == tf.float32 else 53)
        return -greatest, greatest
    return int(dtype.min), int(dtype.max)


def _misfit(name: str, value: Any, dtype: tf.DType) -> None:
    raise RequestError(
        400, f"Input {name!r}: JSON Value: {shown(value)} is not of expected type: {dtype.name}"
    )


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return utf8(value)
    if not _is_bytes(value):
        _misfit(name, value, tf.string)
    return from_base64(value["b64"])


def utf8(text: str) -> bytes:
    """Text as UTF-8."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RequestError(400, f"A string has half of a surrogate pair: {error}") from error


def from_base64(text: str) -> bytes:
    """The bytes that Base64 text stands for; its padding may be absent."""
    stripped = text.rstrip("=")
    try:
        return base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, f"Unable to base64 decode: {shown(text)}") from error


def _json_values(name: str, array: np.ndarray) -> Any:
    """The values of an array as nested lists."""
    if array.dtype == object:
        found = np.empty(array.size, object)
        found[:] = [_text(value, name.endswith(_BYTES)) for value in array.ravel().tolist()]
        return found.reshape(array.shape).tolist()
    if array.dtype.kind in "biu" or array.dtype == np.float64:
        return array.tolist()
    if array.dtype.kind in "cmM":
        raise RequestError(501, f"JSON has no values of the type {array.dtype}: {name}")
    single = array.astype(np.float32)
    return np.array(decimals(single.ravel()), np.float64).reshape(array.shape).tolist()


def _text(value: bytes, as_bytes: bool) -> Any:
    """Bytes as text, or in Base64 if they were meant to be bytes or are no UTF-8."""
    if not as_bytes:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode("ascii")}

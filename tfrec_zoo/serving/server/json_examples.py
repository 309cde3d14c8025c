"""JSON examples: the bodies of classify and regress requests, and their answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.json_tensors import decimals, from_base64, utf8
from tfrec_zoo.serving.server.json_text import shown


def read_examples(document: Mapping[str, Any]) -> np.ndarray:
    """Reads the examples of a classify or regress request.

    Args:
        document: The body of the request.

    Returns:
        [examples] serialized `tf.Example`s, each with the features of the context.

    Raises:
        RequestError: If the request is malformed; the message says where.
    """
    given = document.get("examples")
    if not isinstance(given, list):
        raise RequestError(
            400, f"Expecting 'examples' value to be a list. Received: {shown(given)}"
        )
    if not given:
        raise RequestError(400, "'examples' value is an empty array")
    context = document.get("context", {})
    if not isinstance(context, dict):
        raise RequestError(400, f"'context' must be a JSON object. Received: {shown(context)}")
    found = np.empty(len(given), object)
    for number, features in enumerate(given):
        if not isinstance(features, dict):
            raise RequestError(
                400, f"Example must be JSON object. Received at {number}: {shown(features)}"
            )
        if context.keys() & features.keys():
            raise RequestError(
                400,
                "Features of the context must not be in examples. "
                f"Received at {number}: {shown(sorted(context.keys() & features.keys()))}",
            )
        found[number] = _example({**context, **features})
    return found


def write_classes(outputs: Mapping[str, np.ndarray], rows: int) -> dict[str, Any]:
    """The answer to a classify request: pairs of label and score for each example.

    Raises:
        RequestError: If the signature doesn't classify.
    """
    classes, scores = outputs.get("classes"), outputs.get("scores")
    given = [array for array in (classes, scores) if array is not None]
    if not given or any(a.ndim != 2 or len(a) != rows or a.shape != given[0].shape for a in given):
        raise RequestError(
            400,
            "A signature that classifies returns [batch, n] 'classes' or 'scores'. "
            f"Received: { ({name: array.shape for name, array in outputs.items()}) }",
        )
    shape = given[0].shape
    labels = [""] * given[0].size
    if classes is not None:
        labels = [label.decode("utf-8", "replace") for label in classes.ravel().tolist()]
    numbers = [0.0] * given[0].size
    if scores is not None:
        numbers = decimals(scores.ravel().astype(np.float32))
    pairs = [list(pair) for pair in zip(labels, numbers, strict=True)]
    return {"results": [pairs[n * shape[1] : (n + 1) * shape[1]] for n in range(rows)]}


def write_values(outputs: Mapping[str, np.ndarray], rows: int) -> dict[str, Any]:
    """The answer to a regress request: a number for each example.

    Raises:
        RequestError: If the signature doesn't regress.
    """
    values = outputs.get("outputs")
    if values is None or values.dtype.kind != "f" or values.shape not in [(rows,), (rows, 1)]:
        raise RequestError(
            400,
            "A signature that regresses returns [batch] numbers, 'outputs'. "
            f"Received: { ({name: array.shape for name, array in outputs.items()}) }",
        )
    return {"results": decimals(values.ravel().astype(np.float32))}


def _example(features: Mapping[str, Any]) -> bytes:
    example = tf.train.Example()
    for key, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[utf8(key).decode("utf-8")]
        kinds = {_kind(key, part) for part in values}
        if len(kinds) > 1:
            raise RequestError(
                400, f"Unexpected element type in feature: {key:.80}. Received: {shown(values)}"
            )
        if kinds == {"float"}:
            feature.float_list.value.extend(values)
        elif kinds == {"int"}:
            feature.int64_list.value.extend(int(part) for part in values)
        elif kinds == {"bytes"}:
            feature.bytes_list.value.extend(
                utf8(part) if isinstance(part, str) else from_base64(part["b64"]) for part in values
            )
    return example.SerializeToString()


def _kind(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "int"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return "int"
    if isinstance(value, float) and not (
        abs(value) > np.finfo(np.float32).max and abs(value) < np.inf
    ):
        return "float"
    if isinstance(value, str):
        return "bytes"
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str):
        return "bytes"
    raise RequestError(
        400, f"Feature: {key:.80} has element with unexpected JSON type: {shown(value)}"
    )

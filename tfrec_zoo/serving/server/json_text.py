"""JSON text: documents as TensorFlow Serving reads and writes them, NaN and Infinity included."""

import json
import math
from typing import Any

from tfrec_zoo.serving.server.errors import RequestError


def read_json(body: bytes) -> dict[str, Any]:
    """Reads the body of a request.

    Args:
        body: UTF-8 text.

    Returns:
        The object that it holds.

    Raises:
        RequestError: If it is no JSON object, has a key twice, or a number that no float holds.

    Example:

    >>> read_json(b'{"instances": [1, 2.5, NaN]}')
    {'instances': [1, 2.5, nan]}
    """
    if not body:
        raise RequestError(400, "JSON Parse error: The document is empty")
    try:
        document = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise RequestError(400, f"JSON Parse error: the body is no UTF-8. {error}") from error
    except RecursionError as error:
        raise RequestError(400, "JSON Parse error: the document is nested too deep") from error
    except ValueError as error:
        raise RequestError(400, f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise RequestError(400, f"JSON Value: {shown(document)} Is not object")
    return document


def write_json(value: Any) -> bytes:
    """Writes the body of a response; NaN and Infinity are tokens of these names."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def shown(value: Any) -> str:
    """A value as text for a message, cut where it is long."""
    if isinstance(value, list | dict) and len(value) > 20:
        value = value[:20] if isinstance(value, list) else sorted(value)[:20]
    text = f"{value!r:.200}"
    return text if len(text) < 200 else f"{text}…"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice!r:.80} twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text:.80} is too big a number")
    return value

"""Predict: signatures called with the arrays of several requests at once."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tfrec_zoo.features import MISSING
from tfrec_zoo.serving.server.batching import Batcher, each_by_itself
from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.json_text import write_json
from tfrec_zoo.serving.server.loaded_model import Signature

#: Makes the document of an answer from the outputs.
Write = Callable[[dict[str, np.ndarray]], Any]


class _Item(NamedTuple):
    arrays: dict[str, np.ndarray]
    write: Write


async def predict(
    batcher: Batcher,
    signature: Signature,
    arrays: dict[str, np.ndarray],
    write: Write,
    max_rows: int,
) -> bytes:
    """Calls a signature, with the arrays of other requests where rows are answered apart.

    Args:
        batcher: What calls it.
        signature: The signature.
        arrays: The inputs, by name.
        write: Makes the document of the answer.
        max_rows: Rows that a request may have.

    Returns:
        The document as text.

    Raises:
        RequestError: If the rows are too many, or not the same in all inputs.
    """
    sizes = {name: len(array) for name, array in arrays.items() if array.ndim}
    rows = max(sizes.values(), default=1)
    if rows > max_rows:
        raise RequestError(400, f"A request has at most {max_rows} rows. Received: {rows}")
    if not signature.rows_are_apart:
        work = functools.partial(_answer_apart, signature)
        return await batcher.run(object(), work, _Item(arrays, write))
    if len(set(sizes.values())) > 1:
        raise RequestError(400, f"All inputs must have the same number of rows. Received: {sizes}")
    if not rows:
        raise RequestError(400, "A request must have a row. Received: none")
    tails: Any = signature.may_be_padded
    if not tails:
        tails = tuple(array.shape[1:] for array in arrays.values())
    width = max(array.size // rows for array in arrays.values())
    work = functools.partial(_answer, signature)
    return await batcher.run((signature, tails), work, _Item(arrays, write), rows, width)


def _answer_apart(signature: Signature, items: list[_Item]) -> list[Any]:
    return each_by_itself(
        lambda items: [write_json(item.write(signature(item.arrays))) for item in items], items
    )


def _answer(signature: Signature, items: list[_Item]) -> list[Any]:
    return each_by_itself(functools.partial(_answer_together, signature), items)


def _answer_together(signature: Signature, items: list[_Item]) -> list[Any]:
    if len(items) == 1:
        return [write_json(items[0].write(signature(items[0].arrays)))]
    names = list(items[0].arrays)
    outputs = signature({name: stacked([item.arrays[name] for item in items]) for name in names})
    ends = np.cumsum([len(item.arrays[names[0]]) for item in items])
    answers = []
    for item, end in zip(items, ends, strict=True):
        rows = slice(end - len(item.arrays[names[0]]), end)
        answers.append(write_json(item.write(_rows_of(outputs, rows))))
    return answers


def _rows_of(outputs: Mapping[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in outputs.items()}


def stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """Arrays below each other, with missing values at the ends of those that are narrower.

    Example:

    >>> stacked([np.array([[1, 2]]), np.array([[3], [4]])]).tolist()
    [[1, 2], [3, -1], [4, -1]]
    """
    tails = {array.shape[1:] for array in arrays}
    if len(tails) == 1:
        return np.concatenate(arrays)
    shape = [sum(map(len, arrays)), *np.max(list(tails), axis=0).tolist()]
    kind = arrays[0].dtype
    missing: Any = b"" if kind.kind == "O" else MISSING["int64" if kind.kind == "i" else "float64"]
    found = np.full(shape, missing, kind)
    begin = 0
    for array in arrays:
        at = (slice(begin, begin + len(array)), *map(slice, array.shape[1:]))
        found[at] = array
        begin += len(array)
    return found

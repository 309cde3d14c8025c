"""Combinations: integer keys for the crossed values of a `CrossedColumn`, counted and decoded.

The key of a combination is a mixed-radix number plus one. Its digits are the ids of the parts, less
one, and the last part is the lowest digit. A cross with `top_n` has a vocabulary of keys.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.columns import (
    BagColumn,
    BucketizedColumn,
    CategoricalColumn,
    CrossedColumn,
    CrossPart,
    HashedColumn,
    RawType,
)
from tfrec_zoo.features.request import raw_array
from tfrec_zoo.features.spec import vocabulary_column
from tfrec_zoo.features.vocabulary import Vocabulary, VocabularyCounter

#: Number of combinations that are counted at a time.
_SLICE = 2**22


def is_last(bag: np.ndarray, dtype: RawType, max_length: int) -> np.ndarray:
    """Returns which values are among the last `max_length` non-missing ones of their row."""
    is_present = bag != "" if dtype == "string" else bag >= 0
    return is_present & (is_present[:, ::-1].cumsum(axis=1)[:, ::-1] <= max_length)


def num_ids_of(column: CategoricalColumn, vocabularies: Mapping[str, Vocabulary]) -> int:
    """Returns the number of ids of a categorical column, not counting 0."""
    if isinstance(column, BucketizedColumn):
        return len(column.boundaries) + 1
    if isinstance(column, BagColumn):
        return num_ids_of(column.values, vocabularies)
    if isinstance(column, CrossedColumn | HashedColumn) and column.num_buckets is not None:
        return column.num_buckets
    return len(vocabularies[column.space])


def radices(column: CrossedColumn, vocabularies: Mapping[str, Vocabulary]) -> list[int]:
    """Returns the number of ids of each part of a cross, which are the radices of its keys."""
    sizes = [num_ids_of(part, vocabularies) for part in column.columns]
    if math.prod(sizes) > np.iinfo(np.int64).max:
        raise ValueError(
            f"The cross {column.name!r} has too many combinations: the product of its parts' "
            f"numbers of ids must be less than 2**63. Received: {sizes}"
        )
    return sizes


def part_in_words(column: CrossPart, digit: int, vocabularies: Mapping[str, Vocabulary]) -> str:
    """Returns one part of a combination in words, for the id `digit + 1`."""
    if not isinstance(column, BucketizedColumn):
        return f"{column.key}={vocabularies[column.space].tokens[digit]}"
    bounds = [np.format_float_positional(b, trim="-") for b in column.boundaries]
    if digit == 0:
        return f"{column.key} < {bounds[0]}"
    if digit == len(bounds):
        return f"{column.key} >= {bounds[-1]}"
    return f"{column.key} in [{bounds[digit - 1]}, {bounds[digit]})"


class CombinationCounter:
    """Counts the combinations of a cross, at most once per row, chunk by chunk."""

    def __init__(self, column: CrossedColumn, vocabularies: Mapping[str, Vocabulary]) -> None:
        self.column = column
        self.sizes = radices(column, vocabularies)
        spaces = {c.space for c in map(vocabulary_column, column.columns) if c is not None}
        arrays = {space: vocabularies[space].array() for space in spaces}
        self.tokens = {space: pd.Index(a, dtype=a.dtype) for space, a in arrays.items()}
        self.counter = VocabularyCounter("int64")

    def update(self, chunk: Mapping[str, Any]) -> None:
        """Counts the combinations of a chunk, if it contains all parts of the cross."""
        columns = self.column.columns
        if any(part.key not in chunk for part in columns):
            return
        parts = [self._ids(part, chunk[part.key]) for part in columns]
        rows = {part.key: len(ids) for part, ids in zip(columns, parts, strict=True)}
        if len(set(rows.values())) > 1:
            raise ValueError(
                "The parts of a cross must have the same number of rows, here or in `cross_rows`. "
                f"Received rows: {rows}"
            )
        step = max(_SLICE // max(math.prod(ids.shape[1] for ids in parts), 1), 1)
        for begin in range(0, len(parts[0]), step):
            keys = self._keys([ids[begin : begin + step] for ids in parts])
            self.counter.update(keys[keys > 0])

    def vocabulary(self) -> Vocabulary:
        """Returns a vocabulary with the keys of the most frequent combinations."""
        if not len(self.counter.table):
            raise ValueError(
                f"The data hold no combination of the cross {self.column.name!r}: its rows must "
                f"have all of its parts. Received none of {[p.key for p in self.column.columns]}"
            )
        return self.counter.vocabulary(self.column.top_n)

    def _ids(self, part: CrossPart, values: Any) -> np.ndarray:
        """Returns the distinct ids of a part, [rows, values], as the preprocessor makes them."""
        if isinstance(part, BucketizedColumn):
            numbers = raw_array(values, "float64")
            boundaries = np.array(part.boundaries)
            if getattr(values, "dtype", None) == np.float32:  # They are rounded alike.
                boundaries = boundaries.astype(np.float32)
            buckets = np.searchsorted(boundaries, numbers, side="right") + 1
            return np.where(np.isnan(numbers), 0, buckets)[:, None]
        vocabulary = vocabulary_column(part)
        assert vocabulary is not None
        is_bag = isinstance(part, BagColumn)
        array = raw_array(values, vocabulary.dtype, is_bag)
        ids = self.tokens[part.space].get_indexer(array.ravel()).reshape(array.shape) + 1
        if not isinstance(part, BagColumn):
            return ids[:, None]
        ids = np.where(is_last(array, vocabulary.dtype, part.max_length), ids, 0)
        ids = -np.sort(-ids, axis=1)[:, : part.max_length]
        ids[:, 1:][ids[:, 1:] == ids[:, :-1]] = 0
        return ids

    def _keys(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the keys, [rows, combinations], 0 where the id of a part is 0."""
        keys = parts[0].astype(np.int64)
        for ids, size in zip(parts[1:], self.sizes[1:], strict=True):
            left, right = keys[:, :, None], ids[:, None, :]
            pairs = np.where((left > 0) & (right > 0), (left - 1) * size + right, 0)
            keys = pairs.reshape(len(pairs), left.shape[1] * right.shape[2])
        return keys

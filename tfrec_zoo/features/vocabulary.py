"""Vocabularies: lookup tables built in one pass over the data, cut to the most frequent values."""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tfrec_zoo.features.columns import RawType
from tfrec_zoo.features.request import distinct_values, raw_array

_ARROW = {"string": pa.large_string(), "int64": pa.int64()}


@dataclasses.dataclass(frozen=True)
class Repeated:
    """Values that count several times each, such as rows of a table that examples refer to.

    Args:
        values: [rows], or [rows, length].
        times: [rows] how often each row counts; those of 0 do not.

    Example:

    >>> rows = Repeated(np.array(["a", "b", "c"]), np.array([1, 2, 0]))
    >>> Vocabulary.from_values([rows]).tokens
    ('b', 'a')
    """

    values: np.ndarray
    times: np.ndarray


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The known values of one ID space, most frequent first: token `i` has id `i + 1`.

    Args:
        tokens: Distinct values, none of them missing.
        dtype: Type of the raw values.
    """

    tokens: tuple[str | int, ...]
    dtype: RawType = "string"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(self.tokens))
        if len(set(self.tokens)) != len(self.tokens):
            twice = pd.Series(self.tokens)[pd.Series(self.tokens).duplicated()].iloc[0]
            raise ValueError(f"`tokens` must be distinct. Received twice: {twice!r}")
        if not _are_valid(self.tokens, self.dtype):
            wrong = next(token for token in self.tokens if not _are_valid((token,), self.dtype))
            raise ValueError(
                "`tokens` must be non-empty strings of one line, or numbers from 0 up. "
                f"Received: {wrong!r}"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_counts(
        cls, counts: pd.Series, dtype: RawType = "string", top_n: int | None = None
    ) -> "Vocabulary":
        """Makes a vocabulary from a series of counts indexed by value; ties are sorted by value."""
        if counts.empty:
            return cls((), dtype)
        counts = counts[counts.index != ""] if dtype == "string" else counts[counts.index >= 0]
        # Text is compared by its UTF-8 bytes, which is the order of Python's strings.
        columns = {"token": pa.array(counts.index, _ARROW[dtype]), "count": counts.to_numpy()}
        keys = [("count", "descending"), ("token", "ascending")]
        tokens = pa.table(columns).sort_by(keys)["token"]
        return cls(tuple(tokens[:top_n].to_pylist()), dtype)

    @classmethod
    def from_values(
        cls, chunks: Iterable[Any], dtype: RawType = "string", top_n: int | None = None
    ) -> "Vocabulary":
        """Makes a vocabulary in one pass over chunks of raw values."""
        counter = VocabularyCounter(dtype)
        for chunk in chunks:
            counter.update(chunk)
        return cls.from_counts(counter.counts, dtype, top_n)

    def array(self) -> np.ndarray:
        """The tokens in id order, as an array of their raw type."""
        return np.array(self.tokens, object if self.dtype == "string" else np.int64)

    def save(self, path: pathlib.Path) -> None:
        """Writes one token per line, in id order."""
        text = "\n".join(map(str, (*self.tokens, "")))
        path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: pathlib.Path, dtype: RawType = "string") -> "Vocabulary":
        """Reads what `save` wrote."""
        text = path.read_text(encoding="utf-8")
        tokens: Sequence[str | int] = text.removesuffix("\n").split("\n") if text else ()
        return cls(tuple(int(t) for t in tokens) if dtype == "int64" else tuple(tokens), dtype)


class VocabularyCounter:
    """Counts the values of one ID space, chunk by chunk."""

    def __init__(self, dtype: RawType = "string") -> None:
        self.dtype = dtype
        # Of all chunks up to one, and of each after it, which together are no longer.
        self._parts: list[pa.Table] = []

    def update(self, values: Any) -> None:
        """Adds the values of an array-like of any shape, of bags of any lengths, or `Repeated`."""
        times = None
        if isinstance(values, Repeated):
            values, times = values.values, values.times
        codes, tokens = self._distinct(values)
        if times is not None:
            times = np.repeat(times, codes[:1].size)
        counts = np.bincount(codes.ravel(), times, len(tokens) + 1)[:-1]
        is_there = counts > 0
        columns = {"token": pa.array(tokens, _ARROW[self.dtype]), "count": counts.astype(np.int64)}
        self._parts.append(pa.table(columns).filter(is_there))
        if sum(map(len, self._parts[1:])) > len(self._parts[0]):
            self._add_up()

    @property
    def counts(self) -> pd.Series:
        """How often each value was there, by value."""
        self._add_up()
        if not self._parts:
            return pd.Series(dtype=np.int64)
        tokens, counts = (column.to_numpy() for column in self._parts[0].columns)
        return pd.Series(counts, pd.Index(tokens, dtype=tokens.dtype))

    def _distinct(self, values: Any) -> tuple[np.ndarray, np.ndarray]:
        try:
            return distinct_values(values, self.dtype)
        except TypeError:
            is_row_wise = str(getattr(values, "dtype", "object")) == "object"
            if not is_row_wise or getattr(values, "ndim", 1) != 1:
                raise
            if not any(isinstance(row, list | tuple | np.ndarray) for row in values):
                raise
        return distinct_values(raw_array(values, self.dtype, True), self.dtype)

    def _add_up(self) -> None:
        """Adds the counts of all chunks."""
        if len(self._parts) > 1:
            added = pa.concat_tables(self._parts).group_by("token").aggregate([("count", "sum")])
            self._parts = [added.rename_columns(["token", "count"])]


def _are_valid(tokens: Sequence[Any], dtype: RawType) -> bool:
    """Whether all tokens can be lines of a vocabulary file."""
    if dtype == "int64":
        return set(map(type, tokens)) <= {int} and all(0 <= token < 2**63 for token in tokens)
    if not all(issubclass(kind, str) for kind in set(map(type, tokens))):
        return False
    lines = "\n".join(tokens)
    has_breaks = "\r" in lines or lines.count("\n") != len(tokens) - 1
    return not tokens or not (has_breaks or "" in tokens)

"""Vocabularies: lookup tables built in one pass over the data, cut to the most frequent values."""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tfrec_zoo.features.columns import RawType
from tfrec_zoo.features.request import ARROW, arrow_values, raw_array

#: Bytes of text that offsets of 32 bits reach.
_REACH = 2**31


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
        columns = {"token": pa.array(counts.index, ARROW[dtype]), "count": counts.to_numpy()}
        return cls.from_table(pa.table(columns), dtype, top_n)

    @classmethod
    def from_table(
        cls, counts: pa.Table, dtype: RawType = "string", top_n: int | None = None
    ) -> "Vocabulary":
        """Does what `from_counts` does with an Arrow table of the columns `token` and `count`."""
        tokens = counts["token"]
        is_there = pc.not_equal(tokens, "") if dtype == "string" else pc.greater_equal(tokens, 0)
        counts = counts.filter(is_there)
        # Text is compared by its UTF-8 bytes, which is the order of Python's strings.
        keys = [("count", "descending"), ("token", "ascending")]
        order = pc.sort_indices(counts, keys)[:top_n]
        return cls(tuple(counts["token"].take(order).to_pylist()), dtype)

    @classmethod
    def from_values(
        cls, chunks: Iterable[Any], dtype: RawType = "string", top_n: int | None = None
    ) -> "Vocabulary":
        """Makes a vocabulary in one pass over chunks of raw values."""
        counter = VocabularyCounter(dtype)
        for chunk in chunks:
            counter.update(chunk)
        return counter.vocabulary(top_n)

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
        columns = {"token": self._column(values)}
        if times is not None:
            per_row = len(columns["token"]) // max(len(times), 1)
            columns["count"] = np.repeat(np.asarray(times, np.int64), per_row)
        self._parts.append(_added_up(pa.table(columns)))
        if sum(map(len, self._parts[1:])) > len(self._parts[0]):
            self._parts = [self.table]

    @property
    def table(self) -> pa.Table:
        """How often each value was there: the columns `token` and `count`."""
        if len(self._parts) > 1:
            self._parts = [_added_up(pa.concat_tables(self._parts))]
        return self._parts[0] if self._parts else _added_up(pa.table({"token": self._column([])}))

    @property
    def counts(self) -> pd.Series:
        """How often each value was there, by value."""
        tokens, counts = (column.to_numpy() for column in self.table.columns)
        return pd.Series(counts, pd.Index(tokens, dtype=tokens.dtype))

    def vocabulary(self, top_n: int | None = None) -> Vocabulary:
        """The vocabulary of what was there, as `Vocabulary.from_counts` makes it."""
        return Vocabulary.from_table(self.table, self.dtype, top_n)

    def _column(self, values: Any) -> pa.Array:
        """Values of any shape one after another, null where they are missing."""
        try:
            return arrow_values(values, self.dtype)
        except TypeError:
            is_row_wise = str(getattr(values, "dtype", "object")) == "object"
            if not is_row_wise or getattr(values, "ndim", 1) != 1:
                raise
            if not any(isinstance(row, list | tuple | np.ndarray) for row in values):
                raise
        return arrow_values(raw_array(values, self.dtype, True), self.dtype)


def _added_up(table: pa.Table) -> pa.Table:
    """Adds up the counts of each token, one for every row unless there is a column `count`."""
    tokens = keys = table["token"]
    encoded = None
    if tokens.type == pa.large_string():
        # Arrow groups text with offsets of 32 bits fast; with others it is slow, or crashes.
        is_short = tokens.get_total_buffer_size() < _REACH
        encoded = None if is_short else tokens.combine_chunks().dictionary_encode()
        keys = tokens.cast(pa.string()) if encoded is None else encoded.indices
    counts = ("count", "sum") if table.num_columns > 1 else ([], "count_all")
    # In this thread: several are slower than one where there are many tokens.
    added = table.set_column(0, "key", keys).group_by("key", use_threads=False).aggregate([counts])
    added = added.rename_columns(["token", "count"])
    added = added.filter(pc.is_valid(added["token"])).filter(pc.field("count") > 0)
    if encoded is not None:
        added = added.set_column(0, "token", encoded.dictionary.take(added["token"]))
    return added.cast(pa.schema([("token", tokens.type), ("count", pa.int64())])).combine_chunks()


def _are_valid(tokens: Sequence[Any], dtype: RawType) -> bool:
    """Whether all tokens can be lines of a vocabulary file."""
    if dtype == "int64":
        is_whole = set(map(type, tokens)) <= {int}
        return is_whole and (not tokens or (min(tokens) >= 0 and max(tokens) < 2**63))
    if not all(issubclass(kind, str) for kind in set(map(type, tokens))):
        return False
    lines = "\n".join(tokens)
    has_breaks = "\r" in lines or lines.count("\n") != len(tokens) - 1
    return not tokens or not (has_breaks or "" in tokens)

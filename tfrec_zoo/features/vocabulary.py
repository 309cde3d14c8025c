"""Vocabularies: lookup tables built in one pass over the data, cut to the most frequent values."""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.columns import RawType
from tfrec_zoo.features.request import raw_array, raw_values


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
        for token in self.tokens:
            if self.dtype == "string":
                valid = isinstance(token, str) and token != "" and not {"\n", "\r"} & set(token)
            else:
                valid = type(token) is int and 0 <= token < 2**63
            if not valid:
                raise ValueError(
                    "`tokens` must be non-empty strings of one line, or numbers from 0 up. "
                    f"Received: {token!r}"
                )

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_counts(
        cls, counts: pd.Series, dtype: RawType = "string", top_n: int | None = None
    ) -> "Vocabulary":
        """Makes a vocabulary from a series of counts indexed by value; ties are sorted by value."""
        counts = counts[counts.index != ""] if dtype == "string" else counts[counts.index >= 0]
        frame = pd.DataFrame({"token": counts.index, "count": counts.to_numpy()})
        frame = frame.sort_values(["count", "token"], ascending=[False, True]).head(top_n)
        tokens = frame["token"].tolist()
        return cls(tuple(tokens), dtype)

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
        path.write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8")

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
        self.counts = pd.Series(dtype=np.int64)

    def update(self, values: Any) -> None:
        """Adds the values of an array-like of any shape, or of bags of any lengths."""
        is_row_wise = str(getattr(values, "dtype", "object")) == "object"
        is_ragged = (
            is_row_wise
            and getattr(values, "ndim", 1) == 1
            and any(isinstance(row, list | tuple | np.ndarray) for row in values)
        )
        array = raw_array(values, self.dtype, True) if is_ragged else raw_values(values, self.dtype)
        new = pd.Series(array.ravel()).value_counts(sort=False)
        self.counts = new if self.counts.empty else self.counts.add(new, fill_value=0)

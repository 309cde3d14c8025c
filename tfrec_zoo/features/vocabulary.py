"""Vocabularies: look-up tables built by passing over the data once, cut to the most frequent."""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.columns import RawType


def raw_values(values: Any, dtype: RawType) -> np.ndarray:
    """Returns values as a NumPy array of Python strings or int64, missing ones as `""` or -1.

    Args:
        values: Array-like of any shape: strings, bytes, numbers, None and NaN.
        dtype: The raw type they should have.

    Raises:
        TypeError: If a value is not of that type.
    """
    array = np.asarray(values)
    if dtype == "int64":
        if array.dtype.kind in "iu":
            return array.astype(np.int64)
        numbers = pd.to_numeric(pd.Series(array.ravel()), errors="coerce")
        wrong = numbers.isna() & ~pd.isna(pd.Series(array.ravel()))
        wrong |= numbers.notna() & (numbers % 1 != 0)
        if wrong.any():
            received = array.ravel()[np.flatnonzero(wrong)[0]]
            raise TypeError(f"Expected whole numbers (int64). Received: {received!r}")
        return numbers.fillna(-1).to_numpy(np.int64).reshape(array.shape)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8").astype(object)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind != "O":
        raise TypeError(f"Expected strings. Received values of type {array.dtype}: {array!r:.80}")
    # Each distinct value is looked at once; code -1 is None or NaN.
    codes, distinct = pd.factorize(array.ravel())
    tokens = [v.decode("utf-8") if isinstance(v, bytes) else v for v in distinct]
    wrong = [token for token in tokens if not isinstance(token, str)]
    if wrong:
        raise TypeError(f"Expected strings. Received: {wrong[0]!r}")
    return np.array([*tokens, ""], object)[codes].reshape(array.shape)


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The known values of one ID space, most frequent first: token `i` has id `i + 1`.

    Args:
        tokens: Distinct values, none of them missing.
        dtype: Their raw type.
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
                valid = isinstance(token, int) and token >= 0
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
        """Makes a vocabulary from a series that maps value to count; equal counts by value."""
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
        """Writes one token a line, in id order."""
        path.write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8")

    @classmethod
    def load(cls, path: pathlib.Path, dtype: RawType = "string") -> "Vocabulary":
        """Reads what `save` wrote."""
        tokens: Sequence[str | int] = path.read_text(encoding="utf-8").split("\n")[:-1]
        return cls(tuple(int(t) for t in tokens) if dtype == "int64" else tuple(tokens), dtype)


class VocabularyCounter:
    """Counts the values of one ID space, chunk by chunk."""

    def __init__(self, dtype: RawType = "string") -> None:
        self.dtype = dtype
        self.counts = pd.Series(dtype=np.int64)

    def update(self, values: Any) -> None:
        """Adds the values of an array-like of any shape."""
        new = pd.Series(raw_values(values, self.dtype).ravel()).value_counts(sort=False)
        self.counts = new if self.counts.empty else self.counts.add(new, fill_value=0)

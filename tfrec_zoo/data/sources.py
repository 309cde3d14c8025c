"""Sources: where a log stores the features of examples, and how they are gathered.

A history window is stored as two row numbers instead of 50 values, so the examples of a log take
little more memory than the log itself. tf.data gathers whole batches of them at once.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.coded import Column, distinct_of, mapped
from tfrec_zoo.features import (
    MISSING,
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    Encoded,
    HashedColumn,
    NumericColumn,
    Preprocessor,
    Repeated,
    VectorColumn,
    VocabularyColumn,
)


@dataclasses.dataclass(frozen=True)
class Rows:
    """One value per example: row `index[i]` of a table of columns.

    Args:
        values: Columns of the table by key; a column may be coded (see `coded`), or contain one bag
            per row, [rows, length].
        index: Row number of each example, [examples].
    """

    values: Mapping[str, Column]
    index: np.ndarray

    def take(self, index: np.ndarray) -> "Rows":
        """Returns the source of the examples at the given positions."""
        return dataclasses.replace(self, index=self.index[index])

    def used(self, keys: set[str]) -> dict[str, np.ndarray | Repeated]:
        """Returns the values of the given keys, counted once for each example that has them."""
        found: dict[str, np.ndarray | Repeated] = {}
        for key, column in self.values.items():
            if key not in keys:
                continue
            if column.dtype.kind == "O":
                # Text would take long to go through example by example.
                times = np.bincount(self.index, minlength=len(column))
                found[key] = _repeated(column, times)
            else:
                found[key] = column[self.index]
        return found


class Served(Rows):
    """What a request says in place of what was recorded, such as the first position."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """One bag per example: the last `length` rows of `[start[i], stop[i])`, oldest first.

    Args:
        values: Columns of the table by key, which may be coded; the rows of a user are adjacent.
        start: First row of each example's window, [examples].
        stop: Row after the last of each example's window, [examples].
        length: Length of the longest bag.
        hide: Row of each example's window to leave out, [examples], or None.
        ages: Key of a numeric bag `now[i] - time[row]` to add, or "".
        time: Time of each row of the table, [rows].
        now: Time of each example, [examples].
    """

    values: Mapping[str, Column]
    start: np.ndarray
    stop: np.ndarray
    length: int
    hide: np.ndarray | None = None
    ages: str = ""
    time: np.ndarray | None = None
    now: np.ndarray | None = None

    def take(self, index: np.ndarray) -> "Windows":
        """Returns the source of the examples at the given positions."""
        parts = {name: getattr(self, name) for name in ("start", "stop", "hide", "now")}
        parts = {name: None if part is None else part[index] for name, part in parts.items()}
        return dataclasses.replace(self, **parts)

    def used(self, keys: set[str]) -> dict[str, np.ndarray | Repeated]:
        """Returns the values of the given keys that are in at least one window, each row once."""
        values = {key: column for key, column in self.values.items() if key in keys}
        if not values:
            return {}
        rows = len(next(iter(values.values())))
        begin = np.maximum(self.start, self.stop - self.length)
        if self.hide is not None:
            # A window that hides a row includes one more row at its start.
            is_hidden = (self.hide >= begin) & (self.hide < self.stop)
            begin = np.maximum(self.start, begin - is_hidden)
        begin = np.minimum(begin, self.stop)
        edges = np.bincount(begin, minlength=rows + 1) - np.bincount(self.stop, minlength=rows + 1)
        windows = np.cumsum(edges)[:rows]
        if self.hide is not None:
            is_hidden = (self.hide >= begin) & (self.hide < self.stop)
            windows -= np.bincount(self.hide[is_hidden], minlength=rows)
        is_used = windows > 0
        return {
            key: _repeated(column, is_used) if column.dtype.kind == "O" else column[is_used]
            for key, column in values.items()
        }


def _repeated(column: Column, times: np.ndarray) -> Repeated:
    """The values of a column, or the distinct ones if it is coded, and how often each counts."""
    if not isinstance(column, pd.Categorical):
        return Repeated(column, times)
    distinct = distinct_of(column)
    return Repeated(distinct, np.bincount(column.codes, times, minlength=len(distinct)))


#: A source of the features of examples.
Source = Rows | Windows


def raw_assembler(sources: tuple[Source, ...], keys: Iterable[str] | None = None) -> Any:
    """Returns a function from example numbers to raw features by key."""
    wanted = None if keys is None else set(keys)
    parts = [
        _assembler_of(source, wanted)
        for source in sources
        if wanted is None or wanted & {*source.values, getattr(source, "ages", "")}
    ]

    def assemble(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {key: value for part in parts for key, value in part(rows).items()}

    return assemble


def decoded(values: np.ndarray) -> np.ndarray:
    """Returns text as strings instead of bytes."""
    if values.dtype != object or not values.size:
        return values
    return np.char.decode(values.astype("S"), "utf-8").astype(object)


def tensor(column: np.ndarray) -> tf.Tensor:
    """Returns a column as a tensor of one of the raw types: string, int64, float64 or float32."""
    floats = np.float32 if column.dtype.itemsize <= 4 else np.float64
    kinds = {"b": np.int64, "i": np.int64, "u": np.int64, "f": floats}
    return tf.constant(column, kinds.get(column.dtype.kind))


def _assembler_of(source: Source, wanted: set[str] | None, fill: Any = None) -> Any:
    columns = {k: c for k, c in source.values.items() if wanted is None or k in wanted}
    is_window = isinstance(source, Windows)
    values = {key: _gatherer(column, fill, is_window) for key, column in columns.items()}
    if isinstance(source, Rows):
        index = tf.constant(source.index, tf.int64)

        def rows_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
            at = tf.gather(index, rows)
            return {key: value(at) for key, value in values.items()}

        return rows_of

    start, stop = tf.constant(source.start, tf.int64), tf.constant(source.stop, tf.int64)
    hide = None if source.hide is None else tf.constant(source.hide, tf.int64)
    has_ages = bool(source.ages) and (wanted is None or source.ages in wanted)
    if has_ages:
        time = tf.constant(np.append(np.asarray(source.time), np.nan), tf.float64)
        now = tf.constant(source.now, tf.float64)
    # The row after the last stands for positions outside a window.
    outside = len(source.time if source.time is not None else next(iter(columns.values())))

    def windows_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        first, end = tf.gather(start, rows)[:, None], tf.gather(stop, rows)[:, None]
        at = end + tf.range(-source.length, 0, dtype=tf.int64)
        if hide is not None:
            # Positions up to the hidden row shift back by one, so the bag stays full.
            hidden = tf.gather(hide, rows)[:, None]
            at -= tf.cast((at <= hidden) & (hidden < end), tf.int64)
        at = tf.where(at >= first, at, outside)
        bags = {key: value(at) for key, value in values.items()}
        if has_ages:
            age = tf.gather(now, rows)[:, None] - tf.gather(time, at)
            bags[source.ages] = age
        return bags

    return windows_of


def _gatherer(column: Column, fill: Any, has_outside: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from row numbers to the values of a column.

    Args:
        column: The column.
        fill: The missing value of a column of ids; None for raw values.
        has_outside: Whether the row after the last is to be missing.
    """
    codes = column.codes if isinstance(column, pd.Categorical) else None
    values = column if codes is None else distinct_of(column)
    table = tensor(values) if fill is None else tf.constant(values)
    if has_outside:
        table = tf.concat([table, _missing(table, fill)[None]], 0)
    if codes is None:
        return lambda at: tf.gather(table, at)
    rows = tf.constant(np.append(codes, len(values)) if has_outside else codes, tf.int32)
    return lambda at: tf.gather(table, tf.gather(rows, at))


def _missing(value: tf.Tensor, fill: Any) -> tf.Tensor:
    if fill is not None:
        return tf.cast(fill, value.dtype)
    kinds = {tf.string: "string", tf.int64: "int64", tf.float64: "float64", tf.float32: "float32"}
    return tf.cast(MISSING[kinds[value.dtype]], value.dtype)


def encoded_assembler(sources: tuple[Source, ...], preprocessor: Preprocessor) -> Any:
    """Returns a function from example numbers to encoded features, with the log encoded once."""
    spec = preprocessor.features.spec
    numeric = {column.key for column in spec.dense if isinstance(column, NumericColumn)}
    numeric |= {ages for _, ages in spec.bag_ages}
    numeric |= {column.key for column in spec.dense if isinstance(column, VectorColumn)}
    # Bags with parallel ages keep the width of the window.
    aged = {name for name, _ in spec.bag_ages}
    id_parts, value_parts = [], []
    for source in sources:
        ids: dict[str, np.ndarray] = {}
        bags: dict[Any, list[BagColumn]] = {}
        for column in spec.categorical:
            if isinstance(column, CrossedColumn) or column.key not in source.values:
                continue
            if isinstance(source, Rows) or not isinstance(column, BagColumn):
                ids[column.name] = column_ids(preprocessor, column, source.values[column.key])
                continue
            bags.setdefault(column.values, []).append(column)
        for values_column, columns in bags.items():
            assert isinstance(source, Windows)
            values = source.values[values_column.key]
            ids_of_rows = column_ids(preprocessor, values_column, values)
            missing = mapped(values, lambda v: v == "" if v.dtype.kind == "O" else v < 0)
            ends = {}
            for column in columns:
                is_short = column.max_length < source.length
                if is_short and (column.name in aged or missing.any()):
                    marked = {column.name: np.where(missing, -1, ids_of_rows)}
                    id_parts.append(_last_ids(source, marked, column.max_length))
                else:
                    ends[column.name] = min(column.max_length, source.length)
            if ends:
                id_parts.append(_ends(source, ids_of_rows, ends))
        if ids:
            id_source = dataclasses.replace(source, values=ids)
            id_parts.append(_assembler_of(id_source, set(ids), fill=0))
        numbers = {
            key: column if column.dtype == np.float32 else column.astype(np.float64)
            for key, column in source.values.items()
            if key in numeric
        }
        wanted = set(numbers) | ({getattr(source, "ages", "")} & numeric)
        if wanted:
            value_source = dataclasses.replace(source, values=numbers)
            value_parts.append(_assembler_of(value_source, wanted))

    def assemble(rows: tf.Tensor) -> Encoded:
        ids = {k: v for part in id_parts for k, v in part(rows).items()}
        values = {k: v for part in value_parts for k, v in part(rows).items()}
        return preprocessor.with_crosses({"ids": ids, "values": values})

    return assemble


def column_ids(
    preprocessor: Preprocessor,
    column: VocabularyColumn | HashedColumn | BucketizedColumn | BagColumn,
    values: Column,
) -> np.ndarray:
    """Returns the int32 ids that a preprocessor gives the rows of a column; 0 is unknown."""

    def ids(values: np.ndarray) -> np.ndarray:
        return preprocessor.ids(column, {column.key: tensor(values)}).numpy()

    return mapped(values, ids)


def _ends(source: Windows, ids: np.ndarray, lengths: Mapping[str, int]) -> Any:
    """Returns a function to bags of the same ids, of which the short ones end the longest.

    Args:
        source: Windows of the bags.
        ids: Ids of the rows.
        lengths: Lengths of the bags by name.
    """
    longest = max(lengths.values())
    source = dataclasses.replace(source, values={"ids": ids}, length=longest)
    windows = _assembler_of(source, {"ids"}, fill=0)

    def ends_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        bag = windows(rows)["ids"]
        return {name: bag[:, longest - length :] for name, length in lengths.items()}

    return ends_of


def _last_ids(source: Windows, ids: dict[str, np.ndarray], max_length: int) -> Any:
    """Returns a function to windows of ids that keep the last `max_length` non-missing ones.

    Args:
        source: Windows of the bags.
        ids: Ids of the rows by column name, -1 if missing.
        max_length: Number of values that count; the others become 0.
    """
    windows = _assembler_of(dataclasses.replace(source, values=ids), set(ids), fill=-1)

    def last_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        bags = {}
        for name, bag in windows(rows).items():
            is_present = tf.cast(bag >= 0, tf.int32)
            from_end = tf.cumsum(is_present, axis=1, reverse=True)
            bags[name] = tf.where(from_end <= max_length, tf.maximum(bag, 0), 0)
        return bags

    return last_of

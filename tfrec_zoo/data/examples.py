"""Examples: rows described by where their values lie in a log, put together as they are needed.

A history window is stored as two row numbers, not as 50 values, so the examples of a log take
little more memory than the log; tf.data gathers whole batches of them at once.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features import (
    MISSING,
    BagColumn,
    CrossedColumn,
    Features,
    FeatureSpec,
    InteractionColumn,
    Preprocessor,
    Vocabulary,
)


@dataclasses.dataclass(frozen=True)
class Rows:
    """One value per example: row `index[i]` of a table of columns.

    Args:
        values: Columns of the table by key; a column may hold one bag per row, [rows, length].
        index: [examples] row numbers.
    """

    values: Mapping[str, np.ndarray]
    index: np.ndarray


@dataclasses.dataclass(frozen=True)
class Windows:
    """A bag per example: the last `length` rows of `[start[i], stop[i])`, oldest first.

    Args:
        values: Columns of the table by key; the rows of one user are adjacent.
        start: [examples] first row.
        stop: [examples] row after the last.
        length: Longest bag.
        hide: [examples] a row of the window to leave out, or None.
        ages: Key of a numeric bag `now[i] - time[row]` to add, or "".
        time: [rows] of the table.
        now: [examples] time of the example.
    """

    values: Mapping[str, np.ndarray]
    start: np.ndarray
    stop: np.ndarray
    length: int
    hide: np.ndarray | None = None
    ages: str = ""
    time: np.ndarray | None = None
    now: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples for a model: features, what is to be predicted, and how much each counts.

    Args:
        sources: Where the features lie.
        label: [examples] what is to be predicted: an item id (retrieval), or a number (ranking).
        weight: [examples] sample weights, or None.
        groups: [examples] what is compared with each other when evaluating (a page, a user), or
            None.
        seen: Where the items lie that the user has seen before, or None.
    """

    sources: tuple[Rows | Windows, ...]
    label: np.ndarray
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    seen: Windows | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: np.ndarray) -> "Examples":
        """The examples of these numbers."""

        def taken(source: Any) -> Any:
            if isinstance(source, Rows):
                return dataclasses.replace(source, index=source.index[index])
            parts = {name: getattr(source, name) for name in ("start", "stop", "hide", "now")}
            parts = {name: None if v is None else v[index] for name, v in parts.items()}
            return dataclasses.replace(source, **parts)

        return Examples(
            sources=tuple(taken(source) for source in self.sources),
            label=self.label[index],
            weight=None if self.weight is None else self.weight[index],
            groups=None if self.groups is None else self.groups[index],
            seen=None if self.seen is None else taken(self.seen),
        )

    def with_features(self, values: Mapping[str, np.ndarray]) -> "Examples":
        """These examples with more features, [examples] values by key."""
        added = Rows(values, np.arange(len(self)))
        return dataclasses.replace(self, sources=(*self.sources, added))

    def fit_features(
        self,
        spec: FeatureSpec,
        vocabularies: Mapping[str, Vocabulary] | None = None,
        sample: int = 20_000,
    ) -> Features:
        """Learns the vocabularies and quantiles of a spec from these examples.

        Each value counts once, however many windows it is in. The label counts towards the ID space
        of its key. Interaction columns are fitted on at most `sample` examples, evenly spaced.
        """
        columns = [c for c in spec.candidate if isinstance(c, InteractionColumn)]
        keys = {key for c in columns for key in (c.bag.key, c.candidate.key, c.ages) if key}
        part = self.take(np.linspace(0, len(self) - 1, min(sample, len(self))).astype(np.int64))
        rows = [part.raw(keys)] if columns else []
        return Features.fit(spec, self._values(set(spec.raw)), vocabularies, rows)

    def _values(self, keys: set[str]) -> Iterator[dict[str, np.ndarray]]:
        for source in self.sources:
            values = {key: column for key, column in source.values.items() if key in keys}
            if isinstance(source, Rows):
                yield {key: column[source.index] for key, column in values.items()}
            elif len(source.start):
                within = slice(source.start.min(), source.stop.max())
                yield {key: column[within] for key, column in values.items()}

    def raw(self, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The raw features of all examples, as a request would give them."""
        features = _assembler(self.sources, keys)(tf.range(len(self), dtype=tf.int64))
        return {key: _decoded(value.numpy()) for key, value in features.items()}

    def dataset(
        self,
        batch_size: int,
        preprocessor: Preprocessor | None = None,
        shuffle: bool = False,
        seed: int = 0,
        keys: Iterable[str] | None = None,
    ) -> tf.data.Dataset:
        """A tf.data pipeline of batches `(features, label)` or `(features, label, weight)`.

        Batches are gathered whole. With a preprocessor, each value of the log is encoded once,
        ahead, and batches of ids are gathered. Shuffling is of all examples, anew each epoch.

        Args:
            batch_size: Examples per batch; the last batch may be smaller.
            preprocessor: Encodes features (and an item label) ahead. Without it batches are raw.
            shuffle: Whether to shuffle.
            seed: Of the shuffling.
            keys: The raw features wanted, by default all or the preprocessor's.
        """
        label = self.label
        if preprocessor is None:
            assemble = _assembler(self.sources, keys)
        else:
            assemble = _encoded_assembler(self, preprocessor)
            if label.dtype.kind not in "f":
                label = item_ids(preprocessor, label)
        targets = [tf.constant(label)]
        if self.weight is not None:
            targets.append(tf.constant(self.weight, tf.float32))
        dataset = tf.data.Dataset.range(len(self))
        if shuffle:
            dataset = dataset.shuffle(max(len(self), 1), seed=seed)
        dataset = dataset.batch(batch_size)
        dataset = dataset.map(
            lambda rows: (assemble(rows), *(tf.gather(target, rows) for target in targets)),
            num_parallel_calls=2,
        )
        options = tf.data.Options()
        # The autotune thread's wake-ups stall short epochs by up to seconds.
        options.autotune.enabled = False
        return dataset.prefetch(4).with_options(options)


def item_ids(preprocessor: Preprocessor, items: np.ndarray) -> np.ndarray:
    """The ids that a preprocessor gives to raw item ids, 0 for unknown ones."""
    column = preprocessor.features.spec.item
    return preprocessor.ids(column, {column.key: tf.constant(items)}).numpy()


def _assembler(sources: tuple[Rows | Windows, ...], keys: Iterable[str] | None = None) -> Any:
    """Returns a function from example numbers to features by key."""
    wanted = None if keys is None else set(keys)
    parts = [
        _source_assembler(source, wanted)
        for source in sources
        if wanted is None or wanted & {*source.values, getattr(source, "ages", "")}
    ]

    def assemble(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {key: value for part in parts for key, value in part(rows).items()}

    return assemble


def _decoded(values: np.ndarray) -> np.ndarray:
    if values.dtype != object or not values.size:
        return values
    return np.char.decode(values.astype("S"), "utf-8").astype(object)


def _tensor(column: np.ndarray) -> tf.Tensor:
    if column.dtype == np.float64:
        column = column.astype(np.float32)
    return tf.constant(column)


def _source_assembler(source: Rows | Windows, wanted: set[str] | None, fill: Any = None) -> Any:
    values = {k: _tensor(v) for k, v in source.values.items() if wanted is None or k in wanted}
    if isinstance(source, Rows):
        index = tf.constant(source.index, tf.int64)

        def rows_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
            at = tf.gather(index, rows)
            return {key: tf.gather(value, at) for key, value in values.items()}

        return rows_of

    start, stop = tf.constant(source.start, tf.int64), tf.constant(source.stop, tf.int64)
    hide = None if source.hide is None else tf.constant(source.hide, tf.int64)
    # One row more where one is hidden, so that the bag is still full.
    length = source.length + (hide is not None)
    has_ages = bool(source.ages) and (wanted is None or source.ages in wanted)
    if has_ages:
        time, now = tf.constant(source.time, tf.float64), tf.constant(source.now, tf.float64)

    def windows_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        at = tf.gather(stop, rows)[:, None] + tf.range(-length, 0, dtype=tf.int64)
        inside = at >= tf.gather(start, rows)[:, None]
        if hide is not None:
            inside &= at != tf.gather(hide, rows)[:, None]
        at = tf.where(inside, at, 0)
        bags = {
            key: tf.where(inside, tf.gather(value, at), _missing(value, fill))
            for key, value in values.items()
        }
        if has_ages:
            age = tf.cast(tf.gather(now, rows)[:, None] - tf.gather(time, at), tf.float32)
            bags[source.ages] = tf.where(inside, age, float("nan"))
        return bags

    return windows_of


def _missing(value: tf.Tensor, fill: Any) -> tf.Tensor:
    if fill is not None:
        return tf.cast(fill, value.dtype)
    kinds = {tf.string: "string", tf.int64: "int64", tf.float32: "float32"}
    return tf.cast(MISSING[kinds[value.dtype]], value.dtype)


def _encoded_assembler(examples: Examples, preprocessor: Preprocessor) -> Any:
    """Returns a function from example numbers to encoded features, with the log encoded ahead."""
    spec = preprocessor.features.spec
    raw = spec.raw
    id_parts, value_parts = [], []
    for source in examples.sources:
        keys = [key for key in source.values if key in raw]
        ids: dict[str, np.ndarray] = {}
        for column in spec.categorical:
            if isinstance(column, CrossedColumn) or column.key not in keys:
                continue
            single = column.values if isinstance(column, BagColumn) else column
            column_ids = preprocessor.ids(
                single, {column.key: tf.constant(source.values[column.key])}
            )
            ids[column.name] = column_ids.numpy()
        numbers = {key: source.values[key] for key in keys if raw[key].dtype == "float32"}
        if ids:
            id_source = dataclasses.replace(source, values=ids)
            id_parts.append(_source_assembler(id_source, set(ids), fill=0))
        wanted = set(numbers) | ({getattr(source, "ages", "")} & set(raw))
        if wanted:
            value_source = dataclasses.replace(source, values=numbers)
            value_parts.append(_source_assembler(value_source, wanted))
    crosses = [column for column in spec.categorical if isinstance(column, CrossedColumn)]
    if crosses:
        id_parts.append(_crossed(examples, preprocessor, crosses))

    def assemble(rows: tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
        return {
            "ids": {k: v for part in id_parts for k, v in part(rows).items()},
            "values": {k: v for part in value_parts for k, v in part(rows).items()},
        }

    return assemble


def _crossed(examples: Examples, preprocessor: Preprocessor, columns: list[CrossedColumn]) -> Any:
    """Crosses look at several raw features at once: encoded per example, a batch at a time."""
    keys = {f for c in columns for part in c.columns for f in (part.key,)}
    batches = examples.dataset(8192, keys=keys)
    encoded = [
        {c.name: preprocessor.ids(c, features).numpy() for c in columns} for features, *_ in batches
    ]
    values = {name: np.concatenate([batch[name] for batch in encoded]) for name in encoded[0]}
    return _source_assembler(Rows(values, np.arange(len(examples))), None)

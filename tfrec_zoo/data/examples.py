"""Examples: rows described by where their values lie in a log, put together as they are needed.

A history window is stored as two row numbers, not as 50 values, so the examples of a log take
little more memory than the log; tf.data gathers whole batches of them at once.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.negatives import NegativeSampling
from tfrec_zoo.features import (
    MISSING,
    BagColumn,
    CrossedColumn,
    Encoded,
    Features,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
    Vocabulary,
)

#: Rows that are put together at a time: batches are cut from them.
_CHUNK = 8192


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
        candidates: Where the features of the candidate lie, a row for each item there is, if
            others than the example's own can take its place; or None.
    """

    sources: tuple[Rows | Windows, ...]
    label: np.ndarray
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    seen: Windows | None = None
    candidates: Rows | None = None

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
            candidates=None if self.candidates is None else taken(self.candidates),
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

        Each row of a log counts once, however many windows it is in, and not if it is in none. The
        label counts towards the ID space of its key. Interaction columns are fitted on at most
        `sample` examples, evenly spaced, and crosses with `top_n` on all of them.
        """
        columns = [c for c in spec.candidate if isinstance(c, InteractionColumn)]
        keys = {key for c in columns for key in (c.bag.key, c.candidate.key, c.ages) if key}
        part = self.take(np.linspace(0, len(self) - 1, min(sample, len(self))).astype(np.int64))
        rows = [part.raw(keys)] if columns else []
        crosses = [c for c in spec.crosses if c.top_n is not None]
        parts = {part.key for c in crosses for part in c.columns}
        cross_rows = self._chunks(parts) if crosses else ()
        return Features.fit(spec, self._values(set(spec.raw)), vocabularies, rows, cross_rows)

    @property
    def all_sources(self) -> tuple[Rows | Windows, ...]:
        """Where all features lie, the candidate's included."""
        return self.sources if self.candidates is None else (*self.sources, self.candidates)

    def _values(self, keys: set[str]) -> Iterator[dict[str, np.ndarray]]:
        for source in self.all_sources:
            values = {key: column for key, column in source.values.items() if key in keys}
            if isinstance(source, Rows):
                yield {key: column[source.index] for key, column in values.items()}
            elif values:
                used = _is_used(source, len(next(iter(values.values()))))
                yield {key: column[used] for key, column in values.items()}

    def _chunks(self, keys: set[str]) -> Iterator[dict[str, np.ndarray]]:
        """The raw features of all examples, text as bytes."""
        features_of = _assembler(self.all_sources, keys)
        for begin in range(0, len(self), 8 * _CHUNK):
            rows = tf.range(begin, min(begin + 8 * _CHUNK, len(self)), dtype=tf.int64)
            yield {key: value.numpy() for key, value in features_of(rows).items()}

    def raw(self, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The raw features of all examples, as a request would give them."""
        features = _assembler(self.all_sources, keys)(tf.range(len(self), dtype=tf.int64))
        return {key: _decoded(value.numpy()) for key, value in features.items()}

    def dataset(
        self,
        batch_size: int,
        preprocessor: Preprocessor | None = None,
        shuffle: bool = False,
        seed: int = 0,
        keys: Iterable[str] | None = None,
        negatives: NegativeSampling | None = None,
    ) -> tf.data.Dataset:
        """A tf.data pipeline of batches `(features, label)` or `(features, label, weight)`.

        Many batches are gathered at once, then cut. With a preprocessor, each value of the log is
        encoded once, ahead, and batches of ids are gathered. Shuffling is of all examples, anew
        each epoch. With negatives each example becomes a list: its own candidate first, labelled
        one, and those drawn, labelled zero; candidate features and labels are [batch, 1 + number].

        Args:
            batch_size: Examples per batch, negatives counted; the last batch may be smaller.
            preprocessor: Encodes features (and an item label) ahead. Without it batches are raw.
            shuffle: Whether to shuffle.
            seed: Of shuffling and drawing.
            keys: The raw features wanted, by default all; with a preprocessor, they are its own.
            negatives: How to draw negatives, which needs `candidates` and `groups` (users).
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
        assemble = self._batches_of_lists(preprocessor, keys, negatives)
        if assemble is None:
            assemble = self._batches(preprocessor, keys)
        else:
            batch_size = max(batch_size // (1 + negatives.number), 1)  # type: ignore[union-attr]
        size = len(self)
        chunk = batch_size * max(_CHUNK // batch_size, 1)

        def epoch(seed: tf.Tensor) -> tf.data.Dataset:
            order = tf.range(size, dtype=tf.int64)
            if shuffle:
                order = tf.random.experimental.stateless_shuffle(order, [seed, -1])
            chunks = tf.data.Dataset.range(0, size, chunk)
            return chunks.map(lambda begin: (order[begin : begin + chunk], [seed, begin]))

        # One number an epoch, another each time.
        epochs = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
        dataset = epochs.flat_map(epoch).map(assemble, num_parallel_calls=2).rebatch(batch_size)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(-(-size // batch_size)))
        options = tf.data.Options()
        # The autotune thread's wake-ups stall short epochs by up to seconds.
        options.autotune.enabled = False
        return dataset.prefetch(4).with_options(options)

    def assembler(
        self, preprocessor: Preprocessor | None = None, keys: Iterable[str] | None = None
    ) -> Callable[[tf.Tensor], Any]:
        """Returns a function of [n] example numbers to their features.

        Args:
            preprocessor: Encodes features ahead. Without it they are raw.
            keys: The raw features wanted, as for `dataset`.
        """
        if preprocessor is None:
            return _assembler(self.all_sources, keys)
        return _encoded_assembler(self, preprocessor)

    def lists(
        self, preprocessor: Preprocessor | None = None, keys: Iterable[str] | None = None
    ) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """Returns a function that puts candidates beside examples.

        Args:
            preprocessor: Encodes features ahead. Without it they are raw.
            keys: The raw features wanted, as for `dataset`.

        Returns:
            A function of [n] example numbers and [n, candidates] rows of the candidates' table, to
            features: the candidates' are [n, candidates].
        """
        if self.candidates is None:
            raise ValueError(
                "These examples don't say what other `candidates` there are; examples made by "
                "`interaction_examples` do. Received: candidates=None"
            )
        values = self.candidates.values
        rows = np.arange(len(next(iter(values.values()))))
        query = dataclasses.replace(self, candidates=None)
        table = Examples((Rows(values, rows),), label=rows)
        if preprocessor is None:
            of_query = _assembler(query.sources, keys)
            of_table = _assembler(table.sources, keys)
            return lambda rows, candidates: {**of_query(rows), **of_table(candidates)}
        ids_of_query = _encoded_assembler(query, preprocessor)
        ids_of_table = _encoded_assembler(table, preprocessor)

        def encoded(rows: tf.Tensor, candidates: tf.Tensor) -> Any:
            parts = ids_of_query(rows), ids_of_table(candidates)
            both = {group: {**parts[0][group], **parts[1][group]} for group in parts[0]}
            return preprocessor.with_crosses(both)

        return encoded

    def _batches(self, preprocessor: Preprocessor | None, keys: Iterable[str] | None) -> Any:
        """A function from ([n] example numbers, seed) to a batch."""
        label = self.label
        features_of = self.assembler(preprocessor, keys)
        if preprocessor is not None and label.dtype.kind not in "f":
            label = item_ids(preprocessor, label)
        targets = [tf.constant(label), *self._weights()]
        return lambda rows, _: (features_of(rows), *(tf.gather(t, rows) for t in targets))

    def _batches_of_lists(
        self,
        preprocessor: Preprocessor | None,
        keys: Iterable[str] | None,
        negatives: NegativeSampling | None,
    ) -> Any:
        """As `_batches`, each example a list with its negatives; None if none are wanted."""
        if negatives is None:
            return None
        lists = self.lists(preprocessor, keys)
        if self.groups is None:
            raise ValueError("Negatives need examples with users as `groups`. Received: None")
        assert self.candidates is not None
        users = tf.constant(self.groups, tf.int64)
        items = tf.constant(self.candidates.index, tf.int64)
        draw = negatives.drawer(self.groups, self.candidates.index)
        weights = self._weights()

        def assemble(rows: tf.Tensor, seed: tf.Tensor) -> tuple:
            own = tf.gather(items, rows)[:, None]
            candidates = tf.concat([own, draw(tf.gather(users, rows), seed)], axis=1)
            label = tf.one_hot(tf.zeros_like(rows), 1 + negatives.number)
            return lists(rows, candidates), label, *(tf.gather(w, rows) for w in weights)

        return assemble

    def _weights(self) -> list[tf.Tensor]:
        return [] if self.weight is None else [tf.constant(self.weight, tf.float32)]


def item_ids(preprocessor: Preprocessor, items: np.ndarray) -> np.ndarray:
    """The ids that a preprocessor gives to raw item ids, 0 for unknown ones."""
    column = preprocessor.features.spec.item
    return preprocessor.ids(column, {column.key: _tensor(items)}).numpy()


def _is_used(source: Windows, rows: int) -> np.ndarray:
    """Which rows of a table are in at least one window."""
    start, stop, hide = source.start, source.stop, source.hide
    begin = np.maximum(start, stop - source.length)
    if hide is not None:
        begin = np.maximum(start, begin - ((hide >= begin) & (hide < stop)))
    begin = np.minimum(begin, stop)
    edges = np.bincount(begin, minlength=rows + 1) - np.bincount(stop, minlength=rows + 1)
    windows = np.cumsum(edges)[:rows]
    if hide is not None:
        windows -= np.bincount(hide[(hide >= begin) & (hide < stop)], minlength=rows)
    return windows > 0


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
    """A column as one of the raw types: string, int64 or float32."""
    kinds = {"b": np.int64, "i": np.int64, "u": np.int64, "f": np.float32}
    return tf.constant(column, kinds.get(column.dtype.kind))


def _source_assembler(source: Rows | Windows, wanted: set[str] | None, fill: Any = None) -> Any:
    values = {
        key: _tensor(column) if fill is None else tf.constant(column)
        for key, column in source.values.items()
        if wanted is None or key in wanted
    }
    if isinstance(source, Rows):
        index = tf.constant(source.index, tf.int64)

        def rows_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
            at = tf.gather(index, rows)
            return {key: tf.gather(value, at) for key, value in values.items()}

        return rows_of

    start, stop = tf.constant(source.start, tf.int64), tf.constant(source.stop, tf.int64)
    hide = None if source.hide is None else tf.constant(source.hide, tf.int64)
    # One row more, of what is outside the windows.
    values = {k: tf.concat([v, _missing(v, fill)[None]], 0) for k, v in values.items()}
    has_ages = bool(source.ages) and (wanted is None or source.ages in wanted)
    if has_ages:
        time = tf.constant(np.append(np.asarray(source.time), np.nan), tf.float64)
        now = tf.constant(source.now, tf.float64)
    outside = len(time if has_ages else next(iter(values.values()))) - 1

    def windows_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        first, end = tf.gather(start, rows)[:, None], tf.gather(stop, rows)[:, None]
        at = end + tf.range(-source.length, 0, dtype=tf.int64)
        if hide is not None:
            # Rows up to the hidden one move up by one, so that the bag is still full.
            hidden = tf.gather(hide, rows)[:, None]
            at -= tf.cast((at <= hidden) & (hidden < end), tf.int64)
        at = tf.where(at >= first, at, outside)
        bags = {key: tf.gather(value, at) for key, value in values.items()}
        if has_ages:
            age = tf.gather(now, rows)[:, None] - tf.gather(time, at)
            bags[source.ages] = tf.cast(age, tf.float32)
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
    numeric = {column.key for column in spec.dense if isinstance(column, NumericColumn)}
    numeric |= {c.ages for c in spec.dense if isinstance(c, InteractionColumn) and c.ages}
    # Bags whose ages lie beside them keep the width of the window.
    aged = {c.bag.name for c in spec.dense if isinstance(c, InteractionColumn) and c.ages}
    id_parts, value_parts = [], []
    for source in examples.all_sources:
        ids: dict[str, np.ndarray] = {}
        for column in spec.categorical:
            if isinstance(column, CrossedColumn) or column.key not in source.values:
                continue
            values = _tensor(source.values[column.key])
            if isinstance(source, Rows) or not isinstance(column, BagColumn):
                ids[column.name] = preprocessor.ids(column, {column.key: values}).numpy()
                continue
            column_ids = preprocessor.ids(column.values, {column.key: values})
            missing = values == "" if values.dtype == tf.string else values < 0
            if column.max_length >= source.length:
                ids[column.name] = column_ids.numpy()
            elif column.name in aged or tf.reduce_any(missing):
                marked = {column.name: tf.where(missing, -1, column_ids).numpy()}
                id_parts.append(_last_ids(source, marked, column.max_length))
            else:
                named = {column.name: column_ids.numpy()}
                short = dataclasses.replace(source, values=named, length=column.max_length)
                id_parts.append(_source_assembler(short, set(named), fill=0))
        if ids:
            id_source = dataclasses.replace(source, values=ids)
            id_parts.append(_source_assembler(id_source, set(ids), fill=0))
        numbers = {
            key: np.asarray(column, np.float32)
            for key, column in source.values.items()
            if key in numeric
        }
        wanted = set(numbers) | ({getattr(source, "ages", "")} & numeric)
        if wanted:
            value_source = dataclasses.replace(source, values=numbers)
            value_parts.append(_source_assembler(value_source, wanted))

    def assemble(rows: tf.Tensor) -> Encoded:
        ids = {k: v for part in id_parts for k, v in part(rows).items()}
        values = {k: v for part in value_parts for k, v in part(rows).items()}
        return preprocessor.with_crosses({"ids": ids, "values": values})

    return assemble


def _last_ids(source: Windows, ids: dict[str, np.ndarray], max_length: int) -> Any:
    """Returns a function to windows of ids, 0 but for the last `max_length` that aren't missing.

    Args:
        source: The windows.
        ids: The ids of the rows by column name, -1 where missing.
        max_length: Bag size.
    """
    windows = _source_assembler(dataclasses.replace(source, values=ids), set(ids), fill=-1)

    def last_of(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        bags = {}
        for name, bag in windows(rows).items():
            is_present = tf.cast(bag >= 0, tf.int32)
            from_end = tf.cumsum(is_present, axis=1, reverse=True)
            bags[name] = tf.where(from_end <= max_length, tf.maximum(bag, 0), 0)
        return bags

    return last_of

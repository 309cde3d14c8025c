"""Examples: references to the rows of a log that make up each example, assembled on demand."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.coded import Column, coded
from tfrec_zoo.data.derived import RECENT_IMPRESSIONS
from tfrec_zoo.data.negatives import NegativeSampling
from tfrec_zoo.data.sources import (
    Rows,
    Served,
    Source,
    Windows,
    column_ids,
    decoded,
    encoded_assembler,
    raw_assembler,
)
from tfrec_zoo.features import (
    Features,
    FeatureSpec,
    InteractionColumn,
    Preprocessor,
    Repeated,
    Vocabulary,
)

logger = logging.getLogger(__name__)

#: Number of examples that are gathered at a time; batches are cut from them.
_CHUNK = 8192


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples for a model: their features, labels and weights.

    Args:
        sources: Sources of the features.
        label: Labels, [examples]: item ids (retrieval) or numbers (ranking).
        weight: Sample weights, [examples], or None.
        groups: Group of each example, [examples], within which evaluation compares (a page or a
            user), or None.
        seen: Windows of the items that the user has seen before each example, or None. The item of
            a row that the windows hide does not count.
        candidates: Source of the candidate's features, if other candidates can replace the
            example's own; its table has one row per item. None otherwise.
        count: Which examples count towards the vocabularies of the candidates' features: all that
            were `"shown"`, or those with a label above 0, `"clicked"`.
    """

    sources: tuple[Source, ...]
    label: np.ndarray
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    seen: Windows | None = None
    candidates: Rows | None = None
    count: Literal["clicked", "shown"] = "shown"

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: np.ndarray) -> "Examples":
        """Returns the examples at the given positions."""
        return Examples(
            sources=tuple(source.take(index) for source in self.sources),
            label=self.label[index],
            weight=None if self.weight is None else self.weight[index],
            groups=None if self.groups is None else self.groups[index],
            seen=None if self.seen is None else self.seen.take(index),
            candidates=None if self.candidates is None else self.candidates.take(index),
            count=self.count,
        )

    def with_features(self, values: Mapping[str, np.ndarray]) -> "Examples":
        """Returns these examples with added features, given as values by key, [examples] each."""
        added = Rows(values, np.arange(len(self)))
        return dataclasses.replace(self, sources=(*self.sources, added))

    def as_served(self, spec: FeatureSpec) -> "Examples":
        """Returns these examples with the values that features of a spec have when serving.

        What is known of an example but not of a request, such as the position, must not help a
        model that is measured; `as_recorded` takes it back.
        """
        fixed = {
            key: np.array([f.serving], object if f.dtype == "string" else f.dtype)
            for key, f in spec.raw.items()
            if f.serving is not None
        }
        if not fixed:
            return self
        served = Served(fixed, np.zeros(len(self), np.int64))
        return dataclasses.replace(self, sources=(*self.sources, served))

    def as_recorded(self) -> "Examples":
        """Returns these examples without what `as_served` put in place of recorded values.

        The level of predictions is measured with them: a label is what came of the position that
        was shown.
        """
        sources = tuple(source for source in self.sources if not isinstance(source, Served))
        if len(sources) == len(self.sources):
            return self
        return dataclasses.replace(self, sources=sources)

    def parts(self) -> "Iterator[Examples]":
        """Yields these examples in parts that fit into memory: they are one."""
        yield self

    def counted_labels(self) -> Column | Repeated:
        """The labels, [examples], or how often each label counts."""
        return self.label

    def fingerprint(self) -> str:
        """What tells these examples from others: a digest of the labels."""
        return hashlib.sha256(pd.util.hash_array(self.label).tobytes()).hexdigest()

    def fit_features(
        self,
        spec: FeatureSpec,
        vocabularies: Mapping[str, Vocabulary] | None = None,
        sample: int = 20_000,
        drop_empty: bool = False,
        items: bool = False,
    ) -> Features:
        """Learns the vocabularies and statistics of a spec from these examples.

        Each row of a log counts once if it is in any window, and not at all otherwise. Where only
        what was clicked counts, this is about the vocabularies of the candidates' ids and columns;
        users, histories and numbers are learned from all examples. Labels count
        towards the ID space of their key. Interaction columns are fitted on at most `sample` evenly
        spaced examples, and crosses with `top_n` on all examples.

        Args:
            spec: Spec of the columns.
            vocabularies: Known vocabularies by ID space, which are not learned.
            sample: Number of examples that interaction columns are fitted on.
            drop_empty: Whether columns without a value are left out; see `Features.fit`.
            items: Whether the features hold what is known of the items, for models that score all
                of them by it; needs `candidates`.

        Returns:
            The fitted features.
        """
        columns = [c for c in spec.candidate if isinstance(c, InteractionColumn)]
        keys = {key for c in columns for key in c.keys}
        part = self.take(np.linspace(0, len(self) - 1, min(sample, len(self))).astype(np.int64))
        rows = [part.raw(keys)] if columns else []
        crosses = [c for c in spec.crosses if c.top_n is not None]
        parts = {part.key for c in crosses for part in c.columns}
        cross_rows = self._chunks(parts) if crosses else ()
        known = self.candidates.values if items and self.candidates is not None else None
        return Features.fit(
            spec, self._counted(spec), vocabularies, rows, cross_rows, drop_empty, known
        )

    def _counted(self, spec: FeatureSpec) -> Iterator[dict[str, np.ndarray | Repeated]]:
        """Yields the values that vocabularies and statistics are learned from."""
        keys, of_clicked = set(spec.raw), set[str]()
        if self.count == "clicked":
            clicked = np.flatnonzero(self.label > 0)
            if not len(clicked):
                raise ValueError(
                    "Vocabularies of impressions are learned from what was clicked: there must be "
                    f"a label above 0, or set `count='shown'`. Received: {len(self)} without"
                )
            own = {k for k, f in spec.raw_candidate.items() if f.serving is None}
            own -= spec.raw_query.keys()
            columns = spec.vocabulary_columns
            of_clicked = own & {column.key for column in columns}
            spaces = {column.space for column in columns if column.key in of_clicked}
            # What was shown before counts no more than what is shown now.
            keys -= {c.key for c in columns if c.key == RECENT_IMPRESSIONS and c.space in spaces}
            yield from (source.used(of_clicked) for source in self.take(clicked).all_sources)
        yield from (source.used(keys - of_clicked) for source in self.all_sources)

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """The sources of all features, including the candidate's."""
        return self.sources if self.candidates is None else (*self.sources, self.candidates)

    def _chunks(self, keys: set[str]) -> Iterator[dict[str, np.ndarray]]:
        """Yields the raw features of all examples in chunks, with text as bytes."""
        features_of = raw_assembler(self.all_sources, keys)
        for begin in range(0, len(self), 8 * _CHUNK):
            rows = tf.range(begin, min(begin + 8 * _CHUNK, len(self)), dtype=tf.int64)
            yield {key: value.numpy() for key, value in features_of(rows).items()}

    def raw(self, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Returns the raw features of all examples, in the form of a request."""
        features = raw_assembler(self.all_sources, keys)(tf.range(len(self), dtype=tf.int64))
        return {key: decoded(value.numpy()) for key, value in features.items()}

    def dataset(
        self,
        batch_size: int,
        preprocessor: Preprocessor | None = None,
        shuffle: bool = False,
        seed: int = 0,
        keys: Iterable[str] | None = None,
        negatives: NegativeSampling | None = None,
        epochs: int | None = None,
        begin: int = 0,
    ) -> tf.data.Dataset:
        """Makes a tf.data pipeline of batches `(features, label)` or `(features, label, weight)`.

        Many batches are gathered at once and then cut. With a preprocessor, each value of the log
        is encoded once, in advance, and batches of ids are gathered. Shuffling permutes all
        examples, differently in each epoch. With negatives each example becomes a list: its own
        candidate first, with label one, then the negatives, with label zero. Candidate features and
        labels are then [batch, 1 + number]. Examples of users who chose every candidate have no
        negatives and are left out, which is logged.

        Args:
            batch_size: Number of examples per batch, negatives included; the last batch may be
                smaller.
            preprocessor: Preprocessor that encodes features (and item labels) in advance. Without
                it batches are raw.
            shuffle: Whether to shuffle.
            seed: Seed of shuffling and of sampling.
            keys: Keys of the raw features to include, by default all. A preprocessor includes its
                own.
            negatives: How to draw negatives, which needs `candidates` and `groups` (users).
            epochs: Number of epochs of one iteration. Their orders and negatives follow from the
                seed and the number of the epoch, however often the pipeline is iterated. By default
                an iteration is one epoch, and each differs from the one before.
            begin: Number of batches, of all `epochs` together, that are left out at the beginning.

        Returns:
            The batches of one epoch per iteration, or of `epochs`.

        Raises:
            ValueError: If `batch_size` is not positive, or no example has negatives.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
        if negatives is None:
            assemble = self._batches(preprocessor, keys)
        else:
            assemble = self._batches_of_lists(preprocessor, keys, negatives)
            batch_size = max(batch_size // (1 + negatives.number), 1)
        kept = None if negatives is None else self._with_negatives(negatives)
        size = len(self) if kept is None else len(kept)
        steps, at_once = -(-size // batch_size), max(_CHUNK // batch_size, 1)
        chunk = batch_size * at_once

        def batches(seed: tf.Tensor, skipped: Any = 0) -> tf.data.Dataset:
            order = tf.range(size, dtype=tf.int64) if kept is None else tf.constant(kept, tf.int64)
            if shuffle:
                order = tf.random.experimental.stateless_shuffle(order, [seed, -1])
            chunks = tf.data.Dataset.range(0, size, chunk).skip(skipped // at_once)
            chunks = chunks.map(lambda first: (order[first : first + chunk], [seed, first]))
            batches = chunks.map(assemble, num_parallel_calls=2).rebatch(batch_size)
            return batches.skip(skipped % at_once)

        if epochs is None:
            # Every iteration draws one new number, the seed of its order and of its negatives.
            seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
            dataset, total = seeds.flat_map(batches), steps
        else:

            def numbered(epoch: tf.Tensor) -> tf.data.Dataset:
                own = tf.random.stateless_uniform([], [seed, epoch], None, None, tf.int64)
                skipped = tf.maximum(begin - epoch * steps, 0)
                return batches(own, skipped)

            first = min(begin // max(steps, 1), epochs)
            dataset = tf.data.Dataset.range(first, epochs).flat_map(numbered)
            total = max(steps * epochs - begin, 0)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(total))
        options = tf.data.Options()
        # Waiting for the autotune thread can stall short epochs for seconds.
        options.autotune.enabled = False
        return dataset.prefetch(4).with_options(options)

    def assembler(
        self, preprocessor: Preprocessor | None = None, keys: Iterable[str] | None = None
    ) -> Callable[[tf.Tensor], Any]:
        """Returns a function from example numbers, [n], to their features.

        Args:
            preprocessor: Preprocessor that encodes features in advance. Without it they are raw.
            keys: Keys of the raw features to include, as for `dataset`.
        """
        if preprocessor is None:
            return raw_assembler(self.all_sources, keys)
        return encoded_assembler(self.all_sources, preprocessor)

    def lists(
        self, preprocessor: Preprocessor | None = None, keys: Iterable[str] | None = None
    ) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """Returns a function that combines examples with lists of candidates.

        Args:
            preprocessor: Preprocessor that encodes features in advance. Without it they are raw.
            keys: Keys of the raw features to include, as for `dataset`.

        Returns:
            A function from example numbers, [n], and rows of the candidates' table,
            [n, candidates], to features; the candidates' features are [n, candidates].
        """
        if self.candidates is None:
            raise ValueError(
                "These examples don't say what other `candidates` there are; examples made by "
                "`next_watch_examples` or `interaction_examples` do. Received: candidates=None"
            )
        values = self.candidates.values
        table = (Rows(values, np.arange(len(next(iter(values.values()))))),)
        if preprocessor is None:
            of_query, of_table = (raw_assembler(sources, keys) for sources in (self.sources, table))
            return lambda rows, candidates: {**of_query(rows), **of_table(candidates)}
        ids_of_query, ids_of_table = (
            encoded_assembler(sources, preprocessor) for sources in (self.sources, table)
        )

        def encoded(rows: tf.Tensor, candidates: tf.Tensor) -> Any:
            parts = ids_of_query(rows), ids_of_table(candidates)
            both = {group: {**parts[0][group], **parts[1][group]} for group in parts[0]}
            return preprocessor.with_crosses(both)

        return encoded

    def _batches(self, preprocessor: Preprocessor | None, keys: Iterable[str] | None) -> Any:
        """Returns a function from example numbers, [n], and a seed to a batch."""
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
        negatives: NegativeSampling,
    ) -> Any:
        """Returns a function like that of `_batches`, to lists of an example and its negatives."""
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

    def _with_negatives(self, negatives: NegativeSampling) -> np.ndarray:
        """The positions of the examples that have negatives."""
        assert self.groups is not None and self.candidates is not None
        without = negatives.users_without(self.groups, self.candidates.index)
        kept = np.flatnonzero(~np.isin(self.groups, without))
        if len(self) and not len(kept):
            raise ValueError(
                "Negatives are items that a user did not choose, but every user chose every item. "
                f"Received: {len(self)} examples of {len(np.unique(self.candidates.index))} items"
            )
        if len(kept) < len(self):
            logger.warning(
                "%d of %d examples are left out: their %d users chose every item, so that there "
                "are no negatives", len(self) - len(kept), len(self), len(without),
            )  # fmt: skip
        return kept

    def _weights(self) -> list[tf.Tensor]:
        return [] if self.weight is None else [tf.constant(self.weight, tf.float32)]


def item_ids(preprocessor: Preprocessor, items: Column) -> np.ndarray:
    """Returns the ids that a preprocessor gives to raw item ids; unknown ones get 0."""
    column = preprocessor.features.spec.item
    items = coded(items) if isinstance(items, np.ndarray) else items
    return column_ids(preprocessor, column, items)

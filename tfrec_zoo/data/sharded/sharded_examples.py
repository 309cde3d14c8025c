"""ShardedExamples: examples that are made shard by shard, when they are needed."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.negatives import NegativeSampling
from tfrec_zoo.data.sharded.epoch_order import EpochOrder, Span
from tfrec_zoo.features import (
    Features,
    FeatureSpec,
    InteractionColumn,
    Preprocessor,
    Repeated,
    Vocabulary,
)


class ShardedExamples(Examples):
    """The examples of many shards, of which a few are in memory at a time.

    It stands where `Examples` do in training and evaluation of retrieval models: vocabularies,
    statistics, features and labels are those that the examples of all shards together have.

    Args:
        make: Returns the examples of a shard, all with the same items as `candidates`, in the same
            order.
        num_shards: Number of shards.
        items: [items] ids of the candidates.
        what: What tells these examples from others, JSON-able.
        sizes: [shards] number of examples of each; None finds out.
    """

    count = "shown"

    _make: Callable[[int], Examples]
    _what: Any
    _shards: np.ndarray
    _items: np.ndarray
    _sizes: np.ndarray
    #: Shards that have been looked at, and how often each item is a label in them.
    _looked_at: set[int]
    _labels: np.ndarray

    def __init__(
        self,
        make: Callable[[int], Examples],
        num_shards: int,
        items: np.ndarray,
        what: Any,
        sizes: np.ndarray | None = None,
    ) -> None:
        self.__dict__.update(
            _make=make,
            _what=what,
            _shards=np.arange(num_shards),
            _sizes=np.full(num_shards, -1) if sizes is None else sizes,
            _looked_at=set(),
            _labels=np.zeros(len(items), np.int64),
            _items=items,
        )

    def of_worker(self, number: int, workers: int) -> "ShardedExamples":
        """Returns the examples of every so many-th shard, for one of several workers.

        Args:
            number: Number of the worker, from 0.
            workers: Number of workers, each of which gets shards of its own.

        Raises:
            ValueError: If there are fewer shards than workers.
        """
        if not 0 <= number < workers <= len(self._shards):
            raise ValueError(
                f"Each of `workers` must get a shard of its own: there are {len(self._shards)}. "
                f"Received: worker {number} of {workers}"
            )
        shards = self._shards[number::workers]
        what = [self._what, number, workers]
        sizes = self._sizes[number::workers].copy()
        return ShardedExamples(
            lambda at: self._make(int(shards[at])), len(shards), self._items, what, sizes
        )

    def shard(self, number: int) -> Examples:
        """Returns the examples of a shard."""
        examples = self._make(number)
        self._sizes[number] = len(examples)
        if number not in self._looked_at and examples.candidates is not None:
            self._looked_at.add(number)
            chosen = np.bincount(examples.candidates.index, minlength=len(self._items))
            np.add(self._labels, chosen, out=self._labels)
        return examples

    @property
    def sizes(self) -> np.ndarray:
        """[shards] number of examples of each."""
        for number in np.flatnonzero(self._sizes < 0):
            self.shard(int(number))
        return self._sizes

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def parts(self) -> Iterator[Examples]:
        """Yields the examples of each shard that has some."""
        for number in range(len(self._shards)):
            if self._sizes[number] and len(examples := self.shard(number)):
                yield examples

    def as_recorded(self) -> "ShardedExamples":
        """Returns these examples: nothing in them is put in place of what was recorded."""
        return self

    def fingerprint(self) -> str:
        """What tells these examples from others."""
        return hashlib.sha256(json.dumps(self._what, sort_keys=True).encode()).hexdigest()

    def counted_labels(self) -> Repeated:
        """The items, and how often each is a label."""
        for number in range(len(self._shards)):
            if self._sizes[number] and number not in self._looked_at:
                self.shard(number)
        return Repeated(self._items, self._labels.copy())

    def fit_features(
        self,
        spec: FeatureSpec,
        vocabularies: Mapping[str, Vocabulary] | None = None,
        sample: int = 20_000,
        drop_empty: bool = False,
        items: bool = False,
    ) -> Features:
        """Learns what `Examples.fit_features` learns of all examples, in one pass over the shards.

        Vocabularies are exact. So are quantiles of up to 1.28 million numbers; of more, their ranks
        are off by at most 0.001, as they are for examples in memory: see `QuantileSketch`.

        Args:
            spec: Spec of the columns, without interaction columns.
            vocabularies: Known vocabularies by ID space, which are not learned.
            sample: Unused, as there are no interaction columns.
            drop_empty: Whether columns without a value are left out; see `Features.fit`.
            items: Whether the features hold what is known of the items.
        """
        if any(isinstance(column, InteractionColumn) for column in spec.candidate):
            raise ValueError(
                "Interaction columns are for ranking models, which learn from a log in memory. "
                f"Received: {spec.candidate!r:.200}"
            )
        crosses = [c for c in spec.crosses if c.top_n is not None]
        keys = {part.key for c in crosses for part in c.columns}
        known = next(self.parts()).candidates if items else None

        def counted() -> Iterator[dict[str, np.ndarray | Repeated]]:
            for part in self.parts():
                yield from part._counted(spec)

        def crossed() -> Iterator[dict[str, np.ndarray]]:
            for part in self.parts():
                yield from part._chunks(keys)

        return Features.fit(
            spec,
            counted(),
            vocabularies,
            [],
            crossed() if crosses else (),
            drop_empty,
            None if known is None else known.values,
        )

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
        """Makes a tf.data pipeline of batches, as `Examples.dataset` does, of a few open shards.

        Orders follow from the seed and the number of the epoch; see `EpochOrder`.

        Args:
            batch_size: Number of examples per batch; the last batch of an epoch may be smaller.
            preprocessor: Preprocessor that encodes features and item labels. Without it batches are
                raw.
            shuffle: Whether to shuffle.
            seed: Seed of shuffling.
            keys: Keys of the raw features to include, by default all.
            negatives: None: negatives of a list are drawn from a log in memory.
            epochs: Number of epochs of one iteration; by default one, in an order that differs from
                the one before.
            begin: Number of batches, of all `epochs` together, that are left out at the beginning.

        Raises:
            ValueError: If `batch_size` is not positive, or there are `negatives`.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
        if negatives is not None:
            self._refuse("negatives of each example")
        reader = _Reader(self, preprocessor, keys, shuffle)
        steps = -(-len(self) // batch_size)

        def batches(own: tf.Tensor, skipped: Any = 0) -> tf.data.Dataset:
            first = tf.cast(skipped, tf.int64) * batch_size
            chunks = tf.data.Dataset.from_generator(
                reader.chunks, args=(own, first), output_signature=reader.signature
            )
            return chunks.rebatch(batch_size)

        if epochs is None:
            seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
            dataset, total = seeds.flat_map(batches), steps
        else:

            def numbered(epoch: tf.Tensor) -> tf.data.Dataset:
                own = tf.random.stateless_uniform([], [seed, epoch], None, None, tf.int64)
                return batches(own, tf.maximum(begin - epoch * steps, 0))

            first = min(begin // max(steps, 1), epochs)
            dataset = tf.data.Dataset.range(first, epochs).flat_map(numbered)
            total = max(steps * epochs - begin, 0)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(total))
        options = tf.data.Options()
        # Waiting for the autotune thread can stall short epochs for seconds.
        options.autotune.enabled = False
        return dataset.prefetch(32).with_options(options)

    @property
    def label(self) -> np.ndarray:
        """Raises an error: labels are in shards, see `parts` and `counted_labels`.

        Raises:
            ValueError: Always.
        """
        self._refuse("labels")

    @property
    def sources(self) -> Any:
        """Raises an error, as `label` does."""
        self._refuse("features")

    def take(self, index: np.ndarray) -> NoReturn:
        """Raises an error, as `label` does."""
        self._refuse("examples by number")

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(
            f"This needs the {what} at once, but these examples are made shard by shard, for "
            "retrieval models. Read the log with `Log.read` for others, if it fits into memory. "
            f"Received: examples of {len(self._shards)} shards"
        )


class _Reader:
    """Gathers the chunks of an epoch.

    Args:
        examples: The examples.
        preprocessor: Preprocessor that encodes them, or None.
        keys: Keys of the raw features to include, or None for all.
        shuffle: Whether to shuffle.
    """

    def __init__(
        self,
        examples: ShardedExamples,
        preprocessor: Preprocessor | None,
        keys: Iterable[str] | None,
        shuffle: bool,
    ) -> None:
        self._examples, self._preprocessor, self._shuffle = examples, preprocessor, shuffle
        self._keys = None if keys is None else list(keys)
        self._sizes = examples.sizes
        batch = self._gatherer(int(np.argmax(self._sizes)))(np.zeros(1, np.int64))
        #: Types and shapes of the batches.
        self.signature = tf.nest.map_structure(
            lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype), batch
        )

    def chunks(self, seed: Any, skipped: Any) -> Iterator[Any]:
        """Yields the chunks of an epoch.

        Args:
            seed: Seed of the epoch.
            skipped: Number of examples that are left out at the beginning.
        """
        order = EpochOrder(self._sizes, self._shuffle, int(seed) % 2**63)
        opened: dict[int, Any] = {}
        for number, spans in enumerate(order.chunks()):
            size = sum(span.stop - span.start for span in spans)
            if skipped >= size:
                skipped -= size
                continue
            for span in spans:
                if span.shard not in opened:
                    opened[span.shard] = (order.of_shard(span.shard), self._gatherer(span.shard))
            kept = order.of_chunk(number, size)[skipped:]
            yield self._chunk(spans, opened, kept)
            skipped = 0
            for span in spans:
                if span.stop == self._sizes[span.shard]:
                    del opened[span.shard]

    def _chunk(self, spans: list[Span], opened: Mapping[int, Any], kept: np.ndarray) -> Any:
        parts = []
        for span in spans:
            order, gather = opened[span.shard]
            parts.append(gather(order[span.start : span.stop]))
        return tf.nest.map_structure(
            lambda *values: np.concatenate([v.numpy() for v in values])[kept], *parts
        )

    def _gatherer(self, shard: int) -> Callable[[np.ndarray], Any]:
        """Returns a function from numbers of examples of a shard, [n], to a batch of them."""
        assemble = self._examples.shard(shard)._batches(self._preprocessor, self._keys)
        return lambda rows: assemble(tf.constant(rows, tf.int64), None)

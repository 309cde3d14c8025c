"""Embedding tables whose id 0 is exactly the zero vector."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrec_zoo.features.columns import (
    Combiner,
)
from tfrec_zoo.features.dense_columns import (
    EmbeddingColumn,
)
from tfrec_zoo.features.features import Features
from tfrec_zoo.features.id_rows import IdRows
from tfrec_zoo.features.scopes import scope_name


class EmbeddingTable(tf.keras.layers.Layer):
    """Stores one learned vector per id; id 0 (unknown, empty, missing) is the zero vector.

    Covington et al. (2016), §4.1: "Out-of-vocabulary values are simply mapped to the zero
    embedding". Row `i` of `table` belongs to id `i + 1`. Id 0 has no row and therefore no gradient.

    Args:
        num_ids: Number of ids, not counting 0.
        dimension: Width of a vector.
        initializer: Initializer of the rows.
        regularizer: Regularizer of the whole table, applied in each step.
        batch_l2: L2 penalty on the rows that a batch looks up, averaged over its ids or bags. Its
            cost does not grow with the table, and it shrinks frequent ids more often.
        space: The ID space of the rows, by which a warm start finds them in another vocabulary; ""
            if they are of no vocabulary, such as positions.

    Example:

    >>> table = EmbeddingTable(3, 2, initializer="ones")
    >>> table(tf.constant([0, 3])).numpy().tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """

    def __init__(
        self,
        num_ids: int,
        dimension: int,
        initializer: Any = "uniform",
        regularizer: Any = None,
        batch_l2: float = 0.0,
        space: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_ids < 1 or dimension < 1:
            raise ValueError(
                "`num_ids` and `dimension` must be positive. "
                f"Received: num_ids={num_ids}, dimension={dimension}"
            )
        self.num_ids = num_ids
        self.dimension = dimension
        self.initializer = tf.keras.initializers.get(initializer)
        self.regularizer = tf.keras.regularizers.get(regularizer)
        self.batch_l2 = batch_l2
        self.space = space
        self.table = self.add_weight(
            f"{self.name}/table",
            shape=[num_ids, dimension],
            initializer=self.initializer,
            regularizer=self.regularizer,
        )

    @property
    def id_rows(self) -> tuple[IdRows, ...]:
        """The table, if it says of which ids."""
        rows = IdRows(self.table, (self.space, None), has_vectors=True)
        return (rows,) if self.space else ()

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of ids of any shape, [..., dimension]."""
        known = tf.cast(ids > 0, self.compute_dtype)
        rows = self._rows(ids) * tf.expand_dims(known, -1)
        self._penalise(rows)
        return rows

    def pooled(
        self, ids: tf.Tensor, combiner: Combiner = "mean", weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Pools the vectors of the known ids of each bag; an empty bag is the zero vector.

        Args:
            ids: Ids of the bags, [..., length].
            combiner: `"mean"`, `"sum"`, `"max"`, or `"sqrtn"` (sum divided by the root of the
                count).
            weights: Weights of the ids in a mean, [..., length]; None weighs all alike.

        Returns:
            The pooled vectors, [..., dimension].
        """
        known = tf.cast(ids > 0, self.compute_dtype)
        count = tf.reduce_sum(known, axis=-1, keepdims=True)
        rows = self._rows(ids)
        if self.batch_l2:
            self._penalise(rows * known[..., None], is_bag=True)
        if weights is not None:
            known *= tf.cast(weights, known.dtype)
            count = tf.reduce_sum(known, axis=-1, keepdims=True)
        if combiner == "max":
            rows = tf.where(ids[..., None] > 0, rows, rows.dtype.min)
            return tf.where(count > 0, tf.reduce_max(rows, axis=-2), 0)
        if combiner == "mean":
            known = tf.math.divide_no_nan(known, count)
        elif combiner == "sqrtn":
            known = tf.math.divide_no_nan(known, tf.sqrt(count))
        return tf.reduce_sum(tf.expand_dims(known, -1) * rows, axis=-2)

    def _penalise(self, rows: tf.Tensor, is_bag: bool = False) -> None:
        if not self.batch_l2:
            return
        axes = [-2, -1] if is_bag else [-1]
        squares = tf.reduce_sum(tf.square(tf.cast(rows, tf.float32)), axis=axes)
        self.add_loss(self.batch_l2 * tf.reduce_mean(squares))

    def _rows(self, ids: tf.Tensor) -> tf.Tensor:
        rows = tf.nn.embedding_lookup(self.table, tf.maximum(ids - 1, 0))
        return tf.cast(rows, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_ids": self.num_ids,
            "dimension": self.dimension,
            "initializer": tf.keras.initializers.serialize(self.initializer),
            "regularizer": tf.keras.regularizers.serialize(self.regularizer),
            "batch_l2": self.batch_l2,
            "space": self.space,
        }


def seed_after(seed: int | None, offset: int) -> int | None:
    """Returns a seed for a layer that must not start like the one with `seed`; None stays None."""
    return None if seed is None else seed + offset


def seeded(initializer: Any, seed: int | None = None, offset: int = 0) -> Any:
    """Returns an initializer of the same kind that draws different numbers.

    Args:
        initializer: Anything that Keras accepts as an initializer.
        seed: Seed to use instead of its own; None keeps that. An initializer that draws nothing,
            such as zeros, has no seed.
        offset: Number added to the seed, if there is one, so that weights do not start equal.
    """
    initializer = tf.keras.initializers.get(initializer)
    config = initializer.get_config()
    if "seed" in config and seed is not None:
        config["seed"] = seed
    if config.get("seed") is not None:
        config["seed"] += offset
    return type(initializer).from_config(config)


def fourth_root_dimension(num_ids: int) -> int:
    """Returns the embedding width of Deep & Cross networks, 6 · num_ids^(1/4), rounded.

    References:
        Wang et al., ADKDD 2017, §4.2.
    """
    return round(6 * num_ids**0.25)


def make_embedding_tables(
    features: Features,
    initializer: Any = "uniform",
    regularizer: Any = None,
    dimension: int | Callable[[int], int] | None = None,
    batch_l2: float = 0.0,
) -> dict[str, EmbeddingTable]:
    """Makes each embedding table that the embedding columns of a spec name, once.

    Args:
        features: Fitted features.
        initializer: Initializer of the tables, which start different from each other even if it has
            a seed.
        regularizer: Regularizer of each whole table, applied in each step.
        dimension: Width of the columns that declare none, or a function from their number of ids to
            a width; by default the width grows with the logarithm of the number of ids.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.

    Returns:
        The embedding tables by name.

    Raises:
        ValueError: If columns that share a table differ in width or in ID space.
    """

    def width(column: EmbeddingColumn) -> int:
        num_ids = features.num_ids(column.categorical)
        default = dimension(num_ids) if callable(dimension) else dimension
        return column.dimension or default or features.dimension(column)

    columns: dict[str, EmbeddingColumn] = {}
    for column in features.spec.dense:
        if not isinstance(column, EmbeddingColumn):
            continue
        first = columns.setdefault(column.table, column)
        is_same_space = first.categorical.space == column.categorical.space
        if not is_same_space or width(first) != width(column):
            raise ValueError(
                f"Columns that share the table {column.table!r} must have the same ID space and "
                f"the same dimension. Received: {first!r} and {column!r}"
            )
    return {
        table: EmbeddingTable(
            features.num_ids(column.categorical),
            width(column),
            seeded(initializer, offset=offset),
            regularizer,
            batch_l2,
            column.categorical.space,
            name=f"table_{scope_name(table)}",
        )
        for offset, (table, column) in enumerate(columns.items())
    }

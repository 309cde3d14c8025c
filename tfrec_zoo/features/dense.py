"""DenseFeatures: encoded features as the vectors that networks read."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.features.columns import (
    BagColumn,
    CrossedColumn,
)
from tfrec_zoo.features.dense_columns import (
    Column,
    DenseColumn,
    EmbeddingColumn,
    IndicatorColumn,
    InteractionColumn,
    MatchColumn,
    NumericColumn,
    VectorColumn,
)
from tfrec_zoo.features.embedding import EmbeddingTable
from tfrec_zoo.features.features import Features
from tfrec_zoo.features.logarithm import LogNormalization
from tfrec_zoo.features.min_max import MinMaxNormalization
from tfrec_zoo.features.normalization import Normalization
from tfrec_zoo.features.preprocessing import Encoded
from tfrec_zoo.features.quantile import QuantileNormalization
from tfrec_zoo.features.recency import recency_weights
from tfrec_zoo.features.z_score import ZScoreNormalization


class DenseFeatures(tf.keras.layers.Layer):
    """Turns encoded features into one vector per column, and concatenates them.

    Args:
        features: Fitted features.
        columns: Columns to read, from the spec; categorical columns that are not dense are ignored.
        tables: Embedding tables by name, as `make_embedding_tables` returns them. Layers given the
            same tables share them.

    Call arguments:
        encoded: Encoded features, as a `Preprocessor` returns them. Univalent candidate features
            are [batch] or, for a list per query, [batch, candidates].

    Returns:
        The vectors in the order of the columns, [batch, width] or [batch, candidates, width], with
        the query's vectors repeated for each candidate.
    """

    def __init__(
        self,
        features: Features,
        columns: tuple[Column, ...],
        tables: Mapping[str, EmbeddingTable],
        **kwargs: Any,
    ) -> None:
        # Autocasting would round numeric features to half precision under a mixed policy.
        super().__init__(autocast=False, **kwargs)
        self.columns = tuple(column for column in columns if isinstance(column, DenseColumn))
        self.tables = dict(tables)
        self._depths = {
            column.name: features.num_ids(column.categorical)
            for column in self.columns
            if isinstance(column, IndicatorColumn)
        }
        self._normalizations: dict[str, Normalization] = {}
        for column in self.columns:
            if isinstance(column, InteractionColumn):
                for name in column.statistics:
                    self._add_normalization(_number(column, name), features)
        for column in self.columns:
            if isinstance(column, NumericColumn):
                self._add_normalization(column, features)

    def _add_normalization(self, column: NumericColumn, features: Features) -> None:
        if column.normalization != "none":
            learned = features.statistics.get(column.key, ())
            self._normalizations[column.key] = _normalization(column, learned)

    def _normalized(self, name: str, number: tf.Tensor) -> tf.Tensor:
        """Returns a number as it is fed, [..., 1], or [..., 3] with powers."""
        if name in self._normalizations:
            return tf.cast(self._normalizations[name](number), self.compute_dtype)
        number = tf.where(tf.math.is_finite(number), number, tf.zeros([], number.dtype))
        return tf.expand_dims(tf.cast(number, self.compute_dtype), -1)

    def call(self, encoded: Encoded) -> tf.Tensor:
        """Returns the vectors of all columns, concatenated."""
        vectors = self.vectors(encoded)
        longest = max(vectors, key=lambda vector: vector.shape.rank)
        repeats = [1, tf.shape(longest)[1], 1]
        is_list = longest.shape.rank == 3
        return tf.concat(
            [tf.tile(v[:, None], repeats) if is_list and v.shape.rank == 2 else v for v in vectors],
            axis=-1,
        )

    def vectors(self, encoded: Encoded) -> list[tf.Tensor]:
        """Returns one vector per column, [batch, width] or [batch, candidates, width]."""
        if not self.columns:
            raise ValueError("There is no dense column to feed. Received: columns=()")
        return [self.vector(column, encoded) for column in self.columns]

    def vector(self, column: DenseColumn, encoded: Encoded) -> tf.Tensor:
        """Returns the vector of one column, [batch, width] or [batch, candidates, width]."""
        ids, values = encoded["ids"], encoded["values"]
        if isinstance(column, EmbeddingColumn):
            table, categorical = self.tables[column.table], column.categorical
            if isinstance(categorical, BagColumn):
                return table.pooled(
                    ids[categorical.name], categorical.combiner, self._weights(categorical, encoded)
                )
            if isinstance(categorical, CrossedColumn):
                return table.pooled(ids[categorical.name], "sum")
            return table(ids[categorical.name])
        if isinstance(column, IndicatorColumn):
            categorical = column.categorical
            # Id 0 becomes -1, for which `tf.one_hot` returns zeros.
            hot = tf.one_hot(ids[categorical.name] - 1, self._depths[column.name])
            if isinstance(categorical, BagColumn | CrossedColumn):
                # The maximum over an empty axis is -inf.
                hot = tf.maximum(tf.reduce_max(hot, axis=-2), 0.0)
            return tf.cast(hot, self.compute_dtype)
        if isinstance(column, InteractionColumn):
            return self._interaction(column, encoded)
        if isinstance(column, MatchColumn):
            return self._match(column, ids)
        if isinstance(column, VectorColumn):
            vector = values[column.key]
            vector = tf.math.l2_normalize(vector, axis=-1) if column.normalize else vector
            return tf.cast(vector, self.compute_dtype)
        return self._normalized(column.key, values[column.key])

    def _weights(self, column: BagColumn, encoded: Encoded) -> tf.Tensor | None:
        """Returns the weights of a bag's values, [..., length]; None where they are equal."""
        if column.half_life is None or column.ages is None:
            return None
        ids = encoded["ids"][column.name]
        ages = as_long_as(encoded["values"][column.ages], tf.shape(ids)[-1])
        return recency_weights(ids > 0, ages, column.half_life)

    def _match(self, column: MatchColumn, ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        query, candidate = ids[column.query.name], ids[column.candidate.name]
        if not isinstance(column.query, BagColumn):
            query = query[:, None]
        if not isinstance(column.candidate, BagColumn):
            candidate = candidate[..., None]
        if candidate.shape.rank == 3:
            query = query[:, None]
        # [batch, query values, candidate values], or with an axis of candidates after the first
        equal = (query[..., :, None] == candidate[..., None, :]) & (query[..., :, None] > 0)
        return tf.cast(tf.reduce_any(equal, axis=[-2, -1]), self.compute_dtype)[..., None]

    def _interaction(self, column: InteractionColumn, encoded: Encoded) -> tf.Tensor:
        bag = encoded["ids"][column.bag.name]
        candidate = encoded["ids"][column.candidate.name]
        is_list = candidate.shape.rank == 2
        if is_list:
            bag = bag[:, None, :]
        # [batch, length] or [batch, candidates, length]
        match = (bag == tf.expand_dims(candidate, -1)) & (bag > 0)
        count = tf.reduce_sum(tf.cast(match, tf.float32), axis=-1)
        vectors = [self._normalized(column.statistics[0], count)]
        if column.ages:
            ages = as_long_as(encoded["values"][column.ages], tf.shape(bag)[-1])
            never = tf.constant(ages.dtype.max, ages.dtype)
            ages = tf.where(tf.math.is_nan(ages), never, ages)
            ages = tf.where(match, ages[:, None, :] if is_list else ages, never)
            # Without a match there is no age, which is a missing value: NaN.
            latest = tf.reduce_min(ages, axis=-1)
            latest = tf.where(latest < never, latest, tf.constant(float("nan"), ages.dtype))
            vectors.append(self._normalized(column.statistics[1], latest))
        return tf.concat(vectors, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Raises an error: the tables are not the layer's own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} can't be made from a configuration, because the embedding "
            "tables that it is given may be shared with other layers: save the model instead."
        )


def as_long_as(bag: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Cuts a numeric bag to a length or pads it with NaN: a request may omit some ages.

    Args:
        bag: Numbers, [..., n].
        length: The length of the bag that they are parallel to.
    """
    missing = tf.maximum(length - tf.shape(bag)[-1], 0)
    nan = tf.constant(float("nan"), bag.dtype)
    padding = [*[[0, 0]] * (bag.shape.rank - 1), [0, missing]]
    return tf.pad(bag, padding, constant_values=nan)[..., :length]


def _number(column: InteractionColumn, name: str) -> NumericColumn:
    """One of the numbers of an interaction column, as a column of its own."""
    mass = column.mass and column.normalization == "quantile" and name == column.statistics[0]
    return NumericColumn(name, column.normalization, column.powers, mass=mass)


def _normalization(column: NumericColumn, learned: Sequence[float]) -> Normalization:
    """The layer that a column names, with the statistics that were learned for it."""
    powers = bool(column.powers)
    if column.normalization == "min-max":
        return MinMaxNormalization(powers, *learned)
    if column.normalization == "z-score":
        return ZScoreNormalization(*learned)
    if column.normalization == "log":
        return LogNormalization()
    # A mass that is set apart comes before the quantiles.
    mass, boundaries = (learned[0], learned[1:]) if column.mass else (False, learned)
    return QuantileNormalization(
        boundaries=boundaries, mass=mass, powers=powers, extrapolate=column.extrapolate
    )

"""FieldEmbeddings: one vector per feature field, what feature interactions are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import (
    Column,
    DenseColumn,
    DenseFeatures,
    EmbeddingColumn,
    EmbeddingTable,
    Encoded,
    Features,
    seeded,
)


class FieldEmbeddings(tf.keras.layers.Layer):
    """Turns encoded features into one vector per field, v_f = x_f · V_f, all of one width.

    A field is a dense column. An embedding column is its vector from the shared tables, a bag
    pooled into one. Numbers (with their powers), interactions and indicators are their components
    times a learned [components, dimension] kernel: the value times an embedding, as in DeepFM and
    AutoInt. There is no bias, so a missing value is the zero vector in every kind.

    Args:
        features: Fitted features.
        columns: The columns to feed, the query's first; categorical columns that are not dense are
            left out.
        tables: Embedding tables by name; `make_embedding_tables(..., dimension=dimension)`.
        dimension: Width of a field.
        initializer: Of the kernels.
        l2: L2 penalty on the kernels (the tables have their own).

    Call arguments:
        encoded: What a `Preprocessor` returned. Candidate features may be [batch] or, for a list
            per query, [batch, candidates].

    Returns:
        [batch, fields, dimension] or [batch, candidates, fields, dimension], in the order of the
        columns; the query's fields repeat beside each candidate. `vectors` has the fields apart,
        for models that compute the query's share once.

    Raises:
        ValueError: If there is no dense column, or a table has another width.

    Example:

    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(EmbeddingColumn(HashedColumn("video_id", 100)),))
    >>> features = Features.fit(spec, {"age": [20.0, 30.0]})
    >>> tables = make_embedding_tables(features, dimension=4)
    >>> fields = FieldEmbeddings(features, spec.columns, tables, 4)
    >>> encoded = Preprocessor(features)(
    ...     {"age": tf.constant([25.0]), "video_id": tf.constant([["a", "b", "c"]])})
    >>> fields(encoded).shape
    TensorShape([1, 3, 2, 4])
    """

    def __init__(
        self,
        features: Features,
        columns: tuple[Column, ...],
        tables: Mapping[str, EmbeddingTable],
        dimension: int,
        initializer: Any = "uniform",
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        # Without autocast, a half-precision policy leaves numbers their digits.
        super().__init__(autocast=False, **kwargs)
        self.dense = DenseFeatures(features, columns, tables, dtype=kwargs.get("dtype"))
        self.columns = self.dense.columns
        self.dimension = dimension
        if not self.columns:
            raise ValueError(
                "A field is an embedding, indicator, numeric or interaction column: `columns` must "
                f"have one. Received: {tuple(columns)!r}"
            )
        wrong = {
            column.name: tables[column.table].dimension
            for column in self.columns
            if isinstance(column, EmbeddingColumn) and tables[column.table].dimension != dimension
        }
        if wrong:
            raise ValueError(
                f"All fields must have the width {dimension}: embedding columns declare it, or no "
                f"dimension at all. Received: {wrong}"
            )
        others = [c.name for c in self.columns if not isinstance(c, EmbeddingColumn)]
        self.kernels = {
            name: tf.keras.layers.Dense(
                dimension,
                use_bias=False,
                # The first numbers are the tables'.
                kernel_initializer=seeded(initializer, offset=len(tables) + i),
                kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
                dtype=kwargs.get("dtype"),
            )
            for i, name in enumerate(others)
        }

    def call(self, encoded: Encoded) -> tf.Tensor:
        """Stacks the vectors of all fields; see the class."""
        return stack_fields(self.vectors(encoded))

    def vectors(self, encoded: Encoded) -> list[tf.Tensor]:
        """The vector of each field, [batch, dimension] or [batch, candidates, dimension]."""
        return [self.vector(column, encoded) for column in self.columns]

    def vector(self, column: DenseColumn, encoded: Encoded) -> tf.Tensor:
        """The vector of one field, [batch, dimension] or [batch, candidates, dimension]."""
        x = self.dense.vector(column, encoded)
        x = x if isinstance(column, EmbeddingColumn) else self.kernels[column.name](x)
        return tf.cast(x, self.compute_dtype)


def stack_fields(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Stacks vectors on the axis before the last; the query's repeat beside each candidate.

    Args:
        vectors: [batch, dim] or [batch, candidates, dim].

    Returns:
        [batch, fields, dim], or [batch, candidates, fields, dim] where one has candidates.
    """
    longest = max(vectors, key=lambda vector: vector.shape.rank)
    repeats = [1, tf.shape(longest)[1], 1]
    return tf.stack(
        [
            v if v.shape.rank == longest.shape.rank else tf.tile(v[:, None], repeats)
            for v in vectors
        ],
        axis=-2,
    )


def flatten_fields(fields: tf.Tensor) -> tf.Tensor:
    """[..., fields, dim] as [..., fields · dim], the input of a tower."""
    return tf.reshape(
        fields, tf.concat([tf.shape(fields)[:-2], [fields.shape[-2] * fields.shape[-1]]], axis=0)
    )


def sum_fields(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Sums tensors: the query's among themselves, once, and then with each candidate's.

    Args:
        vectors: [batch, ...] or [batch, candidates, ...].

    Returns:
        [batch, ...], or [batch, candidates, ...] where one has candidates.
    """
    rank = max(vector.shape.rank for vector in vectors)
    total = tf.add_n([vector for vector in vectors if vector.shape.rank == rank])
    of_query = [vector for vector in vectors if vector.shape.rank < rank]
    return total + tf.add_n(of_query)[:, None] if of_query else total

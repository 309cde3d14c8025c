"""FieldEmbeddings: one vector per feature field, the input of feature interactions."""

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
from tfrec_zoo.layers.two_sided import TwoSided


class FieldEmbeddings(tf.keras.layers.Layer):
    """Turns encoded features into one vector per field, v_f = x_f · V_f, all of the same width.

    Every dense column is a field. The vector of an embedding column comes from the shared tables,
    and a bag is pooled into one vector. Numbers (with their powers), interactions, matches, given
    vectors and indicators are multiplied by a learned [components, dimension] kernel: value times
    embedding, as in DeepFM and AutoInt. There is no bias, so a missing value of any kind is the
    zero vector.

    Args:
        features: Fitted features.
        columns: Columns to read, the query's first; categorical columns that are not dense are
            ignored.
        tables: Embedding tables by name, as `make_embedding_tables(..., dimension=dimension)`
            returns them.
        dimension: Width of a field.
        initializer: Initializer of the kernels.
        l2: L2 penalty on the kernels; the tables have a penalty of their own.

    Call arguments:
        encoded: Encoded features, as a `Preprocessor` returns them. Candidate features are [batch]
            or, for a list per query, [batch, candidates].

    Returns:
        The vectors, [batch, fields, dimension] or [batch, candidates, fields, dimension], in the
        order of the columns, with the query's fields repeated for each candidate. Use `vectors` to
        get the fields separately, in models that compute the query's part once per list.

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
        # Autocasting would round numeric features to half precision under a mixed policy.
        super().__init__(autocast=False, **kwargs)
        self.dense = DenseFeatures(features, columns, tables, dtype=kwargs.get("dtype"))
        self.columns = self.dense.columns
        self.dimension = dimension
        if not self.columns:
            raise ValueError(
                "A field is a dense column, such as an embedding or a number: `columns` must "
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
                # The tables use the first offsets of the seed.
                kernel_initializer=seeded(initializer, offset=len(tables) + i),
                kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
                dtype=kwargs.get("dtype"),
            )
            for i, name in enumerate(others)
        }

    def call(self, encoded: Encoded) -> tf.Tensor:
        """Returns the vectors of all fields, stacked."""
        return stack_fields(self.vectors(encoded))

    def vectors(self, encoded: Encoded) -> list[tf.Tensor]:
        """Returns one vector per field, [batch, dimension] or [batch, candidates, dimension]."""
        return [self.vector(column, encoded) for column in self.columns]

    def vector(self, column: DenseColumn, encoded: Encoded) -> tf.Tensor:
        """Returns the vector of one field, [batch, dimension] or [batch, candidates, dimension]."""
        x = self.dense.vector(column, encoded)
        x = x if isinstance(column, EmbeddingColumn) else self.kernels[column.name](x)
        return tf.cast(x, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Raises an error: the tables are not the layer's own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} can't be made from a configuration, because the embedding "
            "tables that it is given may be shared with other layers: save the model instead."
        )


def stack_fields(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Stacks vectors on a new second-to-last axis, repeating the query's for each candidate.

    Args:
        vectors: Vectors of the fields, each [batch, dim] or [batch, candidates, dim].

    Returns:
        The stacked vectors, [batch, fields, dim], or [batch, candidates, fields, dim] if any vector
        has a candidate axis.
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


def flatten_fields(fields: tf.Tensor | TwoSided) -> Any:
    """Reshapes [..., fields, dim] to [..., fields · dim], the input of a tower."""
    if isinstance(fields, TwoSided):
        return TwoSided(*map(flatten_fields, fields))
    return tf.reshape(
        fields, tf.concat([tf.shape(fields)[:-2], [fields.shape[-2] * fields.shape[-1]]], axis=0)
    )


def sum_fields(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Sums tensors; the query's are added up once before they meet the candidates'.

    Args:
        vectors: Tensors to add, each [batch, ...] or [batch, candidates, ...].

    Returns:
        The sum, [batch, ...], or [batch, candidates, ...] if any tensor has a candidate axis.
    """
    rank = max(vector.shape.rank for vector in vectors)
    total = tf.add_n([vector for vector in vectors if vector.shape.rank == rank])
    of_query = [vector for vector in vectors if vector.shape.rank < rank]
    return total + tf.add_n(of_query)[:, None] if of_query else total

"""StackedFeatures: rectified embeddings and numbers side by side, the input of Deep Crossing."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import (
    BagColumn,
    Column,
    CrossedColumn,
    DenseColumn,
    DenseFeatures,
    EmbeddingColumn,
    EmbeddingTable,
    Encoded,
    Features,
)


class StackedFeatures(DenseFeatures):
    """Concatenates the rectified embeddings ReLU(v_f + b_f) and all other dense columns.

    The paper embeds a wide feature by ReLU(W x + b); for an id, W x is its embedding row v. The
    bias b can revive a unit whose rows have become negative. A missing, unknown or empty value
    skips both steps and stays the zero vector. Narrow features and numbers are concatenated
    unchanged.

    Args:
        features: Fitted features.
        columns: Columns to read; categorical columns that are not dense are ignored.
        tables: Embedding tables by name, as `make_embedding_tables` returns them. Every column has
            its own b, even if it shares a table.

    Call arguments:
        encoded: Encoded features, as a `Preprocessor` returns them.

    Returns:
        The concatenated features, [batch, width] or [batch, candidates, width].

    References:
        Shan et al., KDD 2016, §4, "Embedding and Stacking Layers".
    """

    def __init__(
        self,
        features: Features,
        columns: tuple[Column, ...],
        tables: Mapping[str, EmbeddingTable],
        **kwargs: Any,
    ) -> None:
        super().__init__(features, columns, tables, **kwargs)
        self.biases = {
            column.name: self.add_weight(
                f"bias_{i}", shape=[tables[column.table].dimension], initializer="zeros"
            )
            for i, column in enumerate(self.columns)
            if isinstance(column, EmbeddingColumn)
        }

    def vector(self, column: DenseColumn, encoded: Encoded) -> tf.Tensor:
        """Returns the vector of one column, [batch, width] or [batch, candidates, width]."""
        v = super().vector(column, encoded)
        if not isinstance(column, EmbeddingColumn):
            return v
        known = encoded["ids"][column.categorical.name] > 0
        if isinstance(column.categorical, BagColumn | CrossedColumn):
            known = tf.reduce_any(known, axis=-1)
        bias = tf.cast(self.biases[column.name], v.dtype)
        return tf.where(known[..., None], tf.nn.relu(v + bias), 0)

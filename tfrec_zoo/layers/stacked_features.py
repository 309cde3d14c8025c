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
    """Concatenates ReLU(v_f + b_f) of the embedding columns f and the other columns as they are.

    The paper embeds a wide feature by ReLU(W x + b), where W x of an id is its row v; b is what can
    bring a unit back that the rows have taken below 0. A missing, unknown or empty value has
    neither: it stays the zero vector. Narrow features and numbers are stacked as they are.

    Args:
        features: Fitted features.
        columns: The columns to feed; categorical columns that are not dense are left out.
        tables: Embedding tables by name. A column has its own b, also where tables are shared.

    Call arguments:
        encoded: What a `Preprocessor` returned.

    Returns:
        [batch, width] or [batch, candidates, width]

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
                "bias", shape=[tables[column.table].dimension], initializer="zeros"
            )
            for column in self.columns
            if isinstance(column, EmbeddingColumn)
        }

    def vector(self, column: DenseColumn, encoded: Encoded) -> tf.Tensor:
        """The vector of one column, [batch, width] or [batch, candidates, width]."""
        v = super().vector(column, encoded)
        if not isinstance(column, EmbeddingColumn):
            return v
        known = encoded["ids"][column.categorical.name] > 0
        if isinstance(column.categorical, BagColumn | CrossedColumn):
            known = tf.reduce_any(known, axis=-1)
        bias = tf.cast(self.biases[column.name], v.dtype)
        return tf.where(known[..., None], tf.nn.relu(v + bias), 0)

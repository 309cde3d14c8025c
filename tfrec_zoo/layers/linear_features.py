"""LinearFeatures: w·x, the linear (or "wide") part of many rankers."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import (
    Column,
    EmbeddingColumn,
    EmbeddingTable,
    Encoded,
    Features,
    InteractionColumn,
    NumericColumn,
)
from tfrec_zoo.features.spec import categorical_columns
from tfrec_zoo.layers.field_embeddings import FieldEmbeddings, sum_fields


class LinearFeatures(tf.keras.layers.Layer):
    """w · x over any columns: a weight per id of each categorical column, and per number.

    Embedding and indicator columns stand for their categorical column; bare ones, such as the
    crosses of Wide & Deep, are taken as they are. Each has weights of its own, whatever ID space or
    table it shares ("was watched before" is another feature than "is the candidate"), and is there
    once. A bag's weights are pooled by its combiner, a cross's summed; nothing weighs 0 and moves
    nothing. Numeric and interaction columns have a weight per normalised component.

    There is no bias: that is the model's to add, once. Weights start at 0 and all is float32,
    whatever the dtype policy: logits need their digits.

    Args:
        features: Fitted features.
        columns: The columns to feed, the query's first.
        l2: L2 penalty on the weights.
        batch_l2: L2 penalty on the weights of the ids in a batch.

    Call arguments:
        encoded: What a `Preprocessor` returned. Candidate features may be [batch] or, for a list
            per query, [batch, candidates].

    Returns:
        [batch] or [batch, candidates]; the query's share is computed once.

    Raises:
        ValueError: If there is no column.

    Example:

    >>> from tfrec_zoo.features import *
    >>> video = HashedColumn("video_id", 100)
    >>> spec = FeatureSpec(candidate=(video, CrossedColumn((video, HashedColumn("os", 3)), 300)))
    >>> features = Features.fit(spec, {})
    >>> linear = LinearFeatures(features, spec.columns)
    >>> linear.tables["video_id_hashed"].table.shape
    TensorShape([100, 1])
    >>> linear(Preprocessor(features)(
    ...     {"os": tf.constant(["x"]), "video_id": tf.constant(["a"])})).numpy().tolist()
    [0.0]
    """

    def __init__(
        self,
        features: Features,
        columns: tuple[Column, ...],
        l2: float = 0.0,
        batch_l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **{**kwargs, "dtype": tf.float32})
        if not columns:
            raise ValueError("There is no column to weigh. Received: columns=()")
        numeric = tuple(c for c in columns if isinstance(c, NumericColumn | InteractionColumn))
        categorical = tuple(categorical_columns(tuple(c for c in columns if c not in numeric)))
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.tables = {
            c.name: EmbeddingTable(
                features.num_ids(c), 1, "zeros", regularizer, batch_l2, dtype=tf.float32
            )
            for c in categorical
        }
        # A weight is an embedding of width 1.
        weights = tuple(EmbeddingColumn(column, 1, table=column.name) for column in categorical)
        self.fields = FieldEmbeddings(
            features, weights + numeric, self.tables, 1, "zeros", l2, dtype=tf.float32
        )

    def call(self, encoded: Encoded) -> tf.Tensor:
        """Sums the weights of all that is there; see the class."""
        return tf.squeeze(sum_fields(self.fields.vectors(encoded)), axis=-1)

"""LinearFeatures: w · x, the linear (or "wide") part of many rankers."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import (
    Column,
    EmbeddingColumn,
    EmbeddingTable,
    Encoded,
    Features,
    NumberColumn,
)
from tfrec_zoo.features.column_config import column_from_config, column_to_config
from tfrec_zoo.features.spec import categorical_columns
from tfrec_zoo.layers.field_embeddings import FieldEmbeddings, sum_fields


class LinearFeatures(tf.keras.layers.Layer):
    """Computes w · x over any columns: one weight per categorical id, and one per number.

    Embedding and indicator columns count as the categorical column that they wrap; bare categorical
    columns, such as the crosses of Wide & Deep, are used as they are. Every column appears once and
    has its own weights, even if it shares an ID space or a table with another one, because "was
    watched before" and "is the candidate" are different features. The weights of a bag are pooled
    by its combiner and those of a cross are summed; id 0 contributes 0 and gets no gradient.
    Columns of numbers have one weight per normalized component.

    There is no bias: the model adds one, once. Weights start at 0 and everything is float32,
    whatever the dtype policy, because logits need full precision.

    Args:
        features: Fitted features.
        columns: Columns to read, the query's first.
        l2: L2 penalty on all weights.
        batch_l2: L2 penalty on the weights of the ids in a batch.

    Call arguments:
        encoded: Encoded features, as a `Preprocessor` returns them. Candidate features are [batch]
            or, for a list per query, [batch, candidates].

    Returns:
        The sums, [batch] or [batch, candidates]; the query's part is computed once per list.

    Raises:
        ValueError: If there are no columns.

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
        self.features = features
        self.columns = tuple(columns)
        self.l2 = l2
        self.batch_l2 = batch_l2
        numeric = tuple(c for c in columns if isinstance(c, NumberColumn))
        categorical = tuple(categorical_columns(tuple(c for c in columns if c not in numeric)))
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.tables = {
            c.name: EmbeddingTable(
                features.num_ids(c), 1, "zeros", regularizer, batch_l2, c.space, dtype=tf.float32
            )
            for c in categorical
        }
        # The weight of an id is an embedding of width 1.
        weights = tuple(EmbeddingColumn(column, 1, table=column.name) for column in categorical)
        self.fields = FieldEmbeddings(
            features, weights + numeric, self.tables, 1, "zeros", l2, dtype=tf.float32
        )

    def call(self, encoded: Encoded) -> tf.Tensor:
        """Returns the weighted sum of all features that are present."""
        return tf.squeeze(sum_fields(self.fields.vectors(encoded)), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "features": self.features.to_config(),
            "columns": [column_to_config(column) for column in self.columns],
            "l2": self.l2,
            "batch_l2": self.batch_l2,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LinearFeatures":
        """Makes an untrained layer of the same configuration."""
        features = Features.from_config(config["features"])
        columns = tuple(column_from_config(column) for column in config["columns"])
        return cls(**{**config, "features": features, "columns": columns})

"""Base of the ranking models that are made of embeddings."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import DenseFeatures, Features, make_embedding_tables, seeded
from tfrec_zoo.layers import FieldEmbeddings, LinearFeatures
from tfrec_zoo.losses import Logistic
from tfrec_zoo.models.ranking import RankingModel


class EmbeddingRankingModel(RankingModel):
    """Embedding tables and a bias, and the layers with which models read the features.

    `l2` is a penalty on embeddings as whole tables, each step, and on kernels: every id shrinks as
    often as any other, and a step costs by the table. `batch_l2` is one on the rows of embeddings
    that a batch looks up: a step costs by the batch, and frequent ids shrink more often.

    Args:
        features: Fitted features.
        embedding_dim: Width of the embedding columns that declare none; if None it grows with the
            number of ids.
        embedding_initializer: Of the tables; by default normal with standard deviation 0.01.
        l2: L2 penalty on whole embedding tables and on kernels.
        batch_l2: L2 penalty on the embedding rows of a batch.
        seed: Of initial weights and dropout.
        loss: A Keras loss of (label, logit) with reduction NONE; by default `Logistic`.
        dimension_of: How width grows with the number of ids; by default with its logarithm.
    """

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int | None,
        embedding_initializer: Any = None,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        loss: tf.keras.losses.Loss | None = None,
        dimension_of: Callable[[int], int] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, loss or Logistic(), name=name)
        if embedding_initializer is None:
            embedding_initializer = tf.keras.initializers.RandomNormal(stddev=0.01)

        # Layers.
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        initializer = seeded(embedding_initializer, seed)
        dimension = dimension_of if embedding_dim is None else embedding_dim
        self.tables = make_embedding_tables(features, initializer, regularizer, dimension, batch_l2)
        # In half precision a logit would lose its digits.
        self.bias = self.add_weight(
            "bias", shape=[], initializer="zeros", experimental_autocast=False
        )

        # Config.
        self.embedding_dim = embedding_dim
        self.embedding_initializer = tf.keras.initializers.get(embedding_initializer)
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.seed = seed

    def field_embeddings(self) -> FieldEmbeddings:
        """Makes the layer of one vector per field, all `embedding_dim` wide."""
        assert self.embedding_dim is not None
        initializer = seeded(self.embedding_initializer, self.seed)
        columns = self.features.spec.columns
        return FieldEmbeddings(
            self.features, columns, self.tables, self.embedding_dim, initializer, self.l2
        )

    def dense_features(self) -> DenseFeatures:
        """Makes the layer that concatenates embeddings and normalised numbers."""
        return DenseFeatures(self.features, self.features.spec.columns, self.tables)

    def linear_features(self) -> LinearFeatures:
        """Makes the layer w · x over all columns."""
        return LinearFeatures(self.features, self.features.spec.columns, self.l2, self.batch_l2)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "embedding_initializer": tf.keras.initializers.serialize(self.embedding_initializer),
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "seed": self.seed,
        }

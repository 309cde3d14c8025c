"""Base of the ranking models that are built on embeddings."""

from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf

from tfrec_zoo.features import DenseFeatures, Features, make_embedding_tables, seeded
from tfrec_zoo.layers import FieldEmbeddings, LinearFeatures
from tfrec_zoo.losses import Logistic
from tfrec_zoo.models.arguments import DROPOUT_OF_TOWER, OF_TOWER
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.needs import Need


class EmbeddingRankingModel(RankingModel):
    """Holds the embedding tables and the bias, and makes the layers that read the features.

    Two L2 penalties differ in what they cost and whom they affect. `l2` covers whole embedding
    tables in each step: all ids shrink equally often, and the cost of a step grows with the tables.
    `batch_l2` covers only the rows that the batch looks up: the cost grows with the batch, and
    frequent ids shrink more often.

    Args:
        features: Fitted features.
        embedding_dim: Width of the embedding columns that declare none; None lets it grow with the
            number of ids.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.
        loss: Keras loss of (label, logit) with reduction NONE; `Logistic` by default.
        dimension_of: Function from the number of ids to the width, if `embedding_dim` is None; by
            default the width grows with the logarithm.
        name: Name of the model.
    """

    needs: ClassVar[tuple[Need, ...]] = (OF_TOWER, DROPOUT_OF_TOWER)

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
        # Logits stay in float32, because half precision is too coarse for them.
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
        """Returns a layer that makes one vector per field, each `embedding_dim` wide."""
        assert self.embedding_dim is not None
        initializer = seeded(self.embedding_initializer, self.seed)
        columns = self.features.spec.columns
        return FieldEmbeddings(
            self.features, columns, self.tables, self.embedding_dim, initializer, self.l2
        )

    def dense_features(self) -> DenseFeatures:
        """Returns a layer that concatenates embeddings and normalized numbers."""
        return DenseFeatures(self.features, self.features.spec.columns, self.tables)

    def linear_features(self) -> LinearFeatures:
        """Returns a layer that computes w · x over all columns."""
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

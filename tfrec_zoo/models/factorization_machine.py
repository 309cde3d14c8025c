"""FactorizationMachine: every pair of features interacts, by the product of their vectors.

Rendle, "Factorization Machines", ICDM 2010.

    logit = w₀ + w · x + Σ_{i<j} ⟨v_i, v_j⟩,    the last ½ Σ_d ((Σ_i v_i)² − Σ_i v_i²)
"""

from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import Features, make_embedding_tables
from tfrec_zoo.features.embedding import seeded
from tfrec_zoo.layers import FieldEmbeddings, LinearFeatures, sum_fields
from tfrec_zoo.losses import Logistic, Squared
from tfrec_zoo.models.ranking import RankingModel


class FactorizationMachine(RankingModel):
    """Linear regression with factorised pairwise interactions, for clicks or for ratings.

    Every dense column is a field with a vector, x_i times its factors in the paper: a pooled bag is
    one field, and so is a number with its powers. Columns sharing an ID space share factors, but
    not linear weights; bare categorical columns have linear weights alone. A prediction costs
    O(fields · embedding_dim), and the query's sums are made once for a list of candidates.

    Args:
        features: Fitted features, with at least one dense column.
        embedding_dim: Number of factors; embedding columns declare none, or the same.
        loss: `"logistic"`, anything above 0 being a positive, or `"squared"`, for ratings:
            `predictions` are then ratings as well.
        embedding_initializer: Of the factors; by default normal with standard deviation 0.01.
        l2: L2 penalty on the factors and linear weights (not on the bias).
        seed: Of the initial factors.

    Raises:
        ValueError: If an embedding column declares another width, or there is no dense column.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = FactorizationMachine(Features.fit(spec, x), embedding_dim=8, loss="squared")
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([5.0, 3.0, 4.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Rendle, ICDM 2010, equation 1 and lemma 3.1.
    """

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 16,
        loss: Literal["logistic", "squared"] = "logistic",
        embedding_initializer: Any = None,
        l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        if loss not in ("logistic", "squared"):
            raise ValueError(f'`loss` must be "logistic" or "squared". Received: {loss!r}')
        super().__init__(features, Logistic() if loss == "logistic" else Squared(), name=name)
        if embedding_initializer is None:
            embedding_initializer = tf.keras.initializers.RandomNormal(stddev=0.01)

        # Layers.
        columns, initializer = features.spec.columns, seeded(embedding_initializer, seed)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.tables = make_embedding_tables(features, initializer, regularizer, embedding_dim)
        self.fields = FieldEmbeddings(
            features, columns, self.tables, embedding_dim, initializer, l2
        )
        self.linear = LinearFeatures(features, columns, l2)
        # In half precision a logit would lose its digits.
        self.bias = self.add_weight(
            "bias", shape=[], initializer="zeros", experimental_autocast=False
        )

        # Config.
        self.embedding_dim = embedding_dim
        self.loss_name = loss  # Keras has a `loss` of its own.
        self.embedding_initializer = tf.keras.initializers.get(embedding_initializer)
        self.l2 = l2
        self.seed = seed

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, or ratings, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        # [batch, embedding_dim] of the query, [batch, candidates, embedding_dim] of a list.
        v = [tf.cast(vector, tf.float32) for vector in self.fields.vectors(encoded)]
        square_of_sum = tf.square(sum_fields(v))
        sum_of_squares = sum_fields([tf.square(vector) for vector in v])
        pairs = 0.5 * tf.reduce_sum(square_of_sum - sum_of_squares, axis=-1)
        return self.bias + sum_fields([self.linear(encoded), pairs])

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """The probability of a positive, or the rating."""
        return logits if self.loss_name == "squared" else tf.math.sigmoid(logits)

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Whether it is a positive, and its probability; or both ratings."""
        label = label if self.loss_name == "squared" else tf.cast(label > 0, tf.float32)
        return label, self.predictions(predictions)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "loss": self.loss_name,
            "embedding_initializer": tf.keras.initializers.serialize(self.embedding_initializer),
            "l2": self.l2,
            "seed": self.seed,
        }

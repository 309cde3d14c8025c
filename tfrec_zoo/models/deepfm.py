"""DeepFM: a factorization machine and a deep network over the same embeddings.

Guo, Tang, Ye, Li & He, "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction",
IJCAI 2017.

    logit = w₀ + w · x + Σ_{i<j} ⟨v_i, v_j⟩ + w_h · ReLU tower([v_1; …; v_m])
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import (
    Logit,
    Normalization,
    Tower,
    flatten_fields,
    second_order,
    stacked,
    sum_fields,
)
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class DeepFM(EmbeddingRankingModel):
    """Replaces the crosses of Wide & Deep with a factorization machine: none has to be declared.

    Every dense column is a field with one vector: a bag is pooled, and a number with its powers is
    multiplied by a kernel. The machine and the tower share these vectors. Bare categorical columns
    have linear weights only. Labels above 0 are positives.

    Args:
        features: Fitted features, with at least one dense column.
        embedding_dim: Width of the vectors; 10 in the paper.
        hidden_units: Width of each layer of the tower; (400, 400, 400) in the paper.
        dropout: Dropout rate after each layer of the tower; 0.5 in the paper's experiments.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If an embedding column declares another width, or there is no dense column.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = DeepFM(Features.fit(spec, x), hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Guo et al., IJCAI 2017, equations 1 to 4.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 10,
        hidden_units: tuple[int, ...] = (400, 400, 400),
        dropout: float = 0.5,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        embedding_initializer: Any = None,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            embedding_initializer=embedding_initializer,
            l2=l2,
            batch_l2=batch_l2,
            seed=seed,
            name=name,
        )

        # Layers.
        self.fields = self.field_embeddings()
        self.linear = self.linear_features()
        self.tower = Tower(hidden_units, activation, dropout, l2, seed, normalization=normalization)
        self.deep_logit = Logit(l2, seed_after(seed, len(hidden_units)))

        # Config.
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        v = self.fields.vectors(encoded)
        deep = self.tower(flatten_fields(stacked(v)), training=training)
        return self.bias + sum_fields(
            [self.linear(encoded), second_order(v), self.deep_logit(deep)]
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

"""DCN: explicit feature crosses by a cross network, in parallel with a deep network.

Wang, Fu, Fu & Wang, "Deep & Cross Network for Ad Click Predictions", ADKDD 2017.

    x_{l+1} = x_0 (x_l · w_l) + b_l + x_l,   logit = w · [x_L; ReLU tower(x_0)] + b
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.features.embedding import fourth_root_dimension
from tfrec_zoo.layers import Logit, Normalization, Tower, VectorCross, beside, repeated
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class DCN(EmbeddingRankingModel):
    """Learns crosses of bounded degree, one degree per cross layer, without declaring any.

    x_0 is the concatenation of embeddings and normalized numbers. Both networks read it, and one
    logit reads both networks. Bare categorical columns are ignored. Labels above 0 are positives.

    The paper's batch normalization is `normalization="batch"`. It is not the default, because it
    makes the score of a row depend on the rest of its batch while training.

    Args:
        features: Fitted features, with at least one dense column.
        num_cross_layers: Number of cross layers; 6 in the paper's best model on Criteo.
        embedding_dim: Width of the embedding columns that declare none; None is the paper's
            6 n^(1/4) for n ids.
        hidden_units: Width of each layer of the tower; (1024, 1024) in the paper's best on Criteo.
        dropout: Dropout rate after each layer of the tower; the paper has none.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If there is no cross layer.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = DCN(Features.fit(spec, x), num_cross_layers=2, hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Wang et al., ADKDD 2017, equations 1 to 5 and §4.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        num_cross_layers: int = 6,
        embedding_dim: int | None = None,
        hidden_units: tuple[int, ...] = (1024, 1024),
        dropout: float = 0.0,
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
            dimension_of=fourth_root_dimension,
            name=name,
        )
        if num_cross_layers < 1:
            raise ValueError(f"`num_cross_layers` must be positive. Received: {num_cross_layers}")

        # Layers.
        self.dense = self.dense_features()
        self.crosses = [VectorCross(l2, seed_after(seed, i)) for i in range(num_cross_layers)]
        self.tower = Tower(
            hidden_units,
            activation,
            dropout,
            l2,
            seed_after(seed, num_cross_layers),
            normalization=normalization,
        )
        self.logit = Logit(l2, seed_after(seed, num_cross_layers + len(hidden_units)))

        # Config.
        self.num_cross_layers = num_cross_layers
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        sides = beside(self.dense.vectors(self.encode(inputs)))
        x = x_0 = repeated(sides)  # [..., width]
        for cross in self.crosses:
            x = cross((x_0, x))
        h = self.tower(sides, training=training)  # [..., units]
        return self.bias + self.logit(tf.concat([x, h], axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_cross_layers": self.num_cross_layers,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

"""NCFMLP: a multi-layer perceptron learns the interaction of user and item.

He, Liao, Zhang, Nie, Hu & Chua, "Neural Collaborative Filtering", WWW 2017, §3.3.

    logit = hᵀ φ + b,    φ = ReLU tower([p_u; q_i])
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import InteractionTower
from tfrec_zoo.losses import Logistic
from tfrec_zoo.models.ranking import RankingModel


class NCFMLP(RankingModel):
    """Passes the concatenated user and item vectors through a tower: the "MLP" of the NCF paper.

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        hidden_units: Width of each layer of the tower; the last is the number of predictive
            factors. (32, 16, 8) is MLP-3 with 8 factors, () is MLP-0.
        embedding_dim: Width of p and q; by default half of the first layer, as in the paper.
        dropout: Dropout rate after each layer of the tower.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        activation: Activation function of the tower's layers.
        seed: Seed of the initial weights and of dropout. Embeddings are drawn from a normal
            distribution with standard deviation .01; kernels, as in the authors' code, uniformly
            by their fan.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("movie_id"),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "movie_id": np.array(["a", "a", "b"])}
    >>> model = NCFMLP(Features.fit(spec, x))
    >>> model.compile("lazy_adam")
    >>> _ = model.fit(x, np.array([1.0, 0.0, 1.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        He et al., WWW 2017, equation 10.
    """

    reads = "ids"
    default_task = "choice"

    def __init__(
        self,
        features: Features,
        *,
        hidden_units: tuple[int, ...] = (32, 16, 8),
        embedding_dim: int | None = None,
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        activation: Any = "relu",
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, Logistic(), name=name)
        if embedding_dim is None:
            embedding_dim = default_width(hidden_units)

        # Layers.
        self.tower = InteractionTower(
            features, tuple(hidden_units), embedding_dim, activation, dropout, l2, batch_l2, seed
        )
        logit_seed = seed_after(seed, 2 + len(hidden_units))
        kernel = tf.keras.initializers.LecunUniform(seed=logit_seed)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.logit = tf.keras.layers.Dense(
            1, kernel_initializer=kernel, kernel_regularizer=regularizer, name="logit"
        )

        # Config.
        self.hidden_units = tuple(hidden_units)
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.activation = tf.keras.activations.get(activation)
        self.seed = seed

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        logit = self.logit(self.tower(self.encode(inputs), training=training))
        return tf.cast(tf.squeeze(logit, axis=-1), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "activation": tf.keras.activations.serialize(self.activation),
            "seed": self.seed,
        }


def default_width(hidden_units: tuple[int, ...]) -> int:
    """Returns the paper's width of p and q: their concatenation is as wide as the first layer."""
    return max(hidden_units[0] // 2, 1) if hidden_units else 8

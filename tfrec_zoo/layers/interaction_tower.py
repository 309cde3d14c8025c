"""InteractionTower: a tower over the concatenated vectors of a user and an item."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, seed_after
from tfrec_zoo.layers.dropout import Dropout
from tfrec_zoo.layers.tower import Tower
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense
from tfrec_zoo.layers.user_item_embeddings import UserItemEmbeddings, align_with


class InteractionTower(tf.keras.layers.Layer):
    """Learns the interaction of a user and an item with a tower: φ = tower([p_u; q_i]).

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        hidden_units: Width of each layer of the tower; () returns the concatenation.
        embedding_dim: Width of p and q.
        activation: Activation function of the tower's layers.
        dropout: Dropout rate after each layer.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Call arguments:
        encoded: Encoded features, as a `Preprocessor` returns them.

    Returns:
        The interaction φ, [batch, units] or [batch, candidates, units].

    References:
        He et al., WWW 2017, §3.3.
    """

    def __init__(
        self,
        features: Features,
        hidden_units: tuple[int, ...],
        embedding_dim: int,
        activation: Any = "relu",
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.embeddings = UserItemEmbeddings(
            features, embedding_dim, l2=l2, batch_l2=batch_l2, seed=seed, name="mlp"
        )
        self.features = features
        self.hidden_units = tuple(hidden_units)
        self.embedding_dim = embedding_dim
        self.activation = tf.keras.activations.get(activation)
        self.dropout_rate = dropout
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.seed = seed
        if hidden_units:
            self.first = TwoSidedDense(hidden_units[0], activation, l2, seed)
            self.dropout = Dropout(dropout, seed=seed)
            rest_seed = seed_after(seed, 2)  # The first layer has two kernels.
            self.rest = Tower(hidden_units[1:], activation, dropout, l2, rest_seed)

    def call(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """Returns the interaction φ of each user and item."""
        p, q = self.embeddings(encoded)
        if self.hidden_units:
            return self.rest(self.dropout(self.first((p, q)), training=training), training=training)
        return tf.concat([tf.broadcast_to(align_with(p, q), tf.shape(q)), q], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "features": self.features.to_config(),
            "hidden_units": self.hidden_units,
            "embedding_dim": self.embedding_dim,
            "activation": tf.keras.activations.serialize(self.activation),
            "dropout": self.dropout_rate,
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InteractionTower":
        """Makes an untrained layer of the same configuration."""
        return cls(**{**config, "features": Features.from_config(config["features"])})

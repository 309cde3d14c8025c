"""InteractionTower: a user's and an item's vector, concatenated and passed through layers."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, seed_after
from tfrec_zoo.layers.tower import Tower
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense
from tfrec_zoo.layers.user_item_embeddings import UserItemEmbeddings, beside


class InteractionTower(tf.keras.layers.Layer):
    """φ = tower([p_u; q_i]), the learned interaction function of neural collaborative filtering.

    Args:
        features: Fitted features, with one column of users and one of items.
        hidden_units: Width of each layer; () returns the concatenation.
        embedding_dim: Width of p and q.
        activation: Of the layers.
        dropout: Between the layers, in training.
        l2: L2 penalty on kernels and embedding tables.
        batch_l2: L2 penalty on the embedding rows of a batch.
        seed: Of initial weights and dropout.

    Call arguments:
        encoded: What a `Preprocessor` returned.

    Returns:
        [batch, units] or [batch, candidates, units]

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
        self.hidden_units = tuple(hidden_units)
        if hidden_units:
            self.first = TwoSidedDense(hidden_units[0], activation, l2, seed)
            self.dropout = tf.keras.layers.Dropout(dropout if hidden_units[1:] else 0, seed=seed)
            rest_seed = seed_after(seed, 1)
            self.rest = Tower(hidden_units[1:], activation, dropout, l2, rest_seed)

    def call(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """Applies the tower; see the class."""
        p, q = self.embeddings(encoded)
        if self.hidden_units:
            return self.rest(self.dropout(self.first((p, q)), training=training), training=training)
        return tf.concat([tf.broadcast_to(beside(p, q), tf.shape(q)), q], axis=-1)

"""InteractionTower: a tower over the concatenated vectors of a user and an item."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, seed_after
from tfrec_zoo.layers.tower import Tower
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense
from tfrec_zoo.layers.user_item_embeddings import UserItemEmbeddings, beside


class InteractionTower(tf.keras.layers.Layer):
    """Learns the interaction of a user and an item with a tower: φ = tower([p_u; q_i]).

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        hidden_units: Width of each layer of the tower; () returns the concatenation.
        embedding_dim: Width of p and q.
        activation: Of the layers.
        dropout: After each layer, in training.
        l2: L2 penalty on kernels and embedding tables.
        batch_l2: L2 penalty on the embedding rows of a batch.
        seed: Of initial weights and dropout.

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
        self.hidden_units = tuple(hidden_units)
        if hidden_units:
            self.first = TwoSidedDense(hidden_units[0], activation, l2, seed)
            self.dropout = tf.keras.layers.Dropout(dropout, seed=seed)
            rest_seed = seed_after(seed, 2)  # The first layer has two kernels.
            self.rest = Tower(hidden_units[1:], activation, dropout, l2, rest_seed)

    def call(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """Returns the interaction φ of each user and item."""
        p, q = self.embeddings(encoded)
        if self.hidden_units:
            return self.rest(self.dropout(self.first((p, q)), training=training), training=training)
        return tf.concat([tf.broadcast_to(beside(p, q), tf.shape(q)), q], axis=-1)

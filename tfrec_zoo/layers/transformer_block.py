"""TransformerBlock: self-attention over the past, then a network at each position."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import seed_after
from tfrec_zoo.layers.causal_attention import CausalAttention

#: What is added to variances, so that vectors of equal components can be normalized.
EPSILON = 1e-6


class TransformerBlock(tf.keras.layers.Layer):
    """Refines the vectors of a sequence, in two steps whose input is normalized and added again.

        y = x + attention(norm(x)),    z_t = y_t + W₂ ReLU(W₁ norm(y_t) + b₁) + b₂

    Both W are square. Dropout is applied to the weights of the attention, and to each of the two
    summands.

    Args:
        num_heads: Number of heads of the attention.
        dropout: Dropout rate.
        seed: Seed of the initial kernels and of dropout.

    Call arguments:
        x: Vectors of the positions, [batch, length, dim].
        is_known: Which positions can be attended to, bool [batch, length]; None for all.

    Returns:
        The refined vectors, [batch, length, dim].

    References:
        Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, §3.2 and §3.3.
    """

    def __init__(
        self, num_heads: int = 1, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.seed = seed
        self.attention = CausalAttention(num_heads, dropout, seed)
        self.norms = [tf.keras.layers.LayerNormalization(epsilon=EPSILON) for _ in range(2)]
        self.dropouts = [tf.keras.layers.Dropout(dropout, seed=seed_after(seed, i)) for i in (1, 2)]

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the network, which is as wide as the input."""
        self.hidden, self.output_layer = (
            tf.keras.layers.Dense(
                input_shape[-1],
                activation=activation,
                # The three kernels of the attention come first.
                kernel_initializer=tf.keras.initializers.GlorotUniform(seed_after(self.seed, i)),
            )
            for i, activation in ((3, "relu"), (4, None))
        )
        super().build(input_shape)

    def call(
        self, x: tf.Tensor, is_known: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        """Returns the refined vectors."""
        attended = self.attention(self.norms[0](x), is_known, training=training)
        x += self.dropouts[0](attended, training=training)
        return x + self.dropouts[1](
            self.output_layer(self.hidden(self.norms[1](x))), training=training
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "seed": self.seed,
        }

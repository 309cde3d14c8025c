"""TransformerBlock: self-attention over the past, then a network at each position."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import seed_after
from tfrec_zoo.layers.causal_attention import CausalAttention
from tfrec_zoo.layers.dropout import Dropout


def layer_norm() -> tf.keras.layers.LayerNormalization:
    """Returns a layer that gives vectors a mean of 0 and a variance of 1, in single precision."""
    return tf.keras.layers.LayerNormalization(epsilon=1e-6, dtype="float32")


class TransformerBlock(tf.keras.layers.Layer):
    """Refines the vectors of a sequence, in two steps whose input is normalized and added again.

        y = x + attention(norm(x)),    z_t = y_t + W₂ ReLU(W₁ norm(y_t) + b₁) + b₂

    Both W are square. Dropout is applied to the weights of the attention, and to each of the two
    summands. In half precision, what is added up and normalized stays in single precision.

    Args:
        num_heads: Number of heads of the attention.
        dropout: Dropout rate.
        time_bias: Whether the attention has a bias by `intervals`.
        seed: Seed of the initial kernels and of dropout.

    Call arguments:
        x: Vectors of the positions, [batch, length, dim].
        is_known: Which positions can be attended to, bool [batch, length]; None for all.
        intervals: Ids of the time between positions, [batch, length, length]; see
            `CausalAttention`.

    Returns:
        The refined vectors, [batch, length, dim].

    References:
        Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, §3.2 and §3.3.
    """

    def __init__(
        self,
        num_heads: int = 1,
        dropout: float = 0.0,
        time_bias: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs, autocast=False)
        self.num_heads = num_heads
        self.dropout = dropout
        self.time_bias = time_bias
        self.seed = seed
        self.attention = CausalAttention(num_heads, dropout, time_bias, seed)
        self.norms = [layer_norm() for _ in range(2)]
        self.dropouts = [Dropout(dropout, seed=seed_after(seed, i)) for i in (1, 2)]

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
        self,
        x: tf.Tensor,
        is_known: tf.Tensor | None = None,
        intervals: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Returns the refined vectors."""
        attended = self.attention(self.norms[0](x), is_known, intervals, training=training)
        x += tf.cast(self.dropouts[0](attended, training=training), x.dtype)
        hidden = self.output_layer(self.hidden(self.norms[1](x)))
        return x + tf.cast(self.dropouts[1](hidden, training=training), x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "time_bias": self.time_bias,
            "seed": self.seed,
        }

"""CausalAttention: multi-head self-attention in which a position sees those before it alone."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import EmbeddingTable, seed_after
from tfrec_zoo.layers.dropout import Dropout
from tfrec_zoo.layers.heads import by_head, joined, require_heads, seen
from tfrec_zoo.layers.intervals import NUM_INTERVALS


class CausalAttention(tf.keras.layers.Layer):
    """Combines each position of a sequence with the known ones up to it.

        s_t = [Σ_j α¹_tj V¹ x_j; …; Σ_j α^H_tj V^H x_j]
        α_tj = softmax_{j ≤ t} ⟨Q x_t, K x_j⟩ / √d_h + b^h_{interval(t, j)}

    Each of the H heads has its own Q, K and V, d_h wide. There are no biases of features, and the
    heads are concatenated without another projection, as in the paper. The bias b by the interval
    of time between two positions is of later work, and 0 without `time_bias`.

    Args:
        num_heads: Number of heads, H, which divides the width of the input.
        dropout: Share of the weights α dropped while training.
        time_bias: Whether scores have a bias by `intervals`.
        seed: Seed of the initial kernels and of dropout.

    Call arguments:
        x: Vectors of the positions, [batch, length, dim].
        is_known: Which positions can be attended to, bool [batch, length]; None for all. What comes
            out at a position without any to attend to is finite and means nothing.
        intervals: What `interval_ids` makes of the time from the second position to the first,
            [batch, length, length]; None where it is unknown.

    Returns:
        The combined vectors, [batch, length, dim].

    References:
        Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, equations 2 and 3.
        The bias: Zhai et al., "Actions Speak Louder than Words", ICML 2024, §3.
    """

    def __init__(
        self,
        num_heads: int = 1,
        dropout: float = 0.0,
        time_bias: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_heads(num_heads)
        self.num_heads = num_heads
        self.dropout = dropout
        self.time_bias = time_bias
        self.seed = seed
        self.bias_table = None
        if time_bias:
            self.bias_table = EmbeddingTable(
                NUM_INTERVALS, num_heads, "zeros", space="", name="bias_table"
            )
        self.weight_dropout = Dropout(dropout, seed=seed)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the projections, which are as wide as the input."""
        dim = input_shape[-1]
        require_heads(self.num_heads, dim)
        self.query, self.key, self.value = (
            tf.keras.layers.Dense(
                dim,
                use_bias=False,
                kernel_initializer=tf.keras.initializers.GlorotUniform(seed_after(self.seed, i)),
            )
            for i in range(3)
        )
        super().build(input_shape)

    def call(
        self,
        x: tf.Tensor,
        is_known: tf.Tensor | None = None,
        intervals: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Returns the combined vectors."""
        length = tf.shape(x)[1]
        q, k, v = (
            by_head(layer(x), self.num_heads) for layer in (self.query, self.key, self.value)
        )
        scores = tf.linalg.matmul(q, k, transpose_b=True)  # [batch, heads, length, length]
        scores /= tf.sqrt(tf.cast(q.shape[-1], scores.dtype))
        if self.bias_table is not None and intervals is not None:
            scores += tf.transpose(self.bias_table(intervals), [0, 3, 1, 2])
        weights = tf.nn.softmax(tf.where(seen(length, is_known), scores, scores.dtype.min))
        attended = self.weight_dropout(weights, training=training) @ v
        return joined(attended, tf.shape(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "time_bias": self.time_bias,
            "seed": self.seed,
        }

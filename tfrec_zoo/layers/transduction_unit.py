"""TransductionUnit: pointwise attention over the past, gated by what each position itself holds."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import EmbeddingTable, seed_after
from tfrec_zoo.layers.dropout import Dropout
from tfrec_zoo.layers.heads import by_head, joined, require_heads, seen
from tfrec_zoo.layers.intervals import NUM_INTERVALS


class TransductionUnit(tf.keras.layers.Layer):
    """Refines the vectors of a sequence by one hierarchical sequential transduction unit, HSTU.

        [U; V; Q; K] = SiLU(norm(X) W)
        α_tj = SiLU(⟨Q_t, K_j⟩ + p_{t−j} + b_{interval(t, j)}) / n,  j ≤ t
        Y_t = X_t + W_o (U_t ⊙ norm(Σ_j α_tj V_j)) + b_o

    Unlike those of a softmax, the weights α of a position do not add up to 1: how much there was to
    attend to is not lost. One layer gates by U what two do in a Transformer. Each head has its own
    part of U, V, Q and K; the biases p by distance and b by the interval of time are of all heads,
    and b is 0 without `time_bias`. The norms have no weights. Dropout is applied to what W_o
    multiplies. In half precision, what is added up and normalized stays in single precision.

    Args:
        max_length: Number of positions there may be, n.
        num_heads: Number of heads, which divides the width of the input.
        dropout: Dropout rate.
        time_bias: Whether the attention has a bias by `intervals`.
        seed: Seed of the initial weights and of dropout.

    Call arguments:
        x: Vectors of the positions, [batch, length, dim], with length ≤ n.
        is_known: Which positions can be attended to, bool [batch, length]; None for all.
        intervals: What `interval_ids` makes of the time from the second position to the first,
            [batch, length, length]; None where it is unknown.

    Returns:
        The refined vectors, [batch, length, dim].

    Raises:
        ValueError: If there are no heads, or they do not divide the width of the input.

    References:
        Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
        Generative Recommendations", ICML 2024, §3, equations 1 to 3.
    """

    def __init__(
        self,
        max_length: int,
        num_heads: int = 1,
        dropout: float = 0.0,
        time_bias: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs, autocast=False)
        require_heads(num_heads)
        self.max_length = max_length
        self.num_heads = num_heads
        self.dropout = dropout
        self.time_bias = time_bias
        self.seed = seed
        self.norms = [
            tf.keras.layers.LayerNormalization(
                epsilon=1e-6, center=False, scale=False, dtype="float32"
            )
            for _ in range(2)
        ]
        self.distance_table = EmbeddingTable(
            max_length, 1, self._normal(2), space="", name="distance_table"
        )
        self.interval_table = None
        if time_bias:
            self.interval_table = EmbeddingTable(
                NUM_INTERVALS, 1, self._normal(3), space="", name="interval_table"
            )
        self.gated_dropout = Dropout(dropout, seed=seed)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the projections, which are as wide as the input."""
        dim = input_shape[-1]
        require_heads(self.num_heads, dim)
        self.input_layer = tf.keras.layers.Dense(
            4 * dim, activation=silu, use_bias=False, kernel_initializer=self._normal(0)
        )
        self.output_layer = tf.keras.layers.Dense(
            dim, kernel_initializer=tf.keras.initializers.GlorotUniform(seed_after(self.seed, 1))
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
        length = tf.shape(x)[1]
        u, *vqk = tf.split(self.input_layer(self.norms[0](x)), 4, axis=-1)
        v, q, k = (
            by_head(part, self.num_heads) for part in vqk
        )  # [batch, heads, length, dim / heads]
        scores = tf.linalg.matmul(q, k, transpose_b=True) + self._bias(length, intervals)
        weights = tf.where(seen(length, is_known), silu(scores) / self.max_length, 0)
        attended = joined(weights @ v, tf.shape(u))
        gated = u * tf.cast(self.norms[1](attended), u.dtype)
        gated = self.output_layer(self.gated_dropout(gated, training=training))
        return x + tf.cast(gated, x.dtype)

    def _bias(self, length: tf.Tensor, intervals: tf.Tensor | None) -> tf.Tensor:
        """The biases by distance and interval, which the heads share, [·, 1, length, length]."""
        position = tf.range(length)
        distances = tf.maximum(position[:, None] - position, 0)
        bias = self.distance_table(distances + 1)[None, ..., 0]
        if self.interval_table is not None and intervals is not None:
            bias += self.interval_table(intervals)[..., 0]
        return bias[:, None]

    def _normal(self, offset: int) -> tf.keras.initializers.Initializer:
        return tf.keras.initializers.RandomNormal(stddev=0.02, seed=seed_after(self.seed, offset))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "time_bias": self.time_bias,
            "seed": self.seed,
        }


def silu(x: tf.Tensor) -> tf.Tensor:
    """Returns x σ(x), as `tf.nn.silu` does, whose graphs TensorFlow keeps in memory for good."""
    single = tf.cast(x, tf.float32)
    return tf.cast(single * tf.sigmoid(single), x.dtype)

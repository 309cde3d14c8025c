"""InteractingAttention: multi-head self-attention among fields, the layer of AutoInt."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import seed_after


class InteractingAttention(tf.keras.layers.Layer):
    """Combines each field with the fields that it attends to, then adds a projection of itself.

        e'_m = ReLU([Σ_k α¹_mk V¹ e_k; …; Σ_k α^H_mk V^H e_k] + W e_m)
        α_mk = softmax_k ⟨Q e_m, K e_k⟩

    Each of the H heads has its own Q, K and V. Scores are not scaled and there are no biases, as in
    the paper; its authors' code divides by √head_dim. A missing field is the zero vector and takes
    part like any other. As e_m all its scores are 0, so it attends to every field equally; as e_k
    it gets a score of 0 and the attention it draws contributes nothing.

    Args:
        head_dim: Width of a head, d' in the paper.
        num_heads: Number of heads, H.
        residual: Whether to add the projection W e_m.
        l2: L2 penalty on the kernels.
        seed: Seed of the initial kernels.

    Call arguments:
        e: Vectors of the fields, [..., fields, dim].

    Returns:
        The combined fields, [..., fields, num_heads · head_dim].

    References:
        Song et al., "AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural
        Networks", CIKM 2019, equations 5 to 8.
    """

    def __init__(
        self,
        head_dim: int,
        num_heads: int = 2,
        residual: bool = True,
        l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for argument, value in (("head_dim", head_dim), ("num_heads", num_heads)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{argument}` must be a positive integer. Received: {value}")
        self.head_dim = head_dim
        self.num_heads = num_heads
        self.residual = residual
        self.l2 = l2
        self.seed = seed
        self.query, self.key, self.value, *rest = (
            tf.keras.layers.Dense(
                num_heads * head_dim,
                use_bias=False,
                kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seed_after(seed, i)),
                kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
            )
            for i in range(4 if residual else 3)
        )
        self.shortcut = rest[0] if residual else None

    def call(self, e: tf.Tensor) -> tf.Tensor:
        """Returns the combined fields."""
        heads = [
            tf.nn.softmax(tf.linalg.matmul(q, k, transpose_b=True)) @ v  # [..., fields, head_dim]
            for q, k, v in zip(
                tf.split(self.query(e), self.num_heads, axis=-1),
                tf.split(self.key(e), self.num_heads, axis=-1),
                tf.split(self.value(e), self.num_heads, axis=-1),
                strict=True,
            )
        ]
        attended = tf.concat(heads, axis=-1)
        return tf.nn.relu(attended if self.shortcut is None else attended + self.shortcut(e))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_heads": self.num_heads,
            "residual": self.residual,
            "l2": self.l2,
            "seed": self.seed,
        }

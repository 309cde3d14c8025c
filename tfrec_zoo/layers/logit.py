"""Logit: w · h, the last layer of a ranker or of one of its parts."""

from typing import Any

import tensorflow as tf


class Logit(tf.keras.layers.Layer):
    """Projects a vector to a logit, w · h, in float32 whatever the dtype policy.

    There is no bias: the model adds one, once.

    Args:
        l2: L2 penalty on w.
        seed: Seed of the initial w.

    Call arguments:
        h: Hidden representation, [..., width].

    Returns:
        The logits, [...].
    """

    def __init__(self, l2: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": tf.float32})
        self.l2 = l2
        self.seed = seed
        self.dense = tf.keras.layers.Dense(
            1,
            use_bias=False,
            kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seed),
            kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
            dtype=tf.float32,
        )

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """Returns the logits."""
        return tf.squeeze(self.dense(h), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "l2": self.l2, "seed": self.seed}

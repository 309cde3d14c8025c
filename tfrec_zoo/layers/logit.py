"""Logit: w · h, the last layer of a ranker or of a part of one."""

from typing import Any

import tensorflow as tf


class Logit(tf.keras.layers.Layer):
    """w · h, in float32 whatever the dtype policy: a logit needs its digits.

    There is no bias: that is the model's to add, once.

    Args:
        l2: L2 penalty on w.
        seed: Of the initial w.

    Call arguments:
        h: [..., width]

    Returns:
        [...]
    """

    def __init__(self, l2: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": tf.float32})
        self.dense = tf.keras.layers.Dense(
            1,
            use_bias=False,
            kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seed),
            kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
            dtype=tf.float32,
        )

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """Multiplies; see the class."""
        return tf.squeeze(self.dense(h), axis=-1)

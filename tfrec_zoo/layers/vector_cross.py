"""VectorCross: a layer of the cross network of DCN, whose weights are one vector."""

from typing import Any

import tensorflow as tf


class VectorCross(tf.keras.layers.Layer):
    """x_{l+1} = x_0 (x_l · w) + b + x_l: the input times a learned number, layer upon layer.

    Each layer raises the degree of the products of components by one, at the cost of two vectors.

    Args:
        l2: L2 penalty on w (not on b).
        seed: Of the initial w.

    Call arguments:
        x_0: [..., width] the input of the network.
        x_l: [..., width] the output of the layer before; x_0 itself for the first.

    Returns:
        [..., width]

    References:
        Wang et al., "Deep & Cross Network for Ad Click Predictions", ADKDD 2017, equation 3.
    """

    def __init__(self, l2: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates w and b."""
        width = int(input_shape[0][-1])
        self.w = self.add_weight(
            "w",
            shape=[width, 1],
            initializer=tf.keras.initializers.GlorotUniform(seed=self.seed),
            regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
        )
        self.b = self.add_weight("b", shape=[width], initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Crosses x_l with x_0; see the class."""
        x_0, x_l = inputs
        return x_0 * tf.tensordot(x_l, self.w, 1) + self.b + x_l

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "l2": self.l2, "seed": self.seed}

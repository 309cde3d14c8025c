"""VectorCross: a cross layer of DCN, whose weights are one vector."""

from typing import Any

import tensorflow as tf


class VectorCross(tf.keras.layers.Layer):
    """Crosses x_l with the network's input: x_{l+1} = x_0 (x_l · w) + b + x_l.

    Each layer multiplies the input by one learned number. It raises the degree of the products of
    components by one, at the cost of two vectors of weights.

    Args:
        l2: L2 penalty on w, not on b.
        seed: Seed of the initial w.

    Call arguments:
        x_0: Input of the cross network, [..., width].
        x_l: Output of the previous layer, [..., width]; x_0 itself for the first layer.

    Returns:
        The output of the layer, [..., width].

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
        """Returns x_l crossed with x_0."""
        x_0, x_l = inputs
        return x_0 * tf.tensordot(x_l, self.w, 1) + self.b + x_l

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "l2": self.l2, "seed": self.seed}

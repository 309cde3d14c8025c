"""ResidualUnit: two layers whose input is added back, the building block of Deep Crossing."""

from typing import Any

import tensorflow as tf


class ResidualUnit(tf.keras.layers.Layer):
    """Adds two layers to their own input: ReLU(x + W₁ ReLU(W₀ x + b₀) + b₁).

    The two layers learn the difference between output and input, which keeps deep stacks trainable.

    Args:
        units: Width of the inner layer; the output is as wide as the input.
        l2: L2 penalty on both kernels, not on the biases.
        seed: Seed of the initial kernels.

    Call arguments:
        x: Input, [..., width].

    Returns:
        The output of the unit, [..., width].

    References:
        Shan et al., KDD 2016, §4, "Residual Layers"; after He et al., CVPR 2016.
    """

    def __init__(self, units: int, l2: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"`units` must be a positive integer. Received: {units}")
        self.units = units
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates both layers."""
        self.inner, self.outer = (
            tf.keras.layers.Dense(
                units,
                activation,
                kernel_initializer=tf.keras.initializers.GlorotUniform(
                    seed=None if self.seed is None else self.seed + i
                ),
                kernel_regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
            )
            for i, (units, activation) in enumerate(
                ((self.units, "relu"), (int(input_shape[-1]), None))
            )
        )
        super().build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the rectified sum of the input and the two layers."""
        return tf.nn.relu(x + self.outer(self.inner(x)))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "units": self.units, "l2": self.l2, "seed": self.seed}

"""ResidualUnit: two layers whose input is added back, what Deep Crossing is made of."""

from typing import Any

import tensorflow as tf


class ResidualUnit(tf.keras.layers.Layer):
    """ReLU(x + W₁ ReLU(W₀ x + b₀) + b₁): the layers fit what the output differs by from the input.

    Args:
        units: Width between the two layers; that of the output is the input's.
        l2: L2 penalty on both kernels (not on the biases).
        seed: Of the initial kernels.

    Call arguments:
        x: [..., width]

    Returns:
        [..., width]

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
        """Adds the two layers; see the class."""
        return tf.nn.relu(x + self.outer(self.inner(x)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "units": self.units, "l2": self.l2, "seed": self.seed}

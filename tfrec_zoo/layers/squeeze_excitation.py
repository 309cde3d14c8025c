"""SqueezeExcitation: weighs fields by what all of them hold, the SENET layer of FiBiNET."""

from typing import Any

import tensorflow as tf


class SqueezeExcitation(tf.keras.layers.Layer):
    """v_i' = a_i v_i with a = ReLU(W₂ ReLU(W₁ z)) and z_i the mean of the components of v_i.

    The importance a_i ≥ 0 of a field depends on the row. W₁ takes the fields to a `reduction_ratio`
    of them, rounded down and one at least, and W₂ back; there are no biases.

    Args:
        reduction_ratio: Of the fields to the units between; 3 in the paper.
        l2: L2 penalty on both kernels.
        seed: Of the initial kernels.

    Call arguments:
        v: [..., fields, dim]

    Returns:
        [..., fields, dim]

    References:
        Huang, Zhang & Zhang, RecSys 2019, §3.2; after Hu, Shen & Sun, CVPR 2018.
    """

    def __init__(
        self, reduction_ratio: int = 3, l2: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(reduction_ratio, int) or reduction_ratio < 1:
            raise ValueError(
                f"`reduction_ratio` must be a positive integer. Received: {reduction_ratio}"
            )
        self.reduction_ratio = reduction_ratio
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates both layers, whose widths follow from the number of fields."""
        fields = int(input_shape[-2])
        self.squeeze, self.excite = (
            tf.keras.layers.Dense(
                units,
                "relu",
                use_bias=False,
                kernel_initializer=tf.keras.initializers.GlorotUniform(
                    seed=None if self.seed is None else self.seed + i
                ),
                kernel_regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
            )
            for i, units in enumerate((max(1, fields // self.reduction_ratio), fields))
        )
        super().build(input_shape)

    def call(self, v: tf.Tensor) -> tf.Tensor:
        """Weighs the fields; see the class."""
        z = tf.reduce_mean(v, axis=-1)  # [..., fields]
        a = self.excite(self.squeeze(z))
        return a[..., None] * v

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "reduction_ratio": self.reduction_ratio,
            "l2": self.l2,
            "seed": self.seed,
        }

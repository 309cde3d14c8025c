"""SqueezeExcitation: weights each field by its importance in a row, the SENET of FiBiNET."""

from typing import Any

import tensorflow as tf


class SqueezeExcitation(tf.keras.layers.Layer):
    """Scales each field by a weight inferred from all fields of the row.

        v_i' = a_i v_i,   a = ReLU(W₂ ReLU(W₁ z)),   z_i = mean of the components of v_i

    The importance a_i ≥ 0 of a field thus differs from row to row. W₁ maps z to a narrower layer,
    as wide as the number of fields over `reduction_ratio` (rounded down, but at least one), and W₂
    maps it back. There are no biases.

    Args:
        reduction_ratio: Ratio of the number of fields to the width of the inner layer; 3 in the
            paper.
        l2: L2 penalty on both kernels.
        seed: Seed of the initial kernels.

    Call arguments:
        v: Vectors of the fields, [..., fields, dim].

    Returns:
        The scaled vectors, [..., fields, dim].

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
        """Creates both layers; their widths follow from the number of fields."""
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
        """Returns the scaled vectors."""
        z = tf.reduce_mean(v, axis=-1)  # [..., fields]
        a = self.excite(self.squeeze(z))
        return a[..., None] * v

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "reduction_ratio": self.reduction_ratio,
            "l2": self.l2,
            "seed": self.seed,
        }

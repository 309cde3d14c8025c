"""MatrixCross: a cross layer of DCN-V2, whose weights are a matrix."""

from typing import Any

import tensorflow as tf


class MatrixCross(tf.keras.layers.Layer):
    """Crosses x_l with the network's input: x_{l+1} = x_0 ⊙ (W x_l + b) + x_l.

    W has a weight for every product of two components; `VectorCross` is the special case in which
    all rows of W are equal. At low rank the layer is x_0 ⊙ (U (Vᵀ x_l) + b) + x_l.

    Args:
        projection_dim: Rank of the matrix, the number of columns of U and V; None is a full matrix.
            Low rank saves weights if it is below half of the width.
        l2: L2 penalty on the matrices, not on b.
        seed: Seed of the initial matrices.

    Call arguments:
        x_0: Input of the cross network, [..., width].
        x_l: Output of the previous layer, [..., width]; x_0 itself for the first layer.

    Returns:
        The output of the layer, [..., width].

    References:
        Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
        Learning to Rank Systems", WWW 2021, equations 1 and 2.
    """

    def __init__(
        self,
        projection_dim: int | None = None,
        l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if projection_dim is not None and projection_dim < 1:
            raise ValueError(f"`projection_dim` must be positive. Received: {projection_dim}")
        self.projection_dim = projection_dim
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates b and the matrices that multiply x_l from the right: Wᵀ, or V and Uᵀ."""
        width = int(input_shape[0][-1])
        inner = self.projection_dim
        widths = [width, width] if inner is None else [width, inner, width]
        self.kernels = [
            self.add_weight(
                f"kernel_{i}",
                shape=widths[i : i + 2],
                initializer=tf.keras.initializers.GlorotUniform(
                    seed=None if self.seed is None else self.seed + i
                ),
                regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
            )
            for i in range(len(widths) - 1)
        ]
        self.b = self.add_weight("b", shape=[width], initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Returns x_l crossed with x_0."""
        x_0, x_l = inputs
        projected = x_l
        for kernel in self.kernels:
            projected = tf.tensordot(projected, kernel, 1)
        return x_0 * (projected + self.b) + x_l

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "projection_dim": self.projection_dim,
            "l2": self.l2,
            "seed": self.seed,
        }

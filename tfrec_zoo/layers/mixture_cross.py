"""MixtureCross: a cross layer of DCN-V2, a mixture of low-rank experts."""

from typing import Any

import tensorflow as tf


class MixtureCross(tf.keras.layers.Layer):
    """Crosses x_l with the network's input by a gated mixture of low-rank experts.

        x_{l+1} = Σ_i G_i(x_l) E_i(x_l) + x_l,  E_i(x_l) = x_0 ⊙ (U_i g(C_i g(V_iᵀ x_l)) + b)

    Each expert crosses the features in its own subspace. The gates G(x_l) = softmax(W_g x_l), which
    sum to one, decide how much each expert contributes.

    Args:
        projection_dim: Width of the experts' subspaces.
        num_experts: Number of experts, at least two.
        activation: Activation function g of the experts.
        l2: L2 penalty on U, C, V and W_g, not on b.
        seed: Seed of the initial weights.

    Call arguments:
        x_0: Input of the cross network, [..., width].
        x_l: Output of the previous layer, [..., width]; x_0 itself for the first layer.

    Returns:
        The output of the layer, [..., width].

    References:
        Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
        Learning to Rank Systems", WWW 2021, equations 3 and 4.
    """

    def __init__(
        self,
        projection_dim: int,
        num_experts: int,
        activation: Any = "tanh",
        l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if projection_dim < 1:
            raise ValueError(f"`projection_dim` must be positive. Received: {projection_dim}")
        if num_experts < 2:
            raise ValueError(
                "`num_experts` must be at least 2: one expert needs no gate, it is a MatrixCross. "
                f"Received: {num_experts}"
            )
        self.projection_dim = projection_dim
        self.num_experts = num_experts
        self.activation = tf.keras.activations.get(activation)
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates the weights; those of each expert have the variance of a single kernel's."""
        width, inner = int(input_shape[0][-1]), self.projection_dim
        experts = [self.num_experts]
        self.v = self._kernel("v", experts + [width, inner], 0)
        self.c = self._kernel("c", experts + [inner, inner], 1)
        self.u = self._kernel("u", experts + [width, inner], 2)
        self.gate = self._kernel("gate", [width, self.num_experts], 3)
        self.b = self.add_weight("b", shape=[width], initializer="zeros")
        super().build(input_shape)

    def _kernel(self, name: str, shape: list[int], i: int) -> Any:
        limit = (6.0 / (shape[-2] + shape[-1])) ** 0.5
        seed = None if self.seed is None else self.seed + i
        return self.add_weight(
            name,
            shape=shape,
            initializer=tf.keras.initializers.RandomUniform(-limit, limit, seed=seed),
            regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
        )

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Returns x_l crossed with x_0, by all experts at once."""
        x_0, x_l = inputs
        gates = tf.nn.softmax(tf.tensordot(x_l, self.gate, 1))  # [..., experts]
        h = self.activation(tf.einsum("...d,edp->...ep", x_l, self.v))
        h = self.activation(tf.einsum("...ep,eqp->...eq", h, self.c))
        # The gates sum to one, so the experts' shares of b add up to b.
        mixed = tf.einsum("...ep,edp->...d", gates[..., None] * h, self.u) + self.b
        return x_0 * mixed + x_l

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "projection_dim": self.projection_dim,
            "num_experts": self.num_experts,
            "activation": tf.keras.activations.serialize(self.activation),
            "l2": self.l2,
            "seed": self.seed,
        }

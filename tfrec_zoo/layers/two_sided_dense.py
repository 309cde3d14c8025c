"""TwoSidedDense: a dense layer over [query; candidate] that computes the query's part once."""

from typing import Any

import tensorflow as tf


class TwoSidedDense(tf.keras.layers.Layer):
    """Applies a dense layer to the concatenation [q; c]: activation(W_q q + W_c c + b).

    This is the same function as `Dense(units)(concat([q, c]))`, but for a list of candidates the
    product W_q q is computed once instead of once per candidate: "Query features are computed once
    per request while impression features are computed for each item scored" (Covington et al. 2016,
    §4.1).

    Args:
        units: Width of the output.
        activation: Activation function of the output.
        l2: L2 penalty on both kernels, not on the bias.
        seed: Seed of the initial kernels.

    Call arguments:
        query: Query vectors, [batch, query width].
        candidate: Candidate vectors, [batch, candidate width] or
            [batch, candidates, candidate width].

    Returns:
        The output of the layer, [batch, units] or [batch, candidates, units].
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"`units` must be a positive integer. Received: {units}")
        self.units = units
        self.activation = tf.keras.activations.get(activation)
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates both kernels with the variance that a single kernel over [q; c] would have."""
        query, candidate = (int(shape[-1]) for shape in input_shape)
        limit = (6.0 / (query + candidate + self.units)) ** 0.5
        regularizer = tf.keras.regularizers.L2(self.l2) if self.l2 else None
        for i, (name, width) in enumerate((("query", query), ("candidate", candidate))):
            seed = None if self.seed is None else self.seed + i
            kernel = self.add_weight(
                f"{name}_kernel",
                shape=[width, self.units],
                initializer=tf.keras.initializers.RandomUniform(-limit, limit, seed=seed),
                regularizer=regularizer,
            )
            setattr(self, f"{name}_kernel", kernel)
        self.bias = self.add_weight("bias", shape=[self.units], initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Returns the activated sum of the query's and the candidate's part."""
        query, candidate = inputs
        from_query = tf.linalg.matmul(query, self.query_kernel) + self.bias
        if candidate.shape.rank == 3:
            from_query = from_query[:, None, :]
        return self.activation(from_query + tf.tensordot(candidate, self.candidate_kernel, 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": tf.keras.activations.serialize(self.activation),
            "l2": self.l2,
            "seed": self.seed,
        }

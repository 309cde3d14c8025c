"""Tower: the stack of fully connected layers that most architectures end in."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import seed_after
from tfrec_zoo.layers.dropout import Dropout
from tfrec_zoo.layers.two_sided import TwoSided, dense_of_two_sides, repeated


class Tower(tf.keras.layers.Layer):
    """h_i = activation(W_i h_{i-1} + b_i), each followed by dropout.

    Args:
        hidden_units: Width of each layer; none gives the identity.
        activation: Activation function of every layer, by default the last included.
        dropout: Share of the units dropped while training.
        l2: L2 penalty on the kernels (not on the biases).
        seed: Seed of the initial kernels and of dropout.
        drop_output: Whether units of the last layer are dropped too: they are hidden where a logit
            follows, but not where they are a vector to be compared with others.
        output_activation: Activation function of the last layer, if it is another.

    Call arguments:
        x: Input, [..., width], or `TwoSided`, whose query's part of the first layer is computed
            once.

    Returns:
        The output of the last layer, [..., hidden_units[-1]].
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: Any = "relu",
        dropout: float = 0.0,
        l2: float = 0.0,
        seed: int | None = None,
        drop_output: bool = True,
        output_activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if any(not isinstance(units, int) or units < 1 for units in hidden_units):
            raise ValueError(f"`hidden_units` must be positive integers. Received: {hidden_units}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"`dropout` must be in [0, 1). Received: {dropout}")
        self.hidden_units = tuple(hidden_units)
        self.activation = tf.keras.activations.get(activation)
        self.dropout = dropout
        self.l2 = l2
        self.seed = seed
        self.drop_output = drop_output
        self.output_activation = (
            self.activation
            if output_activation is None
            else tf.keras.activations.get(output_activation)
        )
        activations = [self.activation] * len(self.hidden_units)
        activations[-1:] = [self.output_activation][: len(activations)]
        seeds = [seed_after(seed, i) for i in range(len(self.hidden_units))]
        self.layers = [
            tf.keras.layers.Dense(
                units,
                activation=layer_activation,
                kernel_initializer=tf.keras.initializers.GlorotUniform(seed=layer_seed),
                kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
            )
            for units, layer_activation, layer_seed in zip(
                self.hidden_units, activations, seeds, strict=True
            )
        ]
        self.dropouts = [
            Dropout(dropout, seed=layer_seed)
            for layer_seed in (seeds if drop_output else seeds[:-1])
        ]

    def call(self, x: tf.Tensor | TwoSided, training: bool | None = None) -> tf.Tensor:
        """Returns the output of the last layer."""
        if isinstance(x, TwoSided) and not self.layers:
            return repeated(x)
        for i, layer in enumerate(self.layers):
            x = dense_of_two_sides(layer, x) if isinstance(x, TwoSided) else layer(x)
            if self.dropout and i < len(self.dropouts):
                x = self.dropouts[i](x, training=training)
        return x

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": tf.keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "l2": self.l2,
            "seed": self.seed,
            "drop_output": self.drop_output,
            "output_activation": tf.keras.activations.serialize(self.output_activation),
        }

"""Tower: the stack of fully connected layers that most architectures end in."""

from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import seed_after
from tfrec_zoo.layers.dropout import Dropout
from tfrec_zoo.layers.two_sided import TwoSided, dense_of_two_sides, repeated

#: How the outputs of dense layers may be normalized before the activation.
Normalization = Literal["batch", "layer"]


class UnitNormalization(tf.keras.layers.Layer):
    """Keras's normalization of the units of a dense layer, whatever the rank of what holds them.

    Args:
        kind: `"batch"`, over all that a batch holds, with running means of momentum 0.9 (Ioffe &
            Szegedy, ICML 2015); or `"layer"`, over the units (Ba et al., 2016).

    Call arguments:
        x: Units, [..., units].

    Returns:
        The normalized units, [..., units].
    """

    def __init__(self, kind: Normalization, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.norm = (
            tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
            if kind == "batch"
            else tf.keras.layers.LayerNormalization(epsilon=1e-5)
        )

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the normalized units."""
        flat = tf.reshape(x, [-1, x.shape[-1]])
        return tf.reshape(self.norm(flat, training=training), tf.shape(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "kind": self.kind}


class Tower(tf.keras.layers.Layer):
    """h_i = activation(norm(W_i h_{i-1} + b_i)), each followed by dropout.

    Args:
        hidden_units: Width of each layer; none gives the identity.
        activation: Activation function of every layer, by default the last included.
        dropout: Share of the units dropped while training.
        l2: L2 penalty on the kernels (not on the biases).
        seed: Seed of the initial kernels and of dropout.
        drop_output: Whether units of the last layer are dropped too: they are hidden where a logit
            follows, but not where they are a vector to be compared with others.
        output_activation: Activation function of the last layer, if it is another.
        normalization: What each layer's units go through before the activation, if anything, but
            for those of a last layer that is not dropped.

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
        normalization: Normalization | None = None,
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
        self.normalization = normalization
        self._activations = [self.activation] * len(self.hidden_units)
        self._activations[-1:] = [self.output_activation][: len(self.hidden_units)]
        seeds = [seed_after(seed, i) for i in range(len(self.hidden_units))]
        hidden = seeds if drop_output else seeds[:-1]
        self.norms = [UnitNormalization(normalization) for _ in hidden if normalization]
        self.layers = [
            tf.keras.layers.Dense(
                units,
                activation="linear" if i < len(self.norms) else self._activations[i],
                kernel_initializer=tf.keras.initializers.GlorotUniform(seed=seeds[i]),
                kernel_regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
            )
            for i, units in enumerate(self.hidden_units)
        ]
        self.dropouts = [Dropout(dropout, seed=layer_seed) for layer_seed in hidden]

    def call(self, x: tf.Tensor | TwoSided, training: bool | None = None) -> tf.Tensor:
        """Returns the output of the last layer."""
        if isinstance(x, TwoSided) and not self.layers:
            return repeated(x)
        for i, layer in enumerate(self.layers):
            x = dense_of_two_sides(layer, x) if isinstance(x, TwoSided) else layer(x)
            if i < len(self.norms):
                x = self._activations[i](self.norms[i](x, training=training))
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
            "normalization": self.normalization,
        }

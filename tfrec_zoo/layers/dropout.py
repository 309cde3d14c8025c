"""Dropout, whose masks follow from its seed and the training step."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.draws import stateless_seed


class Dropout(tf.keras.layers.Layer):
    """Sets a share of the units to zero while training, and scales up the others.

    It differs from Keras's in that a training that is interrupted and goes on drops the same units
    as one that never stopped.

    Args:
        rate: Share of the units that are dropped, in [0, 1).
        seed: Seed of the masks.

    Call arguments:
        x: Input, of any shape.

    Returns:
        The input, with units dropped if `training`.

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        JMLR 2014.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the input, with units dropped if `training`."""
        if not training or not self.rate:
            return x
        seed = stateless_seed(self.seed)
        return tf.nn.experimental.stateless_dropout(x, self.rate, seed, rng_alg="philox")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}

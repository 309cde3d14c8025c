"""Normalization of numbers by their logarithm."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features.normalization import Normalization


@tf.keras.utils.register_keras_serializable(package="tfrec_zoo")
class LogNormalization(Normalization):
    """Maps a number to `sign(x) log(1 + |x|)`, which takes the length out of long tails.

    Nothing is learned. 0 stays 0; missing and infinite values are 0.

    Args:
        **kwargs: Arguments of `tf.keras.layers.Layer`.

    Call arguments:
        inputs: Numbers of any shape and numeric dtype, [...].

    Returns:
        The logarithms, float32 [..., 1].

    Example:

    >>> layer = LogNormalization()
    >>> layer(tf.constant([0.0, float("nan")])).numpy().tolist()
    [[0.0], [0.0]]

    References:
        Naumov et al., "Deep Learning Recommendation Model", arXiv 1906.00091, 2019, whose code
        takes log(1 + x) of the counts of Criteo.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "powers": False})

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the logarithms, float32 [..., 1]."""
        x = tf.cast(inputs, tf.float64)
        x = tf.where(tf.math.is_finite(x), x, tf.zeros([], x.dtype))
        return self._with_powers(tf.cast(tf.sign(x) * tf.math.log1p(tf.abs(x)), tf.float32))

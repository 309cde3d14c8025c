"""Normalization of numbers to mean 0 and standard deviation 1."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features.normalization import PairNormalization, rounded_alike
from tfrec_zoo.features.summaries import Moments


@tf.keras.utils.register_keras_serializable(package="tfrec_zoo")
class ZScoreNormalization(PairNormalization):
    """Maps a number to `x~ = (x - mean) / stddev`, its distance from the mean in deviations.

    Outliers stay outliers. Missing and infinite values are 0, which is the mean, and so is a
    feature that is constant.

    Args:
        mean: The mean; by default `adapt` works it out.
        stddev: The standard deviation, not negative.
        **kwargs: Arguments of `tf.keras.layers.Layer`.

    Call arguments:
        inputs: Numbers of any shape and numeric dtype, [...].

    Returns:
        The normalized values, float32 [..., 1].

    Raises:
        ValueError: If only one of the two is given, or `stddev` is negative.

    Example:

    >>> layer = ZScoreNormalization()
    >>> layer.adapt([1.0, 3.0])
    >>> layer(np.array([4.0, np.nan])).numpy().tolist()
    [[2.0], [0.0]]
    """

    summary = Moments
    arguments = ("mean", "stddev")

    def __init__(
        self, mean: float | None = None, stddev: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "powers": False})
        self.moments = self._add_pair(
            "moments",
            (mean, stddev),
            lambda mean, stddev: np.isfinite([mean, stddev]).all() and stddev >= 0,
            "`mean` and `stddev` must be finite, and `stddev` not negative.",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the normalized values, float32 [..., 1]."""
        self._check_adapted("moments", "mean")
        x, (moments,) = rounded_alike(inputs, [tf.convert_to_tensor(self.moments)])
        x = tf.where(tf.math.is_finite(x), x, moments[0])
        return self._with_powers(
            tf.cast(tf.math.divide_no_nan(x - moments[0], moments[1]), tf.float32)
        )

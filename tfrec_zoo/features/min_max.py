"""Normalization of numbers to [0, 1] by the least and the greatest."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features.normalization import PairNormalization, rounded_alike
from tfrec_zoo.features.summaries import Extremes


@tf.keras.utils.register_keras_serializable(package="tfrec_zoo")
class MinMaxNormalization(PairNormalization):
    """Maps the least value to 0 and the greatest to 1, `x~ = (x - low) / (high - low)`.

    Flags stay 0 and 1. Values beyond the ends, and infinite ones, are those of the ends; a missing
    value, NaN, is 0 in every power, and so is a feature that is constant.

    Args:
        powers: Whether to add `x~**2` and `sqrt(x~)` to `x~`.
        low: The least value; by default `adapt` finds it.
        high: The greatest value.
        **kwargs: Arguments of `tf.keras.layers.Layer`.

    Call arguments:
        inputs: Numbers of any shape and numeric dtype, [...].

    Returns:
        The normalized values, float32 [..., 1], or with `powers` [..., 3].

    Raises:
        ValueError: If only one end is given, or they are no interval.

    Example:

    >>> layer = MinMaxNormalization()
    >>> layer.adapt([20.0, 40.0, 60.0])
    >>> layer(np.array([30.0, 99.0, np.nan])).numpy().tolist()
    [[0.25], [1.0], [0.0]]

    References:
        Covington et al., RecSys 2016, §3.3: "simple binary and continuous features such as the
        user's gender, logged-in state and age are input directly into the network as real values
        normalized to [0, 1]".
    """

    summary = Extremes
    arguments = ("low", "high")

    def __init__(
        self,
        powers: bool = False,
        low: float | None = None,
        high: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(powers, **kwargs)
        self.ends = self._add_pair(
            "ends",
            (low, high),
            lambda low, high: low <= high and np.isfinite(high - low),
            "`low` and `high` must be finite, and `high` at least `low`.",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the normalized values, float32 [..., 1] or [..., 3]."""
        self._check_adapted("range", "low")
        x, (ends,) = rounded_alike(inputs, [tf.convert_to_tensor(self.ends)])
        low, high = ends[0], ends[1]
        x = tf.where(tf.math.is_nan(x), low, tf.clip_by_value(x, low, high))
        return self._with_powers(tf.cast(tf.math.divide_no_nan(x - low, high - low), tf.float32))

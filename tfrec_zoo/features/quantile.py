"""Normalization of continuous features to [0, 1) by their quantiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features.normalization import Normalization, rounded_alike
from tfrec_zoo.features.summaries import Quantiles

_BELOW_ONE = 1 - 2**-24  # the largest float32 below 1
#: What the most frequent value counts for, if it is apart and not the lowest.
_MASS_SHARE = 0.1


@tf.keras.utils.register_keras_serializable(package="tfrec_zoo")
class QuantileNormalization(Normalization):
    """Maps a continuous feature to its cumulative distribution, `x~ = P(X <= x)`, in [0, 1).

    The distribution is interpolated linearly between quantiles computed in one pass over the data,
    so `x~` is `numpy.interp(x, boundaries, numpy.linspace(0, 1, num_quantiles))`, below 1:

    * below the first boundary (and -inf) it is 0, from the last one on (and +inf) `1 - 2**-24`;
    * where boundaries repeat, the last one counts, as in `P(X <= x)`: if 60% of the values are 0
      and none lower, `x~(0) = 0.6`. A constant feature is `1 - 2**-24` from its value on, 0 below;
    * a missing value, NaN, is 0 in every power, as a missing category is the zero embedding.

    A value that most rows share squeezes all others into what it leaves: if 92% of the counts are
    0, then 0, 1, 2, 3 become .92, .96, .98, .99. With `mass` the most frequent value v is set apart
    and the others have the interval to themselves, `x~ = (1 - w) P(X <= x | X != v) + w [x >= v]`:
    w is 0 if v is the lowest value, which then is 0 itself, and 0.1 otherwise.

    Args:
        num_quantiles: Number of boundaries, at least 2. Ignored if `boundaries` are given.
        powers: Whether to add `x~**2` and `sqrt(x~)` to `x~`, for super- and sub-linear functions
            of the feature.
        boundaries: Quantiles at equally spaced fractions from 0 to 1, such as those of a
            `QuantileSketch` that was filled together with others. By default `adapt` computes them.
        mass: The value to set apart, where `boundaries` are quantiles of all others; or True, for
            `adapt` to set apart the most frequent value. By default none is.
        extrapolate: Whether below the first boundary the line of the first interval goes on, down
            to -1, with `-sqrt(-x~)` as the root: an example age that is slightly negative when
            serving then is slightly below that of the latest example.
        **kwargs: Arguments of `tf.keras.layers.Layer`.

    Call arguments:
        inputs: Numbers of any shape and numeric dtype, [...].

    Returns:
        The normalized values, float32 [..., 1], or with `powers` [..., 3], in the order
        `x~, x~**2, sqrt(x~)`.

    Raises:
        ValueError: If boundaries decrease or aren't finite, or `mass` doesn't go with them.

    Example:

    >>> layer = QuantileNormalization(num_quantiles=5, powers=True)
    >>> layer.adapt(np.array([0.0, 10.0, 20.0, 30.0, 40.0]))
    >>> layer(np.array([10.0, np.nan])).numpy().tolist()
    [[0.25, 0.0625, 0.5], [0.0, 0.0, 0.0]]
    >>> layer = QuantileNormalization(boundaries=[1.0, 2.0, 5.0], mass=0.0)
    >>> layer(np.array([0.0, 2.0])).numpy().tolist()
    [[0.0], [0.5]]

    References:
        Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, §4.1.
    """

    def __init__(
        self,
        num_quantiles: int = 1000,
        powers: bool = False,
        boundaries: Sequence[float] | np.ndarray | None = None,
        mass: bool | float = False,
        extrapolate: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(powers, **kwargs)
        if boundaries is None:
            if num_quantiles < 2:
                raise ValueError(f"`num_quantiles` must be at least 2. Received: {num_quantiles!r}")
            values = np.full(num_quantiles, np.nan)
        else:
            values = np.asarray(boundaries, np.float64)
            increasing = values.ndim == 1 and values.size > 1 and np.all(np.diff(values) >= 0)
            if not (increasing and np.isfinite(values[-1] - values[0])):
                raise ValueError(
                    "`boundaries` must be at least two finite numbers that do not decrease. "
                    f"Received: {boundaries!r}"
                )
        has_value = not isinstance(mass, bool)
        if mass is not False and (has_value == (boundaries is None) or not np.isfinite(mass)):
            raise ValueError(
                "`mass` must be True where `adapt` computes the boundaries, and a finite number "
                f"beside those that are given. Received: mass={mass!r}, boundaries={boundaries!r}"
            )
        self.num_quantiles = values.size
        self.extrapolate = extrapolate
        self.boundaries = self._add_learned("boundaries", values)
        self.mass = None
        if mass is not False:
            self.mass = self._add_learned("mass", mass if has_value else np.nan)

    def adapt(self, data: Any, max_error: float = 0.001) -> None:
        """Sets the boundaries to the quantiles of the data, in one pass; NaN and inf are ignored.

        Args:
            data: Array-like or tensor of any shape, or a finite `tf.data.Dataset` of tensors.
            max_error: Largest rank error of the boundaries; see `QuantileSketch`.
        """
        summary = Quantiles(self.mass is not None, self.num_quantiles, max_error)
        self._learn(data, summary)
        *mass, boundaries = summary.mass_and_boundaries()
        self.boundaries.assign(boundaries)
        if self.mass is not None:
            self.mass.assign(mass[0])

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the normalized values, float32 [..., 1] or [..., 3]."""
        self._check_adapted("quantiles", "boundaries")
        learned = [self.boundaries] if self.mass is None else [self.boundaries, self.mass]
        x, (boundaries, *mass) = rounded_alike(inputs, [tf.convert_to_tensor(v) for v in learned])
        zero = tf.constant(0, x.dtype)
        missing = tf.math.is_nan(x)
        x = tf.where(missing, zero, x)

        # lower <= x < upper; outside the range both are the boundary at that end. (The operation of
        # `tf.searchsorted`, without the dozen others that it needs for more axes.)
        above = tf.raw_ops.UpperBound(
            sorted_inputs=tf.reshape(boundaries, [1, -1]), values=tf.reshape(x, [1, -1])
        )
        above = tf.reshape(above, tf.shape(x))
        index = tf.maximum(above - 1, 0)
        lower = tf.gather(boundaries, index)
        upper = tf.gather(boundaries, tf.minimum(above, self.num_quantiles - 1))
        fraction = tf.math.divide_no_nan(x - lower, upper - lower)
        cdf = (tf.cast(index, x.dtype) + fraction) / (self.num_quantiles - 1)
        if self.extrapolate:
            cdf = tf.where(x < boundaries[0], self._below(x, boundaries), cdf)
        for value in mass:
            share = tf.where(value >= boundaries[0], tf.constant(_MASS_SHARE, x.dtype), 0)
            cdf = (1 - share) * cdf + share * tf.cast(x >= value, x.dtype)
        cdf = tf.cast(tf.where(missing, zero, cdf), tf.float32)
        return self._with_powers(tf.minimum(cdf, _BELOW_ONE))

    def _below(self, x: tf.Tensor, boundaries: tf.Tensor) -> tf.Tensor:
        """Returns the line of the first interval that isn't empty, at least -1."""
        first = boundaries[0]
        repeats = tf.searchsorted(boundaries, boundaries[:1], side="right")[0]
        is_constant = repeats == self.num_quantiles
        width = tf.gather(boundaries, tf.minimum(repeats, self.num_quantiles - 1)) - first
        ranks = tf.cast(repeats - 1, x.dtype) + tf.math.divide_no_nan(x - first, width)
        line = tf.maximum(ranks / (self.num_quantiles - 1), -1)
        return tf.where(is_constant, tf.zeros([], x.dtype), line)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict.

        `boundaries` are the current ones, or None if the layer has not been adapted.
        """
        boundaries = self.boundaries.numpy()
        is_learned = not np.isnan(boundaries).any()
        mass: bool | float = False
        if self.mass is not None:
            mass = float(self.mass.numpy()) if is_learned else True
        return {
            **super().get_config(),
            "num_quantiles": self.num_quantiles,
            "boundaries": boundaries.tolist() if is_learned else None,
            "mass": mass,
            "extrapolate": self.extrapolate,
        }

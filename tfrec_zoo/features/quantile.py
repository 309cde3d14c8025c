"""Normalization of continuous features to [0, 1) by their quantiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features.quantile_sketch import QuantileSketch

_BELOW_ONE = 1 - 2**-24  # the largest float32 below 1


@tf.keras.utils.register_keras_serializable(package="tfrec_zoo")
class QuantileNormalization(tf.keras.layers.Layer):
    """Maps a continuous feature to its cumulative distribution, `x~ = P(X <= x)`, in [0, 1).

    The distribution is interpolated linearly between quantiles computed in one pass over the data,
    so `x~` is `numpy.interp(x, boundaries, numpy.linspace(0, 1, num_quantiles))`, below 1:

    * below the first boundary (and -inf) it is 0, from the last one on (and +inf) `1 - 2**-24`;
    * where boundaries repeat, the last one counts, as in `P(X <= x)`: if 60% of the values are 0
      and none lower, `x~(0) = 0.6`. A constant feature is `1 - 2**-24` from its value on, 0 below;
    * a missing value, NaN, is 0 in every power, as a missing category is the zero embedding.

    Everything is float32, whatever the dtype policy: half precision would round values up to 1.
    Float32 keeps 24 bits, so feed an age rather than a Unix timestamp where seconds matter.

    Args:
        num_quantiles: Number of boundaries, at least 2. Ignored if `boundaries` are given.
        powers: Whether to add `x~**2` and `sqrt(x~)` to `x~`, for super- and sub-linear functions
            of the feature.
        boundaries: Quantiles at equally spaced fractions from 0 to 1, such as those of a
            `QuantileSketch` that was filled together with others. By default `adapt` computes them.
        **kwargs: Arguments of `tf.keras.layers.Layer`.

    Call arguments:
        inputs: Numbers of any shape and numeric dtype, [...].

    Returns:
        The normalized values, float32 [..., 1], or with `powers` [..., 3], in the order
        `x~, x~**2, sqrt(x~)`.

    Example:

    >>> layer = QuantileNormalization(num_quantiles=5, powers=True)
    >>> layer.adapt(np.array([0.0, 10.0, 20.0, 30.0, 40.0]))
    >>> layer(np.array([10.0, np.nan])).numpy().tolist()
    [[0.25, 0.0625, 0.5], [0.0, 0.0, 0.0]]

    References:
        Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, §4.1.
    """

    def __init__(
        self,
        num_quantiles: int = 1000,
        powers: bool = False,
        boundaries: Sequence[float] | np.ndarray | None = None,
        **kwargs: Any,
    ) -> None:
        # Autocasting would round the inputs to half precision under a mixed policy.
        super().__init__(autocast=False, **kwargs)
        if boundaries is None:
            if num_quantiles < 2:
                raise ValueError(f"`num_quantiles` must be at least 2. Received: {num_quantiles!r}")
            values = np.full(num_quantiles, np.nan, np.float32)
        else:
            values = np.asarray(boundaries, np.float32)
            increasing = values.ndim == 1 and values.size > 1 and np.all(np.diff(values) >= 0)
            if not (increasing and np.isfinite(values[-1] - values[0])):
                raise ValueError(
                    "`boundaries` must be at least two finite numbers that do not decrease. "
                    f"Received: {boundaries!r}"
                )
        self.num_quantiles = values.size
        self.powers = powers
        self._adapted = boundaries is not None
        # The weight is made here and not in `build`: `adapt` may come before the first call.
        self.boundaries = self.add_weight(
            name=f"{self.name}/boundaries",
            shape=values.shape,
            dtype=tf.float32,
            initializer=tf.constant_initializer(values),
            trainable=False,
            experimental_autocast=False,
        )

    def adapt(self, data: Any, max_error: float = 0.001) -> None:
        """Sets the boundaries to the quantiles of the data, in one pass; NaN and inf are ignored.

        Args:
            data: Array-like or tensor of any shape, or a finite `tf.data.Dataset` of tensors.
            max_error: Largest rank error of the boundaries; see `QuantileSketch`.
        """
        batches = [data]
        if isinstance(data, tf.data.Dataset):
            finite = data.cardinality() != tf.data.INFINITE_CARDINALITY
            if not (finite and isinstance(data.element_spec, tf.TensorSpec)):
                raise ValueError(
                    f"`data` must be a finite dataset of single tensors. Received: {data!r}"
                )
            batches = data.as_numpy_iterator()
        sketch = QuantileSketch(max_error)
        for batch in batches:
            with np.errstate(over="ignore"):
                sketch.update(np.asarray(batch, np.float32))
        if not sketch.count:
            raise ValueError(f"`data` must have at least one finite value. Received: {data!r}")
        self.boundaries.assign(sketch.quantiles(np.linspace(0, 1, self.num_quantiles)))
        self._adapted = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the normalized values, float32 [..., 1] or [..., 3]."""
        self._check_adapted()
        boundaries = tf.convert_to_tensor(self.boundaries)
        x = tf.cast(inputs, tf.float32)
        missing = tf.math.is_nan(x)
        x = tf.where(missing, 0.0, x)

        # lower <= x < upper; outside the range both are the boundary at that end.
        above = tf.searchsorted(boundaries, tf.reshape(x, [-1]), side="right")
        above = tf.reshape(above, tf.shape(x))
        index = tf.maximum(above - 1, 0)
        lower = tf.gather(boundaries, index)
        upper = tf.gather(boundaries, tf.minimum(above, self.num_quantiles - 1))
        fraction = tf.math.divide_no_nan(x - lower, upper - lower)
        cdf = (tf.cast(index, tf.float32) + fraction) / (self.num_quantiles - 1)
        cdf = tf.where(missing, 0.0, tf.minimum(cdf, _BELOW_ONE))
        if not self.powers:
            return cdf[..., tf.newaxis]
        # The root has an infinite derivative at 0; the inner `where` makes the gradient 0 there.
        root = tf.where(cdf > 0, tf.sqrt(tf.where(cdf > 0, cdf, 1.0)), 0.0)
        return tf.stack([cdf, tf.square(cdf), root], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict.

        `boundaries` are the current ones, or None if the layer has not been adapted.
        """
        boundaries = self.boundaries.numpy()
        return {
            **super().get_config(),
            "num_quantiles": self.num_quantiles,
            "powers": self.powers,
            "boundaries": None if np.isnan(boundaries).any() else boundaries.tolist(),
        }

    def _check_adapted(self) -> None:
        # Keras infers shapes in scratch graphs, possibly before the weights are loaded.
        graph_name = "" if tf.executing_eagerly() else tf.compat.v1.get_default_graph().name
        if self._adapted or graph_name.endswith(("_scratch_graph", "build_graph")):
            return
        with tf.init_scope():
            # `set_weights` or `load_weights` may have set them; a TensorFlow 1 graph can't check.
            self._adapted = not tf.executing_eagerly() or not np.isnan(self.boundaries).any()
        if not self._adapted:
            raise ValueError(
                f"{self.name!r} has no quantiles yet: call `adapt(data)`, or pass `boundaries`. "
                "Received: boundaries=None"
            )

"""WatchTimeQuantiles: watch times as quantiles among items of about the same duration, and back.

Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction for Video Recommendation", KDD
2022.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.reads import taken


class WatchTimeQuantiles(tf.keras.layers.Layer):
    """Maps watch times to quantiles within groups of durations, q = F_g(t), and back, t = F_g⁻¹(q).

    `adapt` groups impressions by the quantiles of their durations, and ranks the watch times of
    each group: the lowest is quantile 0, the highest 1, and equal ones share the mean of their
    ranks. Between watch times ranks are interpolated, so that F_g has an inverse even where most
    impressions share one watch time, such as 0. Impressions of unknown duration are a group of
    their own, and a group without impressions has the watch times of all.

    Args:
        num_groups: Number of groups of known durations.
        num_quantiles: Number of points that F_g is interpolated between, at least 2.
        **kwargs: Arguments of `tf.keras.layers.Layer`.

    Call arguments:
        inputs: Quantiles from 0 to 1, and durations, of one shape, [...]. NaN is unknown.

    Returns:
        The watch times at these quantiles, float32 [...].

    Raises:
        ValueError: If a number is out of range.

    Example:

    >>> layer = WatchTimeQuantiles(num_groups=2, num_quantiles=3)
    >>> layer.adapt([10.0, 10.0, 10.0, 90.0, 90.0, 90.0], [2.0, 4.0, 8.0, 5.0, 30.0, 60.0])
    >>> layer([[0.5, 0.5], [12.0, 80.0]]).numpy().tolist()  # half-way, of short and of long videos
    [4.0, 30.0]
    >>> layer.quantiles([6.0, 60.0], [12.0, 80.0]).numpy().tolist()
    [0.75, 1.0]
    """

    def __init__(self, num_groups: int = 30, num_quantiles: int = 1000, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": tf.float32, "trainable": False})
        if num_groups < 1:
            raise ValueError(f"`num_groups` must be positive. Received: {num_groups!r}")
        if num_quantiles < 2:
            raise ValueError(f"`num_quantiles` must be at least 2. Received: {num_quantiles!r}")
        self.num_groups = num_groups
        self.num_quantiles = num_quantiles

        def add(name: str, values: Any) -> tf.Variable:
            values = np.asarray(values, np.float32)
            return self.add_weight(
                name, values.shape, initializer=tf.constant_initializer(values), trainable=False
            )

        # Until `adapt` watch times are their quantiles. The last group is of unknown durations.
        self.bounds = add("bounds", np.zeros(num_groups - 1))
        even = np.linspace(0, 1, num_quantiles)
        self.watch_times = add("watch_times", np.tile(even, [num_groups + 1, 1]))
        self.num_adapted = add("num_adapted", 0.0)

    def adapt(self, durations: Any, watch_times: Any) -> None:
        """Learns the groups, and the distribution of watch times in each.

        Args:
            durations: Durations of the items, [n]; NaN where unknown.
            watch_times: Watch times, [n].

        Raises:
            ValueError: If there are none, not as many of both, or a watch time is not finite.
        """
        durations = np.asarray(durations, np.float32)
        watched = np.asarray(watch_times, np.float32)
        if durations.shape != watched.shape or watched.ndim != 1 or not len(watched):
            raise ValueError(
                "`durations` and `watch_times` must be of the same impressions, [n], and at least "
                f"one. Received: shapes {durations.shape} and {watched.shape}"
            )
        if not np.isfinite(watched).all():
            wrong = watched[~np.isfinite(watched)][0]
            raise ValueError(f"`watch_times` must be finite. Received: {wrong!r}")
        known = durations[np.isfinite(durations)]
        if len(known):
            edges = np.linspace(0, 1, self.num_groups + 1)[1:-1]
            self.bounds.assign(np.quantile(known, edges).astype(np.float32))
        groups = self.groups(durations).numpy()
        table = np.empty([self.num_groups + 1, self.num_quantiles])
        for group in range(len(table)):
            own = watched[groups == group]
            table[group] = _evenly_spaced(own if len(own) else watched, self.num_quantiles)
        self.watch_times.assign(table.astype(np.float32))
        self.num_adapted.assign(len(watched))

    def groups(self, durations: Any) -> tf.Tensor:
        """The groups of durations, int32 [...]: 0 is the shortest, `num_groups` unknown ones."""
        durations = tf.convert_to_tensor(durations, tf.float32)
        found = tf.searchsorted(self.bounds, tf.reshape(durations, [-1]), side="right")
        is_known = tf.math.is_finite(durations)
        return tf.where(is_known, tf.reshape(found, tf.shape(durations)), self.num_groups)

    def quantiles(self, watch_times: Any, durations: Any) -> tf.Tensor:
        """The quantiles F_g(t) of watch times in the groups of their durations, float32 [...]."""
        watched = tf.convert_to_tensor(watch_times, tf.float32)
        flat = tf.reshape(watched, [-1, 1])
        own = taken(self.watch_times, tf.reshape(self.groups(durations), [-1]))  # [n, points]
        above = tf.searchsorted(own, flat, side="right")
        index = tf.clip_by_value(above - 1, 0, self.num_quantiles - 2)  # [n, 1]
        lower, upper = (tf.gather(own, index + i, batch_dims=1) for i in (0, 1))
        fraction = tf.math.divide_no_nan(flat - lower, upper - lower)
        ranks = tf.cast(index, tf.float32) + tf.clip_by_value(fraction, 0.0, 1.0)
        return tf.reshape(ranks / (self.num_quantiles - 1), tf.shape(watched))

    def call(self, inputs: Any) -> tf.Tensor:
        """Returns the watch times F_g⁻¹(q), float32 [...]."""
        quantiles, durations = inputs
        ranks = tf.convert_to_tensor(quantiles, tf.float32) * (self.num_quantiles - 1)
        index = tf.clip_by_value(tf.cast(ranks, tf.int32), 0, self.num_quantiles - 2)
        groups = tf.broadcast_to(self.groups(durations), tf.shape(index))
        # A variable on a parameter server has no `gather_nd` of its own.
        table = tf.convert_to_tensor(self.watch_times)
        lower, upper = (tf.gather_nd(table, tf.stack([groups, index + i], axis=-1)) for i in (0, 1))
        return lower + (ranks - tf.cast(index, tf.float32)) * (upper - lower)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "num_quantiles": self.num_quantiles,
        }


def _evenly_spaced(watched: np.ndarray, number: int) -> np.ndarray:
    """The watch times at so many quantiles, evenly spaced from 0 to 1."""
    values, counts = np.unique(watched, return_counts=True)
    ranks = np.cumsum(counts) - (counts + 1) / 2
    span = ranks[-1] - ranks[0]
    if not span:
        return np.full(number, values[0])
    return np.interp(np.linspace(0, 1, number), (ranks - ranks[0]) / span, values)

"""ItemCounts: how often each item is chosen, given exactly or estimated from the batches.

Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys
2019, algorithm 2: how likely an item is, is one over the time between two choices of it.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo import draws
from tfrec_zoo.reads import taken


class ItemCounts(tf.keras.layers.Layer):
    """Tells the odds that a batch holds an item, and draws items in proportion to counts.

    `adapt` gives exact counts. Without them the odds are estimated while training, by the moving
    average of the number of choices from one of an item to its next,

        B ← (1 − α) B + α (t − A),    A ← t,    odds = 1 / B,

    once for each time that a batch holds it. The paper's clock t ticks once a batch, this one once
    a choice, so that items that are in every batch are told apart.

    Args:
        num_items: Number of items.
        exponent: Items are drawn in proportion to counts to this power.
        alpha: The rate α of the moving average.
    """

    #: It counts the examples of each training.
    is_learned = False

    def __init__(
        self, num_items: int, exponent: float = 1.0, alpha: float = 0.05, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "autocast": False, "trainable": False})
        self.num_items = num_items
        self.exponent = exponent
        self.alpha = alpha

        def add(name: str, shape: list[int], dtype: str = "float32") -> tf.Variable:
            return self.add_weight(
                name,
                shape,
                dtype,
                initializer="zeros",
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )

        self.share = add("share", [num_items])  # Of all choices; zeros until `adapt`.
        self.bounds = add("bounds", [num_items], "float64")  # Cumulative odds of a draw.
        self.last_time = add("last_time", [num_items], "float64")
        self.interval = add("interval", [num_items])
        self.time = add("time", [], "float64")

    def adapt(self, classes: Any, times: Any = None) -> None:
        """Counts the choices that a model is trained on.

        Args:
            classes: [choices] classes of the items; those below 0 are not counted.
            times: [choices] how often each counts; once by default.

        Raises:
            ValueError: If there is no choice.
        """
        classes = np.asarray(classes)
        known = classes >= 0
        times = None if times is None else np.asarray(times)[known]
        counts = np.bincount(classes[known], times, self.num_items).astype(np.float64)
        if not counts.sum():
            raise ValueError(f"There must be choices to count. Received: {len(classes)} unknown")
        self.share.assign(counts / counts.sum())
        weights = counts**self.exponent
        self.bounds.assign(np.cumsum(weights) / weights.sum())

    @property
    def is_exact(self) -> tf.Tensor:
        """Whether `adapt` has counted."""
        return self.bounds[-1] > 0

    def expected(self, classes: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """The expected number of times that a batch holds each item, float32 [n].

        Args:
            classes: Classes of the items, [n].
            batch: Number of examples of the batch.
        """
        exact = tf.cast(batch, tf.float32) * tf.gather(self.share, classes)
        interval = tf.gather(self.interval, classes)
        # An item that was never chosen tells no more than that it is rare.
        interval = tf.where(interval > 0, interval, tf.cast(self.time, tf.float32) + 1.0)
        return tf.where(self.is_exact, exact, tf.cast(batch, tf.float32) / interval)

    def update(self, classes: tf.Tensor) -> None:
        """Takes note of the items of a batch, [batch]; those below 0 are unknown."""
        classes = tf.boolean_mask(classes, classes >= 0)
        self.time.assign_add(tf.cast(tf.size(classes), tf.float64))
        time = self.time.read_value()
        chosen = tf.unique_with_counts(classes)
        times = tf.cast(chosen.count, tf.float32)
        passed = tf.cast(time - tf.gather(self.last_time, chosen.y), tf.float32) / times
        before = tf.gather(self.interval, chosen.y)
        kept = tf.where(before > 0, (1 - self.alpha) ** times, 0.0)
        moved = kept * before + (1 - kept) * passed
        self.interval.scatter_update(tf.IndexedSlices(moved, chosen.y))
        last = tf.fill(tf.shape(chosen.y), time)
        self.last_time.scatter_update(tf.IndexedSlices(last, chosen.y))

    def draw(self, number: int, seed: int | None = None) -> tf.Tensor:
        """Draws items with replacement, in proportion to (number of choices)^exponent.

        Args:
            number: Number of items.
            seed: Seed of the draw.

        Returns:
            Their classes, int32 [number].
        """
        is_counted = tf.debugging.assert_greater(
            self.bounds[-1],
            tf.constant(0, tf.float64),
            "Items are drawn by how often they were chosen: call the model's `count_items` first.",
        )
        # In a graph nothing else keeps a step from being taken with what was drawn of no counts.
        with tf.control_dependencies([is_counted] if is_counted is not None else []):
            uniform = draws.uniform([number], seed, dtype=tf.float64)
        classes = tf.searchsorted(tf.convert_to_tensor(self.bounds), uniform, side="right")
        return tf.minimum(classes, self.num_items - 1)

    def expected_draws(self, classes: tf.Tensor, number: int) -> tf.Tensor:
        """The expected number of times that each of the classes is drawn, float32 [n]."""
        upper = taken(self.bounds, classes)
        lower = tf.where(classes > 0, taken(self.bounds, tf.maximum(classes - 1, 0)), 0.0)
        return tf.cast(float(number) * (upper - lower), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "exponent": self.exponent,
            "alpha": self.alpha,
        }

"""Coverage: how much of the catalogue the recommendations reach."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec_zoo.metrics.checks import check_at_least_one, require


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class CatalogueCoverage(tf.keras.metrics.Metric):
    """Computes the share of the catalogue that appears in at least one recommended list.

    A model that recommends the same ten blockbusters to everyone can score a fair hit rate, but its
    coverage is only 10 / num_items. Before any list the result is 0.

    Args:
        num_items: Number of items in the catalogue, which are numbered 0 to num_items - 1.
        name: Name of the metric.
        dtype: Data type of the result.

    Example:

    >>> metric = CatalogueCoverage(num_items=4)
    >>> metric.update_state([[0, 1], [1, -1]])
    >>> float(metric.result())
    0.5

    References:
        Ge, Delgado-Battenfeld & Jannach, "Beyond Accuracy: Evaluating Recommender Systems by
        Coverage and Serendipity", RecSys 2010.
    """

    def __init__(self, num_items: int, name: str = "catalogue_coverage", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_items = check_at_least_one(num_items, "num_items")
        # The state is a count and not a flag, so that replicas and merged metrics can add it up.
        self.appearances = self.add_weight(
            "appearances", shape=(self.num_items,), initializer="zeros", dtype=tf.int64
        )

    def update_state(self, lists: Any) -> None:
        """Adds a batch of recommended lists.

        Args:
            lists: Recommended items, int [batch, k]; negative entries are padding.
        """
        lists = tf.convert_to_tensor(lists)
        if not lists.dtype.is_integer:
            raise ValueError(
                f"`lists` must be integers: rows of the catalogue. "
                f"Received: dtype {lists.dtype.name}"
            )
        items = tf.cast(tf.reshape(lists, [-1]), tf.int64)
        items = require(
            items < self.num_items, items, f"`lists` must hold items below {self.num_items}."
        )
        items = tf.boolean_mask(items, items >= 0)
        self.appearances.assign_add(
            tf.scatter_nd(
                items[:, tf.newaxis], tf.ones_like(items), tf.constant([self.num_items], tf.int64)
            )
        )

    def result(self) -> tf.Tensor:
        """Returns the share of items that appeared, between 0 and 1."""
        share = tf.reduce_mean(tf.cast(self.appearances > 0, tf.float64))
        return tf.cast(share, self.dtype)

    def reset_state(self) -> None:
        """Forgets all lists."""
        self.appearances.assign(tf.zeros_like(self.appearances))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "num_items": self.num_items}

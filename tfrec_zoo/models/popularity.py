"""Popularity: the baseline that every table has, of all time or of late.

score(i) = log(1 + number of examples of item i, or of those younger than a window)
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, NumericColumn
from tfrec_zoo.models.retrieval import RetrievalModel


class Popularity(RetrievalModel):
    """Recommends what most examples were of, the same to everyone.

    `fit` for one epoch counts; the loss is that of the counts so far, smoothed by one.

    Args:
        features: Fitted features; only the candidate's item column is used, and `example_age`, a
            numeric query column, where there is a window.
        window: Count only examples at most this old by their `example_age`; None for all time.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("example_age"),),
    ...                    candidate=(VocabularyColumn("video_id"),))
    >>> x, y = {"example_age": np.array([0.0, 5.0, 9.0])}, np.array(["a", "b", "b"])
    >>> model = Popularity(Features.fit(spec, {**x, "video_id": y}))
    >>> model.compile()
    >>> _ = model.fit(x, y, verbose=0)
    >>> model.counts.numpy().tolist()  # b, then a: most frequent first.
    [2.0, 1.0]
    """

    def __init__(
        self, features: Features, *, window: float | None = None, name: str | None = None
    ) -> None:
        super().__init__(features, name=name)
        numeric = [c.key for c in features.spec.query if isinstance(c, NumericColumn)]
        if window is not None and "example_age" not in numeric:
            raise ValueError(
                "A `window` needs the numeric query column 'example_age'. "
                f"Received numeric columns: {sorted(numeric)}"
            )

        # Layers.
        self.counts = self.add_weight(
            "counts",
            shape=[self.num_items],
            initializer="zeros",
            trainable=False,
            aggregation=tf.VariableAggregation.SUM,
        )

        # Config.
        self.window = window

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns ones, [batch, 1]: every user is the same."""
        return tf.ones([tf.shape(tf.nest.flatten(inputs)[0])[0], 1])

    def candidates(self) -> tf.Tensor:
        """Returns log(1 + count), [items, 1]."""
        return tf.math.log1p(tf.convert_to_tensor(self.counts))[:, None]

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Counts one batch."""
        features, label, weight = tf.keras.utils.unpack_x_y_sample_weight(inputs)
        encoded, classes = self.encode(features), self.classes(label)
        counted = tf.cast(classes >= 0, tf.float32)
        if weight is not None:
            counted *= tf.reshape(tf.cast(weight, tf.float32), tf.shape(counted))
        if self.window is not None:
            counted *= tf.cast(encoded["values"]["example_age"] <= self.window, tf.float32)
        new = tf.math.unsorted_segment_sum(counted, tf.maximum(classes, 0), self.num_items)
        self.counts.assign_add(new)
        self.compute_loss(inputs, training=True)
        return self.step_results()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "window": self.window}

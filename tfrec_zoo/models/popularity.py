"""Popularity: the non-personalized baseline, over all time or over a recent window.

score(i) = log(1 + number of examples of item i, or of those younger than a window)
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo.data.derived import EXAMPLE_AGE
from tfrec_zoo.features import Encoded, Features, IdRows, NumericColumn
from tfrec_zoo.models.retrieval import RetrievalModel


class Popularity(RetrievalModel):
    """Recommends the items with the most examples, the same to every user.

    One epoch of `fit` counts. The reported loss is the cross-entropy under the counts so far,
    smoothed by adding one.

    Args:
        features: Fitted features. Only the candidate's item column is used and, if there is a
            window, the numeric query column `example_age`.
        window: Greatest `example_age` of an example that counts; None counts all examples.

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

    is_iterative = False

    def __init__(
        self, features: Features, *, window: float | None = None, name: str | None = None
    ) -> None:
        super().__init__(features, name=name)
        numeric = [c.key for c in features.spec.query if isinstance(c, NumericColumn)]
        if window is not None and EXAMPLE_AGE not in numeric:
            raise ValueError(
                f"A `window` needs the numeric query column {EXAMPLE_AGE!r}. "
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

    @property
    def id_rows(self) -> tuple[IdRows, ...]:
        """The counts."""
        return (IdRows(self.counts, (self.item_column.space,)),)

    @property
    def raw_keys(self) -> frozenset[str]:
        """None: all users are alike."""
        return frozenset()

    @property
    def keys_to_learn_from(self) -> frozenset[str]:
        """The key of the age of an example, if there is a window."""
        return frozenset() if self.window is None else frozenset({EXAMPLE_AGE})

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns ones, [batch, 1], because all users are alike."""
        return tf.ones([tf.shape(tf.nest.flatten(inputs)[0])[0], 1])

    def candidates(self) -> tf.Tensor:
        """Returns log(1 + count), [items, 1]."""
        return tf.math.log1p(tf.convert_to_tensor(self.counts))[:, None]

    def softmax_losses(
        self,
        query: tf.Tensor,
        classes: tf.Tensor,
        training: bool,
        inputs: Encoded | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Computes the softmax once in training: all users are alike."""
        if not training:
            return super().softmax_losses(query, classes, training)
        scores = self.candidates()[:, 0]
        return tf.reduce_logsumexp(scores) - tf.gather(scores, tf.maximum(classes, 0)), None

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Adds one batch to the counts."""
        features, label, weight = tf.keras.utils.unpack_x_y_sample_weight(inputs)
        encoded, classes = self.encode(features), self.classes(label)
        counted = tf.cast(classes >= 0, tf.float32)
        if weight is not None:
            counted *= tf.reshape(tf.cast(weight, tf.float32), tf.shape(counted))
        if self.window is not None:
            counted *= tf.cast(encoded["values"][EXAMPLE_AGE] <= self.window, tf.float32)
        new = tf.math.unsorted_segment_sum(counted, tf.maximum(classes, 0), self.num_items)
        self.counts.assign_add(new)
        self.compute_loss(inputs, training=True)
        return self.step_results()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "window": self.window}

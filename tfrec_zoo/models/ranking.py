"""Base of the ranking models: one logit per impression."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from tfrec_zoo.features import Encoded, Features
from tfrec_zoo.models.base import RecommenderModel


class RankingModel(RecommenderModel):
    """Scores impressions independently: `call` returns logits, `predictions` what they mean.

    Candidate features may be [batch], one impression per row, or [batch, candidates], a list to
    rank per request; logits are shaped likewise. Compiled metrics see the label and the
    probability.

    Args:
        features: Fitted features.
        loss: A Keras loss of (label, logit) with reduction NONE.
    """

    def __init__(
        self, features: Features, loss: tf.keras.losses.Loss, name: str | None = None
    ) -> None:
        super().__init__(features, name=name)
        self.task = tfrs.tasks.Ranking(loss=loss)

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """What the logits mean to who asks: here a probability."""
        return tf.math.sigmoid(logits)

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The label and the probability."""
        return label, tf.math.sigmoid(predictions)

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The task's loss of each impression."""
        if label is None:
            raise ValueError(
                "A ranking model needs batches (features, label). Received batches of features."
            )
        logits = tf.cast(self(inputs, training=training), tf.float32)
        label = tf.reshape(tf.cast(label, tf.float32), tf.shape(logits))
        losses = self.task(labels=label, predictions=logits, compute_metrics=False)
        return losses, logits

    def predict_step(self, data: Any) -> tf.Tensor:
        """What `predict` returns for a batch: `predictions`."""
        features, _, _ = tf.keras.utils.unpack_x_y_sample_weight(data)
        return self.predictions(self(features, training=False))

"""Base of the ranking models, which compute one logit per impression."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features
from tfrec_zoo.losses import Squared
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.keras_metrics import of_impressions
from tfrec_zoo.recommenders import tfrs


class RankingModel(RecommenderModel):
    """Scores impressions independently; `call` returns logits, and `predictions` interprets them.

    Candidate features are [batch], one impression per row, or [batch, candidates], a list to rank
    per request; logits have the same shape. Labels above 0 are positives. If the loss is `Squared`,
    labels and logits are ratings.

    Compiled metrics see an impression a row, [impressions, 1], in lists as well: labels (0 or 1)
    and probabilities, or ratings. Metrics that choose among the classes of an example are refused.

    Args:
        features: Fitted features.
        loss: Keras loss of (label, logit) with reduction NONE.
        name: Name of the model.
    """

    family = "ranking"
    default_task = "clicks"
    arguments_to_predict: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"probability": MappingProxyType({})}
    )

    @classmethod
    def learns_from_pairs(cls, arguments: Mapping[str, Any]) -> bool:
        """Yes, always."""
        return True

    def __init__(
        self, features: Features, loss: tf.keras.losses.Loss, name: str | None = None
    ) -> None:
        super().__init__(features, name=name)
        self.task = tfrs.tasks.Ranking(loss=loss)
        self.predicts_ratings = isinstance(loss, Squared)

    def suited_metrics(self, metrics: Any) -> Any:
        """Returns the metrics to compile, of single impressions.

        Raises:
            ValueError: If a metric does not suit them.
        """
        return of_impressions(metrics, has_classes=not self.predicts_ratings)

    @property
    def predicts(self) -> Literal["score", "probability", "rating", "watch time"]:
        """What `predictions` are."""
        return "rating" if self.predicts_ratings else "probability"

    @property
    def monitor(self) -> str:
        """The area under the ROC curve; of ratings there is none, but the loss."""
        return super().monitor if self.predicts_ratings else "val_auc"

    @property
    def monitor_metrics(self) -> list[tf.keras.metrics.Metric]:
        """AUC with 1,000 thresholds."""
        return [] if self.predicts_ratings else [tf.keras.metrics.AUC(1000, name="auc")]

    def pair_scores(self, inputs: Any) -> tf.Tensor:
        """The logits."""
        return self(inputs)

    def pair_predictions(self, inputs: Any) -> tf.Tensor:
        """The predictions."""
        return self.predictions(self(inputs))

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns what the logits stand for: the probability of a positive, or a rating."""
        return logits if self.predicts_ratings else tf.math.sigmoid(logits)

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns labels (0 or 1) and probabilities, or true and predicted ratings."""
        # Keras takes the last axis for one example's.
        label = tf.reshape(tf.cast(label, tf.float32), [-1, 1])
        predictions = tf.reshape(predictions, [-1, 1])
        if self.predicts_ratings:
            return label, predictions
        return tf.cast(label > 0, tf.float32), tf.math.sigmoid(predictions)

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the loss of each impression, and its logit."""
        logits = tf.cast(self(inputs, training=training), tf.float32)
        label = self.labels_like(label, logits)
        losses = self.task(labels=label, predictions=logits, compute_metrics=False)
        return losses, logits

    def labels_like(self, label: tf.Tensor | None, scores: tf.Tensor) -> tf.Tensor:
        """Returns labels as numbers in the shape of scores, [batch] or [batch, candidates].

        Raises:
            ValueError: If there are none.
        """
        if label is None:
            raise ValueError(
                "A ranking model needs batches (features, label). Received batches of features."
            )
        return tf.reshape(tf.cast(label, tf.float32), tf.shape(scores))

    def predict_step(self, data: Any) -> tf.Tensor:
        """Returns the `predictions` for a batch, which `predict` collects."""
        features, _, _ = tf.keras.utils.unpack_x_y_sample_weight(data)
        return self.predictions(self(features, training=False))

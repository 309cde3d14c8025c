"""Base of the retrieval models: a query vector against one vector per item."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from tfrec_zoo.features import Encoded, Features
from tfrec_zoo.losses import sampled_softmax_losses
from tfrec_zoo.models.base import RecommenderModel


def match(query: tf.Tensor, candidates: tf.Tensor | None) -> tf.Tensor:
    """The [batch, items] scores of query vectors, given what `candidates` returned."""
    if candidates is None:
        return query
    return tf.linalg.matmul(query, candidates, transpose_b=True)


class RetrievalModel(RecommenderModel):
    """Scores every item of the vocabulary as a dot product, score = query · candidate.

    Subclasses give `call`, the query vectors, and `candidates`, the items' vectors (or None, if
    `call` returns the scores themselves); class `i` is the item with id `i + 1`. Labels are item
    ids as the log has them, or encoded. Compiled metrics see `(classes, scores of all items)` and
    run in evaluation only, never in training steps. A label outside the vocabulary trains nothing
    and counts as a miss: to metrics it is one class more, which scores -inf.

    Args:
        features: Fitted features; the candidate's first vocabulary column is the item.
        num_sampled: Classes sampled per batch in training; None for the full softmax.
        seed: Of the sampling.
    """

    def __init__(
        self,
        features: Features,
        num_sampled: int | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, name=name)
        self.item_column = features.spec.item
        self.num_items = len(features.vocabularies[self.item_column.space])
        if num_sampled is not None and not 0 < num_sampled <= self.num_items:
            raise ValueError(
                f"`num_sampled` must be in 1 … {self.num_items} (the items), or None. "
                f"Received: {num_sampled}"
            )
        self.num_sampled = num_sampled
        self.seed = seed
        # The softmax is over candidates laid out by hand, hence the loss per example.
        reduction = tf.keras.losses.Reduction.NONE
        softmax = tf.keras.losses.CategoricalCrossentropy(from_logits=True, reduction=reduction)
        self.task: tfrs.tasks.Task = tfrs.tasks.Retrieval(loss=softmax)

    def build_weights(self) -> None:
        """Makes the weights, those of the items' vectors included."""
        super().build_weights()
        self.candidates()

    @property
    def training_state(self) -> list[tf.Variable]:
        """Variables for further training alone: checkpoints hold them, exports don't."""
        return []

    def candidates(self) -> tf.Tensor | None:
        """The [items, dim] vectors of all items, in class order.

        None means that the query vectors are the [batch, items] scores.
        """
        raise NotImplementedError

    def item_vectors(self, classes: tf.Tensor) -> tf.Tensor:
        """The [n, dim] vectors of some items, by class."""
        return tf.gather(self.candidates(), classes)

    def scores(self, inputs: Any) -> tf.Tensor:
        """The [batch, items] scores of all items for raw or encoded query features."""
        return match(self(inputs), self.candidates())

    def pair_scores(self, inputs: Any) -> tf.Tensor:
        """The scores of the items that the features hold, [batch] or [batch, candidates].

        An item outside the vocabulary scores −∞.
        """
        encoded = self.encode(inputs)
        ids = encoded["ids"][self.item_column.name]
        scores = tf.cast(self.scores(encoded), tf.float32)
        scores = tf.gather(scores, tf.maximum(ids - 1, 0), batch_dims=1)
        return tf.where(ids > 0, scores, -float("inf"))

    def classes(self, label: tf.Tensor | None) -> tf.Tensor:
        """The [batch] int32 classes of labels, raw items or int32 ids; −1 where unknown."""
        if label is None:
            raise ValueError(
                "A retrieval model needs batches (features, item). Received batches of features."
            )
        label = tf.convert_to_tensor(label)
        if label.dtype != tf.int32:
            label = self.preprocessor.ids(self.item_column, {self.item_column.key: label})
        return tf.reshape(label, [-1]) - 1

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Classes and scores of all items, and of one more for labels that are unknown."""
        classes = self.classes(label)
        scores = tf.pad(predictions, [[0, 0], [0, 1]], constant_values=-float("inf"))
        return tf.where(classes >= 0, classes, self.num_items), scores

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Cross-entropy of the label among all items."""
        classes = self.classes(label)
        is_known = classes >= 0
        query = self(inputs, training=training)
        losses, scores = self.softmax_losses(query, tf.maximum(classes, 0), training)
        return tf.where(is_known, losses, 0.0), None if training else scores

    def softmax_losses(
        self, query: tf.Tensor, classes: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The [batch] losses, and [batch, items] scores unless they are sampled.

        The full softmax, or when training with `num_sampled` the sampled one.
        """
        if training and self.num_sampled is not None:
            losses = sampled_softmax_losses(
                self.task,
                query,
                self.item_vectors,
                classes,
                self.num_sampled,
                self.num_items,
                self.seed,
            )
            return losses, None
        scores = match(query, self.candidates())
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            classes, tf.cast(scores, tf.float32)
        )
        return losses, scores

    def step_results(self) -> dict[str, tf.Tensor]:
        """Only the loss: metrics over the corpus don't run in training steps."""
        return {"loss": self.loss_tracker.result()}

    def get_metrics_result(self) -> dict[str, Any]:
        """Leaves out metrics that nothing was added to since they were reset."""
        results = super().get_metrics_result()
        for metric in self.metrics:
            if not any(tf.reduce_any(v != tf.zeros_like(v)) for v in metric.variables):
                results.pop(metric.name, None)
        return results

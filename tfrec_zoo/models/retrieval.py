"""Base of the retrieval models, which match a query vector with one vector per item."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features
from tfrec_zoo.layers import HierarchicalSoftmax
from tfrec_zoo.losses import sampled_softmax_losses
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.inputs import item_array
from tfrec_zoo.models.keras_metrics import of_items
from tfrec_zoo.recommenders import tfrs


def match(query: tf.Tensor, candidates: tf.Tensor | None) -> tf.Tensor:
    """Returns the scores of query vectors, [batch, items].

    Args:
        query: Query vectors, [batch, dim].
        candidates: What `RetrievalModel.candidates` returns.
    """
    if candidates is None:
        return query
    return tf.linalg.matmul(query, candidates, transpose_b=True)


class RetrievalModel(RecommenderModel):
    """Scores every item of the vocabulary by a dot product, score = query · candidate.

    Subclasses implement `call`, which returns query vectors, and `candidates`, which returns item
    vectors (or None if `call` returns the scores themselves). Class `i` is the item with id
    `i + 1`. Labels are raw item ids, or encoded ones. Compiled metrics see the classes and the
    scores of all items, and run in evaluation only, never in training steps. A label outside the
    vocabulary has no effect in training, is left out of the mean of the losses, and counts as a
    miss: metrics see it as one extra class, which has the lowest score there is.

    Args:
        features: Fitted features; the candidate's first vocabulary column is the item.
        num_sampled: Number of negative classes sampled per batch in training; None is the full
            softmax.
        seed: Seed of sampling.
        name: Name of the model.

    Raises:
        ValueError: If `num_sampled` is not between 1 and the number of items.
    """

    family = "retrieval"
    default_task = "next-watch"

    @classmethod
    def learns_from_pairs(cls, arguments: Mapping[str, Any]) -> bool:
        """No: it learns which of all items was chosen."""
        return False

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
        #: The softmax on `user_vectors` whose log-probabilities are the scores, if there is one.
        self.hierarchy: HierarchicalSoftmax | None = None
        # The default task sums over the batch; sample weights need the loss of each example.
        reduction = tf.keras.losses.Reduction.NONE
        softmax = tf.keras.losses.CategoricalCrossentropy(from_logits=True, reduction=reduction)
        self.task: tfrs.tasks.Task = tfrs.tasks.Retrieval(loss=softmax)

    def build_weights(self) -> None:
        """Creates all weights, including those of the item vectors."""
        super().build_weights()
        self.candidates()

    def user_vectors(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the vectors, [batch, dim], that scores are made of: query vectors or another."""
        return self(inputs, training=training)

    def candidates(self) -> tf.Tensor | None:
        """Returns the vectors of all items, [items, dim], in class order.

        None means that the query vectors are the scores themselves, [batch, items].
        """
        raise NotImplementedError

    def item_vectors(self, classes: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of the given classes, [n, dim]."""
        return tf.gather(self.candidates(), classes)

    def checked_labels(self, label: Any) -> Any:
        """Returns raw item ids as an array of their type."""
        return item_array(self.item_column, label)

    def scores(self, inputs: Any) -> tf.Tensor:
        """Returns the scores of all items, [batch, items], for raw or encoded query features."""
        return match(self(inputs), self.candidates())

    def pair_scores(self, inputs: Any) -> tf.Tensor:
        """Returns the scores of the items in the features, [batch] or [batch, candidates].

        An item outside the vocabulary scores −∞.
        """
        encoded = self.encode(inputs)
        ids = encoded["ids"][self.item_column.name]
        scores = tf.cast(self.scores(encoded), tf.float32)
        scores = tf.gather(scores, tf.maximum(ids - 1, 0), batch_dims=1)
        return tf.where(ids > 0, scores, -float("inf"))

    def classes(self, label: tf.Tensor | None) -> tf.Tensor:
        """Returns the classes of labels (raw items or int32 ids), int32 [batch]; −1 is unknown."""
        if label is None:
            raise ValueError(
                "A retrieval model needs batches (features, item). Received batches of features."
            )
        label = tf.convert_to_tensor(label)
        if label.dtype != tf.int32:
            label = self.preprocessor.ids(self.item_column, {self.item_column.key: label})
        return tf.reshape(label, [-1]) - 1

    def counted(self, label: tf.Tensor | None) -> tf.Tensor:
        """Returns which labels are in the vocabulary, bool [batch]."""
        return self.classes(label) >= 0

    def suited_metrics(self, metrics: Any) -> Any:
        """Returns the metrics to compile, of the scores of all items.

        Raises:
            ValueError: If a metric does not suit them.
        """
        return of_items(metrics, self.num_items)

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the classes and the scores of all items, plus one class for unknown labels."""
        classes = self.classes(label)
        scores = tf.cast(predictions, tf.float32)
        # Keras finds no item among scores that are infinite.
        scores = tf.pad(scores, [[0, 0], [0, 1]], constant_values=scores.dtype.min)
        return tf.where(classes >= 0, classes, self.num_items), scores

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the cross-entropy of each label among all items, and the scores."""
        classes = self.classes(label)
        is_known = classes >= 0
        query = self(inputs, training=training)
        losses, scores = self.softmax_losses(query, tf.maximum(classes, 0), training)
        return tf.where(is_known, losses, 0.0), None if training else scores

    def softmax_losses(
        self, query: tf.Tensor, classes: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Computes the full softmax, or the sampled one when training with `num_sampled`.

        Returns:
            The losses, [batch], and the scores, [batch, items], which are None if sampled.
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
        """Returns only the loss, because corpus-wide metrics don't run in training steps."""
        return {"loss": self.loss_tracker.result()}

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the metrics, except those that have not been updated since their reset."""
        results = super().get_metrics_result()
        for metric in self.metrics:
            if not any(tf.reduce_any(v != tf.zeros_like(v)) for v in metric.variables):
                results.pop(metric.name, None)
        return results

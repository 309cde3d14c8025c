"""MatrixFactorization: the dot product of a user's and an item's latent vector, plus biases.

Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems", Computer 2009.

    score = p_u · q_i + b_u + b_i + b
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import EmbeddingTable, Encoded, Features
from tfrec_zoo.layers import UserItemEmbeddings, align_with
from tfrec_zoo.losses import BPR, WARP, Logistic, Squared
from tfrec_zoo.models.inputs import label_array
from tfrec_zoo.models.keras_metrics import of_impressions
from tfrec_zoo.models.retrieval import NegativesLike, RetrievalModel
from tfrec_zoo.needs import Need
from tfrec_zoo.recommenders import tfrs


class MatrixFactorization(RetrievalModel):
    """Factorizes the user-item matrix: with the right loss and regularization, hard to beat.

    The loss decides what a batch is. `"softmax"` learns which of all items was chosen, from batches
    (features of the user, item). The others learn from pairs, so the features include the item,
    [batch] or a list [batch, candidates] (`Examples.dataset` makes them with `negatives`). The
    label is a rating (`"squared"`) or whether the item was chosen (`"logistic"`); `"bpr"` and
    `"warp"` compare the first candidate of each list with the others. With any loss the model
    scores all items, and can be searched and exported as a retrieval model.

    Only `"squared"` and `"logistic"` use the user's bias and the global one; the other losses
    compare items for the same user, where both cancel.

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        embedding_dim: Width of p and q.
        loss: `"softmax"`, `"logistic"`, `"squared"`, `"bpr"` or `"warp"`. WARP is the loss of
            YouTube's recommender before deep networks.
        negatives: Which items stand for all others in training, for `"softmax"`; None is the full
            softmax. See `Negatives`.
        margin: Margin by which positives should lead, for `"warp"`.
        stddev: Standard deviation of the normal initial vectors; biases start at 0.
        l2: L2 penalty on the whole embedding tables, not on biases.
        batch_l2: L2 penalty on the embedding rows that a batch looks up: Rendle et al.'s λ / 2.
        bias_l2: L2 penalty on the biases that a batch looks up, and on the global one. Koren et al.
            and Rendle et al. penalise them as they do the vectors.
        seed: Seed of the initial weights and of sampling.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("movie_id"),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "movie_id": np.array(["a", "a", "b"])}
    >>> model = MatrixFactorization(Features.fit(spec, x), embedding_dim=4, loss="squared")
    >>> model.compile("lazy_adam")
    >>> _ = model.fit(x, np.array([5.0, 1.0, 3.0]), verbose=0)
    >>> model.scores(x).shape
    TensorShape([3, 2])

    References:
        Losses: Rendle et al., UAI 2009 (BPR); Weston et al., IJCAI 2011 (WARP); Rendle et al.,
        "Neural Collaborative Filtering vs. Matrix Factorization Revisited", RecSys 2020 (logistic).
    """

    reads = "ids"
    needs = (Need(("margin",), lambda given: given["loss"] == "warp", 'is of the loss "warp"'),)
    arguments_to_predict = MappingProxyType(
        {
            "rating": MappingProxyType({"loss": "squared"}),
            "probability": MappingProxyType({"loss": "logistic"}),
        }
    )

    @classmethod
    def learns_from_pairs(cls, arguments: Mapping[str, Any]) -> bool:
        """Unless the loss is the softmax, over all items."""
        return arguments.get("loss", "softmax") != "softmax"

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 64,
        loss: Literal["softmax", "logistic", "squared", "bpr", "warp"] = "softmax",
        negatives: NegativesLike = None,
        margin: float = 1.0,
        stddev: float = 0.1,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        bias_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, negatives, seed, name=name)
        pair_losses: dict[str, Any] = {
            "logistic": Logistic,
            "squared": Squared,
            "bpr": BPR,
            "warp": lambda: WARP(self.num_items, margin),
        }
        if loss != "softmax" and loss not in pair_losses:
            raise ValueError(
                f"`loss` must be one of {['softmax', *pair_losses]}. Received: {loss!r}"
            )
        if negatives is not None and loss != "softmax":
            raise ValueError(
                '`negatives` are for the loss "softmax"; the task draws those of the others. '
                f"Received: negatives={negatives!r}, loss={loss!r}"
            )

        # Layers.
        self.embeddings = UserItemEmbeddings(features, embedding_dim, stddev, l2, batch_l2, seed)
        user, item = self.embeddings.user, self.embeddings.item
        self.item_bias = _biases(item, bias_l2, "item_bias")
        # Losses that compare items for one user do not see a bias that depends on the user only.
        self.is_pointwise = loss in ("logistic", "squared")
        if self.is_pointwise:
            self.user_bias = _biases(user, bias_l2, "user_bias")
            self.bias = self.add_weight("bias", shape=[1], initializer="zeros")
        if loss != "softmax":
            self.task = tfrs.tasks.Ranking(loss=pair_losses[loss]())

        # Config.
        self.embedding_dim = embedding_dim
        self.loss_name = loss
        self.margin = margin
        self.stddev = stddev
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.bias_l2 = bias_l2

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the queries [p_u; 1; b_u + b], [batch, dim + 2], or [p_u; 1] if biases cancel."""
        ids = self.encode(inputs)["ids"][self.embeddings.columns[0].name]
        p = self.embeddings.user(ids)
        parts = [p, tf.ones_like(p[:, :1])]
        if self.is_pointwise:
            parts.append(self.user_bias(ids) + tf.cast(self.bias, p.dtype))
            if self.bias_l2:
                self.add_loss(self.bias_l2 * tf.reduce_sum(tf.square(self.bias)))
        return tf.cast(tf.concat(parts, axis=-1), tf.float32)

    def candidates(self) -> tf.Tensor:
        """Returns [q_i; b_i; 1] for all items, [items, dim + 2], without the 1 if biases cancel."""
        return self.item_vectors(tf.range(self.num_items))

    def item_vectors(self, classes: tf.Tensor) -> tf.Tensor:
        """Returns [q_i; b_i; 1] for some classes; for −1, an unknown item, q_i and b_i are zero."""
        bias = self.item_bias(classes + 1)
        parts = [self.embeddings.item(classes + 1), bias]
        if self.is_pointwise:
            parts.append(tf.ones_like(bias))
        return tf.cast(tf.concat(parts, axis=-1), tf.float32)

    def pair_scores(self, inputs: Any) -> tf.Tensor:
        """Returns the scores of the features' items; unknown ones have no vector and no bias."""
        encoded = self.encode(inputs)
        # The query comes first, because calling the model clears the penalties of all its layers.
        query = self(encoded)
        candidates = self.item_vectors(encoded["ids"][self.item_column.name] - 1)
        return tf.reduce_sum(align_with(query, candidates) * candidates, axis=-1)

    @property
    def predicts(self) -> Literal["score", "probability", "rating", "watch time"]:
        """Ratings for the squared loss, probabilities for the logistic one, else mere scores."""
        meanings: dict[str, Literal["rating", "probability"]] = {
            "squared": "rating",
            "logistic": "probability",
        }
        return meanings.get(self.loss_name, "score")

    def pair_predictions(self, inputs: Any) -> tf.Tensor:
        """The scores, as probabilities if that is what they mean."""
        scores = self.pair_scores(inputs)
        return tf.math.sigmoid(scores) if self.predicts == "probability" else scores

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the cross-entropy among all items, or the loss of the given pairs or lists."""
        if self.loss_name == "softmax":
            return super().example_losses(inputs, label, training)
        item = self.item_column.name
        if label is None or item not in inputs["ids"]:
            raise ValueError(
                f"The loss {self.loss_name!r} needs batches (features, label) whose features have "
                f"{self.item_column.key!r}. Received: label={label!r:.50}, "
                f"features={sorted(inputs['ids'])}"
            )
        scores = self.pair_scores(inputs)
        label = tf.reshape(tf.cast(label, tf.float32), tf.shape(scores))
        losses = self.task(labels=label, predictions=scores, compute_metrics=False)
        return losses, None if training else scores

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ratings and scores, labels and probabilities, or classes and scores, by loss."""
        if self.loss_name == "softmax":
            return super().metric_inputs(label, predictions)
        label = tf.reshape(tf.cast(label, tf.float32), [-1, 1])
        predictions = tf.reshape(predictions, [-1, 1])
        if self.loss_name == "squared":
            return label, predictions
        return tf.cast(label > 0, tf.float32), tf.math.sigmoid(predictions)

    def suited_metrics(self, metrics: Any) -> Any:
        """Returns the metrics to compile: of all items, or of pairs.

        Raises:
            ValueError: If a metric does not suit them.
        """
        if self.loss_name == "softmax":
            return super().suited_metrics(metrics)
        return of_impressions(metrics, has_classes=self.loss_name != "squared")

    def checked_labels(self, label: Any) -> Any:
        """Returns item ids, or what pairs are worth, as an array of their type."""
        return super().checked_labels(label) if self.loss_name == "softmax" else label_array(label)

    def counted(self, inputs: Encoded, label: tf.Tensor | None, training: bool) -> tf.Tensor | None:
        """Returns which labels are in the vocabulary; pairs are all counted."""
        is_of_items = self.loss_name == "softmax"
        return super().counted(inputs, label, training) if is_of_items else None

    @property
    def keys_to_learn_from(self) -> frozenset[str]:
        """Keys of the raw features that training reads: with pairs, the item's as well."""
        is_of_pairs = self.loss_name != "softmax"
        return self.raw_keys | ({self.item_column.key} if is_of_pairs else set())

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "loss": self.loss_name,
            "margin": self.margin,
            "stddev": self.stddev,
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "bias_l2": self.bias_l2,
            "negatives": self.negatives and self.negatives.to_config(),
            "seed": self.seed,
        }


def _biases(table: EmbeddingTable, batch_l2: float, name: str) -> EmbeddingTable:
    """One bias for each id of a table, zero at first."""
    return EmbeddingTable(
        table.num_ids, 1, "zeros", batch_l2=batch_l2, space=table.space, name=name
    )

"""SASRec: the history as a sequence, each item attending to those before it.

Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    score(i) = m_i · F_t,    F = blocks(√d m_{s_1} + p_1, …, √d m_{s_t} + p_t)
"""

from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, seed_after
from tfrec_zoo.layers import TransformerBlock
from tfrec_zoo.layers.transformer_block import layer_norm
from tfrec_zoo.losses import expected_binary_losses, uniform_negatives
from tfrec_zoo.models.retrieval import NegativesLike
from tfrec_zoo.models.sequence import SequenceModel


class SASRec(SequenceModel):
    """Predicts the next item from the sequence of the last ones, by self-attention.

    Every item of a sequence is predicted from those before it, all at once: an example (history,
    item) trains as many predictions as the history has items, the second item's to the last one's.
    The loss of a batch is the mean over all of them. Evaluation is of the example's own item alone.

    The position of an item is counted from the last known one. Unknown and missing values count
    for nothing, wherever they are. Without any known item all scores are 0, which ranks the items
    by how frequent they are.

    If the bag of the history is declared with `ages`, the model knows how long before the moment of
    each prediction every item was: embedded, of the latest one, and as a bias of the attention.

    Args:
        features: Fitted features; the query is one bag of item ids, the history, oldest first,
            which may have ages.
        embedding_dim: Width of the vectors, d.
        num_blocks: Number of blocks, each of attention and a network of two layers.
        num_heads: Number of heads of each attention.
        max_history: Number of last items that are read: 50 in the paper, 200 on MovieLens-1M.
        loss: `"softmax"` over all items; or `"binary"`, the paper's: the logistic loss of the item
            and of one other, drawn uniformly for each position from those that are not in the
            sequence. Evaluation takes the mean over all of these in place of the one.
        negatives: Which items stand for all others in the softmax: `"uniform"`, `"log-uniform"`, or
            a `Negatives` of either kind, drawn for each batch and shared by all of its positions.
            None is the full softmax.
        dropout: Dropout rate on the embedded sequence, on the weights of the attention and on what
            each part of a block adds: 0.5 in the paper, 0.2 on MovieLens-1M.
        seed: Seed of the initial weights, of dropout and of sampling.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(BagColumn(VocabularyColumn("history", space="video")),),
    ...                    candidate=(VocabularyColumn("video", space="video"),))
    >>> features = Features.fit(spec, {"video": ["a", "b", "c"]})
    >>> model = SASRec(features, embedding_dim=8)
    >>> model.compile("adam")
    >>> x = {"history": np.array([["a", "b"], ["b", ""]])}
    >>> _ = model.fit(x, np.array(["c", "a"]), verbose=0)
    >>> model.scores(x).shape
    TensorShape([2, 3])

    References:
        Kang & McAuley, ICDM 2018, https://arxiv.org/abs/1808.09781; the bias by time: Zhai et al.,
        "Actions Speak Louder than Words", ICML 2024, §3.
    """

    embeds_intervals = True
    _MAX_HISTORY = 50

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 50,
        num_blocks: int = 2,
        num_heads: int = 1,
        max_history: int = _MAX_HISTORY,
        loss: Literal["softmax", "binary"] = "softmax",
        negatives: NegativesLike = None,
        dropout: float = 0.5,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            num_heads=num_heads,
            max_history=max_history,
            negatives=negatives,
            dropout=dropout,
            seed=seed,
            name=name,
        )
        if loss == "binary" and negatives is not None:
            raise ValueError(
                "`negatives` are of the softmax: the binary loss has one of its own per position. "
                f"Received: loss={loss!r}, negatives={negatives!r}"
            )

        # Layers. Each block has five kernels.
        has_ages = self.bag.ages is not None
        self.blocks = [
            TransformerBlock(num_heads, dropout, has_ages, seed_after(seed, 2 + 5 * i))
            for i in range(num_blocks)
        ]
        self.norm = layer_norm()

        # Config.
        self.num_blocks = num_blocks
        self.loss_name = loss

    def finished(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the normalized vectors."""
        return self.norm(x)

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the losses as `SequenceModel` does; those of negatives as they are on average."""
        if training or self.loss_name == "softmax":
            return super().example_losses(inputs, label, training)
        classes = self.classes(label)
        ids, _ = self.sequences(inputs)
        scores = self.scores(inputs)
        own = tf.concat([ids, classes[:, None] + 1], axis=1) - 1
        losses = expected_binary_losses(tf.cast(scores, tf.float32), tf.maximum(classes, 0), own)
        return tf.where(classes >= 0, losses, 0.0), scores

    def prediction_losses(
        self, query: tf.Tensor, classes: tf.Tensor, own: tf.Tensor, is_predicted: tf.Tensor
    ) -> tf.Tensor:
        """Returns the cross-entropies, or the logistic losses of items and one negative each."""
        if self.loss_name == "softmax":
            return super().prediction_losses(query, classes, own, is_predicted)
        negatives = uniform_negatives(own, tf.shape(own)[1] - 1, self.num_items, self.seed)
        negatives = tf.boolean_mask(negatives, is_predicted)

        def score(classes: tf.Tensor) -> tf.Tensor:
            vectors = tf.cast(self.item_vectors(classes), tf.float32)
            return tf.reduce_sum(query * vectors, axis=1)

        against = tf.where(negatives >= 0, tf.nn.softplus(score(tf.maximum(negatives, 0))), 0.0)
        return tf.nn.softplus(-score(classes)) + against

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "loss": self.loss_name,
        }

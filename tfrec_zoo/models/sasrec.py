"""SASRec: the history as a sequence, each item attending to those before it.

Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    score(i) = m_i · F_t,    F = blocks(√d m_{s_1} + p_1, …, √d m_{s_t} + p_t)
"""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import EmbeddingTable, Encoded, Features, seed_after
from tfrec_zoo.features.dense import as_long_as
from tfrec_zoo.layers import NUM_INTERVALS, Dropout, TransformerBlock, interval_ids, packed
from tfrec_zoo.layers.transformer_block import layer_norm
from tfrec_zoo.losses import (
    expected_binary_losses,
    is_among,
    shared_softmax_losses,
    uniform_negatives,
)
from tfrec_zoo.models.history import history_bag
from tfrec_zoo.models.retrieval import NegativesLike, RetrievalModel


def _initializer(seed: int | None) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomNormal(stddev=0.02, seed=seed)


class SASRec(RetrievalModel):
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

    reads = "history"
    _MAX_HISTORY = 50

    @classmethod
    def history_length(cls, arguments: Mapping[str, Any]) -> int | None:
        """`max_history`."""
        return arguments.get("max_history", cls._MAX_HISTORY)

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
        super().__init__(features, negatives, seed, name=name)
        self.bag = history_bag(self)
        if embedding_dim % num_heads:
            raise ValueError(
                "`num_heads` must divide `embedding_dim`. "
                f"Received: num_heads={num_heads}, embedding_dim={embedding_dim}"
            )
        if loss == "binary" and negatives is not None:
            raise ValueError(
                "`negatives` are of the softmax: the binary loss has one of its own per position. "
                f"Received: loss={loss!r}, negatives={negatives!r}"
            )
        if self.negatives is not None and self.negatives.kind not in ("uniform", "log-uniform"):
            raise ValueError(
                "`negatives` must be 'uniform' or 'log-uniform': a batch has as many items as "
                f"positions, thousands, which are no negatives. Received: {negatives!r}"
            )

        # Layers.
        self.item_table = EmbeddingTable(
            self.num_items,
            embedding_dim,
            _initializer(seed),
            space=self.item_column.space,
            name="item_table",
        )
        self.position_table = EmbeddingTable(
            max_history,
            embedding_dim,
            _initializer(seed_after(seed, 1)),
            space="",
            name="position_table",
        )
        self.interval_table = None
        if self.bag.ages is not None:
            initializer = _initializer(seed_after(seed, 1000))
            self.interval_table = EmbeddingTable(
                NUM_INTERVALS, embedding_dim, initializer, space="", name="interval_table"
            )
        self.input_dropout = Dropout(dropout, seed=seed, dtype="float32")
        # Each block has five kernels.
        self.blocks = [
            TransformerBlock(
                num_heads, dropout, self.bag.ages is not None, seed_after(seed, 2 + 5 * i)
            )
            for i in range(num_blocks)
        ]
        self.norm = layer_norm()

        # Config.
        self.embedding_dim = embedding_dim
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.max_history = max_history
        self.loss_name = loss
        self.dropout = dropout

    @property
    def raw_keys(self) -> frozenset[str]:
        """The key of the history, and that of its ages."""
        return frozenset({self.bag.key} | ({self.bag.ages} if self.bag.ages else set()))

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns F at the last item of each history, [batch, dim]; zeros without any."""
        return self.states(*self.sequences(inputs), training)[:, -1]

    def candidates(self) -> tf.Tensor:
        """Returns the item vectors m, [items, dim]."""
        return tf.convert_to_tensor(self.item_table.table)

    def item_vectors(self, classes: tf.Tensor) -> tf.Tensor:
        """Returns the vectors m of the given classes, [n, dim]."""
        return self.item_table(classes + 1)

    def sequences(self, inputs: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the known items of the histories, as ids and ages, [batch, longest], zeros first.

        Ages are None if the model does not read them.
        """
        encoded = self.encode(inputs)
        ids, ages = encoded["ids"][self.bag.name], None
        if self.bag.ages is not None:
            ages = as_long_as(encoded["values"][self.bag.ages], tf.shape(ids)[1])
        return packed(ids, self.max_history, ages)

    def states(
        self, ids: tf.Tensor, ages: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        """Returns F, [batch, length, dim]: zeros where there is no item.

        Args:
            ids: Ids of the items, [batch, length], as `sequences` returns them.
            ages: How long before the moment of the last prediction each of them was.
            training: Whether dropout is active.
        """
        is_known = ids > 0
        length = tf.shape(ids)[1]
        positions = tf.range(self.max_history - length, self.max_history) + 1
        x = tf.cast(self.item_table(ids), tf.float32) * self.embedding_dim**0.5
        x += tf.cast(self.position_table(tf.where(is_known, positions, 0)), tf.float32)
        intervals = None
        if self.interval_table is not None and ages is not None:
            # What is known of a prediction's moment: it is that of the next item, or now.
            moments = tf.pad(ages[:, 1:], [[0, 0], [0, 1]])
            x += tf.cast(self.interval_table(interval_ids(ages - moments)), tf.float32)
            intervals = interval_ids(ages[:, None, :] - moments[:, :, None])
        x = self.input_dropout(x, training=training)
        for block in self.blocks:
            x = block(x, is_known, intervals, training=training)
        return tf.where(is_known[..., None], self.norm(x), 0.0)

    def counted(self, inputs: Encoded, label: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Returns the number of predictions of each example, [batch]; 0 if its item is unknown.

        In training there is one for each known item of the history, otherwise only the last.
        """
        counted = super().counted(inputs, label, training)
        if not training:
            return counted
        in_history = tf.reduce_sum(tf.cast(self.sequences(inputs)[0] > 0, tf.int32), axis=1)
        return tf.where(counted, in_history, 0)

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the mean loss of each example's predictions; when evaluating, of its own item's.

        Scores are returned when evaluating.
        """
        if not training:
            if self.loss_name == "softmax":
                return super().example_losses(inputs, label, training)
            return self._expected_losses(inputs, label)
        classes = self.classes(label)
        ids, ages = self.sequences(inputs)
        targets = tf.concat([ids[:, 1:], classes[:, None] + 1], axis=1)
        is_predicted = (ids > 0) & (classes >= 0)[:, None]
        # What is padding costs nothing from here on: [predictions, dim] and [predictions].
        query = tf.boolean_mask(self.states(ids, ages, training), is_predicted)
        target_classes = tf.boolean_mask(targets, is_predicted) - 1
        # The example of each prediction, and all items of its sequence.
        example = tf.cast(tf.where(is_predicted)[:, 0], tf.int32)
        own = tf.concat([ids, classes[:, None] + 1], axis=1) - 1
        if self.loss_name == "binary":
            losses = self._binary_losses(query, target_classes, own, is_predicted)
        else:
            losses = self._softmax_losses(query, target_classes, own, example)
        means = tf.math.unsorted_segment_mean(losses, example, tf.size(classes))
        return means, None

    def _softmax_losses(
        self, query: tf.Tensor, classes: tf.Tensor, own: tf.Tensor, example: tf.Tensor
    ) -> tf.Tensor:
        """The cross-entropies of the items, among all of them or what was drawn, [predictions]."""
        if self.negatives is None:
            return self.softmax_losses(query, classes, training=True)[0]
        drawn = self._draw(self.negatives, query, classes, None)
        is_known = None
        if self.negatives.mask_known:
            is_known = tf.gather(is_among(drawn.classes, own), example)
        return shared_softmax_losses(
            query, self.item_vectors, classes, drawn, self.negatives, is_known
        )

    def _binary_losses(
        self, query: tf.Tensor, classes: tf.Tensor, own: tf.Tensor, is_predicted: tf.Tensor
    ) -> tf.Tensor:
        """The logistic losses of the items and of one negative each, [predictions]."""
        negatives = uniform_negatives(own, tf.shape(own)[1] - 1, self.num_items, self.seed)
        negatives = tf.boolean_mask(negatives, is_predicted)

        def score(classes: tf.Tensor) -> tf.Tensor:
            vectors = tf.cast(self.item_vectors(classes), tf.float32)
            return tf.reduce_sum(query * vectors, axis=1)

        against = tf.where(negatives >= 0, tf.nn.softplus(score(tf.maximum(negatives, 0))), 0.0)
        return tf.nn.softplus(-score(classes)) + against

    def _expected_losses(
        self, inputs: Encoded, label: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        classes = self.classes(label)
        ids, _ = self.sequences(inputs)
        scores = self.scores(inputs)
        own = tf.concat([ids, classes[:, None] + 1], axis=1) - 1
        losses = expected_binary_losses(tf.cast(scores, tf.float32), tf.maximum(classes, 0), own)
        return tf.where(classes >= 0, losses, 0.0), scores

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "max_history": self.max_history,
            "loss": self.loss_name,
            "negatives": self.negatives and self.negatives.to_config(),
            "dropout": self.dropout,
            "seed": self.seed,
        }

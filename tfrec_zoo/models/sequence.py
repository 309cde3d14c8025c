"""Base of the models that read the history as a sequence, each item seeing those before it.

score(i) = m_i · F_t,    F = finished(blocks(√d m_{s_1} + p_1, …, √d m_{s_t} + p_t))
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tfrec_zoo.features import EmbeddingTable, Encoded, Features, seed_after
from tfrec_zoo.features.dense import as_long_as
from tfrec_zoo.layers import NUM_INTERVALS, Dropout, interval_ids, packed
from tfrec_zoo.losses import is_among, shared_softmax_losses
from tfrec_zoo.models.history import history_bag
from tfrec_zoo.models.retrieval import NegativesLike, RetrievalModel


class SequenceModel(RetrievalModel):
    """Predicts every item of a sequence from those before it, all at once.

    An example (history, item) trains as many predictions as the history has items, the second
    item's to the last one's. The loss of a batch is the mean over all of them. Evaluation is of the
    example's own item alone.

    The position of an item is counted from the last known one. Unknown and missing values count
    for nothing, wherever they are. Without any known item all scores are 0, which ranks the items
    by how frequent they are.

    If the bag of the history is declared with `ages`, the model knows how long before the moment of
    each prediction every item was.

    Subclasses make `blocks`, which are called with vectors, [batch, length, dim], which of them are
    known, and the ids of the intervals between them; and implement `finished`.

    Args:
        features: Fitted features; the query is one bag of item ids, the history, oldest first,
            which may have ages.
        embedding_dim: Width of the vectors, d.
        num_heads: Number of heads of each block, which divides d.
        max_history: Number of last items that are read.
        negatives: Which items stand for all others in the softmax: `"uniform"`, `"log-uniform"`, or
            a `Negatives` of either kind, drawn for each batch and shared by all of its positions.
            None is the full softmax.
        dropout: Dropout rate on the embedded sequence.
        seed: Seed of the initial weights, of dropout and of sampling.
        name: Name of the model.

    Raises:
        ValueError: If the query is anything else, or an argument is out of range.
    """

    reads = "history"
    #: Whether the interval from the latest item to the prediction is embedded beside it.
    embeds_intervals: ClassVar[bool] = False
    _MAX_HISTORY: ClassVar[int]

    #: The layers that refine the embedded sequence.
    blocks: list[tf.keras.layers.Layer]

    @classmethod
    def history_length(cls, arguments: Mapping[str, Any]) -> int | None:
        """`max_history`."""
        return arguments.get("max_history", cls._MAX_HISTORY)

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int,
        num_heads: int,
        max_history: int,
        negatives: NegativesLike,
        dropout: float,
        seed: int | None,
        name: str | None,
    ) -> None:
        super().__init__(features, negatives, seed, name=name)
        self.bag = history_bag(self)
        if embedding_dim % num_heads:
            raise ValueError(
                "`num_heads` must divide `embedding_dim`. "
                f"Received: num_heads={num_heads}, embedding_dim={embedding_dim}"
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
        if self.embeds_intervals and self.bag.ages is not None:
            initializer = _initializer(seed_after(seed, 1000))
            self.interval_table = EmbeddingTable(
                NUM_INTERVALS, embedding_dim, initializer, space="", name="interval_table"
            )
        self.input_dropout = Dropout(dropout, seed=seed, dtype="float32")

        # Config.
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.max_history = max_history
        self.dropout = dropout

    @property
    def raw_keys(self) -> frozenset[str]:
        """The key of the history, and that of its ages."""
        return frozenset({self.bag.key} | ({self.bag.ages} if self.bag.ages else set()))

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns F at the last item of each history, [batch, dim]; zeros without any."""
        return self.states(*self.sequences(inputs), training)[:, -1]

    def finished(self, x: tf.Tensor) -> tf.Tensor:
        """Returns what item vectors are multiplied with, given what the last block returns."""
        raise NotImplementedError

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
        if ages is not None:
            # What is known of a prediction's moment: it is that of the next item, or now.
            moments = tf.pad(ages[:, 1:], [[0, 0], [0, 1]])
            intervals = interval_ids(ages[:, None, :] - moments[:, :, None])
            if self.interval_table is not None:
                x += tf.cast(self.interval_table(interval_ids(ages - moments)), tf.float32)
        x = self.input_dropout(x, training=training)
        for block in self.blocks:
            x = block(x, is_known, intervals, training=training)
        return tf.where(is_known[..., None], self.finished(x), 0.0)

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
            return super().example_losses(inputs, label, training)
        classes = self.classes(label)
        ids, ages = self.sequences(inputs)
        targets = tf.concat([ids[:, 1:], classes[:, None] + 1], axis=1)
        is_predicted = (ids > 0) & (classes >= 0)[:, None]
        # What is padding costs nothing from here on: [predictions, dim] and [predictions].
        query = tf.boolean_mask(self.states(ids, ages, training), is_predicted)
        target_classes = tf.boolean_mask(targets, is_predicted) - 1
        own = tf.concat([ids, classes[:, None] + 1], axis=1) - 1
        losses = self.prediction_losses(query, target_classes, own, is_predicted)
        example = tf.cast(tf.where(is_predicted)[:, 0], tf.int32)
        return tf.math.unsorted_segment_mean(losses, example, tf.size(classes)), None

    def prediction_losses(
        self, query: tf.Tensor, classes: tf.Tensor, own: tf.Tensor, is_predicted: tf.Tensor
    ) -> tf.Tensor:
        """Returns the cross-entropies of the items, among all of them or what was drawn.

        Args:
            query: Vectors F of the predictions, [predictions, dim].
            classes: Classes of the items, [predictions].
            own: Classes of all items of each sequence, [batch, length + 1]; −1 is none.
            is_predicted: Which item follows a position, bool [batch, length].

        Returns:
            The losses, [predictions].
        """
        if self.negatives is None:
            return self.softmax_losses(query, classes, training=True)[0]
        drawn = self._draw(self.negatives, query, classes, None)
        is_known = None
        if self.negatives.mask_known:
            example = tf.cast(tf.where(is_predicted)[:, 0], tf.int32)
            is_known = tf.gather(is_among(drawn.classes, own), example)
        return shared_softmax_losses(
            query, self.item_vectors, classes, drawn, self.negatives, is_known
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "max_history": self.max_history,
            "negatives": self.negatives and self.negatives.to_config(),
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _initializer(seed: int | None) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomNormal(stddev=0.02, seed=seed)

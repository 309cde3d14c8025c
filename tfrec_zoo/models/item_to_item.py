"""Base of the item-to-item models: what was watched nominates what goes with it.

scores(u) = x_u W,    x_u: the user's history, multi-hot;    W from G = Σ_u w_u x_uᵀ x_u
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features import BagColumn, Encoded, Features
from tfrec_zoo.models.retrieval import RetrievalModel


class ItemToItem(RetrievalModel):
    """Learns in one pass: `fit` for one epoch counts co-occurrences, then solves for W.

    An example (history, item) is a basket, history ∪ {item}: give `fit` one example per user, the
    user's last one, with a bag that holds the longest history. An item that is in a history twice
    counts once; examples whose item is unknown are left out. Counts add up over epochs and calls
    of `fit`.

    Nothing descends along a loss; the one reported is the share of the other items that score
    higher than the example's own, given the history (one half for those that score the same), so
    0.5 is chance. During `fit` it is that of the weights before.

    The counts G take 4 · items² bytes in memory and in checkpoints, 55 MB for 3,706 items and
    1.6 GB for 20,000; solving takes up to twelve times as much for a while. Larger catalogues need
    another model. Exports hold the weights alone.

    Subclasses give `solution`.

    Args:
        features: Fitted features. The query is one bag of the candidate's item ids, nothing else.
        max_neighbors: Keep this many weights per item of the history, the largest by absolute
            value (among equals, those of the more frequent items); None keeps all.

    Raises:
        ValueError: If the query is anything else, or `max_neighbors` is not positive.
    """

    def __init__(
        self, features: Features, max_neighbors: int | None, name: str | None = None
    ) -> None:
        super().__init__(features, name=name)
        if max_neighbors is not None and max_neighbors < 1:
            raise ValueError(f"`max_neighbors` must be positive or None. Received: {max_neighbors}")
        self.bag = self._history_bag()

        # Layers.
        self.gram = self._add_zeros("gram", self.num_items, tf.float32)
        self._is_stale = False
        if max_neighbors is None:
            self.item_weights = self._add_zeros("item_weights", self.num_items, tf.float32)
        else:
            kept = min(max_neighbors, self.num_items)
            self.neighbors = self._add_zeros("neighbors", kept, tf.int32)
            self.neighbor_weights = self._add_zeros("neighbor_weights", kept, tf.float32)

        # Config.
        self.max_neighbors = max_neighbors

    def solution(self, gram: np.ndarray) -> np.ndarray:
        """The [items, items] weights W for counts G: row j is what item j nominates."""
        raise NotImplementedError

    @property
    def training_state(self) -> list[tf.Variable]:
        """The counts."""
        return [self.gram]

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the scores of all items, x W, [batch, items]."""
        x = self._multi_hot(self._history_ids(inputs))
        if self.max_neighbors is None:
            user, item = tf.unstack(tf.where(x > 0), axis=1)
            return tf.sparse.segment_sum(
                tf.convert_to_tensor(self.item_weights), item, user, num_segments=tf.shape(x)[0]
            )
        # (Wᵀ xᵀ)ᵀ with only those rows of W and xᵀ that someone's history has.
        watched = tf.where(tf.reduce_any(x > 0, axis=0))[:, 0]
        x = tf.gather(tf.transpose(x), watched)  # [watched, batch]
        column = tf.cast(tf.gather(self.neighbors, watched), tf.int64)  # [watched, neighbors]
        row = tf.broadcast_to(tf.range(tf.size(watched, tf.int64))[:, None], tf.shape(column))
        weights = tf.SparseTensor(
            tf.reshape(tf.stack([row, column], axis=-1), [-1, 2]),
            tf.reshape(tf.gather(self.neighbor_weights, watched), [-1]),
            [tf.size(watched, tf.int64), self.num_items],
        )
        scores = tf.sparse.sparse_dense_matmul(weights, x, adjoint_a=True)
        return tf.ensure_shape(tf.transpose(scores), [None, self.num_items])

    def candidates(self) -> None:
        """Returns None: `call` returns scores."""
        return None

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The share of the other items that score higher than the label; ties are half."""
        classes = self.classes(label)
        scores = self(inputs, training=training)
        own = tf.gather(scores, tf.maximum(classes, 0), batch_dims=1)[:, None]
        # 1 above, 1/2 level, 0 below; the label is level with itself.
        ahead = tf.reduce_sum((tf.sign(scores - own) + 1) / 2, axis=1) - 0.5
        losses = tf.math.divide_no_nan(ahead, float(self.num_items - 1))
        return tf.where(classes >= 0, losses, 0.0), None if training else scores

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Counts one batch: G += Xᵀ diag(w) X."""
        features, label, weight = tf.keras.utils.unpack_x_y_sample_weight(inputs)
        encoded, classes = self.encode(features), self.classes(label)
        x = self._multi_hot(tf.concat([self._history_ids(encoded), classes[:, None] + 1], axis=1))
        counted = tf.cast(classes >= 0, tf.float32)
        if weight is not None:
            counted *= tf.reshape(tf.cast(weight, tf.float32), tf.shape(counted))
        self.gram.assign_add(tf.linalg.matmul(x, counted[:, None] * x, transpose_a=True))
        self.compute_loss(inputs, training=True)
        return self.step_results()

    def solve(self) -> None:
        """Sets the weights to the solution for the counts; to be called after `train_on_batch`."""
        gram = tf.convert_to_tensor(self.gram).numpy().astype(np.float64)
        weights = self.solution(gram).astype(np.float32)
        if self.max_neighbors is None:
            self.item_weights.assign(weights)
            return
        kept = self.neighbors.shape[1]
        nearest = np.stack([np.argsort(-np.abs(row), kind="stable")[:kept] for row in weights])
        self.neighbors.assign(nearest.astype(np.int32))
        self.neighbor_weights.assign(np.take_along_axis(weights, nearest, axis=1))

    @functools.wraps(tf.keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Counts, and solves."""
        self._is_stale = True
        history = super().fit(*args, **kwargs)
        self.solve()
        self._is_stale = False
        return history

    @functools.wraps(tf.keras.Model.evaluate)
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Within `fit`, validation is of what has been counted until then."""
        if self._is_stale:
            self.solve()
        return super().evaluate(*args, **kwargs)

    def _history_bag(self) -> BagColumn:
        query = self.features.spec.query
        bags = [getattr(column, "categorical", column) for column in query]
        if len(bags) == 1 and isinstance(bags[0], BagColumn):
            if bags[0].space == self.item_column.space:
                return bags[0]
        raise ValueError(
            "An item-to-item model needs one query column, a BagColumn in the items' ID space "
            f"{self.item_column.space!r}, and no other. Received: {query!r}"
        )

    def _add_zeros(self, name: str, width: int, dtype: tf.DType) -> tf.Variable:
        return self.add_weight(
            name,
            shape=[self.num_items, width],
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            experimental_autocast=False,
            aggregation=tf.VariableAggregation.SUM,
        )

    def _history_ids(self, inputs: Any) -> tf.Tensor:
        return self.encode(inputs)["ids"][self.bag.name]

    def _multi_hot(self, ids: tf.Tensor) -> tf.Tensor:
        """[batch, items] ones where an item is among [batch, length] ids."""
        batch = tf.shape(ids)[0]
        row = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(ids))
        at = tf.reshape(tf.stack([row, ids], axis=-1), [-1, 2])
        x = tf.zeros([batch, 1 + self.num_items])
        return tf.tensor_scatter_nd_update(x, at, tf.ones([tf.size(ids)]))[:, 1:]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "max_neighbors": self.max_neighbors}

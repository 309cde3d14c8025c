"""Base of the item-to-item models: each item of the history nominates related items.

scores(u) = x_u W,    x_u: the user's history, multi-hot;    W from G = Σ_u w_u x_uᵀ x_u
"""

import functools
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, IdRows
from tfrec_zoo.models.history import history_bag
from tfrec_zoo.models.retrieval import RetrievalModel

#: Whose nearest are kept: what an item of the history nominates, or what nominates a candidate.
NeighborsOf: TypeAlias = Literal["history", "candidate"]


class ItemToItem(RetrievalModel):
    """Learns in one pass: one epoch of `fit` counts co-occurrences, then solves for W.

    An example (history, item) is a basket, history ∪ {item}. Give `fit` one example per user, the
    user's last, with a bag long enough for the longest history. An item that appears twice in a
    history counts once, and examples whose item is unknown are skipped. Counts add up over epochs
    and over calls of `fit`.

    There is no loss to descend. The reported one is the share of the other items that score higher
    than the example's own item (ties count one half), so 0.5 is chance. During `fit` it is computed
    with the weights from before that call.

    The counts G take 4 · items² bytes in memory and in checkpoints: 55 MB for 3,706 items, 1.6 GB
    for 20,000. (A checkpoint without the optimizer's state is compressed.) Solving temporarily
    takes up to twelve times as much, so larger catalogues need another model. Exports contain the
    weights only.

    Subclasses implement `solution`.

    Args:
        features: Fitted features. The query is a single bag column in the items' ID space.
        max_neighbors: Number of weights to keep per item, the largest by absolute value (among
            equals, those of more frequent items); None keeps all.
        neighbors_of: Whether they are kept per item of the history, which are those of a row of W,
            or per candidate, those of a column.
        name: Name of the model.

    Raises:
        ValueError: If the query is anything else, `max_neighbors` is not positive, or
            `neighbors_of` is not one of the two.
    """

    reads = "history"
    is_iterative = False

    def __init__(
        self,
        features: Features,
        max_neighbors: int | None,
        neighbors_of: NeighborsOf = "history",
        name: str | None = None,
    ) -> None:
        super().__init__(features, name=name)
        if max_neighbors is not None and max_neighbors < 1:
            raise ValueError(f"`max_neighbors` must be positive or None. Received: {max_neighbors}")
        if neighbors_of not in get_args(NeighborsOf):
            raise ValueError(
                f"`neighbors_of` must be one of {get_args(NeighborsOf)}. Received: {neighbors_of!r}"
            )
        self.bag = history_bag(self)

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
        self.neighbors_of = neighbors_of

    def solution(self, gram: np.ndarray) -> np.ndarray:
        """Returns the weights W for counts G, [items, items]; row j is what item j nominates."""
        raise NotImplementedError

    @property
    def raw_keys(self) -> frozenset[str]:
        """The key of the history."""
        return frozenset({self.bag.key})

    @property
    def id_rows(self) -> tuple[IdRows, ...]:
        """The counts and the weights."""
        space = self.item_column.space
        gram = IdRows(self.gram, (space, space))
        if self.max_neighbors is None:
            return gram, IdRows(self.item_weights, (space, space))
        return gram, IdRows(self.neighbor_weights, (space, None), columns=self.neighbors)

    @property
    def training_state(self) -> list[tf.Variable]:
        """The counts G."""
        return [self.gram]

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the scores x W of all items, [batch, items]."""
        x = self._multi_hot(self._history_ids(inputs))
        if self.max_neighbors is None:
            user, item = tf.unstack(tf.where(x > 0), axis=1)
            return tf.sparse.segment_sum(
                tf.convert_to_tensor(self.item_weights), item, user, num_segments=tf.shape(x)[0]
            )
        is_of_history, x = self.neighbors_of == "history", tf.transpose(x)  # [items, batch]
        neighbors, weights = self.neighbors, self.neighbor_weights
        if is_of_history:
            # (Wᵀ xᵀ)ᵀ over only the rows of W and xᵀ whose items appear in the batch's histories.
            watched = tf.where(tf.reduce_any(x > 0, axis=1))[:, 0]
            x, neighbors, weights = (tf.gather(a, watched) for a in (x, neighbors, weights))
        column = tf.cast(neighbors, tf.int64)
        row = tf.broadcast_to(
            tf.range(tf.shape(column, tf.int64)[0])[:, None], tf.shape(column, tf.int64)
        )
        kept = tf.SparseTensor(
            tf.reshape(tf.stack([row, column], axis=-1), [-1, 2]),
            tf.reshape(weights, [-1]),
            [tf.shape(column, tf.int64)[0], self.num_items],
        )
        scores = tf.sparse.sparse_dense_matmul(kept, x, adjoint_a=is_of_history)
        return tf.ensure_shape(tf.transpose(scores), [None, self.num_items])

    def candidates(self) -> None:
        """Returns None, because `call` returns the scores themselves."""
        return None

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the share of other items that score higher than the label; a tie is 1/2."""
        classes = self.classes(label)
        scores = self(inputs, training=training)
        own = tf.gather(scores, tf.maximum(classes, 0), batch_dims=1)[:, None]
        # 1 above the label, 1/2 for a tie, 0 below; the label ties with itself, hence − 0.5.
        ahead = tf.reduce_sum((tf.sign(scores - own) + 1) / 2, axis=1) - 0.5
        losses = tf.math.divide_no_nan(ahead, float(self.num_items - 1))
        return tf.where(classes >= 0, losses, 0.0), None if training else scores

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Adds one batch to the counts: G += Xᵀ diag(w) X."""
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
        """Sets the weights to the solution for the counts; call it after `train_on_batch`."""
        gram = tf.convert_to_tensor(self.gram).numpy().astype(np.float64)
        weights = self.solution(gram).astype(np.float32)
        if self.max_neighbors is None:
            self.item_weights.assign(weights)
            return
        kept = self.neighbors.shape[1]
        weights = weights if self.neighbors_of == "history" else weights.T
        nearest = np.stack([np.argsort(-np.abs(row), kind="stable")[:kept] for row in weights])
        self.neighbors.assign(nearest.astype(np.int32))
        self.neighbor_weights.assign(np.take_along_axis(weights, nearest, axis=1))

    @functools.wraps(tf.keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Counts the co-occurrences, then solves for the weights."""
        self._is_stale = True
        history = super().fit(*args, **kwargs)
        self.solve()
        self._is_stale = False
        return history

    @functools.wraps(tf.keras.Model.evaluate)
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Evaluates; within `fit`, this first solves for what has been counted so far."""
        if self._is_stale:
            self.solve()
        return super().evaluate(*args, **kwargs)

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
        """Returns [batch, items] ones where an item is among the [batch, length] ids."""
        batch = tf.shape(ids)[0]
        row = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(ids))
        at = tf.reshape(tf.stack([row, ids], axis=-1), [-1, 2])
        x = tf.zeros([batch, 1 + self.num_items])
        return tf.tensor_scatter_nd_update(x, at, tf.ones([tf.size(ids)]))[:, 1:]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "max_neighbors": self.max_neighbors}

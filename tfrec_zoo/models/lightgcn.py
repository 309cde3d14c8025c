"""LightGCN: matrix factorization whose vectors are averaged along the graph of choices.

He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", SIGIR
2020.

    score = e_u · e_i,    e = 1 / (K + 1) Σ_k e^(k)
    e_u^(k+1) = Σ_{i ∈ N_u} e_i^(k) / √(|N_u| |N_i|),  and e_i^(k+1) alike
"""

import contextvars
import functools
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, IdRows
from tfrec_zoo.layers import UserItemEmbeddings
from tfrec_zoo.losses import BPR, softmax_losses
from tfrec_zoo.models.retrieval import RetrievalModel, match
from tfrec_zoo.models.user_item_graph import UserItemGraph
from tfrec_zoo.recommenders import tfrs

#: The vectors e of all users and of all items in the training step that is being taken.
_VECTORS: contextvars.ContextVar[tuple[tf.Tensor, tf.Tensor] | None] = contextvars.ContextVar(
    "vectors", default=None
)


class LightGCN(RetrievalModel):
    """Learns vectors of users and items that are averaged with those of who chose what.

    What is learned are the vectors e^(0), by the steps of which both sides come near their
    neighbours in the graph: users of the same items, items of the same users. There are no other
    weights. A user outside the vocabulary is the zero vector, as all new users are.

    The graph is that of the training examples, (features of the user, item): `adapt` collects it
    before the first step, and keeps it in memory. Every step of training goes along all of its
    edges, so that large batches are what make an epoch cheap.

    Scores are of the vectors that the last epoch, `evaluate` or `propagate` left. These are in
    checkpoints and exports, the graph is not: `adapt` a restored model before training it further.

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        embedding_dim: Width of the vectors.
        num_layers: Number of steps along the edges, K. With 0 it is a matrix factorization.
        loss: `"bpr"`, the paper's: each item against another one, drawn uniformly from those that
            the user did not choose; evaluation takes the mean over all other items. Or
            `"softmax"` over all items, which takes fewer epochs, and more time where items are
            many.
        stddev: Standard deviation of the normal initial vectors.
        batch_l2: L2 penalty on the vectors e^(0) of the users and items of a batch, λ / 2 of the
            paper, which has .0001 / 2.
        seed: Seed of the initial vectors and of the draws.

    Raises:
        ValueError: If training begins before `adapt`.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("movie_id"),))
    >>> x, y = {"user_id": np.array(["u", "v", "v"])}, np.array(["a", "a", "b"])
    >>> model = LightGCN(Features.fit(spec, {**x, "movie_id": y}), embedding_dim=4)
    >>> model.compile("adam")
    >>> model.adapt(x, y)
    >>> _ = model.fit(x, y, verbose=0)
    >>> model.scores(x).shape
    TensorShape([3, 2])

    References:
        He et al., SIGIR 2020, https://arxiv.org/abs/2002.02126
    """

    reads = "ids"
    adapts = True
    default_epochs = 40

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 64,
        num_layers: int = 3,
        loss: Literal["bpr", "softmax"] = "bpr",
        stddev: float = 0.1,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, seed=seed, name=name)

        # Layers.
        self.embeddings = UserItemEmbeddings(
            features, embedding_dim, stddev, batch_l2=batch_l2, seed=seed
        )
        self.users, self.items = (
            self.add_weight(
                f"{side}_vectors",
                shape=[table.num_ids, embedding_dim],
                dtype=tf.float32,
                initializer="zeros",
                trainable=False,
                experimental_autocast=False,
            )
            for side, table in (("user", self.embeddings.user), ("item", self.embeddings.item))
        )
        self.graph: UserItemGraph | None = None
        if loss == "bpr":
            self.task = tfrs.tasks.Ranking(loss=BPR())

        # Config.
        self.embedding_dim = embedding_dim
        self.num_layers = num_layers
        self.loss_name = loss
        self.stddev = stddev
        self.batch_l2 = batch_l2

    @property
    def id_rows(self) -> tuple[IdRows, ...]:
        """The vectors that scores are of."""
        of = zip((self.users, self.items), self.embeddings.columns, strict=True)
        return tuple(IdRows(rows, (column.space, None), has_vectors=True) for rows, column in of)

    @property
    def training_state(self) -> list[tf.Variable]:
        """The vectors e^(0)."""
        return [self.embeddings.user.table, self.embeddings.item.table]

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the vectors e_u, [batch, dim]; in training, those of the present e^(0)."""
        return self._of_users(self.vectors(training)[0], self._user_ids(inputs))

    def candidates(self) -> tf.Tensor:
        """Returns the vectors e_i of all items, [items, dim]."""
        return tf.convert_to_tensor(self.items)

    def vectors(self, training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns e of all users and of all items, [users, dim] and [items, dim].

        Args:
            training: Whether they are to follow from the present e^(0), with gradients.
        """
        if not training:
            return tf.convert_to_tensor(self.users), tf.convert_to_tensor(self.items)
        of_step = _VECTORS.get()
        if of_step is not None:
            return of_step
        return self._smoothed(*(tf.convert_to_tensor(table) for table in self.training_state))

    def _smoothed(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._adapted_graph().smoothed(users, items, self.num_layers)

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the loss; in training, its gradient goes back along the graph as vectors came.

        e = S e^(0) with a symmetric matrix S, so ∂loss/∂e^(0) = S ∂loss/∂e. What TensorFlow derives
        of the steps takes three times as long.
        """
        if not training:
            return super().compute_loss(inputs, training)
        start = [tf.convert_to_tensor(table) for table in self.training_state]
        vectors = self._smoothed(*(tf.stop_gradient(each) for each in start))
        token = _VECTORS.set(vectors)
        try:
            with tf.GradientTape() as tape:
                tape.watch(vectors)
                loss = super().compute_loss(inputs, training)
        finally:
            _VECTORS.reset(token)
        gradients = tape.gradient(loss, vectors)
        slopes = self._smoothed(*(tf.convert_to_tensor(each) for each in gradients))
        linear = tf.add_n(
            [tf.reduce_sum(tf.stop_gradient(a) * b) for a, b in zip(slopes, start, strict=True)]
        )
        return loss + (linear - tf.stop_gradient(linear))

    def adapt(self, x: Any, y: Any = None) -> None:
        """Collects the graph of the examples, in place of the one there was.

        Args:
            x: Raw features of the users, in any form that `fit` takes; or a data set of features
                and items. Examples of weight 0 are left out.
            y: Items, if `x` is no data set.

        Raises:
            ValueError: If there are not as many items as users.
        """
        is_dataset = isinstance(x, tf.data.Dataset)
        if y is None and not is_dataset:
            raise ValueError("`y` must be the items, unless `x` is a data set. Received: None")
        batches: Iterable[Any] = x if is_dataset else [(x, self.checked_labels(y))]
        users, items = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for features, label, *weight in batches:
            counts = np.ravel(weight[0]) > 0 if weight else True
            ids, classes = self._user_ids(features).numpy(), self.classes(label).numpy()
            if len(ids) != len(classes):
                raise ValueError(
                    "`x` and `y` must be of the same examples. "
                    f"Received: {len(ids)} users and {len(classes)} items"
                )
            users.append(np.where(counts, ids - 1, -1))
            items.append(classes)
        self.graph = UserItemGraph.of(
            np.concatenate(users),
            np.concatenate(items),
            self.embeddings.user.num_ids,
            self.num_items,
        )
        self.train_function = None  # It was traced with another graph.
        self.propagate()

    def propagate(self) -> None:
        """Sets the vectors that scores are of to those of the present e^(0).

        `fit` does it after each epoch, and `evaluate` before it evaluates.
        """
        if self.graph is not None:
            for rows, vectors in zip((self.users, self.items), self.vectors(True), strict=True):
                rows.assign(vectors)

    @functools.wraps(tf.keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Fits; after each epoch the vectors follow, before anyone measures them."""
        self._adapted_graph()
        return super().fit(*args, **kwargs)

    @functools.wraps(tf.keras.Model.evaluate)
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Evaluates the model as it is."""
        self.propagate()
        return super().evaluate(*args, **kwargs)

    def callbacks(self, given: Sequence[Any]) -> list[tf.keras.callbacks.Callback]:
        """Returns what calls `propagate` after each epoch, unless it is given."""
        is_there = any(isinstance(callback, _Propagate) for callback in given)
        return [] if is_there else [_Propagate()]

    def take_adapted(self, other: Any) -> None:
        """Takes the graph of another model."""
        self.graph = other.graph

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the loss of each item against others, and the scores when evaluating."""
        classes, ids = self.classes(label), self._user_ids(inputs)
        users, items = self.vectors(training)
        query, own = self._of_users(users, ids), tf.maximum(classes, 0)
        looked_up = [classes + 1]
        if self.loss_name == "bpr" and training:
            drawn = self._adapted_graph().drawn(ids - 1, self.seed)
            looked_up.append(drawn + 1)
            pairs = tf.gather(items, tf.stack([own, tf.maximum(drawn, 0)], axis=1))
            scores = tf.einsum("nd,ncd->nc", query, pairs)
            losses = self.task(labels=None, predictions=scores, compute_metrics=False)
            losses = tf.where(drawn >= 0, losses, 0.0)
        else:
            scores = match(query, items)
            of_all = softmax_losses if self.loss_name == "softmax" else _mean_bpr
            losses = of_all(scores, own)
        # The penalty is on the rows of the batch, whichever vectors they have become.
        for table, rows in ((self.embeddings.user, [ids]), (self.embeddings.item, looked_up)):
            for one in rows:
                table(one)
        return tf.where(classes >= 0, losses, 0.0), None if training else scores

    def _adapted_graph(self) -> UserItemGraph:
        if self.graph is None:
            raise ValueError(
                "The graph of the training examples has to be collected first: call "
                "`adapt(x, y)`. Received: a model that has none"
            )
        return self.graph

    def _user_ids(self, inputs: Any) -> tf.Tensor:
        return tf.reshape(self.encode(inputs)["ids"][self.embeddings.columns[0].name], [-1])

    @staticmethod
    def _of_users(users: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """The vectors of user ids, [batch, dim]; zero for 0, an unknown one."""
        known = tf.cast(ids > 0, users.dtype)[:, None]
        return tf.gather(users, tf.maximum(ids - 1, 0)) * known

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "loss": self.loss_name,
            "stddev": self.stddev,
            "batch_l2": self.batch_l2,
            "seed": self.seed,
        }


class _Propagate(tf.keras.callbacks.Callback):
    """Lets the vectors of a model follow what an epoch has changed."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.propagate()


def _mean_bpr(scores: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """The mean of −log σ(s_class − s_j) over all other items j, [batch]."""
    lead = tf.gather(scores, classes, batch_dims=1)[:, None] - scores
    of_itself = tf.math.log(2.0)
    others = tf.cast(tf.shape(scores)[1] - 1, scores.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.nn.softplus(-lead), axis=1) - of_itself, others)

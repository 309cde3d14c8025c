"""iALS: matrix factorization of all user-item pairs by alternating least squares.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, with the
regularization and the settings of Rendle et al., "Revisiting the Performance of iALS on Item
Recommendation Benchmarks", RecSys 2022.

    min Σ_{(u,i) ∈ S} (1 − w_u·v_i)² + α Σ_u Σ_i (w_u·v_i)²
        + λ Σ_u (|I_u| + α |I|)^ν ‖w_u‖² + λ Σ_i (|U_i| + α |U|)^ν ‖v_i‖²
"""

import functools
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, IdRows
from tfrec_zoo.layers import implicit_least_squares
from tfrec_zoo.models.history import history_bag
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.models.user_item_matrix import UserItemMatrix, distinct_items

_SIGNATURE = inspect.signature(tf.keras.Model.fit)
_UNSOLVED = "`l2` is lost among the other numbers of the equations: make it larger"
#: Number of examples that are added to the matrix at a time, where none is given.
_BATCH_SIZE = 1024


class iALS(RetrievalModel):
    """Fits a low-rank matrix to all pairs: near 1 where a user chose an item, near 0 elsewhere.

    Given the items' vectors, each user's has a closed form, which takes the history alone. That is
    how the model answers: it has no table of users, and new ones are like any other.

    An example (history, item) is a user, history ∪ {item}. Give `fit` one example per user, the
    user's last, with a bag long enough for the longest history. An item that appears twice in a
    history counts once, examples whose item is unknown are skipped, and a sample weight of two
    is a user twice. `fit` first collects the matrix in one pass over the examples, so that their
    order, `batch_size` and the optimizer do not matter. Then each epoch is a sweep: all users
    given the items, and all items given the users. A sweep takes time in proportion to the number
    of interactions; memory is that of the interactions and of both sides' vectors.

    The loss of an epoch is the objective above per interaction, and never rises. The one of
    `evaluate` and of validation is of an item that is not in the history: its interaction's part of
    the first two terms, (1 − w·v_i)² + α Σ_j (w·v_j)² / |history ∪ {i}|, with w of the history.

    Args:
        features: Fitted features; the query is one bag of item ids, the history.
        embedding_dim: Width of the vectors. More is better, up to thousands in the paper.
        unobserved_weight: Weight α of all pairs, observed or not. Rendle et al. use 0.1 on
            MovieLens-20M, and 0.007 to 0.3 on three others.
        l2: Penalty λ. They use 0.003 on MovieLens-20M, and 0.002 to 0.02 on the others.
        l2_exponent: Exponent ν, by which the penalty grows with the number of interactions; 0 is
            the same penalty for all.
        stddev: The initial item vectors are drawn with the standard deviation
            stddev / √embedding_dim, so that their length does not depend on their width.
        seed: Seed of the initial item vectors.
        name: Name of the model.

    Raises:
        ValueError: If the query is not one bag of items, or an argument is out of range.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(BagColumn(VocabularyColumn("history", space="video")),),
    ...                    candidate=(VocabularyColumn("video", space="video"),))
    >>> x = {"history": np.array([["a", "b"], ["b", "b"], ["c", ""], ["d", ""]])}
    >>> y = np.array(["b", "a", "d", "c"])
    >>> model = iALS(Features.fit(spec, {**x, "video": y}), embedding_dim=2, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, y, epochs=8, verbose=0)
    >>> scores = model.scores({"history": np.array([["a"]])})  # Of b, a, c and d.
    >>> print(abs(scores.numpy().round(1)))
    [[0.8 0.8 0.  0. ]]

    References:
        Hu, Koren & Volinsky, ICDM 2008, https://doi.org/10.1109/ICDM.2008.22; Rendle et al., RecSys
        2022, https://arxiv.org/abs/2110.14037
    """

    reads = "history"
    default_epochs = 16
    takes_all_at_once = True
    quick_arguments = MappingProxyType({"embedding_dim": 16})

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 128,
        unobserved_weight: float = 0.1,
        l2: float = 0.003,
        l2_exponent: float = 1.0,
        stddev: float = 0.1,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, seed=seed, name=name)
        if not l2 > 0:
            raise ValueError(f"`l2` must be positive. Received: {l2}")
        self.bag = history_bag(self)

        # Layers.
        initial = tf.keras.initializers.RandomNormal(
            stddev=stddev / math.sqrt(embedding_dim), seed=seed
        )
        self.item_factors = self._add_weight(
            "item_factors", [self.num_items, embedding_dim], initial
        )
        self.gramian = self._add_weight("gramian", [embedding_dim, embedding_dim], "zeros")
        # How many items the penalty of a user counts: those there were in training.
        self.items_counted = self._add_weight("items_counted", [], "zeros")
        self._set_items(tf.convert_to_tensor(self.item_factors))
        self._count_items()

        # Config.
        self.embedding_dim = embedding_dim
        self.unobserved_weight = unobserved_weight
        self.l2 = l2
        self.l2_exponent = l2_exponent
        self.stddev = stddev

    @property
    def id_rows(self) -> tuple[IdRows, ...]:
        """The item vectors; the sum of their products has no part of an item that nobody took."""
        return (IdRows(self.item_factors, (self.item_column.space, None)),)

    @property
    def raw_keys(self) -> frozenset[str]:
        """The key of the history."""
        return frozenset({self.bag.key})

    def statistics(self) -> dict[str, float]:
        """The size of the item vectors, which are what is learned."""
        return {"parameters": self.num_items * self.embedding_dim}

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the users' vectors w = (Σ_i v_iᵀv_i + α VᵀV + penalty I)⁻¹ Σ_i v_i, [batch, dim].

        i goes over the history. Where nothing of it is known, w is zero.
        """
        return self._user_vectors(*distinct_items(self._history_ids(inputs)))

    def candidates(self) -> tf.Tensor:
        """Returns the item vectors v, [items, dim]."""
        return tf.convert_to_tensor(self.item_factors)

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the label's part of the errors: of itself, and of all pairs of its user."""
        classes = self.classes(label)
        ids = self._history_ids(inputs)
        scores = tf.linalg.matmul(
            self(inputs, training=training), self.candidates(), transpose_b=True
        )
        own = tf.gather(scores, tf.maximum(classes, 0), batch_dims=1)
        _, splits = distinct_items(tf.concat([ids, classes[:, None] + 1], axis=1))
        size = tf.cast(splits[1:] - splits[:-1], tf.float32)
        of_all = tf.math.divide_no_nan(tf.reduce_sum(tf.square(scores), axis=1), size)
        losses = tf.square(1 - own) + self.unobserved_weight * of_all
        return tf.where(classes >= 0, losses, 0.0), None if training else scores

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Takes a sweep over a batch, as if it were all users; `fit` makes one batch of all."""
        if not isinstance(inputs, UserItemMatrix):
            inputs = UserItemMatrix.of(*self._users(inputs), self.num_items)
        size = tf.reduce_sum(inputs.frequency)
        loss = tf.cond(size > 0, lambda: self._sweep(inputs), lambda: 0.0)
        self.loss_tracker.update_state(loss, size)
        return self.step_results()

    @functools.wraps(tf.keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Collects the matrix, then takes a sweep in each epoch.

        Raises:
            ValueError: If `l2` is too small for the equations to be solved, or an argument is given
                that has no meaning for a matrix.
        """
        given = dict(_SIGNATURE.bind(self, *args, **kwargs).arguments)
        given.pop("self")
        for name in ("validation_split", "class_weight"):
            if value := given.pop(name, None):
                raise ValueError(
                    f"`{name}` is not for users and their histories: use `validation_data` and "
                    f"`sample_weight`. Received: {name}={value!r}"
                )
        parts = [given.pop(name, None) for name in ("x", "y", "sample_weight")]
        batch_size, steps = (given.pop(name, None) for name in ("batch_size", "steps_per_epoch"))
        given.setdefault("validation_batch_size", batch_size)
        given.pop("shuffle", None)
        batches = itertools.islice(self._batches(parts, batch_size or _BATCH_SIZE), steps)
        users = [self._users(batch) for batch in batches]
        if not users:
            raise ValueError("There must be examples to learn from. Received: none")
        items, lengths, weight = (tf.concat(part, axis=0) for part in zip(*users, strict=True))
        matrix = UserItemMatrix.of(items, lengths, weight, self.num_items)
        self._count_items()
        try:
            return super().fit(tf.data.Dataset.from_tensors(matrix), **given)
        except tf.errors.InvalidArgumentError as error:
            if _UNSOLVED not in str(error):
                raise
            raise ValueError(f"{_UNSOLVED}. Received: l2={self.l2}") from None

    def _batches(self, parts: list[Any], batch_size: int) -> Iterator[Any]:
        """Yields what `fit` got in batches, if it is not an iterable of batches."""
        x, y, weight = self.batch_arrays(parts, learns=True)
        if y is None:
            yield from [x] if isinstance(x, Mapping) else x
            return
        arrays = (x, y) if weight is None else (x, y, weight)
        for begin in range(0, len(y), batch_size):
            yield tf.nest.map_structure(lambda a, b=begin: a[b : b + batch_size], arrays)

    def _users(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the items of the examples, one after the other, their numbers and the weights."""
        features, label, weight = tf.keras.utils.unpack_x_y_sample_weight(batch)
        classes = self.classes(label)
        counted = tf.cast(classes >= 0, tf.float32)
        if weight is not None:
            counted *= tf.reshape(tf.cast(weight, tf.float32), tf.shape(counted))
        ids = tf.concat([self._history_ids(features), classes[:, None] + 1], axis=1)
        items, splits = distinct_items(tf.where(counted[:, None] > 0, ids, 0))
        return items, splits[1:] - splits[:-1], counted

    def _sweep(self, matrix: UserItemMatrix) -> tf.Tensor:
        """Solves for the users, then for the items; returns the objective per interaction."""
        weight, frequency = matrix.weight, matrix.frequency
        users = self._user_vectors(matrix.items, matrix.user_splits)
        gramian = tf.linalg.matmul(users, weight[:, None] * users, transpose_a=True)
        items, gain = implicit_least_squares(
            users,
            self.unobserved_weight * gramian,
            self._penalty(frequency, tf.reduce_sum(weight)),
            matrix.users,
            matrix.item_splits,
            weight,
        )
        ones = matrix.user_splits[1:] - matrix.user_splits[:-1]
        penalty_of_users = weight * self._penalty(ones, self.items_counted)
        of_users = penalty_of_users * tf.reduce_sum(users**2, axis=1)
        # The sums may be large, and nearly equal.
        size, gained, penalty = (
            tf.reduce_sum(tf.cast(values, tf.float64)) for values in (frequency, gain, of_users)
        )
        loss = tf.cast((size - gained + penalty) / size, tf.float32)
        # Vectors of zeros on one side have a loss of 1, and penalties of the other side below 1.
        is_solved = tf.debugging.Assert((loss > -1e-3) & (loss < 2), [_UNSOLVED, loss])
        with tf.control_dependencies([is_solved] if is_solved is not None else []):
            self._set_items(items)
        return loss

    def _user_vectors(self, items: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of users whose items are given, one user after the other."""
        gramian = self.unobserved_weight * self.gramian
        penalty = self._penalty(splits[1:] - splits[:-1], self.items_counted)
        users, _ = implicit_least_squares(self.item_factors, gramian, penalty, items, splits)
        return users

    def _penalty(self, observed: tf.Tensor, all_there_are: Any) -> tf.Tensor:
        observed, every = (tf.cast(number, tf.float32) for number in (observed, all_there_are))
        return self.l2 * (observed + self.unobserved_weight * every) ** self.l2_exponent

    def _count_items(self) -> None:
        self.items_counted.assign(float(self.num_items))

    def _set_items(self, vectors: tf.Tensor) -> None:
        self.item_factors.assign(vectors)
        self.gramian.assign(tf.linalg.matmul(vectors, vectors, transpose_a=True))

    def _history_ids(self, inputs: Any) -> tf.Tensor:
        return self.encode(inputs)["ids"][self.bag.name]

    def _add_weight(self, name: str, shape: list[int], initializer: Any) -> tf.Variable:
        return self.add_weight(
            name,
            shape=shape,
            dtype=tf.float32,
            initializer=initializer,
            trainable=False,
            experimental_autocast=False,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "unobserved_weight": self.unobserved_weight,
            "l2": self.l2,
            "l2_exponent": self.l2_exponent,
            "stddev": self.stddev,
            "seed": self.seed,
        }

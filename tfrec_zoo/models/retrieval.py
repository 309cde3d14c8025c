"""Base of the retrieval models, which match a query vector with one vector per item."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import BagColumn, Encoded, Features, Repeated, request_arrays
from tfrec_zoo.layers import HierarchicalSoftmax
from tfrec_zoo.losses import (
    Drawn,
    HardNegatives,
    ItemCounts,
    Negatives,
    draw_log_uniform,
    draw_uniform,
    sampled_softmax_losses,
    softmax_losses,
)
from tfrec_zoo.losses.mining import MineNegatives
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.inputs import item_array
from tfrec_zoo.models.keras_metrics import of_items

#: Number of scores that are held at a time where all items are ranked.
_SCORES = 2**25

#: What an argument `negatives` may be; see `Negatives.of`.
NegativesLike = Negatives | Mapping | str | None


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
        negatives: Which items stand for all others in training: a kind of `Negatives`, such as
            `"in-batch"`, or a `Negatives`, whose softmax is computed by a `tfrs.tasks.Retrieval`.
            None is the full softmax over all items, which no task of TFRS computes.
        seed: Seed of sampling.
        name: Name of the model.

    Raises:
        ValueError: If there are no such negatives.
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
        negatives: NegativesLike = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, name=name)
        self.item_column = features.spec.item
        self.num_items = len(features.vocabularies[self.item_column.space])

        # Config.
        self.negatives = Negatives.of(negatives)
        self.seed = seed

        # Layers.
        #: The softmax on `user_vectors` whose log-probabilities are the scores, if there is one.
        self.hierarchy: HierarchicalSoftmax | None = None
        self.item_counts: ItemCounts | None = None
        self.hard_negatives: HardNegatives | None = None
        if self.negatives is not None:
            if self.negatives.is_counted:
                self.item_counts = ItemCounts(self.num_items, self.negatives.exponent)
            if self.negatives.kind == "column":
                self._require_bag(self.negatives.key)
            if self.negatives.kind == "hard":
                pool = min(self.negatives.pool, self.num_items)
                self.hard_negatives = HardNegatives(pool, self.negatives.temperature, seed)

    @property
    def rows_at_once(self) -> int:
        """For how many requests the scores of all items are held at a time."""
        return max(_SCORES // max(self.num_items, 1), 1)

    @property
    def training_state(self) -> list[tf.Variable]:
        """What negatives are drawn and corrected by: counts of items, and the pool of hard ones."""
        layers = [layer for layer in (self.item_counts, self.hard_negatives) if layer is not None]
        return [weight for layer in layers for weight in layer.weights]

    @property
    def keys_to_learn_from(self) -> frozenset[str]:
        """Keys of the raw features that training reads: also that of negatives of its own."""
        is_column = self.negatives is not None and self.negatives.kind == "column"
        return self.raw_keys | ({self.negatives.key} if is_column and self.negatives else set())

    def count_items(self, labels: Any) -> None:
        """Counts how often each item is chosen, for negatives that are drawn or corrected by it.

        `tfrec_zoo.train` does it. Without it, the odds of in-batch negatives are estimated from the
        batches while training.

        Args:
            labels: [examples] items that the model will be trained on, as ids; or `Repeated` ones.
        """
        if self.item_counts is None:
            return
        times = None
        if isinstance(labels, Repeated):
            labels, times = labels.values, labels.times
        self.item_counts.adapt(self.classes(self.checked_labels(labels)).numpy(), times)

    def mine(self, classes: tf.Tensor) -> None:
        """Takes items as the model has them for its hard negatives; see `MineNegatives`.

        Args:
            classes: Classes of the items, [pool].
        """
        if self.hard_negatives is None:
            raise ValueError('Only `negatives="hard"` are mined. Received: others')
        vectors = tf.cast(self.item_vectors(classes), tf.float32)
        if not self.hard_negatives.built:
            self.hard_negatives.build(vectors.shape)
        self.hard_negatives.fill(classes, vectors)

    @functools.wraps(tf.keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Fits, with the callbacks of the model before those that may measure it."""
        given = list(kwargs.get("callbacks") or ())
        kwargs["callbacks"] = [*self.callbacks(given), *given]
        return super().fit(*args, **kwargs)

    def callbacks(self, given: Sequence[Any]) -> list[tf.keras.callbacks.Callback]:
        """Returns MineNegatives for hard negatives, unless it is given."""
        is_mined = any(isinstance(callback, MineNegatives) for callback in given)
        return [] if self.hard_negatives is None or is_mined else [MineNegatives()]

    def build_weights(self) -> None:
        """Creates all weights, including those of the item vectors."""
        super().build_weights()
        candidates = self.candidates()
        if self.hard_negatives is not None and candidates is not None:
            if not self.hard_negatives.built:
                self.hard_negatives.build(candidates.shape)

    def encoded_items(self) -> Encoded:
        """What is known of all items, encoded, in class order: [items], or [items, length].

        Raises:
            ValueError: If the features do not hold what the candidate columns read.
        """
        raw, spec = dict(self.features.items), self.features.spec
        raw[self.item_column.key] = self.features.vocabularies[self.item_column.space].array()
        of_pairs = sorted(set(spec.raw_candidate) - set(raw))
        if of_pairs:
            raise ValueError(
                f"{type(self).__name__} reads candidate features of the items alone, which "
                "`Features.fit(..., items=...)` takes note of. Received columns that need others: "
                f"{of_pairs}"
            )
        arrays = request_arrays(spec.raw_candidate, {key: raw[key] for key in spec.raw_candidate})
        return self.preprocessor({key: tf.constant(array) for key, array in arrays.items()})

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

    def counted(self, inputs: Encoded, label: tf.Tensor | None, training: bool) -> tf.Tensor:
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
        query = self(inputs, training=training)
        losses, scores = self.softmax_losses(query, classes, training, inputs)
        return tf.where(classes >= 0, losses, 0.0), None if training else scores

    def softmax_losses(
        self,
        query: tf.Tensor,
        classes: tf.Tensor,
        training: bool,
        inputs: Encoded | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Computes the full softmax, or the sampled one when training with `negatives`.

        Args:
            query: Query vectors, [batch, dim].
            classes: Classes of the labels, [batch]; those of unknown items are below 0.
            training: Whether negatives stand for all other items.
            inputs: Encoded features, whose history holds items that are no negatives.

        Returns:
            The losses, [batch], and the scores, [batch, items], which are None if sampled.
        """
        if training and self.negatives is not None:
            drawn = self._draw(self.negatives, query, classes, inputs)
            if self.item_counts is not None:
                self.item_counts.update(classes)
            known = self._known(inputs) if self.negatives.mask_known and inputs else None
            losses = sampled_softmax_losses(
                query, self.item_vectors, classes, drawn, self.negatives, known
            )
            return losses, None
        scores = match(query, self.candidates())
        losses = softmax_losses(tf.cast(scores, tf.float32), tf.maximum(classes, 0))
        return losses, scores

    def _draw(
        self, negatives: Negatives, query: tf.Tensor, classes: tf.Tensor, inputs: Encoded | None
    ) -> Drawn:
        """Draws the negatives of a batch."""
        own, number = tf.maximum(classes, 0), negatives.number
        if negatives.kind == "log-uniform":
            return draw_log_uniform(own, number, self.num_items, self.seed)
        if negatives.kind == "uniform":
            return draw_uniform(own, number, self.num_items, self.seed)
        if negatives.kind == "hard":
            assert self.hard_negatives is not None
            hard = self.hard_negatives(query, own, int(number * negatives.share))
            rest = max(number - int(number * negatives.share), 1)
            easy = draw_uniform(own, rest, self.num_items, self.seed)
            # How likely the hard ones were is not known: they count once, and are not corrected.
            return Drawn(
                tf.concat([hard, easy.classes], axis=0),
                tf.concat([tf.ones(tf.shape(hard)), easy.expected], axis=0),
                easy.of_positives,
            )
        assert self.item_counts is not None
        if negatives.kind == "popularity":
            drawn = self.item_counts.draw(number, self.seed)
            expected, of_own = (self.item_counts.expected_draws(c, number) for c in (drawn, own))
            return Drawn(drawn, expected, of_own)
        of_batch = self.item_counts.expected(own, tf.size(classes))
        if negatives.kind == "mixed":
            others = draw_uniform(own, number, self.num_items, self.seed)
            # Whichever way it came in, an item is expected as often as in both together.
            expected = others.expected + self.item_counts.expected(others.classes, tf.size(own))
            return Drawn(others.classes, expected, of_batch + others.of_positives)
        given = tf.zeros([0], tf.int32)
        if negatives.kind == "column" and inputs is not None:
            given = tf.reshape(inputs["ids"][self._bags[negatives.key].name], [-1]) - 1
        return Drawn(given, tf.ones(tf.shape(given)), of_batch)

    @property
    def _bags(self) -> dict[str, BagColumn]:
        """The query's bags of items by key, the longest of each."""
        columns = [getattr(c, "categorical", c) for c in self.features.spec.query]
        bags = [c for c in columns if isinstance(c, BagColumn)]
        bags.sort(key=lambda bag: bag.max_length)
        return {bag.key: bag for bag in bags if bag.space == self.item_column.space}

    def _known(self, inputs: Encoded) -> tf.Tensor | None:
        """Classes of the items in the query's bags, [batch, length]; −1 is none."""
        key = None if self.negatives is None else self.negatives.key
        ids = [inputs["ids"][bag.name] for k, bag in self._bags.items() if k != key]
        return tf.concat(ids, axis=1) - 1 if ids else None

    def _require_bag(self, key: str) -> None:
        if key not in self._bags:
            raise ValueError(
                "Negatives of a column need a query BagColumn of items with their `key`. "
                f"Received: {key!r}, and bags {sorted(self._bags)}"
            )

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

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Returns an untrained model with the configuration that `get_config` returned."""
        config = dict(config)
        # Configurations of version 0.1.0 have the number of log-uniform negatives alone.
        number = config.pop("num_sampled", None)
        if number is not None:
            config["negatives"] = Negatives("log-uniform", number, correction="all")
        return super().from_config(config, custom_objects)

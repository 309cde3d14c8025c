"""Base of all models: raw features in, a comparable loss out, and Keras's own `fit`."""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
import tensorflow as tf

from tfrec_zoo.draws import at_step
from tfrec_zoo.features import Encoded, Features, FeatureSpec, RawFeature, request_arrays
from tfrec_zoo.models.arguments import OF_TOWER, checked_arguments, checks_arguments
from tfrec_zoo.models.inputs import feature_arrays, for_each, is_raw, label_array, preprocessor_for
from tfrec_zoo.models.keras_methods import KerasMethods, plain
from tfrec_zoo.needs import Need, allow_idle
from tfrec_zoo.optimizers import apply_gradients  # Registers names of optimizers, too.


class RecommenderModel(KerasMethods):
    """Adds preprocessing and well-defined loss semantics to `tfrs.Model`.

    `fit`, `evaluate` and `compile` are Keras's. Batches are `features`, `(features, label)` or
    `(features, label, sample_weight)`, with features raw or encoded by a `Preprocessor`. Raw
    features may come as a frame or as a dict of arrays, series or lists by key, in which other keys
    are ignored.

    The loss of a batch is `sum(sample_weight * loss) / batch size` plus regularization. An example
    of weight 0 has no effect, one of weight 2 has exactly twice the gradient, and under
    `tf.distribute` the batch is the global one. Examples that `counted` leaves out are not in the
    batch, and those that it counts several times are in it as often. The reported `loss` is the
    mean over all examples so far, so it does not depend on the batch size. Metrics passed to
    `compile` are updated with what `metric_inputs` returns.

    Args:
        features: Fitted features.
        name: Name of the model.

    Raises:
        TypeError: If `features` is not a fitted `Features`.
    """

    #: `"retrieval"` scores all items by a query vector, `"ranking"` each impression by a logit.
    family: ClassVar[Literal["retrieval", "ranking"]]
    #: `"features"` of any spec, the `"ids"` of a user and an item alone, or a whole `"history"`.
    reads: ClassVar[Literal["features", "ids", "history"]] = "features"
    #: Whether it reads what is known of the items besides their ids, though it ranks them all.
    reads_items: ClassVar[bool] = False
    #: Name of the task the model is trained on where none is given.
    default_task: ClassVar[str]
    #: Arguments with which `pair_predictions` are probabilities, ratings or watch times, by that
    #: meaning; what is not there the model can't predict.
    arguments_to_predict: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
    #: Passes over the examples where none are given.
    default_epochs: ClassVar[int] = 5
    #: Whether further passes change the model. One that counts or solves learns in a single pass.
    is_iterative: ClassVar[bool] = True
    #: Whether `fit` collects all examples first, and an epoch is one step over all of them.
    takes_all_at_once: ClassVar[bool] = False
    #: Whether `adapt` has to learn from the training examples before the first step.
    adapts: ClassVar[bool] = False
    #: Whether it may have two optimizers, the first of a wide side.
    has_wide_side: ClassVar[bool] = False
    #: Arguments with which it trains in seconds on a small log.
    quick_arguments: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    #: What arguments take to have an effect, asked of all of them by name.
    needs: ClassVar[tuple[Need, ...]] = (OF_TOWER,)

    @classmethod
    def learns_from_pairs(cls, arguments: Mapping[str, Any]) -> bool:
        """Whether it learns from pairs of a user and a candidate, chosen or not.

        Otherwise it learns which of all items was chosen.

        Args:
            arguments: Arguments the model is made with.
        """
        raise NotImplementedError

    @classmethod
    def pretraining(cls, arguments: Mapping[str, Any]) -> tuple[tuple[Any, dict[str, Any]], ...]:
        """The models that `from_pretrained` starts from: a class and arguments each; () for none.

        Args:
            arguments: Arguments the model is made with.
        """
        return ()

    @classmethod
    def input_width(cls, arguments: Mapping[str, Any]) -> int | None:
        """The width that embedding columns of ids should declare; None if the model has its own.

        Args:
            arguments: Arguments the model is made with.
        """
        return None

    @classmethod
    def history_length(cls, arguments: Mapping[str, Any]) -> int | None:
        """The number of last items that a model of the whole history reads; None for all of them.

        Args:
            arguments: Arguments the model is made with.
        """
        return None

    def __init__(self, features: Features, name: str | None = None) -> None:
        # Autocasting would round numeric features to half precision under a mixed policy.
        super().__init__(name=name, autocast=False)
        if not isinstance(features, Features):
            raise TypeError(
                "`features` must be fitted Features, as Features.fit(spec, data) returns them. "
                f"Received: {features!r:.200}"
            )
        self.features = features
        self.preprocessor = preprocessor_for(features)
        self.loss_tracker = tf.keras.metrics.Mean(name="loss")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Makes the class known to Keras's files, and its constructor check its arguments."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = checks_arguments(cls.__init__)  # type: ignore[method-assign]
        tf.keras.utils.register_keras_serializable(cls.__module__)(cls)

    @classmethod
    def checked_arguments(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arguments as the types that the constructor declares.

        Those that make no difference beside the others are told of.

        Args:
            arguments: Arguments by name, besides the features.

        Raises:
            TypeError: If there is no such argument.
            ValueError: If a value is of another type or out of range.
        """
        return checked_arguments(cls, arguments)

    @property
    def raw_keys(self) -> frozenset[str]:
        """Keys of the raw features that the model reads; of retrieval models, the query's."""
        return self._layers_keys

    @functools.cached_property
    def _layers_keys(self) -> frozenset[str]:
        columns = {c for layer in self.submodules for c in getattr(layer, "columns", ())}
        read = {key for column in columns for key in FeatureSpec((), (column,)).raw}
        of_query = set(self.features.spec.raw_query)
        return frozenset(read & of_query if self.family == "retrieval" else read)

    @property
    def keys_to_learn_from(self) -> frozenset[str]:
        """Keys of the raw features that training and evaluation read, besides the label."""
        return self.raw_keys

    def checked_features(self, inputs: Any) -> Any:
        """Returns raw features as typed arrays, and anything else as it is.

        Args:
            inputs: Features: a frame, a mapping by key, or what a `Preprocessor` returned.

        Raises:
            KeyError: If a feature that the model reads is missing.
            TypeError: If a value has the wrong type; the message names the key.
        """
        if not is_raw(inputs):
            return inputs
        found = feature_arrays(inputs, self.features.spec)
        self.require_keys(inputs, self.raw_keys)
        return found or inputs

    def require_keys(self, inputs: Any, keys: frozenset[str]) -> None:
        """Checks that raw features have what a model reads.

        Args:
            inputs: A frame, or a mapping by key; if it has no key of the model at all, the
                preprocessor will say so.
            keys: Keys that must be there.

        Raises:
            KeyError: If one is missing.
        """
        given = set(inputs)
        missing = sorted(keys - given)
        if missing and given & set(self.features.spec.raw):
            raise KeyError(
                f"Features are missing: {missing}. {type(self).__name__} reads {sorted(keys)}. "
                f"Received: {sorted(map(str, given))}"
            )

    def checked_labels(self, label: Any) -> Any:
        """Returns the labels of raw features as an array of the type that the model learns from.

        Args:
            label: Labels, [rows], [rows, 1] or [rows, candidates].
        """
        return label_array(label)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the model on features, as a batch or a frame."""
        return super().__call__(self.checked_features(inputs), *args, **kwargs)

    def encode(self, inputs: Any) -> Encoded:
        """Returns features as ids and numbers, whether they are raw or encoded."""
        # Encoded features pass through, but may lack crosses of parts that were encoded separately.
        return self.preprocessor(self.checked_features(inputs))

    def adapt(self, x: Any, y: Any = None) -> None:
        """Learns what a model that `adapts` has to know before the first step; `train` does it.

        Args:
            x: Raw features in any form that `fit` takes; or a data set of features and labels.
            y: Labels, if `x` is no data set.
        """

    def take_adapted(self, other: Any) -> None:
        """Takes what another model, of the same arguments, has adapted to and has no weights for.

        Args:
            other: The model.
        """

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Computes the loss of each example; subclasses implement it.

        Args:
            inputs: Encoded features, as a `Preprocessor` returns them.
            label: Labels of the batch, or None if it has none.
            training: Whether dropout and sampling are active.

        Returns:
            The losses, and the predictions that metrics are updated with (None to skip the
            metrics).
        """
        raise NotImplementedError

    def metric_inputs(
        self, label: tf.Tensor, predictions: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the `(y_true, y_pred)` that compiled metrics are updated with, [rows, ...]."""
        return label, predictions

    def counted(self, inputs: Encoded, label: tf.Tensor | None, training: bool) -> tf.Tensor | None:
        """Returns how often each example counts in the mean of the losses; None for once each.

        Args:
            inputs: Encoded features.
            label: Labels of the batch, or None if it has none.
            training: Whether the loss is to be minimized.

        Returns:
            [batch], bool for examples that count once or not at all; or numbers, where the loss of
            an example is itself the mean of so many.
        """
        return None

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the loss to minimize, and updates the metrics.

        Args:
            inputs: A batch as the data set yields it.
            training: Whether dropout and sampling are active.
        """
        features, label, sample_weight = tf.keras.utils.unpack_x_y_sample_weight(inputs)
        encoded = self.encode(features)
        losses, predictions = self.example_losses(encoded, label, training)
        if sample_weight is not None:
            losses = losses * for_each(losses, sample_weight)
        penalty = tf.add_n(self.losses) if self.losses else tf.zeros([], losses.dtype)
        counted = self.counted(encoded, label, training)
        counts = tf.ones_like(losses) if counted is None else tf.cast(counted, losses.dtype)
        self.loss_tracker.update_state(losses + penalty, counts)
        if predictions is not None and self.compiled_metrics is not None:
            y_true, y_pred = self.metric_inputs(label, predictions)
            if sample_weight is not None:
                sample_weight = for_each(y_pred[:, :1], sample_weight)
            self.compiled_metrics.update_state(y_true, y_pred, sample_weight)
        size, replica = tf.reduce_sum(counts), tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:  # They may get parts of the batch of other sizes.
            size = replica.all_reduce("SUM", size)
        loss = tf.math.divide_no_nan(tf.reduce_sum(losses * counts), size)
        return loss + tf.nn.scale_regularization_loss(penalty)

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Takes one step of gradient descent."""
        self.learn(inputs)
        return self.step_results()

    def learn(self, inputs: Any) -> None:
        """Changes the weights by what a batch says; metrics are updated, but not computed."""
        with at_step(self.optimizer.iterations), tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True)
            scaled = loss
            if hasattr(self.optimizer, "get_scaled_loss"):
                scaled = self.optimizer.get_scaled_loss(loss)
        variables = self.trainable_variables
        apply_gradients(self.optimizer, tape.gradient(scaled, variables), variables)

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Evaluates one batch."""
        self.compute_loss(inputs, training=False)
        return {metric.name: metric.result() for metric in self.metrics}

    @property
    def raw_query(self) -> dict[str, RawFeature]:
        """The raw features of the query that scores depend on, by key."""
        keys = self.raw_keys
        return {key: f for key, f in self.features.spec.raw_query.items() if key in keys}

    @property
    def predicts(self) -> Literal["score", "probability", "rating", "watch time"]:
        """What `pair_predictions` are."""
        return "score"

    @property
    def monitor(self) -> str:
        """The metric of validation that tells the best epoch, as Keras names it."""
        return "val_loss"

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The loss, then the compiled metrics, as `evaluate` returns them."""
        others = [metric for metric in super().metrics if metric is not self.loss_tracker]
        return [self.loss_tracker, *others]

    @property
    def monitor_metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics to compile, besides the loss, for `monitor` to be there."""
        return []

    def callbacks(self, given: Sequence[Any]) -> list[tf.keras.callbacks.Callback]:
        """The callbacks that training needs besides those that are given."""
        return []

    @property
    def training_state(self) -> list[tf.Variable]:
        """Variables for further training alone: checkpoints hold them, exports don't."""
        return []

    def statistics(self) -> dict[str, float]:
        """Numbers about the trained model itself that result files report."""
        parameters = sum(int(tf.size(variable)) for variable in self.trainable_variables)
        return {"parameters": parameters}

    def pair_scores(self, inputs: Any) -> tf.Tensor:
        """The scores of the items that the features hold, [batch] or [batch, candidates]."""
        raise NotImplementedError

    def pair_predictions(self, inputs: Any) -> tf.Tensor:
        """What the scores of pairs mean to who asks, [batch] or [batch, candidates]."""
        return self.pair_scores(inputs)

    def step_results(self) -> dict[str, tf.Tensor]:
        """Returns what a training step reports: the loss, and the metrics that training updates."""
        return {metric.name: metric.result() for metric in self.metrics}

    def build_weights(self) -> None:
        """Creates all weights by scoring a row in which every feature is missing."""
        raw = self.features.spec.raw
        row: dict[str, Any] = {key: [[]] if f.is_bag else [None] for key, f in raw.items()}
        self(request_arrays(raw, row))

    @property
    def learned(self) -> list[tf.Variable]:
        """All variables but those of metrics."""
        of_metrics = {id(v) for metric in self.metrics for v in metric.variables}
        return [variable for variable in self.weights if id(variable) not in of_metrics]

    def require_finite(self) -> None:
        """Checks that the weights are numbers.

        Raises:
            FloatingPointError: If one is infinite or no number; names the first.
        """
        for variable in self.learned:
            values = tf.convert_to_tensor(variable)
            if not np.isfinite(values).all():
                raise FloatingPointError(
                    "The weights of the model are not finite: its training diverged. "
                    f"Received: {variable.name}, shape {values.shape}"
                )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {"features": self.features.to_config(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Returns an untrained model with the configuration that `get_config` returned."""
        config = plain(config)
        with allow_idle():
            return cls(**{**config, "features": Features.from_config(config["features"])})

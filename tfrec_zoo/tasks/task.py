"""Task: what is predicted, from what, how it is split, and how it is measured."""

import abc
import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from tfrec_zoo.data import Examples, Log, NegativeSampling, Split
from tfrec_zoo.evaluation import Outcomes
from tfrec_zoo.features import Features, FeatureSpec, Vocabulary
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need, not_default, tell_idle
from tfrec_zoo.typed_fields import check

logger = logging.getLogger(__name__)

#: Metrics of which less is better.
_ERRORS = ("loss", "rmse", "mae", "bias")

#: Why an option has no effect on models of ids and of histories.
NO_FEATURES = "is for models of features; this one reads ids or the history alone: leave it out"

#: Why an option has no effect beside a spec.
INSTEAD_OF_SPEC = (
    "is for the task's own features, in whose place `spec` is: leave one of the two out"
)


def is_error(metric: str) -> bool:
    """Whether less of a metric is better."""
    return metric.endswith(_ERRORS)


@dataclasses.dataclass(frozen=True)
class TaskExamples:
    """The examples of a task in the form that a model reads.

    Args:
        train: Examples to learn from.
        test: Examples to be measured on.
        spec: The features.
        negatives: How negatives are drawn for training examples that are all positives; None if the
            model learns from the labels.
        vocabularies: Vocabularies by ID space that are given, not learned from the examples.
        is_guessed: Whether the features were guessed from the columns of the log: those without a
            value in the training examples are then left out.
        reads_items: Whether the model reads what is known of all items.
    """

    train: Examples
    test: Examples
    spec: FeatureSpec
    negatives: NegativeSampling | None = None
    vocabularies: Mapping[str, Vocabulary] = dataclasses.field(default_factory=dict)
    is_guessed: bool = False
    reads_items: bool = False

    def fit_features(self) -> Features:
        """Learns vocabularies and statistics from the training examples."""
        return self.train.fit_features(
            self.spec, self.vocabularies, drop_empty=self.is_guessed, items=self.reads_items
        )


@dataclasses.dataclass(frozen=True)
class OfModel:
    """What decides which options of a task have an effect.

    Args:
        model: Class of the model.
        arguments: Arguments it is made with.
        options: Options of the task by name, those that have their defaults included.
        patience: Epochs without a better metric after which training ends, if it does.
    """

    model: type[RecommenderModel]
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]
    patience: int | None

    @property
    def reads_features(self) -> bool:
        """Whether the model reads more than ids or the history."""
        return self.model.reads == "features"

    @property
    def history_length(self) -> int | None:
        """The number of last items that a model of sequences reads; None for other models."""
        is_of_history = self.model.reads == "history"
        return self.model.history_length(self.arguments) if is_of_history else None

    @property
    def learns_from_pairs(self) -> bool:
        """Whether the model learns from pairs of a user and an item."""
        return self.model.reads != "history" and self.model.learns_from_pairs(self.arguments)


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """Examples, split, default features, negatives, metrics and the words for all of them.

    One task serves every model that can do it, whatever the model reads: windows of history, whole
    histories, ids with negatives or impressions. The test items and what is masked are the same, so
    that one table compares them. Options are arguments; `tfrec_zoo.train` trains a model on a task.

    Args:
        log: The log.
        spec: The features, in place of the task's own.
        monitor: Metric by which early stopping tells the best epoch: one of the task's, or one of
            Keras's, which begin with `val_`. By default the task's choice.
        patience: Epochs without a better `monitor` on the validation examples after which training
            ends, with the best weights. By default the task's choice, which may be never.
    """

    #: Name of the task on the command line and in presets.
    name: ClassVar[str]
    #: The metric that tells which of two models is better.
    metric: ClassVar[str]
    #: Fields of `Training` that differ from their defaults on this task.
    training: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    #: Whether a model is trained again on the validation examples once the epoch is chosen.
    refits: ClassVar[bool] = False
    #: What options take to have an effect, asked of the task.
    needs: ClassVar[tuple[Need, ...]] = ()
    #: What options take to have an effect on a model, asked of `OfModel`. A task serves every
    #: model: they are asked where there is one alone, as on the command line.
    needs_of_model: ClassVar[tuple[Need, ...]] = (
        Need(
            ("monitor", "patience"),
            lambda of: of.model.is_iterative,
            "is for models that learn in epochs: leave it out",
        ),
        Need(
            ("monitor",),
            lambda of: of.patience is not None,
            "tells the best epoch: give `patience` as well",
        ),
        Need(
            ("spec",),
            lambda of: of.model.reads == "features",
            NO_FEATURES,
        ),
    )

    log: Log
    spec: FeatureSpec | None = dataclasses.field(default=None, kw_only=True)
    monitor: str | None = dataclasses.field(default=None, kw_only=True)
    patience: int | None = dataclasses.field(default=None, kw_only=True)
    held_out: Literal["test", "validation"] = dataclasses.field(default="test", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.log, Log):
            raise TypeError(f"`log` must be a Log. Received: {type(self.log).__name__}")
        check(self)
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"`patience` must be positive. Received: {self.patience!r}")
        tell_idle(self.needs, not_default(self), self, f"task {self.name!r}")

    @abc.abstractmethod
    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The examples in the form that a model reads.

        Args:
            model: Class of the model.
            arguments: Arguments the model is made with.

        Raises:
            ValueError: If the model can't do the task, or the log doesn't have what it takes.
        """

    @abc.abstractmethod
    def measure(
        self,
        model: RecommenderModel,
        examples: Examples,
        brief: bool = False,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """Metrics of a trained model.

        Args:
            model: A model trained on this task.
            examples: The test examples in the form that it reads.
            brief: Whether `metric` and what is as cheap will do, as after each epoch.
            outcomes: Where what became of each example is kept, if anywhere.
        """

    @property
    @abc.abstractmethod
    def protocol(self) -> str:
        """How the examples were made and split, and what is measured, in words."""

    def validating(self) -> "Task":
        """The same task with the validation examples in place of the test ones, to choose by."""
        return self if self.held_out == "validation" else self._validating

    @functools.cached_property
    def _validating(self) -> "Task":
        return dataclasses.replace(self, held_out="validation")

    def arguments(self, model: type[RecommenderModel]) -> Mapping[str, Any]:
        """Arguments that a model needs to do the task, in place of its defaults.

        Raises:
            ValueError: If the model can't do the task.
        """
        return {}

    @property
    def num_items(self) -> int:
        """Number of items that a model learns to choose among; 0 where it learns from pairs."""
        return 0

    def frequencies(self) -> tuple[np.ndarray, np.ndarray] | None:
        """How often the user and the item of each test example are among the training examples.

        Returns:
            Two arrays, [examples] each; None where examples are not of a user and an item each.
        """
        return None

    @property
    def reports_best_on_test(self) -> bool:
        """Whether a refitted model is also measured on the test examples after each epoch."""
        return False

    @property
    def baselines(self) -> dict[str, Callable[[], dict[str, float]]]:
        """Metrics of baselines that are no models of the zoo, by name."""
        return {}

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.log.name

    @classmethod
    def option_names(cls) -> list[str]:
        """Names of the arguments, besides the log."""
        return [field.name for field in dataclasses.fields(cls) if field.name != "log"]

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """The arguments that differ from their defaults, JSON-able."""
        return {
            field.name: _as_json(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name != "log" and not _is_default(getattr(self, field.name), field)
        }

    @functools.cached_property
    def checksum(self) -> str:
        """Sha256 of the log, of every option, and of the protocol."""
        contents = [self.log.checksum, self.name, self.options, self.protocol]
        return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()

    def evaluate(
        self,
        model: RecommenderModel,
        arguments: Mapping[str, Any] | None = None,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """Metrics of a trained model on the test examples.

        Args:
            model: A model trained on this task.
            arguments: What it was made with; by default as its `get_config` says.
            outcomes: Where what became of each example is kept, if anywhere.
        """
        arguments = model.get_config() if arguments is None else arguments
        return self.measured(model, self.examples(type(model), arguments).test, outcomes)

    def measured(
        self, model: RecommenderModel, examples: Examples, outcomes: Outcomes | None = None
    ) -> dict[str, float]:
        """Metrics of a trained model; those that are undefined are logged, with the reason.

        Args:
            model: A model trained on this task.
            examples: The test examples in the form that it reads.
            outcomes: Where what became of each example is kept, if anywhere.
        """
        metrics = self.measure(model, examples, outcomes=outcomes)
        undefined = [name for name, value in metrics.items() if np.isnan(value)]
        if undefined:
            logger.warning(
                "%s undefined on the %d test examples: %s",
                f"{undefined[0]} is" if len(undefined) == 1 else f"{', '.join(undefined)} are",
                len(examples),
                _why_undefined(examples),
            )
        return metrics

    def _refuse(self, model: type[RecommenderModel], why: str) -> ValueError:
        return ValueError(f"{model.__name__} can't be trained on the task {self.name!r}: {why}")


def _why_undefined(examples: Examples) -> str:
    """The reason for which metrics that compare examples are undefined."""
    if not len(examples):
        return "there are none"
    if examples.label.dtype.kind != "f":
        return "nothing can be ranked"
    is_positive = examples.label > 0
    if is_positive.all() or not is_positive.any():
        return f"all of them are {'positive' if is_positive.all() else 'negative'}"
    return "no user or page has positive and negative ones"


def _is_default(value: Any, field: dataclasses.Field) -> bool:
    return type(value) is type(field.default) and value == field.default


def _as_json(value: Any) -> Any:
    """An option as JSON; of arrays and what holds them, a digest."""
    if isinstance(value, FeatureSpec):
        return json.loads(value.to_json())
    if isinstance(value, Split):
        parts = [_digest(part) for part in (value.train, value.validation, value.test)]
        return {"protocol": value.protocol, "sha256": parts}
    if isinstance(value, np.ndarray):
        return {"sha256": _digest(value)}
    if hasattr(value, "get_weights"):
        return {"model": type(value).__name__, "sha256": [_digest(w) for w in value.get_weights()]}
    if isinstance(value, tuple | list):
        return [_as_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _as_json(item) for name, item in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return type(value).__name__


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

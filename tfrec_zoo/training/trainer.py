"""Trainer: fits a model on a task, for as long and with what its validation examples say."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.data import Examples
from tfrec_zoo.distribution.strategies import agreed, join
from tfrec_zoo.features import IndicatorColumn
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.new_ids.new_items import with_widths
from tfrec_zoo.new_ids.new_rows import NewRowsLike
from tfrec_zoo.new_ids.warm_starts import warm_start
from tfrec_zoo.tasks import Task, TaskExamples
from tfrec_zoo.training import Training, fit
from tfrec_zoo.training.early_stopping import KeepBest, WatchEpochs, best_index

logger = logging.getLogger(__name__)

Callbacks = Sequence[tf.keras.callbacks.Callback]


@dataclasses.dataclass
class Fitted:
    """A model as `fit` left it.

    Args:
        model: The model, with the weights that were kept.
        test: The test examples of the task, as the model reads them.
        history: What was reported after each epoch.
        epochs: Number of epochs the weights have been trained for.
        best_on_test: Metrics of the epoch that was best on the test examples, if it was looked for.
    """

    model: Any
    test: Examples
    history: list[dict[str, float]]
    epochs: int
    best_on_test: dict[str, float] = dataclasses.field(default_factory=dict)


class Trainer:
    """Trains models on a task, and remembers the numbers of epochs that validation chose.

    Args:
        start: A trained model that the others start from, of their class and with their arguments.
        new_rows: What the vectors of ids start from that it does not know; see `warm_start`.
    """

    def __init__(
        self, start: RecommenderModel | None = None, new_rows: NewRowsLike = "initial"
    ) -> None:
        self._start, self._new_rows = start, new_rows
        self._chosen: dict[Any, int] = {}

    def choose(
        self, cls: Any, task: Task, training: Training, arguments: Mapping[str, Any]
    ) -> tuple[Training, dict[str, Any]]:
        """Returns the combination of `training.grid` that is best on the validation examples.

        Args:
            cls: Class of the model.
            task: The task.
            training: How to train, with a grid.
            arguments: Arguments of the model.

        Returns:
            How to train, without a grid, and the arguments of the model.
        """
        fields = {field.name for field in dataclasses.fields(Training)}
        options: list[tuple[Training, dict[str, Any]]] = []
        values: list[float] = []
        combinations = list(itertools.product(*training.grid.values()))
        for combination in combinations:
            option = dict(zip(training.grid, combination, strict=True))
            own = {name: value for name, value in option.items() if name in fields}
            tried = dataclasses.replace(training, grid={}, **own)
            made = {**arguments, **{k: v for k, v in option.items() if k not in fields}}
            cls.checked_arguments(made)
            options.append((tried, made))
        for (tried, made), combination in zip(options, combinations, strict=True):
            try:
                metrics, _ = self.validated(cls, task, tried, made)
            except FloatingPointError as error:
                option = dict(zip(training.grid, combination, strict=True))
                logger.warning("%s is left out: %s", option, error)
                values.append(np.nan)
                continue
            values.append(metrics[task.metric])
        if np.isnan(values).all():
            raise FloatingPointError(
                f"No combination of `grid` gave the metric {task.metric!r} a value. "
                f"Received: {training.grid}"
            )
        return options[best_index(values, task.metric)]

    def validated(
        self,
        cls: Any,
        task: Task,
        training: Training,
        arguments: Mapping[str, Any],
        watch: Callable[[Sequence[float]], None] | None = None,
    ) -> tuple[dict[str, float], Fitted]:
        """Trains a model, and measures it on the validation examples.

        Args:
            cls: Class of the model.
            task: The task.
            training: How to train, without a grid.
            arguments: Arguments of the model.
            watch: Takes the values of the task's metric after each epoch so far, of models that
                have epochs; it may raise an exception to end training.

        Returns:
            The task's metric, and what is as cheap, and the model.
        """
        validating = task.validating()
        fitted = self._fitted(cls, validating, training, arguments, watch=watch)
        metrics = validating.measure(fitted.model, fitted.test, brief=True)
        return agreed(join(training.strategy), metrics), fitted

    def fit(
        self,
        cls: Any,
        task: Task,
        training: Training,
        arguments: Mapping[str, Any],
        callbacks: Callbacks = (),
    ) -> Fitted:
        """Trains a model for the epochs that validation chooses.

        Args:
            cls: Class of the model.
            task: The task.
            training: How to train, without a grid.
            arguments: Arguments of the model.
            callbacks: Further callbacks of the training that the model comes of; those that choose
                its epochs, and those of models that it starts from, don't have them.

        Raises:
            TypeError: If the model has no such argument.
            ValueError: If an argument is not allowed, or the task can't say when a plateau is
                reached.
            FloatingPointError: If training diverges.
        """
        cls.checked_arguments(arguments)
        is_watched = self._validates(cls, task, training) and not task.refits
        by_keras = task.monitor is None or task.monitor.startswith("val_")
        if training.plateau is not None and cls.is_iterative and not (is_watched and by_keras):
            raise ValueError(
                "`plateau` drops the learning rate by what Keras validates while training: give "
                "`patience`, on a task that neither refits nor has a monitor of its own. "
                f"Received: plateau={training.plateau}, task {task.name!r}"
            )
        epochs = None
        if task.refits and task.held_out == "test" and self._validates(cls, task, training):
            epochs = self._epochs(cls, task, training, arguments)
        return self._fitted(cls, task, training, arguments, epochs, callbacks=callbacks)

    def _epochs(
        self, cls: Any, task: Task, training: Training, arguments: Mapping[str, Any]
    ) -> int:
        key = (cls, repr(training), repr(sorted(arguments.items())))
        if key not in self._chosen:
            fitted = self._fitted(cls, task.validating(), training, arguments)
            self._chosen[key] = fitted.epochs
        return self._chosen[key]

    @staticmethod
    def _validates(cls: Any, task: Task, training: Training) -> bool:
        has_patience = training.patience is not None or task.patience is not None
        return bool(cls.is_iterative and has_patience)

    def _fitted(
        self,
        cls: Any,
        task: Task,
        training: Training,
        arguments: Mapping[str, Any],
        epochs: int | None = None,
        watch: Callable[[Sequence[float]], None] | None = None,
        callbacks: Callbacks = (),
    ) -> Fitted:
        """Trains one model: for given epochs, until validation ends it, or as `training` says.

        What is watched, if anything, are the examples that the task holds out.
        """
        tf.keras.utils.set_random_seed(training.seed)
        examples = task.examples(cls, arguments)
        if self._start is not None:
            examples = _with_features_of(examples, self._start)
        model = self._made(cls, task, training, arguments, examples)

        def watching(measure: Any) -> list[tf.keras.callbacks.Callback]:
            if watch is None or not cls.is_iterative:
                return [*callbacks]
            return [WatchEpochs(measure, task.metric, watch), *callbacks]

        def held_out_metrics(model: RecommenderModel) -> dict[str, float]:
            return task.measure(model, examples.test, brief=True)

        if not self._validates(cls, task, training):
            watched = watching(held_out_metrics)
            history = self._fit(model, examples, training, callbacks=watched)
            return Fitted(model, examples.test, _rows(history), len(history.epoch))
        patience = task.patience if training.patience is None else training.patience
        training = dataclasses.replace(training, patience=patience)
        monitor = task.monitor or model.monitor
        if task.refits and task.held_out == "test":
            return self._refitted(model, task, training, examples, monitor, epochs or 1, callbacks)
        held_out = examples.test
        if task.held_out == "test":
            held_out = task.validating().examples(cls, arguments).test
        if monitor.startswith("val_"):
            # A loss compares with that of training when positions are those that were shown.
            validation = held_out.as_recorded()
            watched = watching(held_out_metrics)
            history = self._fit(
                model,
                examples,
                training,
                validation=validation,
                monitor=monitor,
                callbacks=watched,
            )
            values = history.history[monitor]
            return Fitted(model, examples.test, _rows(history), best_index(values, monitor) + 1)
        assert patience is not None

        def measure(model: RecommenderModel) -> dict[str, float]:
            metrics = task.validating().measure(model, held_out, brief=True)
            return agreed(join(training.strategy), metrics)

        keep = KeepBest(measure, monitor, patience)
        watched = watching(lambda _: keep.history[-1])
        history = self._fit(model, examples, training, callbacks=[keep, *watched])
        return Fitted(model, examples.test, _rows(history, keep.history), keep.best_epoch)

    def _refitted(
        self,
        model: Any,
        task: Task,
        training: Training,
        examples: TaskExamples,
        monitor: str,
        epochs: int,
        callbacks: Callbacks,
    ) -> Fitted:
        """Trains on all but the test examples, for the epochs that were chosen."""
        if not task.reports_best_on_test:
            stop = tf.keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, _: setattr(model, "stop_training", epoch + 1 >= epochs)
            )
            history = self._fit(model, examples, training, callbacks=[stop, *callbacks])
            return Fitted(model, examples.test, _rows(history), len(history.epoch))

        def measure(model: RecommenderModel) -> dict[str, float]:
            metrics = task.measure(model, examples.test, brief=True)
            return agreed(join(training.strategy), metrics)

        metric = task.metric if monitor.startswith("val_") else monitor
        keep = KeepBest(measure, metric, training.patience or 0, epochs)
        history = self._fit(model, examples, training, callbacks=[keep, *callbacks])
        best = keep.history[keep.best_epoch - 1]
        best = {f"best_on_test_{name}": value for name, value in best.items()}
        best["best_on_test_epochs"] = keep.best_epoch
        return Fitted(model, examples.test, _rows(history, keep.history), epochs, best)

    def _fit(self, model: Any, examples: TaskExamples, training: Training, **kwargs: Any) -> Any:
        """Fits a model on the training examples; returns Keras's history."""
        return fit(model, examples.train, training, examples.negatives, start=self._start, **kwargs)

    def _made(
        self,
        cls: Any,
        task: Task,
        training: Training,
        arguments: Mapping[str, Any],
        examples: TaskExamples,
    ) -> Any:
        """The untrained model, or one that starts from others that are trained first."""
        seeded = {"seed": training.seed, **arguments} if cls.is_iterative else dict(arguments)
        if self._start is not None:
            model = cls(examples.fit_features(), **seeded)
            warm_start(model, self._start, self._new_rows)
            return model
        if training.pretraining is None:
            return cls(examples.fit_features(), **seeded)
        first = dataclasses.replace(
            training.pretraining,
            seed=training.seed,
            strategy=training.strategy,
            verbose=training.verbose,
        )
        parts = cls.pretraining(arguments)
        if not parts:
            raise ValueError(
                f"{cls.__name__} starts from no other models: leave `pretraining` out. "
                f"Received: {training.pretraining}"
            )
        models = [self.fit(part, task, first, given).model for part, given in parts]
        tf.keras.utils.set_random_seed(training.seed)
        taken = {name for _, given in parts for name in given}
        return cls.from_pretrained(*models, **{k: v for k, v in seeded.items() if k not in taken})


def _with_features_of(examples: TaskExamples, start: RecommenderModel) -> TaskExamples:
    """The examples with the columns of a model, whose widths and indicators stay as they are."""
    features = with_widths(start)
    held = {c.categorical.space for c in features.spec.dense if isinstance(c, IndicatorColumn)}
    vocabularies = {
        space: features.vocabularies[space] for space in held & {*features.vocabularies}
    }
    return dataclasses.replace(
        examples,
        spec=features.spec,
        vocabularies={**examples.vocabularies, **vocabularies},
        is_guessed=False,
    )


def _rows(history: Any, measured: list[dict[str, float]] | None = None) -> list[dict[str, float]]:
    """Keras's history, a dict for each epoch, with what was measured besides."""
    rows = [
        {name: float(values[i]) for name, values in history.history.items()}
        for i in range(len(history.epoch))
    ]
    for row, metrics in zip(rows, measured or [], strict=False):
        row.update(metrics)
    return rows

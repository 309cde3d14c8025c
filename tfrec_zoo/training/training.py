"""Training: how a model is compiled and fitted on examples."""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo import optimizers
from tfrec_zoo.data import Examples, NegativeSampling
from tfrec_zoo.data.sharded import ShardedExamples
from tfrec_zoo.distribution.distributed_fit import DistributedFit
from tfrec_zoo.distribution.strategies import is_chief, join, name_of
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.models.inputs import label_array, weight_array
from tfrec_zoo.needs import Need, not_default, refuse_idle, tell_idle
from tfrec_zoo.new_ids.warm_starts import carry_optimizer
from tfrec_zoo.training.divergence import StopDiverging
from tfrec_zoo.training.early_stopping import early_stopping
from tfrec_zoo.training.large_tables import suited_optimizer
from tfrec_zoo.training.resuming import Resume, key_of
from tfrec_zoo.training.schedules import Later, cosine
from tfrec_zoo.typed_fields import check

logger = logging.getLogger(__name__)

#: Training steps between two looks at the clock, the progress bar and callbacks.
STEPS_PER_EXECUTION = 32
#: What fields take to have an effect.
_NEEDS = (
    Need(
        ("warmup",),
        lambda training: training.decay and training.plateau is None,
        "begins the cosine that `decay` asks for and `plateau` replaces: leave it out",
    ),
    Need(
        ("wide",),
        lambda training: "+" in (training.optimizer or ""),
        'is of the first of two optimizers: give these as well, such as optimizer="ftrl+adagrad"',
    ),
)
#: Fields that `pretraining` has from the whole training.
_SHARED = Need(
    ("grid", "pretraining", "seed", "strategy", "verbose"),
    lambda _: False,
    "is that of the whole training: leave it out of `pretraining`",
)


@dataclasses.dataclass(frozen=True)
class Training:
    """How to train.

    Args:
        epochs: Passes over the examples; None for the model's own number.
        batch_size: Examples per step, negatives counted.
        learning_rate: Learning rate at its highest.
        optimizer: Name of the optimizer; None is Adam, `"fused_adam"` where all tables are small,
            and `"lazy_adam"` where one is large. Two for `WideDeep`, the wide side's first:
            `"ftrl+adagrad"`.
        wide: Arguments of the wide side's optimizer; all others are the deep side's.
        decay: Whether the learning rate falls to zero along a cosine.
        plateau: If given, the learning rate does not fall along a cosine: after an epoch that did
            not improve on validation it is multiplied by this, and training goes on from the best
            weights so far.
        warmup: Share of the steps in which the learning rate rises from zero.
        clipping: Largest norm of all gradients together; None clips nothing. (Keras's own
            optimizers, such as `"adam"` and `"sgd"`, count repeated rows of a table apart.)
        averaging: If given, the model is measured, stopped and kept with the moving average of its
            weights, of which each step leaves this share, such as 0.998: the average of many steps
            is often better than where one of them ended. Costs a pass over all weights every 32
            steps. See `AverageWeights`.
        patience: Epochs without a better validation metric after which training ends, with the best
            weights; None leaves it to the task, which may validate nothing.
        mixed_precision: Whether to compute in half precision where the device has it; see
            `half_precision`.
        grid: Values to choose from on the validation examples, by the name of a field of `Training`
            or of an argument of the model: `{"epochs": (10, 20), "l2": (0.1, 1.0)}`. Every
            combination is trained, then the best.
        pretraining: How the models that the model starts from are trained, such as GMF and MLP
            before `NeuMF`; None starts from scratch.
        seed: Seed of the initial weights, of dropout and of shuffling.
        checkpoint_dir: Folder that the state of training is kept in, after every epoch. The same
            training, if it is ended from outside, goes on from there, and has in the end the same
            weights as one that was not. What is finished is not trained again.
        checkpoint_minutes: Minutes after which the state is kept within an epoch.
        strategy: On which devices and machines to train: `"none"`, `"mirrored"`,
            `"multi-worker"` or `"parameter-server"`, which read TF_CONFIG, or an object of
            `tf.distribute`; see `tfrec_zoo.distribution.strategies`. `batch_size` is that of all
            replicas together. Models that count or solve are trained as without.
        verbose: As in `model.fit`: 0 is silent, 1 shows progress bars, 2 a line per epoch.
    """

    epochs: int | None = None
    batch_size: int = 1024
    learning_rate: float = 0.002
    optimizer: str | None = None
    wide: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    decay: bool = True
    plateau: float | None = None
    warmup: float = 0.0
    clipping: float | None = None
    averaging: float | None = None
    patience: int | None = None
    mixed_precision: bool = False
    grid: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    pretraining: "Training | None" = None
    seed: int = 0
    checkpoint_dir: str | pathlib.Path | None = None
    checkpoint_minutes: float = 10.0
    strategy: str | tf.distribute.Strategy = "none"
    verbose: int = 1

    def __post_init__(self) -> None:
        check(self)
        name_of(self.strategy)
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be a positive whole number. Received: {value!r}")
        for name in ("learning_rate", "plateau", "clipping", "checkpoint_minutes"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                finite = "" if np.isfinite(value) else " and finite"
                raise ValueError(f"`{name}` must be positive{finite}. Received: {value!r}")
        if self.averaging is not None and not 0 < self.averaging < 1:
            raise ValueError(
                f"`averaging` must be between 0 and 1, such as 0.998. Received: {self.averaging!r}"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"`warmup` must be in [0, 1). Received: {self.warmup!r}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"`seed` must be in [0, 2**32). Received: {self.seed!r}")
        for name, value in self.wide.items():
            if isinstance(value, float) and not np.isfinite(value):
                raise ValueError(
                    f"`wide` must hold finite numbers. Received: {{{name!r}: {value!r}}}"
                )
        if not 0 < self.wide.get("learning_rate", 1):
            raise ValueError(
                "`wide` must have a `learning_rate` that is positive. "
                f"Received: {self.wide['learning_rate']!r}"
            )
        for name, values in self.grid.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise ValueError(
                    f"`grid` must hold the values to choose from by name, such as "
                    f"{{'epochs': (10, 20)}}. Received: {{{name!r}: {values!r}}}"
                )
            if name in {field.name for field in dataclasses.fields(self)}:
                for value in values:
                    dataclasses.replace(self, grid={}, **{name: value})
        given = not_default(self)
        tell_idle(_NEEDS, {n: value for n, value in given.items() if n not in self.grid}, self)
        if self.pretraining is not None:
            first = not_default(self.pretraining)
            others = {n: value for n, value in first.items() if value != getattr(self, n)}
            refuse_idle([_SHARED], others, self)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as a JSON-serializable dict, but where and when state is kept."""
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del config["checkpoint_dir"], config["checkpoint_minutes"]
        config["strategy"] = name_of(self.strategy)
        config["wide"] = dict(self.wide)
        config["grid"] = {name: list(values) for name, values in self.grid.items()}
        config["pretraining"] = self.pretraining and self.pretraining.to_dict()
        return config


def fit(
    model: RecommenderModel,
    examples: Examples,
    training: Training = Training(),
    negatives: NegativeSampling | None = None,
    validation: Examples | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    monitor: str | None = None,
    start: RecommenderModel | None = None,
) -> Any:
    """Compiles and fits a model on examples; returns Keras's history.

    Args:
        model: The model.
        examples: Examples to learn from.
        training: How to train.
        negatives: How to draw negatives for each example, if all are positives.
        validation: Examples to stop early by, with the weights of the best epoch.
        callbacks: Further callbacks.
        monitor: The metric of validation that tells the best epoch, as Keras names it; by default
            the model's.
        start: The model that this one was started from, whose optimizer goes on.

    Raises:
        ValueError: If there is no such metric, or labels or weights are not allowed.
        FloatingPointError: If the loss or a weight becomes infinite or no number; the model then
            has the last weights that were finite.
        RuntimeError: If a machine is lost that the strategy can't do without.
    """
    for part in (examples, validation):
        if part is not None:
            _check_numbers(part)
    if model.family == "retrieval":
        model.count_items(examples.counted_labels())
    epochs = (training.epochs or model.default_epochs) if model.is_iterative else 1

    def batches(begin: int = 0) -> tf.data.Dataset:
        return examples.dataset(
            training.batch_size,
            model.preprocessor,
            shuffle=True,
            seed=training.seed,
            negatives=negatives,
            epochs=epochs,
            begin=begin,
        )

    dataset, metrics = batches(), [] if validation is None else model.monitor_metrics
    taken = 0 if start is None or start.optimizer is None else int(start.optimizer.iterations)
    total, begin = len(dataset), taken
    if model.adapts:
        model.adapt(dataset.take(total // epochs))
    compile_(model, training, total, metrics, begin)
    if start is not None and taken and not carry_optimizer(model, start):
        begin = 0
        compile_(model, training, total, metrics)
    held_out = None
    if validation is not None:
        size = training.batch_size
        if model.family == "retrieval":  # All items are scored, whatever training does.
            size = min(size, model.rows_at_once)
        held_out = validation.dataset(size, model.preprocessor, negatives=negatives)
        if negatives is not None:
            held_out = held_out.cache()  # Negatives would be others in each epoch.
        monitor = monitor or model.monitor
        reported = ["val_loss", *(f"val_{metric.name}" for metric in model.monitor_metrics)]
        if monitor not in reported:
            raise ValueError(f"`monitor` must be one of {reported}. Received: {monitor!r}")
        callbacks = [*early_stopping(monitor, training.patience, training.plateau), *callbacks]
    guard = StopDiverging(dataset)
    steps, initial, resume = total // epochs, 0, None
    by_steps = model.is_iterative and not model.takes_all_at_once
    if model.is_iterative:
        model.build_weights()
    if by_steps:
        # Keras would trace the training step once more to make what is missing, and begin anew.
        for part, moved in optimizers.parts_of(model.optimizer, model.trainable_variables):
            optimizers.slots(part, moved)
    strategy = join(training.strategy) if by_steps else None
    twins = None
    if strategy is not None:
        if training.averaging and isinstance(strategy, tf.distribute.ParameterServerStrategy):
            raise ValueError(
                "`averaging` would send all weights from parameter servers after every few steps: "
                f"leave it out, or train by another strategy. Received: {training.averaging!r}"
            )

        def compile_twin(twin: RecommenderModel) -> None:
            compile_(twin, training, total, twin.monitor_metrics if metrics else [], begin)

        twins = DistributedFit(model, strategy, compile_twin, STEPS_PER_EXECUTION)
    if model.is_iterative:
        # Those of the model come first: others measure it as they leave it.
        averages = [optimizers.AverageWeights(training.averaging)] if training.averaging else []
        callbacks = [guard, *averages, *model.callbacks(callbacks), *callbacks]
        if training.checkpoint_dir is not None:
            steps_kept = 1 if model.takes_all_at_once else steps
            resume = Resume(
                pathlib.Path(training.checkpoint_dir)
                / _key(model, examples, training, monitor, taken),
                steps_kept,
                callbacks,
                training.checkpoint_minutes,
                twins,
                writes=is_chief(strategy),
            )
            callbacks = [*callbacks, resume]
            initial = epochs if resume.is_finished else resume.position // steps_kept
            if resume.position and not model.takes_all_at_once:
                dataset = batches(resume.position)
    if twins is not None:
        position = 0 if resume is None else resume.position
        position = epochs * steps if resume is not None and resume.is_finished else position
        twins.require_same(_key(model, examples, training, monitor, taken), position)
        history = twins.fit(dataset, held_out, steps, epochs, position, callbacks, training.verbose)
    else:
        history = model.fit(
            dataset,
            validation_data=held_out,
            epochs=epochs,
            initial_epoch=initial,
            steps_per_epoch=steps,
            callbacks=callbacks,
            verbose=training.verbose,
        )
    if resume is not None:
        history.epoch = list(range(len(resume.history)))
        names = resume.history[0] if resume.history else {}
        history.history = {name: [row[name] for row in resume.history] for name in names}
    if model.is_iterative:
        guard.check_weights()
    else:
        model.require_finite()
    return history


def _key(
    model: RecommenderModel,
    examples: Examples,
    training: Training,
    monitor: str | None,
    taken: int,
) -> str:
    """A name of a training, which another has another of; it may go on under any strategy."""
    how = {k: v for k, v in training.to_dict().items() if k not in ("strategy", "verbose")}
    config = {k: v for k, v in model.get_config().items() if k != "name"}
    return key_of(
        model=type(model).__name__,
        config=config,
        training=how,
        label=examples.fingerprint(),
        monitor=monitor,
        taken=taken,
    )


def _check_numbers(examples: Examples) -> None:
    """Checks that labels and weights are numbers to learn from."""
    if isinstance(examples, ShardedExamples):
        return  # Labels are items, which all weigh the same.
    if examples.label.dtype.kind == "f":
        label_array(examples.label)
    if examples.weight is not None:
        weight_array(examples.weight)


def compile_(
    model: RecommenderModel,
    training: Training,
    steps: int,
    metrics: Sequence[tf.keras.metrics.Metric] = (),
    begin: int = 0,
) -> None:
    """Compiles a model as `training` says.

    Args:
        model: The model.
        training: How to train.
        steps: Number of steps that it is going to be trained for.
        metrics: Metrics of validation.
        begin: Number of steps that its optimizer has taken before.
    """
    optimizer = _optimizer(model, training, steps, begin)
    model.compile(optimizer, metrics=list(metrics), steps_per_execution=STEPS_PER_EXECUTION)


def _optimizer(model: RecommenderModel, training: Training, steps: int, begin: int = 0) -> Any:
    """What `compile` takes: an optimizer, or one for each side of a model."""
    rate: Any = training.learning_rate
    if training.decay and training.plateau is None:
        steps = max(steps, 1)
        rate = cosine(rate, steps, int(training.warmup * steps))
        rate = Later(rate, begin) if begin else rate
    *wide, name = suited_optimizer(model, training.optimizer).split("+")
    if len(wide) > model.has_wide_side:
        allowed = "two, the wide side's first" if model.has_wide_side else "one: it has one side"
        raise ValueError(
            f"The optimizers of {type(model).__name__} must be {allowed}. "
            f"Received: {training.optimizer!r}"
        )
    clip = {} if training.clipping is None else {"global_clipnorm": training.clipping}
    optimizer = optimizers.make(name, learning_rate=rate, **clip)
    if not wide:
        return optimizer
    return [*(optimizers.make(side, **training.wide) for side in wide), optimizer]

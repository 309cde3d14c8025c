"""Training: how a model is compiled and fitted on examples."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo import optimizers
from tfrec_zoo.data import Examples, NegativeSampling
from tfrec_zoo.models import ItemToItem, Popularity, RankingModel, RecommenderModel

logger = logging.getLogger(__name__)

#: Training steps between two looks at the clock, the progress bar and callbacks.
STEPS_PER_EXECUTION = 32


@dataclasses.dataclass(frozen=True)
class Training:
    """How to train.

    Args:
        epochs: Passes over the examples.
        batch_size: Examples per step.
        learning_rate: At its highest; it falls to zero along a cosine.
        optimizer: Its name. `"lazy_adam"` for tables that are large, `"fused_adam"` for Adam itself
            on tables that are small. Two for `WideDeep`, the wide side's first: `"ftrl+adagrad"`.
        wide: Arguments of the wide side's optimizer; the others are of the deep side's.
        plateau: If given, the learning rate does not fall along a cosine: after an epoch that did
            not improve on validation it is multiplied by this, and training goes on from the best
            weights so far.
        warmup: Share of the steps in which the learning rate rises from zero.
        global_clipnorm: What the norm of all gradients together is clipped to, if it is. (Keras's
            own optimizers, such as `"adam"` and `"sgd"`, count repeated rows of a table apart.)
        patience: With validation examples, training ends after so many epochs without a better
            validation AUC (of retrieval models and ratings, loss), with the weights of the best.
        mixed_precision: Whether to compute in half precision where the device has it.
        seed: Of weights, dropout and shuffling.
        verbose: As in `model.fit`: 0 silent, 1 progress bars, 2 a line per epoch.
    """

    epochs: int = 5
    batch_size: int = 1024
    learning_rate: float = 0.002
    optimizer: str = "adam"
    wide: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    plateau: float | None = None
    warmup: float = 0.0
    global_clipnorm: float | None = None
    patience: int = 2
    mixed_precision: bool = False
    seed: int = 0
    verbose: int = 1


def fit(
    model: RecommenderModel,
    examples: Examples,
    training: Training = Training(),
    negatives: NegativeSampling | None = None,
    validation: Examples | None = None,
) -> Any:
    """Compiles and fits a model on examples; returns Keras's history.

    Args:
        model: The model.
        examples: What to learn from.
        training: How.
        negatives: What to draw for each example, if all are positives.
        validation: Examples to stop early by.
    """
    dataset = examples.dataset(
        training.batch_size,
        model.preprocessor,
        shuffle=True,
        seed=training.seed,
        negatives=negatives,
    )
    epochs = 1 if isinstance(model, Popularity | ItemToItem) else training.epochs
    if validation is None:
        model.compile(
            _optimizer(training, len(dataset) * epochs), steps_per_execution=STEPS_PER_EXECUTION
        )
        return model.fit(dataset, epochs=epochs, verbose=training.verbose)
    # Of ratings there is no AUC.
    ranks = isinstance(model, RankingModel) and not model.predicts_ratings
    model.compile(
        _optimizer(training, len(dataset) * epochs),
        metrics=[tf.keras.metrics.AUC(1000, name="auc")] if ranks else [],
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    monitor: Any = ("val_auc", "max") if ranks else ("val_loss", "min")
    callbacks = [
        tf.keras.callbacks.EarlyStopping(
            monitor[0], mode=monitor[1], patience=training.patience, restore_best_weights=True
        )
    ]
    if training.plateau is not None:
        drop = _DropFromTheBest(
            monitor[0], training.plateau, patience=1, mode=monitor[1], min_delta=0.0
        )
        callbacks.append(drop)
    held_out = validation.dataset(training.batch_size, model.preprocessor, negatives=negatives)
    return model.fit(
        dataset,
        # Negatives would be others in each epoch.
        validation_data=held_out if negatives is None else held_out.cache(),
        epochs=epochs,
        callbacks=callbacks,
        verbose=training.verbose,
    )


class _DropFromTheBest(tf.keras.callbacks.ReduceLROnPlateau):
    """Where it drops the learning rate, goes back to the weights that were best."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        best = self.best
        super().on_epoch_end(epoch, logs)
        if self.monitor_op(self.best, best):
            self.best_weights = self.model.get_weights()
        else:
            self.model.set_weights(self.best_weights)


def _optimizer(training: Training, steps: int) -> Any:
    """What `compile` takes: an optimizer, or one for each side of a model."""
    rate: Any = training.learning_rate
    if training.plateau is None:
        steps = max(steps, 1)
        rate = cosine(rate, steps, int(training.warmup * steps))
    *wide, name = training.optimizer.split("+")
    clip = {} if training.global_clipnorm is None else {"global_clipnorm": training.global_clipnorm}
    optimizer = optimizers.make(name, learning_rate=rate, **clip)
    if not wide:
        return optimizer
    return [*(optimizers.make(side, **training.wide) for side in wide), optimizer]


def cosine(learning_rate: float, steps: int, warmup_steps: int = 0) -> Any:
    """A learning rate that rises from zero for some steps, then falls to zero along a cosine."""
    schedule = tf.keras.optimizers.schedules.CosineDecay
    if not warmup_steps:
        return schedule(learning_rate, steps)
    rest = max(steps - warmup_steps, 1)
    return schedule(0.0, rest, warmup_target=learning_rate, warmup_steps=warmup_steps)


def use_half_precision() -> bool:
    """Switches Keras to half precision if there are GPUs, and all have it; says whether."""
    details = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    has_it = bool(details) and min(details) >= (7, 0)
    if has_it:
        tf.keras.mixed_precision.set_global_policy("mixed_float16")
    else:
        logger.warning("No device computes in half precision: going on in single precision.")
    return has_it

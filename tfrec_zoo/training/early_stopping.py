"""Early stopping: training ends where validation no longer improves, with the best weights."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.tasks.task import is_error

logger = logging.getLogger(__name__)


def best_index(values: Sequence[float], metric: str) -> int:
    """The place of the best value of a metric, the first of equals; NaN is worse than any."""
    worst = np.inf if is_error(metric) else -np.inf
    array = np.nan_to_num(np.asarray(values, np.float64), nan=worst, posinf=np.inf, neginf=-np.inf)
    return int(np.argmin(array) if is_error(metric) else np.argmax(array))


def early_stopping(
    monitor: str, patience: int | None, plateau: float | None
) -> list[tf.keras.callbacks.Callback]:
    """The callbacks that end training by what Keras validates, with the best weights.

    Args:
        monitor: Name of the metric, as Keras has it.
        patience: Epochs to wait for an improvement; 2 by default.
        plateau: Factor of the learning rate after an epoch without one; None drops nothing.
    """
    mode = "min" if is_error(monitor) else "max"
    stop = tf.keras.callbacks.EarlyStopping(
        monitor, mode=mode, patience=2 if patience is None else patience, restore_best_weights=True
    )
    if plateau is None:
        return [stop]
    return [stop, _DropFromTheBest(monitor, plateau, patience=1, mode=mode, min_delta=0.0)]


class _DropFromTheBest(tf.keras.callbacks.ReduceLROnPlateau):
    """Where it drops the learning rate, goes back to the weights that were best."""

    remembered = ("best_weights",)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        best = self.best
        super().on_epoch_end(epoch, logs)
        if self.monitor_op(self.best, best):
            self.best_weights = self.model.get_weights()
        else:
            self.model.set_weights(self.best_weights)


class KeepBest(tf.keras.callbacks.Callback):
    """Measures after each epoch, and keeps the weights of one: a given one, or the best.

    Training ends when the metric has not improved for `patience` epochs (and the given epoch is
    over).

    Args:
        measure: Returns metrics of the model as it is.
        metric: Name of the metric that tells the best epoch.
        patience: Epochs to wait for an improvement.
        epoch: The epoch, from 1, whose weights are kept; None for the best.

    Attributes:
        history: The metrics after each epoch.
    """

    remembered = ("history", "_weights")

    def __init__(
        self,
        measure: Callable[[RecommenderModel], dict[str, float]],
        metric: str,
        patience: int,
        epoch: int | None = None,
    ) -> None:
        super().__init__()
        self._measure, self._metric = measure, metric
        self._patience, self._epoch = patience, epoch
        self.history: list[dict[str, float]] = []
        self._weights: list[np.ndarray] = []

    @property
    def best_epoch(self) -> int:
        """The epoch of the best metric, from 1; the first of equals."""
        return 1 + best_index([metrics[self._metric] for metrics in self.history], self._metric)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measures, keeps the weights if they are to be kept, and ends training if it is time.

        Callbacks that come after find the metrics among the logs.
        """
        metrics = self._measure(self.model)
        if self._metric not in metrics:
            raise ValueError(
                f"`monitor` must be one of {sorted(metrics)}. Received: {self._metric!r}"
            )
        self.history.append(metrics)
        if logs is not None:
            logs.update(metrics)
        named = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        logger.info("epoch %d, loss %.4f: %s", epoch + 1, (logs or {}).get("loss", np.nan), named)
        best, now = self.best_epoch, epoch + 1
        if now == self._epoch or (self._epoch is None and best == now):
            self._weights = self.model.get_weights()
        if now - best >= self._patience and now >= (self._epoch or 0):
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Gives the model the weights that were kept."""
        if self._weights:
            self.model.set_weights(self._weights)


class WatchEpochs(tf.keras.callbacks.Callback):
    """Tells how good the model is after each epoch.

    Args:
        measure: Returns metrics of the model as it is; not asked for what Keras has validated.
        metric: Name of the metric that is told.
        watch: Takes the values after each epoch so far; it may raise an exception to end training.

    Attributes:
        history: The values.
    """

    remembered = ("history",)

    def __init__(
        self,
        measure: Callable[[RecommenderModel], Mapping[str, float]],
        metric: str,
        watch: Callable[[Sequence[float]], None],
    ) -> None:
        super().__init__()
        self._measure, self._metric, self._watch = measure, metric, watch
        self.history: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Measures, if Keras has not, and tells."""
        value = (logs or {}).get(f"val_{self._metric}")
        value = self._measure(self.model)[self._metric] if value is None else value
        self.history.append(float(value))
        self._watch(self.history)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Tells of a training that was finished before it was killed."""
        self._watch(self.history)

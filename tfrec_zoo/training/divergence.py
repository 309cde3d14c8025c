"""Divergence: a training whose loss is no number ends, with the last good weights."""

import itertools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.models import RecommenderModel

#: Number of batches that are looked at to find out what was not finite first.
_BATCHES = 200


class StopDiverging(tf.keras.callbacks.Callback):
    """Ends training by an error when the loss or a weight is no finite number.

    The model then has the weights of the last copy whose values were all finite. A copy is made as
    often as fits into two percent of the time of training, but not more than once a second.

    Args:
        dataset: The batches that the model is trained on.

    Raises:
        FloatingPointError: While training; names the first tensor that was not finite.
    """

    # The loss is asked for once, not every metric after every step.
    _supports_tf_logs = True

    def __init__(self, dataset: tf.data.Dataset) -> None:
        super().__init__()
        self._dataset = dataset
        self._good: list[np.ndarray] = []
        self._since = "of before training"
        self._next_copy = 0.0
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the number of the epoch, and the weights that training begins with."""
        self._epoch = epoch + 1
        if not self._good:
            self.model.build_weights()
            self._good = _values(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the loss so far, and copies the weights if it is time."""
        self._check("loss", logs)
        now = time.monotonic()
        if now >= self._next_copy:
            self.check_weights()
            end = time.monotonic()
            self._next_copy = end + max(1.0, 50 * (end - now))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the loss of validation."""
        self._check("val_loss", logs)

    def check_weights(self) -> None:
        """Copies the weights, or ends training where one is not finite."""
        weights = _values(self.model)
        if all(np.isfinite(array).all() for array in weights):
            self._good, self._since = weights, "that were last all finite"
        else:
            self._end("a weight is not finite")

    def _check(self, name: str, logs: Mapping[str, Any] | None) -> None:
        if logs and name in logs and not np.isfinite(float(logs[name])):
            self._end(f"the {name} is {float(logs[name])}")

    def _end(self, what: str) -> None:
        diverged = _values(self.model)
        for variable, value in zip(self.model.learned, self._good, strict=True):
            variable.assign(value)
        first = first_not_finite(self.model, self._dataset.take(_BATCHES))
        first = first or _first_weight(self.model, diverged)
        self.model.reset_metrics()
        raise FloatingPointError(
            f"Training diverged in epoch {self._epoch}: {what}. The model has the weights "
            f"{self._since}. Try a smaller `learning_rate`, or `clipping`. The first tensor that "
            "is not finite. "
            f"Received: {first}"
        )


def first_not_finite(model: RecommenderModel, dataset: tf.data.Dataset) -> str | None:
    """Says what is not finite first in a pass over the batches, with the weights as they are.

    Args:
        model: The model; a missing number, NaN, is a value that features may have.
        dataset: Batches `(features, label)` or `(features, label, weight)`.

    Returns:
        The name of the input, loss or gradient and the number of its batch; None if all are finite.
    """

    @tf.function(reduce_retracing=True)
    def computed(*batch: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=True)
        gradients = tape.gradient(loss, model.trainable_variables, unconnected_gradients="zero")
        return loss, [_is_finite(getattr(g, "values", g)) for g in gradients]

    for number, batch in zip(itertools.count(1), dataset):
        features, label, weight = tf.keras.utils.unpack_x_y_sample_weight(batch)
        inputs = {"the labels": label, "the sample weights": weight}
        for name, values in inputs.items():
            if values is not None and not _is_finite(values):
                return f"{name} of batch {number}"
        loss, is_finite = computed(*batch)
        if not np.isfinite(loss):
            encoded = model.encode(features)["values"]
            infinite = [key for key, v in encoded.items() if np.isinf(v).any()]
            what = f"the feature {infinite[0]!r}" if infinite else "the loss"
            return f"{what} of batch {number}"
        for variable, is_good in zip(model.trainable_variables, is_finite, strict=True):
            if not is_good:
                return f"the gradient of {variable.name!r} in batch {number}"
    return None


def _is_finite(values: tf.Tensor) -> tf.Tensor:
    values = tf.convert_to_tensor(values)
    if not values.dtype.is_floating:
        return tf.constant(True)
    return tf.reduce_all(tf.math.is_finite(values))


def _first_weight(model: RecommenderModel, weights: list[np.ndarray]) -> str:
    """The first weight that is not finite; if all are, the one with the largest value."""
    named = list(zip((variable.name for variable in model.learned), weights, strict=True))
    for name, array in named:
        if not np.isfinite(array).all():
            return f"the weight {name!r}"
    name, array = max(named, key=lambda pair: np.abs(pair[1]).max(initial=0))
    return f"the loss, with weights up to {np.abs(array).max():.1e} in {name!r}"


def _values(model: RecommenderModel) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.learned]

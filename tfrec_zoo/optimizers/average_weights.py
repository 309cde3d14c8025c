"""Moving averages of weights: what a model is between epochs; its steps go on as they were."""

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf


class AverageWeights(tf.keras.callbacks.Callback):
    """Gives a model the moving average of its weights wherever it is measured, kept or saved.

    After step t, with the weights w_t that the optimizer left,

        a_t = d_t a_(t−1) + (1 − d_t) w_t,   d_t = min(decay, (1 + t) / (10 + t)),

    where a_0 is what training began with. From the last step of an epoch to the first of the next
    the model has a_t; then training goes on from w_t. Weights that another callback gave the model
    in between are where both go on from.

    Weights are looked at wherever Keras looks at callbacks: n steps taken at once count as n
    towards their last weights.

    Args:
        decay: The share d of the average that a step leaves, below 1.

    Attributes:
        steps: Number of steps that were averaged.
        taken: The weights that training goes on from, while the model has the averages.

    References:
        Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal on
        Control and Optimization 1992.
    """

    remembered = ("steps", "averages", "taken")
    # The loss is not asked for.
    _supports_tf_logs = True

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay
        self._twin: tuple[tf.keras.Model, tf.distribute.Strategy] | None = None
        self._variables: list[tf.Variable] = []
        self._begin = 0
        self.steps = 0
        self.taken: list[np.ndarray] = []

    @property
    def averages(self) -> list[np.ndarray]:
        """The averages of the trainable weights, in their order."""
        return [variable.numpy() for variable in self._variables]

    @averages.setter
    def averages(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def follow(self, twin: tf.keras.Model, strategy: tf.distribute.Strategy) -> None:
        """Averages the weights of a twin that takes the steps of the model under a strategy."""
        self._twin = twin, strategy

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begins with the weights as they are."""
        self._variables = [tf.Variable(w, trainable=False) for w in self.model.trainable_variables]

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Lets training go on from where it was, or from what the model was given since."""
        if not self.taken:
            return
        own = [variable.numpy() for variable in self.model.trainable_variables]
        if all(map(np.array_equal, own, self.averages)):
            self._give(self.taken)
        else:
            self.averages = own
        self.taken = []

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remembers which step of the epoch comes next."""
        self._begin = batch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Averages; after the last step of the epoch the model has the averages."""
        number = batch + 1 - self._begin
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps)) ** number
        self.steps += number
        model, strategy = self._twin or (self.model, None)
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            for average, weight in zip(self._variables, model.trainable_variables, strict=True):
                average.assign_add((1 - decay) * (tf.convert_to_tensor(weight) - average))
        if batch + 1 == self.params["steps"]:
            self._show()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Gives the model the averages, if nobody knew which step was the last of the epoch."""
        self._show()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Gives the model the averages, if the epoch was ended before its last step."""
        self._show()

    def _show(self) -> None:
        if not self.taken:
            self.taken = [variable.numpy() for variable in self.model.trainable_variables]
            self._give(self.averages)

    def _give(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self.model.trainable_variables, values, strict=True):
            variable.assign(value)

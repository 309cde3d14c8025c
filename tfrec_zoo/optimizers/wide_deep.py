"""One optimizer for the wide side of a model and one for the deep side."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs


class WideDeepOptimizer(tfrs.experimental.optimizers.CompositeOptimizer):
    """Wide & Deep's joint training: FTRL for the wide side, AdaGrad for the deep side.

    `WideDeep.compile([wide, deep])` makes it. To Keras it is one optimizer: one call of `fit`
    trains both sides, checkpoints hold both.

    `learning_rate` is the deep side's, which callbacks such as `ReduceLROnPlateau` change and
    schedules may be given for. The wide side keeps its own: FTRL's steps shrink by themselves, and
    its weights are a function of the sum of all gradients AND of the learning rate, so that a rate
    ten times smaller would make the weights ten times smaller when they are touched next.

    Args:
        wide: Optimizer of the wide side; of Keras's legacy ones, as `tfrec_zoo.optimizers.make`
            makes them.
        deep: Optimizer of the rest.
        wide_variables: Returns the variables of the wide side.
        deep_variables: Returns all others.
        name: Of the optimizer.

    References:
        Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016, §3.3.
        McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013.
    """

    def __init__(
        self,
        wide: tf.keras.optimizers.legacy.Optimizer,
        deep: tf.keras.optimizers.legacy.Optimizer,
        wide_variables: Callable[[], Sequence[tf.Variable]],
        deep_variables: Callable[[], Sequence[tf.Variable]],
        name: str = "WideDeepOptimizer",
    ) -> None:
        super().__init__([(wide, wide_variables), (deep, deep_variables)], name=name)

    @property
    def learning_rate(self) -> Any:
        """The deep side's: a variable, or a schedule."""
        return self.optimizers[1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.optimizers[1].learning_rate = value

    lr = learning_rate

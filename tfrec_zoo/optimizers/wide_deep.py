"""Joint training of Wide & Deep, with one optimizer for each side."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.recommenders import tfrs


class WideDeepOptimizer(tfrs.experimental.optimizers.CompositeOptimizer):
    """Trains the wide side with one optimizer (FTRL) and the deep side with another (AdaGrad).

    `WideDeep.compile([wide, deep])` makes it. For Keras it is a single optimizer: one call of `fit`
    trains both sides, and checkpoints contain both.

    `learning_rate` is that of the deep side, for callbacks such as `ReduceLROnPlateau` and for
    schedules. The wide side keeps its own: FTRL's steps shrink by themselves, and its weights are a
    function of the sum of all gradients AND of the learning rate, so a rate ten times smaller would
    make the weights ten times smaller at their next update.

    Args:
        wide: Optimizer of the wide side; a legacy one of Keras, as `tfrec_zoo.optimizers.make`
            makes.
        deep: Optimizer of all other variables.
        wide_variables: Function that returns the variables of the wide side.
        deep_variables: Function that returns all other variables.
        name: Name of the optimizer.

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
        #: Functions that return the variables of each side.
        self.moved = (wide_variables, deep_variables)

    def apply_gradients(
        self,
        grads_and_vars: Sequence[Any],
        name: str | None = None,
        experimental_aggregate_gradients: bool = True,
    ) -> Any:
        """Applies the gradients of both sides.

        Returns:
            An operation, as every optimizer does: Keras skips the step of a scaled loss that
            overflows by a condition, whose branches must be alike.
        """
        super().apply_gradients(grads_and_vars, name, experimental_aggregate_gradients)
        return self.iterations.assign_add(0, read_value=False)

    @property
    def learning_rate(self) -> Any:
        """Learning rate of the deep side: a variable, or a schedule."""
        return self.optimizers[1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.optimizers[1].learning_rate = value

    lr = learning_rate

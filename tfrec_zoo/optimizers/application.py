"""How gradients are applied by an optimizer of any kind."""

import inspect
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def apply_gradients(
    optimizer: Any, gradients: Sequence[Any], variables: Sequence[tf.Variable]
) -> None:
    """Lets an optimizer apply gradients of the loss that it has scaled, if it scales losses.

    Without a strategy it is told that there are no gradients of other devices to add: TensorFlow
    keeps a graph that adds them, and all variables that the graph reads, for good.

    Args:
        optimizer: An optimizer of Keras, of either generation, or derived from one.
        gradients: A gradient for each variable, or None.
        variables: The variables.
    """
    if hasattr(optimizer, "get_unscaled_gradients"):
        gradients = optimizer.get_unscaled_gradients(gradients)
    known = inspect.signature(optimizer.apply_gradients).parameters
    can_be_told = "experimental_aggregate_gradients" in known or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()
    )
    alone = can_be_told and not tf.distribute.has_strategy()
    optimizer.apply_gradients(
        zip(gradients, variables, strict=True),
        **({"experimental_aggregate_gradients": False} if alone else {}),
    )

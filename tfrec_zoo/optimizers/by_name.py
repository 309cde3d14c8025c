"""Optimizers by the names that `compile` accepts."""

from typing import Any

import tensorflow as tf

#: Keras's legacy versions update the rows of a batch only; the newer ones sweep whole tables.
_SPARSE = {
    "adagrad": tf.keras.optimizers.legacy.Adagrad,
    "ftrl": tf.keras.optimizers.legacy.Ftrl,
    "sgd": tf.keras.optimizers.legacy.SGD,
}
#: Keras starts accumulators at 0.1. The loss is a mean over the batch, so the squared gradient of a
#: row is about 1e-7: the row would hardly move until the accumulated gradients exceed 0.1.
_DEFAULTS = {
    "adagrad": {"learning_rate": 0.05, "initial_accumulator_value": 1e-6},
    "ftrl": {"learning_rate": 0.1, "initial_accumulator_value": 1e-6},
}


def make(name: str, **arguments: Any) -> Any:
    """Makes an optimizer by name.

    `"adagrad"`, `"ftrl"` and `"sgd"` are Keras's legacy optimizers, whose kernels touch only those
    rows of a table that are in the batch. AdaGrad and FTRL have default learning rates of 0.05 and
    0.1, and accumulators that start at 1e-6.

    Args:
        name: Name of the optimizer.
        **arguments: Arguments of the optimizer, such as `learning_rate`.

    Returns:
        A Keras optimizer.

    Raises:
        ValueError: If there is no optimizer of that name.
    """
    try:
        kind = _SPARSE.get(name.lower()) or type(tf.keras.optimizers.get(name))
    except ValueError:
        known = ["adam", "fused_adam", "lazy_adam", *_SPARSE]
        raise ValueError(
            f"There is no optimizer of that name; such are {known}. Received: {name!r}"
        ) from None
    return kind(**{**_DEFAULTS.get(name.lower(), {}), **arguments})

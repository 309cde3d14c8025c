"""Optimizers by the name that `compile` knows them by."""

from typing import Any

import tensorflow as tf

#: Keras's newer versions of these sweep whole tables where the legacy ones move a batch's rows.
_SPARSE = {
    "adagrad": tf.keras.optimizers.legacy.Adagrad,
    "ftrl": tf.keras.optimizers.legacy.Ftrl,
    "sgd": tf.keras.optimizers.legacy.SGD,
}
#: Keras begins accumulators at 0.1. The loss is a mean over the batch, so the squared gradient of
#: a row is some 1e-7: it would stand still for as long as it took to outgrow that.
_DEFAULTS = {
    "adagrad": {"learning_rate": 0.05, "initial_accumulator_value": 1e-6},
    "ftrl": {"learning_rate": 0.1, "initial_accumulator_value": 1e-6},
}


def make(name: str, **arguments: Any) -> Any:
    """Makes an optimizer by name, with arguments.

    `"adagrad"`, `"ftrl"` and `"sgd"` are Keras's legacy ones, whose kernels touch only the rows of
    a table that are in the batch. The first two have by default learning rates of 0.05 and 0.1 and
    accumulators that begin at 1e-6.

    Raises:
        ValueError: If there is no optimizer of that name.
    """
    kind = _SPARSE.get(name.lower()) or type(tf.keras.optimizers.get(name))
    return kind(**{**_DEFAULTS.get(name.lower(), {}), **arguments})

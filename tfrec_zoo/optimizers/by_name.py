"""Optimizers by the name that `compile` knows them by."""

from typing import Any

import tensorflow as tf

#: Keras's newer versions of these sweep whole tables where the legacy ones move a batch's rows.
_SPARSE = {
    "adagrad": tf.keras.optimizers.legacy.Adagrad,
    "ftrl": tf.keras.optimizers.legacy.Ftrl,
    "sgd": tf.keras.optimizers.legacy.SGD,
}


def make(name: str, **arguments: Any) -> Any:
    """Makes an optimizer by name, with arguments.

    `"adagrad"`, `"ftrl"` and `"sgd"` are Keras's legacy ones, whose kernels touch only the rows of
    a table that are in the batch.

    Raises:
        ValueError: If there is no optimizer of that name.
    """
    kind = _SPARSE.get(name.lower()) or type(tf.keras.optimizers.get(name))
    return kind(**arguments)

"""Checks of the inputs of metrics, whose errors name the argument and show the bad values."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def check_at_least_one(value: Any, name: str) -> int:
    """Returns `value` as a Python int, or raises an error if it is not an integer >= 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer >= 1. Received: {name}={value!r}")
    return int(value)


def require(valid: Any, values: tf.Tensor, message: str) -> tf.Tensor:
    """Returns `values`, or raises an error with those of them where `valid` is False.

    In eager mode this is a ValueError. Inside a `tf.function` it is an assertion in the graph,
    which raises a `tf.errors.InvalidArgumentError` with the same message. A graph runs in no order
    but that of its tensors, so go on with what is returned: it isn't there before it was checked.

    Args:
        valid: Whether each entry is valid, booleans of any shape.
        values: Received values, of the same shape.
        message: What was expected, starting with the name of the argument.
    """
    if tf.executing_eagerly():
        valid = np.asarray(valid)
        if not valid.all():
            bad = np.asarray(values)[~valid][:5].tolist()
            raise ValueError(f"{message} Received: {bad}")
        return values
    valid = tf.reshape(valid, [-1])
    bad = tf.boolean_mask(tf.reshape(values, [-1]), tf.logical_not(valid))
    received = [f"{message} Received:", bad]
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(valid), received, 5)]):
        return tf.identity(values)


def flat_column(values: Any, name: str, rows: int | None = None) -> tf.Tensor:
    """Returns values of shape [batch] or [batch, 1] as a float64 column, [batch].

    Args:
        values: Numbers, as anything that `tf.convert_to_tensor` accepts.
        name: Name of the argument, for the error.
        rows: Expected number of rows, if known.
    """
    values = tf.convert_to_tensor(values)
    shape = values.shape
    if shape.rank is not None:
        if shape.rank not in (1, 2) or (shape.rank == 2 and shape[1] not in (1, None)):
            raise ValueError(
                f"`{name}` must have the shape [batch] or [batch, 1]. Received: shape {shape}"
            )
        if rows is not None and shape[0] is not None and shape[0] != rows:
            raise ValueError(
                f"`{name}` must have one value for each of the {rows} rows. Received: shape {shape}"
            )
    return tf.cast(tf.reshape(values, [-1]), tf.float64)


def weight_column(sample_weight: Any, values: tf.Tensor) -> tf.Tensor:
    """Returns sample weights as a float64 column, [batch].

    Args:
        sample_weight: Numbers >= 0, [batch] or [batch, 1], a single number, or None for all ones.
        values: Tensor that has the number of rows, [batch].
    """
    if sample_weight is None:
        return tf.ones_like(values, dtype=tf.float64)
    sample_weight = tf.convert_to_tensor(sample_weight)
    if sample_weight.shape.rank == 0:
        weights = tf.fill(tf.shape(values), tf.cast(sample_weight, tf.float64))
    else:
        weights = flat_column(sample_weight, "sample_weight", values.shape[0])
    return require(
        (weights >= 0) & tf.math.is_finite(weights),
        weights,
        "`sample_weight` must be finite numbers >= 0.",
    )


def binary_columns(
    y_true: Any, y_pred: Any, sample_weight: Any = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns labels, scores and weights of binary examples as three float64 columns, [batch]."""
    scores = flat_column(y_pred, "y_pred")
    labels = flat_column(y_true, "y_true", scores.shape[0])
    labels = require((labels == 0) | (labels == 1), labels, "`y_true` must hold labels 0 or 1.")
    scores = require(~tf.math.is_nan(scores), scores, "`y_pred` must hold no NaN.")
    return labels, scores, weight_column(sample_weight, scores)

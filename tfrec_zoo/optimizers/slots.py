"""Slots: what an optimizer remembers of each variable, whichever optimizer it is."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.optimizers.wide_deep import WideDeepOptimizer


def parts_of(optimizer: Any, variables: Sequence[tf.Variable]) -> list[tuple[Any, list]]:
    """The optimizers that one consists of, each with those of the variables that it moves.

    Args:
        optimizer: An optimizer of Keras, perhaps one that scales the loss, or one for each side.
        variables: The variables of a model that are trained.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(optimizer, WideDeepOptimizer):
        return [(optimizer, list(variables))]
    return [
        (part, list(moved()))
        for part, moved in zip(optimizer.optimizers, optimizer.moved, strict=True)
    ]


def slots(optimizer: Any, variables: Sequence[tf.Variable]) -> list[list[tf.Variable]]:
    """What an optimizer remembers of each variable, in the order of their names.

    Slots that are not there yet are made, as they are before the first step, or as a checkpoint
    has them that is being read.

    Args:
        optimizer: A single optimizer of Keras, of the legacy kind or of the other.
        variables: The variables that it moves.

    Example:

    >>> weight = tf.Variable([1.0, 2.0])
    >>> [[m, v]] = slots(tf.keras.optimizers.legacy.Adam(), [weight])
    >>> m.shape, v.shape
    (TensorShape([2]), TensorShape([2]))
    """
    if isinstance(optimizer, tf.keras.optimizers.legacy.Optimizer):
        optimizer._create_all_weights(variables)
        names = sorted(optimizer.get_slot_names())
        return [[optimizer.get_slot(variable, name) for name in names] for variable in variables]
    optimizer.build(variables)
    shapes = [variable.shape for variable in variables]
    lists = [
        value
        for name, value in sorted(vars(optimizer).items())
        if isinstance(value, list)
        and name != "_variables"
        and [getattr(slot, "shape", None) for slot in value] == shapes
    ]
    return [[one[i] for one in lists] for i in range(len(shapes))]

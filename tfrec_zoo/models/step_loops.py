"""Keras's loop over the steps of one execution, in which a step is traced once."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def loop_of(
    step: Callable[[Any], dict[str, tf.Tensor]], counter: tf.Variable, number: tf.Variable
) -> Any:
    """Returns a function of an iterator that takes a number of steps and returns the last one's.

    Keras's own loop begins without outputs, so AutoGraph traces the step an additional time to
    learn their shapes: the model, its loss and its gradients.

    Args:
        step: A function of a batch to results by name.
        counter: Number of steps that were taken, which is increased.
        number: Number of steps to take, at least 1.
    """
    traced: Any = tf.function(step, reduce_retracing=True)

    def steps(iterator: Any) -> dict[str, tf.Tensor]:
        total = number.read_value()
        results = traced.get_concrete_function(iterator.element_spec).structured_outputs

        def take(taken: tf.Tensor, _: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            outputs = traced(next(iterator))
            with tf.control_dependencies(tf.nest.flatten(outputs)):
                counter.assign_add(1)
            return taken + 1, outputs

        begin = tf.zeros([], total.dtype), tf.nest.map_structure(_nothing, results)
        shapes = tf.TensorShape([]), tf.nest.map_structure(lambda result: result.shape, results)
        return tf.while_loop(lambda taken, _: taken < total, take, begin, shapes)[1]

    function = tf.function(steps, reduce_retracing=True, autograph=False)
    # Each model traces its own: a process that trains many needs no warning of that.
    function._omit_frequent_tracing_warning = True
    return function


def _nothing(result: tf.TensorSpec) -> tf.Tensor:
    return tf.zeros([size or 0 for size in result.shape], result.dtype)

"""Adam whose step is one kernel per weight, including embedding tables."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class FusedAdam(tf.keras.optimizers.legacy.Adam):
    """Exact Adam, fast on small embedding tables: one fused kernel updates all rows in each step.

        m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
        w ← w − α √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε),

    with g = 0 for the rows that are not in the batch: they, too, move by their m. Keras's own
    legacy Adam computes the same in a dozen passes over a table. Here row gradients are summed into
    one dense gradient, and TensorFlow's dense kernel does the rest. A step still costs in
    proportion to the table; for a large one use `LazyAdam`, which is not quite Adam.

    Because the gradients are dense, they are clipped by their true norms, and an embedding table
    may have a constraint. Keras's own optimizers do not sum repeated rows before clipping, so they
    clip by a different norm, and they refuse constraints.

    The arguments are those of `tf.keras.optimizers.legacy.Adam`.

    Example:

    >>> table = tf.Variable([[1.0], [2.0]])
    >>> with tf.GradientTape() as tape:
    ...     loss = tf.reduce_sum(tf.gather(table, [1, 1]))
    >>> optimizer = FusedAdam(0.5)
    >>> _ = optimizer.apply_gradients([(tape.gradient(loss, table), table)])
    >>> table.numpy().round(3).tolist()
    [[1.0], [1.5]]

    References:
        Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    def _transform_gradients(self, grads_and_vars: Iterable[Any]) -> Any:
        return super()._transform_gradients([(_dense(g, var), var) for g, var in grads_and_vars])


def _dense(grad: Any, var: tf.Variable) -> tf.Tensor:
    if not isinstance(grad, tf.IndexedSlices):
        return grad
    return tf.math.unsorted_segment_sum(grad.values, grad.indices, var.shape[0])

"""Adam that updates only the rows of a table that a batch touches."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tfrec_zoo")
class LazyAdam(tf.keras.optimizers.legacy.Adam):
    """Row-sparse Adam for large embedding tables: the cost of a step grows with the batch only.

    At step t of the optimizer, a row whose gradient g (summed over its lookups in the batch) is not
    zero becomes

        m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
        w ← w − α √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε),

    and all other rows keep their w, m and v. This is NOT Adam, in which a row that is not in the
    batch has gradient zero, so that its m and v decay and it continues to move by its m; here it
    rests. Rows of rare ids end up different, for better or worse. If the result must be Adam's and
    the table is small, use `FusedAdam`.

    A weight with a dense gradient gets plain Adam. That includes a table with a regularizer, which
    affects all rows in each step.

    Repeated rows are summed before gradients are clipped. Keras's own optimizers do not sum them,
    so they clip by a different norm.

    The arguments are those of `tf.keras.optimizers.legacy.Adam`.

    Example:

    >>> table = tf.Variable([[1.0], [2.0]])
    >>> with tf.GradientTape() as tape:
    ...     loss = tf.reduce_sum(tf.gather(table, [1, 1]))
    >>> optimizer = LazyAdam(0.5)
    >>> _ = optimizer.apply_gradients([(tape.gradient(loss, table), table)])
    >>> table.numpy().round(3).tolist()
    [[1.0], [1.5]]

    References:
        Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    def _transform_gradients(self, grads_and_vars: Iterable[Any]) -> Any:
        clips = (self.clipnorm, self.global_clipnorm, self.clipvalue)
        if self.gradient_transformers or any(clip is not None for clip in clips):
            grads_and_vars = [(_sum_repeated_rows(grad), var) for grad, var in grads_and_vars]
        return super()._transform_gradients(grads_and_vars)

    def _resource_apply_sparse(
        self, grad: tf.Tensor, var: tf.Variable, indices: tf.Tensor, apply_state: Any = None
    ) -> tf.Operation:
        """Applies row gradients. Keras has summed repeated rows, so `indices` are distinct."""
        device_and_dtype = var.device, var.dtype.base_dtype
        state = (apply_state or {}).get(device_and_dtype) or self._fallback_apply_state(
            *device_and_dtype
        )
        # A masked lookup, such as that of an unknown id, gives a row gradient of zero. Such a row
        # is not part of the batch.
        is_touched = tf.reduce_any(grad != 0, axis=list(range(1, var.shape.rank)))
        # The same as `tf.boolean_mask`, in a third of the operations.
        touched = tf.squeeze(tf.where(is_touched), axis=1)
        grad, indices = tf.gather(grad, touched), tf.gather(indices, touched)
        handles = {slot: self.get_slot(var, slot).handle for slot in self.get_slot_names()}
        handles["w"] = var.handle
        rows = {
            name: tf.raw_ops.ResourceGather(resource=handle, indices=indices, dtype=grad.dtype)
            for name, handle in handles.items()
        }
        rows["m"] = state["beta_1_t"] * rows["m"] + state["one_minus_beta_1_t"] * grad
        rows["v"] = state["beta_2_t"] * rows["v"] + state["one_minus_beta_2_t"] * grad**2
        if self.amsgrad:
            rows["vhat"] = tf.maximum(rows["vhat"], rows["v"])
        scale = tf.sqrt(rows["vhat" if self.amsgrad else "v"]) + state["epsilon"]
        # `lr` includes the bias corrections.
        rows["w"] -= state["lr"] * rows["m"] / scale
        # Writing distinct rows takes a fraction of the time of the kernel that subtracts from them.
        updates = [
            tf.raw_ops.ResourceScatterUpdate(resource=handle, indices=indices, updates=rows[name])
            for name, handle in handles.items()
        ]
        return tf.group(updates)


def _sum_repeated_rows(grad: Any) -> Any:
    if not isinstance(grad, tf.IndexedSlices):
        return grad
    indices, place = tf.unique(grad.indices)
    values = tf.math.unsorted_segment_sum(grad.values, place, tf.size(indices))
    return tf.IndexedSlices(values, indices, grad.dense_shape)

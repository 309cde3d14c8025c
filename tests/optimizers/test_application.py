"""How gradients are applied by optimizers of every kind."""

import pytest

from tfrec_zoo.optimizers import apply_gradients

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


class Plain(tf.keras.optimizers.SGD):
    """An optimizer that knows gradients and a name, and nothing else."""

    def apply_gradients(self, grads_and_vars, name=None):
        return super().apply_gradients(grads_and_vars, name)


class PassingOn(tf.keras.optimizers.SGD):
    """An optimizer that passes on what it is told."""

    def apply_gradients(self, grads_and_vars, **kwargs):
        return super().apply_gradients(grads_and_vars, **kwargs)


OPTIMIZERS = {
    "keras": tf.keras.optimizers.SGD,
    "legacy": tf.keras.optimizers.legacy.SGD,
    "plain": Plain,
    "passing on": PassingOn,
}


# Where losses are scaled, Keras itself tells the optimizer within what devices are to add up.
CASES = [(kind, False) for kind in OPTIMIZERS] + [(k, True) for k in OPTIMIZERS if k != "plain"]


@pytest.mark.parametrize(("kind", "scaled"), CASES)
@pytest.mark.parametrize("strategy", [None, "one device"])
def test_a_step_is_the_gradient_times_the_rate(kind, scaled, strategy):
    """5 − .1 · 3, whether losses are scaled by 8 or not."""
    of_devices = tf.distribute.OneDeviceStrategy("/cpu:0") if strategy else None
    with of_devices.scope() if of_devices else tf.distribute.get_strategy().scope():
        variable = tf.Variable([5.0])
        optimizer = OPTIMIZERS[kind](0.1)
        if scaled:
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(
                optimizer, dynamic=False, initial_scale=8
            )

    @tf.function
    def step():
        apply_gradients(optimizer, [tf.constant([24.0 if scaled else 3.0])], [variable])

    if of_devices is None:
        step()
    else:
        of_devices.run(step)
    assert variable.numpy() == pytest.approx([4.7])

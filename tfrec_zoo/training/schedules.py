"""Schedules of the learning rate."""

from typing import Any

import tensorflow as tf


def cosine(learning_rate: float, steps: int, warmup_steps: int = 0) -> Any:
    """A learning rate that rises from zero for some steps, then falls to zero along a cosine."""
    schedule = tf.keras.optimizers.schedules.CosineDecay
    if not warmup_steps:
        return schedule(learning_rate, steps)
    rest = max(steps - warmup_steps, 1)
    return schedule(0.0, rest, warmup_target=learning_rate, warmup_steps=warmup_steps)


class Later(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins at a later step.

    Args:
        schedule: The schedule.
        begin: The step at which it begins.
    """

    def __init__(self, schedule: Any, begin: int) -> None:
        self.schedule = schedule
        self.begin = begin

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        return self.schedule(tf.cast(step, tf.float32) - float(self.begin))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {"schedule": self.schedule, "begin": self.begin}

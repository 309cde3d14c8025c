"""Draws: random numbers that follow from a seed and a training step, not from earlier draws.

A training that was killed and goes on at some step thus draws what it would have drawn.
"""

import contextlib
import contextvars
import itertools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

#: The step that is being traced or taken, and a number for each place in it that draws.
_STEP: contextvars.ContextVar[tuple[Any, Iterator[int]] | None] = contextvars.ContextVar(
    "step", default=None
)


@contextlib.contextmanager
def at_step(step: tf.Variable | tf.Tensor) -> Iterator[None]:
    """Draws made within follow from their seeds and this step, and from their order in it.

    Args:
        step: Number of the step, an integer.
    """
    token = _STEP.set((step, itertools.count()))
    try:
        yield
    finally:
        _STEP.reset(token)


def stateless_seed(seed: int | None) -> tf.Tensor:
    """A seed for TensorFlow's stateless operations, int64 [2].

    Within a step it follows from the seed and the step, a different one for each call and each
    replica. Elsewhere, or without a seed, every evaluation gives another.

    Args:
        seed: Seed of whoever draws, or None.
    """
    now = _STEP.get()
    if now is None or seed is None:
        return tf.random.uniform([2], maxval=2**62, dtype=tf.int64, seed=seed)
    step, places = now
    second = tf.cast(tf.convert_to_tensor(step), tf.int64)
    replica = tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:
        second += tf.cast(replica.replica_id_in_sync_group, tf.int64) * 2**40
    return tf.stack([tf.constant(seed + (next(places) << 32), tf.int64), second])


def uniform(
    shape: Any,
    seed: int | None,
    minval: Any = 0,
    maxval: Any = None,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """Uniform random numbers, as `tf.random.uniform` has them, by a `stateless_seed`."""
    return tf.random.stateless_uniform(
        shape, stateless_seed(seed), minval, maxval, dtype=dtype, alg="philox"
    )

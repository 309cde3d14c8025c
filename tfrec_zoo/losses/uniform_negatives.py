"""Uniform negatives: classes that are not among an example's own, and what they cost on average."""

import tensorflow as tf

from tfrec_zoo import draws


def uniform_negatives(
    own: tf.Tensor, number: int | tf.Tensor, num_classes: int, seed: int | None = None
) -> tf.Tensor:
    """Draws classes uniformly from those that are not an example's own.

    The draws are exact: the r-th free class is found by counting the own ones before it.

    Args:
        own: Own classes, int32 [batch, n], which may repeat; negative ones are none.
        number: Number of draws for each example, with replacement.
        num_classes: Number of classes.
        seed: Seed of the draws.

    Returns:
        Classes, int32 [batch, number]; −1 for an example that owns all of them.

    Example:

    >>> uniform_negatives(tf.constant([[0, 3, 2, 0, -1]]), 2, 4).numpy().tolist()
    [[1, 1]]
    """
    own = tf.sort(own, axis=1)
    repeats = tf.pad(own[:, 1:] == own[:, :-1], [[0, 0], [1, 0]])
    # Each own class once, and behind them all that is none.
    own = tf.sort(tf.where((own < 0) | repeats, num_classes, own), axis=1)
    is_class = own < num_classes
    free = num_classes - tf.reduce_sum(tf.cast(is_class, tf.int32), axis=1, keepdims=True)
    shape = [tf.shape(own)[0], number]
    drawn = draws.uniform(shape, seed, maxval=2**62, dtype=tf.int64)
    drawn = tf.cast(drawn % tf.cast(tf.maximum(free, 1), tf.int64), tf.int32)
    # The number of free classes before each own one.
    before = tf.where(is_class, own - tf.range(tf.shape(own)[1]), num_classes)
    return tf.where(free > 0, drawn + tf.searchsorted(before, drawn, side="right"), -1)


def expected_binary_losses(scores: tf.Tensor, classes: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Returns the logistic losses of classes, each with the mean of those of all negatives.

        −log σ(s_class) − mean of log(1 − σ(s_j)) over the classes j that are not own

    This is what the loss with one of `uniform_negatives` is on average.

    Args:
        scores: Scores of all classes, [batch, classes].
        classes: Classes of the examples, [batch].
        own: Own classes, int32 [batch, n]; negative ones are none.

    Returns:
        The losses, [batch].

    Example:

    >>> losses = expected_binary_losses(tf.zeros([1, 3]), tf.constant([1]), tf.constant([[1, -1]]))
    >>> f"{losses[0]:.3f}"  # 2 log 2
    '1.386'
    """
    row = tf.broadcast_to(tf.range(tf.shape(own)[0])[:, None], tf.shape(own))
    at = tf.reshape(tf.stack([row, own + 1], axis=-1), [-1, 2])
    is_free = tf.tensor_scatter_nd_update(
        tf.pad(tf.ones_like(scores), [[0, 0], [1, 0]]), at, tf.zeros([tf.size(own)], scores.dtype)
    )[:, 1:]
    against = tf.reduce_sum(tf.nn.softplus(scores) * is_free, axis=1)
    mean = tf.math.divide_no_nan(against, tf.reduce_sum(is_free, axis=1))
    return tf.nn.softplus(-tf.gather(scores, classes, batch_dims=1)) + mean

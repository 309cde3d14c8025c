"""Recency: weights of the values of a bag that halve with their age."""

import tensorflow as tf


def recency_weights(is_known: tf.Tensor, ages: tf.Tensor, half_life: float) -> tf.Tensor:
    """Returns weights 2^(-age / half_life), where the youngest value of a bag weighs 1.

    Ages count from the youngest value of the bag, which leaves a weighted mean as it is and keeps
    bags that are old as a whole from vanishing. A value without an age weighs as much as the others
    do on average: a bag without any ages has equal weights.

    Args:
        is_known: Which values count, bool [..., length].
        ages: Ages of the values, [..., length]. NaN and infinite ones are missing.
        half_life: The age that halves a weight.

    Returns:
        The weights, float32 [..., length]; 0 for values that don't count.

    Example:

    >>> weights = recency_weights(
    ...     tf.constant([[True, True, True, False]]), tf.constant([[30.0, 10.0, 20.0, 0.0]]), 10.0)
    >>> weights.numpy().tolist()
    [[0.25, 1.0, 0.5, 0.0]]
    """
    has_age = is_known & tf.math.is_finite(ages)
    youngest = tf.where(has_age, ages, ages.dtype.max)
    youngest = tf.reduce_min(youngest, axis=-1, keepdims=True)
    halvings = tf.cast(tf.where(has_age, (ages - youngest) / half_life, 0), tf.float32)
    weights = tf.where(has_age, tf.pow(2.0, -halvings), 0)
    count = tf.reduce_sum(tf.cast(has_age, tf.float32), axis=-1, keepdims=True)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    average = tf.where(count > 0, tf.math.divide_no_nan(total, count), 1)
    return tf.where(is_known & ~has_age, average, weights)

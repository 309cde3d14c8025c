"""Classes drawn for a batch, to stand for all others, and how often each was to be expected."""

import dataclasses
import math
from collections.abc import Callable

import tensorflow as tf

from tfrec_zoo import draws


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Classes drawn for a batch, and how many times each was to be expected.

    Args:
        classes: The classes, int32 [drawn]; −1 is none.
        expected: Expected number of times that each of them is drawn, [drawn].
        of_positives: The same for the examples' own classes, [batch].
    """

    classes: tf.Tensor
    expected: tf.Tensor
    of_positives: tf.Tensor


def draw_log_uniform(
    positives: tf.Tensor, number: int, num_classes: int, seed: int | None = None
) -> Drawn:
    """Draws distinct classes from a log-uniform distribution over popularity ranks.

    Class 0 is the most frequent, as in a `Vocabulary`. Class k is drawn in proportion to log((k +
    2) / (k + 1)), which is close to Zipf's law. This is the "background distribution" that
    candidate sampling corrects for (Covington et al. 2016, §3.1; Jean et al., ACL 2015).

    Args:
        positives: Classes of the examples, [batch].
        number: Number of classes drawn; all there are, if there are fewer.
        num_classes: Number of classes.
        seed: Seed of the draw.
    """
    scale = math.log(num_classes + 1)

    def proposed(uniform: tf.Tensor) -> tf.Tensor:
        ranks = tf.cast(tf.exp(uniform * scale), tf.int32) - 1
        return tf.minimum(ranks, num_classes - 1)

    def chance(classes: tf.Tensor) -> tf.Tensor:
        rank = tf.cast(classes, tf.float32)
        return tf.math.log1p(1.0 / (rank + 1.0)) / scale

    if number >= num_classes:
        return _all(positives, num_classes)
    classes, tries = _distinct(proposed, number, seed)
    # The chance to be among them after so many tries.
    expected, of_positives = (
        -tf.math.expm1(tf.cast(tries, tf.float32) * tf.math.log1p(-chance(c)))
        for c in (classes, positives)
    )
    return Drawn(classes, expected, of_positives)


def draw_uniform(
    positives: tf.Tensor, number: int, num_classes: int, seed: int | None = None
) -> Drawn:
    """Draws distinct classes, each as likely as any; see `draw_log_uniform`."""

    def proposed(uniform: tf.Tensor) -> tf.Tensor:
        return tf.minimum(tf.cast(uniform * num_classes, tf.int32), num_classes - 1)

    if number >= num_classes:
        return _all(positives, num_classes)
    classes, _ = _distinct(proposed, number, seed)
    expected, of_positives = (
        tf.fill(tf.shape(c), number / num_classes) for c in (classes, positives)
    )
    return Drawn(classes, expected, of_positives)


def _all(positives: tf.Tensor, num_classes: int) -> Drawn:
    return Drawn(tf.range(num_classes), tf.ones([num_classes]), tf.ones(tf.shape(positives)))


def _distinct(
    proposed: Callable[[tf.Tensor], tf.Tensor], number: int, seed: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws until there are as many distinct classes, and tells after how many tries there were.

    Args:
        proposed: Function from numbers that are uniform on [0, 1), float64 [n], to classes.
        number: Number of classes, fewer than there are.
        seed: Seed of the draw.

    Returns:
        The classes in the order of the draw, int32 [number], and the number of tries.
    """
    base = draws.stateless_seed(seed)

    def more(round_: tf.Tensor, drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # A seed of its own for each round: those of a step differ in their lower half alone.
        size = [number * 2 ** tf.minimum(round_, 4)]
        own = base + tf.stack([tf.cast(round_, tf.int64) * 2**56, tf.constant(0, tf.int64)])
        uniform = tf.random.stateless_uniform(size, own, dtype=tf.float64, alg="philox")
        return round_ + 1, tf.concat([drawn, proposed(uniform)], axis=0)

    def is_short(_: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        return tf.size(tf.unique(drawn).y) < number

    start = more(tf.constant(0), tf.zeros([0], tf.int32))
    _, drawn = tf.while_loop(
        is_short, more, start, shape_invariants=(tf.TensorShape([]), tf.TensorShape([None]))
    )
    distinct, place = tf.unique(drawn)
    tries = 1 + tf.argmax(place == number - 1, output_type=tf.int32)
    return distinct[:number], tries

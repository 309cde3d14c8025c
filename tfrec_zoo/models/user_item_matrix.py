"""UserItemMatrix: who chose what, as a sparse 0-1 matrix by rows and by columns."""

from typing import NamedTuple

import tensorflow as tf


class UserItemMatrix(NamedTuple):
    """The positions of the ones of a 0-1 matrix, by users and by items.

    Args:
        items: Item of each one, user after user, [ones].
        user_splits: Where each user begins in `items`, and the end of the last one, [users + 1].
        users: User of each one, item after item, [ones].
        item_splits: Where each item begins in `users`, and the end of the last one, [items + 1].
        weight: Weight of each user, [users].
        frequency: Sum of the weights of each item's users, [items].
    """

    items: tf.Tensor
    user_splits: tf.Tensor
    users: tf.Tensor
    item_splits: tf.Tensor
    weight: tf.Tensor
    frequency: tf.Tensor

    @classmethod
    def of(
        cls, items: tf.Tensor, lengths: tf.Tensor, weight: tf.Tensor, num_items: int
    ) -> "UserItemMatrix":
        """Returns the matrix of users whose items are given.

        Args:
            items: Distinct items of each user, user after user, [ones].
            lengths: Number of items of each user, [users].
            weight: Weight of each user, [users].
            num_items: Number of items.
        """
        splits, size = _splits(lengths), tf.size(items)
        # The user of a one is the number of users that end before it. (`tf.repeat` would take
        # memory for as many ones as if all users had the most.)
        ends = tf.math.unsorted_segment_sum(tf.ones_like(lengths), splits[1:], size + 1)
        users = tf.cumsum(ends[:size])
        by_item = tf.argsort(items, stable=True)
        numbers, frequency = (
            tf.math.unsorted_segment_sum(values, items, num_items)
            for values in (tf.ones_like(items), tf.gather(weight, users))
        )
        return cls(items, splits, tf.gather(users, by_item), _splits(numbers), weight, frequency)


def distinct_items(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the distinct items of each row, row after row, and where each row begins.

    Args:
        ids: Ids of items, which count from 1; 0 is none. [rows, length]

    Returns:
        Items from 0 up, [ones], and the splits, [rows + 1].
    """
    rows, length = tf.shape(ids)[0], tf.shape(ids)[1]
    row = tf.repeat(tf.range(rows), length)
    pair = tf.bitcast(tf.stack([tf.reshape(ids, [-1]), row], axis=1), tf.int64)
    pair, _ = tf.unique(tf.boolean_mask(pair, tf.reshape(ids, [-1]) > 0))
    item, row = tf.unstack(tf.bitcast(pair, tf.int32), axis=1)
    lengths = tf.math.unsorted_segment_sum(tf.ones_like(row), row, rows)
    return item - 1, _splits(lengths)


def _splits(lengths: tf.Tensor) -> tf.Tensor:
    """Returns where parts of given lengths begin, and where the last one ends."""
    return tf.pad(tf.cumsum(lengths), [[1, 0]])

"""The history that models of it alone read: a bag of items, oldest first."""

import tensorflow as tf

from tfrec_zoo.features import BagColumn, Features


def history_bag(features: Features) -> BagColumn:
    """Returns the column of the history, the only one of the query.

    Args:
        features: Fitted features.

    Raises:
        ValueError: If the query is anything else.
    """
    spec = features.spec
    bags = [getattr(column, "categorical", column) for column in spec.query]
    if len(bags) == 1 and isinstance(bags[0], BagColumn) and bags[0].space == spec.item.space:
        return bags[0]
    raise ValueError(
        "The model reads the history alone: it needs one query column, a BagColumn in the items' "
        f"ID space {spec.item.space!r}, and no other. Received: {spec.query!r}"
    )


def packed(ids: tf.Tensor, max_length: int) -> tf.Tensor:
    """Returns the last known ids of each row side by side, at the end.

    Args:
        ids: Ids, [batch, length]; 0 is unknown or missing, and may be anywhere.
        max_length: Number of ids to keep.

    Returns:
        Ids, [batch, longest], with zeros before them; there is at least one column.

    Example:

    >>> packed(tf.constant([[5, 0, 7, 0], [0, 0, 0, 2]]), 50).numpy().tolist()
    [[5, 7], [0, 2]]
    """
    is_known = ids > 0
    order = tf.argsort(tf.cast(is_known, tf.int32), stable=True)
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(is_known, tf.int32), axis=1))
    together = tf.pad(tf.gather(ids, order, batch_dims=1), [[0, 0], [1, 0]])
    return together[:, -tf.clip_by_value(longest, 1, max_length) :]

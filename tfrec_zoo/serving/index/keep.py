"""Keep: which items a query may have by their attributes."""

from collections.abc import Sequence

import tensorflow as tf

from tfrec_zoo.reads import taken


class Keep:
    """The items whose attributes have a value that is wanted, for each query of a batch.

    Args:
        codes: For each attribute the codes of each item's values, int32 [items, length]; 0 is none.
        wanted: For each attribute which codes are wanted, bool [batch, codes]: all of them, 0 too,
            where a query wants none in particular.

    Example:

    >>> codes = tf.constant([[1, 0], [2, 1], [0, 0]])
    >>> keep = Keep([codes], [tf.constant([[False, True, False], [True, True, True]])])
    >>> keep.every().numpy().tolist()
    [[True, True, False], [True, True, True]]
    """

    def __init__(self, codes: Sequence[tf.Tensor], wanted: Sequence[tf.Tensor]) -> None:
        self._codes, self._wanted = list(codes), list(wanted)

    def restricts(self) -> tf.Tensor:
        """Whether any query wants anything in particular."""
        return tf.reduce_any([tf.reduce_any(~wanted[:, :1]) for wanted in self._wanted])

    def of(self, rows: tf.Tensor) -> tf.Tensor:
        """Which rows are kept, bool [batch, n]; the first item stands for rows below 0."""
        kept = tf.ones_like(rows, tf.bool)
        for codes, wanted in zip(self._codes, self._wanted, strict=True):
            own = taken(codes, tf.maximum(rows, 0))  # [batch, n, length]
            kept &= tf.reduce_any(tf.gather(wanted, own, batch_dims=1), axis=-1)
        return kept

    def every(self) -> tf.Tensor:
        """Which of all items are kept, bool [batch, items]."""

        def of_one(wanted: tuple[tf.Tensor, ...]) -> tf.Tensor:
            kept = [
                tf.reduce_any(tf.gather(one, codes), axis=-1)
                for codes, one in zip(self._codes, wanted, strict=True)
            ]
            return tf.reduce_all(kept, axis=0)

        # A query at a time: the values of all items of a batch would not fit into memory.
        return tf.map_fn(of_one, tuple(self._wanted), fn_output_signature=tf.bool)

    def take(self, at: tf.Tensor) -> "Keep":
        """The same for some of the queries, [n, 1]."""
        return Keep(self._codes, [tf.gather_nd(wanted, at) for wanted in self._wanted])

"""Negatives: candidates that were not chosen, drawn in the graph during training.

He et al. (2017), §3.4: "we uniformly sample them from unobserved interactions in each iteration".
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

#: Number of draws after which any negative is kept: such a user has chosen nearly everything.
_MAX_DRAWS = 200

Draw = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class NegativeSampling:
    """Declares how negatives are drawn for each positive: uniformly, or by popularity.

    They are drawn anew in each epoch, among the candidates that at least one example chose.

    Args:
        number: Number of negatives per positive.
        exponent: Candidates are drawn in proportion to (number of examples)^exponent. 0 is uniform,
            1 is as popular as the positives, and 0.75 is the compromise of word2vec.
        reject: Whether to redraw items that the user chose in any example. The memory for this
            grows with the examples, not with users times items.

    Example:

    >>> draw = NegativeSampling(number=2).drawer(np.array([0, 0, 1]), np.array([5, 7, 9]))
    >>> draw(tf.constant([0, 1, 0]), tf.constant([1, 2])).numpy().tolist()[0]  # never 5 or 7
    [9, 9]
    """

    number: int = 4
    exponent: float = 0.0
    reject: bool = True

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"`number` must be positive. Received: {self.number}")

    def drawer(self, user: np.ndarray, item: np.ndarray) -> Draw:
        """Returns a function that draws negatives.

        Args:
            user: User of each example, integers from 0, [examples].
            item: Item that each example chose, integers from 0, [examples].

        Returns:
            A function from users, [n], and a seed, two integers, [2], to int64 items, [n, number].
        """
        if not len(item):
            raise ValueError("Drawing negatives needs examples to draw from. Received: 0")
        known, counts = np.unique(item, return_counts=True)
        choices = tf.constant(known, tf.int64)
        cumulative = np.cumsum(counts.astype(np.float64) ** self.exponent)
        bounds = tf.constant(cumulative / cumulative[-1], tf.float64)
        size = int(known.max()) + 1
        chosen = tf.constant(np.unique(user.astype(np.int64) * size + item), tf.int64)

        def propose(number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            if self.exponent == 0:
                at = tf.random.stateless_uniform([number], seed, maxval=len(known), dtype=tf.int64)
            else:
                uniform = tf.random.stateless_uniform([number], seed, dtype=tf.float64)
                at = tf.searchsorted(bounds, uniform, side="right", out_type=tf.int64)
            return tf.gather(choices, at)

        def is_chosen(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
            key = user * size + item
            at = tf.searchsorted(chosen, key, out_type=tf.int64)
            return tf.gather(chosen, tf.minimum(at, len(chosen) - 1)) == key

        def draw(users: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            user = tf.repeat(tf.cast(users, tf.int64), self.number)
            seed = tf.cast(seed, tf.int64)
            items = propose(tf.size(user), seed)
            if self.reject:
                # Only rejected items are drawn again.
                again = tf.where(is_chosen(user, items))[:, 0]

                def redraw(round_: tf.Tensor, again: tf.Tensor, items: tf.Tensor) -> list:
                    fresh = propose(tf.size(again), seed + tf.stack([round_, 0]))
                    items = tf.tensor_scatter_nd_update(items, again[:, None], fresh)
                    rejected = is_chosen(tf.gather(user, again), fresh)
                    return [round_ + 1, tf.boolean_mask(again, rejected), items]

                _, _, items = tf.while_loop(
                    lambda _, again, __: tf.size(again) > 0,
                    redraw,
                    [tf.constant(1, tf.int64), again, items],
                    shape_invariants=[tf.TensorShape([]), tf.TensorShape([None]), items.shape],
                    maximum_iterations=_MAX_DRAWS,
                )
            return tf.reshape(items, [-1, self.number])

        return draw

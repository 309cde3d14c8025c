"""Negatives: candidates that were not chosen, drawn in the graph during training.

He et al. (2017), §3.4: "we uniformly sample them from unobserved interactions in each iteration".
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

#: Number of draws after which a negative is looked up among what the user has not chosen.
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

    def users_without(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Returns the users that there are no negatives for, because they chose every item.

        Args:
            user: User of each example, integers from 0, [examples].
            item: Item that each example chose, integers from 0, [examples].

        Returns:
            The users, each once; none if chosen items are not rejected.
        """
        if not self.reject or not len(item):
            return np.empty(0, np.int64)
        size = int(item.max()) + 1
        chosen = np.unique(user.astype(np.int64) * size + item)
        return np.flatnonzero(np.bincount(chosen // size) == len(np.unique(item)))

    def drawer(self, user: np.ndarray, item: np.ndarray) -> Draw:
        """Returns a function that draws negatives.

        Args:
            user: User of each example, integers from 0, [examples].
            item: Item that each example chose, integers from 0, [examples].

        Returns:
            A function from users, [n], and a seed, two integers, [2], to int64 items, [n, number],
            which are of any kind for the `users_without` negatives.
        """
        if not len(item):
            raise ValueError("Drawing negatives needs examples to draw from. Received: 0")
        known, counts = np.unique(item, return_counts=True)
        weights = counts.astype(np.float64) ** self.exponent
        size = int(known.max()) + 1
        return _Drawer(self, known, weights, np.unique(user.astype(np.int64) * size + item))


class _Drawer:
    """Draws negatives in the graph.

    Args:
        sampling: What is drawn.
        known: The items to draw from, ascending, [items].
        weights: Items are drawn in proportion to these, [items].
        chosen: What users chose, user · (last item + 1) + item, ascending and distinct.
    """

    def __init__(
        self,
        sampling: NegativeSampling,
        known: np.ndarray,
        weights: np.ndarray,
        chosen: np.ndarray,
    ) -> None:
        self._sampling = sampling
        self._size = int(known.max()) + 1
        self._choices = tf.constant(known, tf.int64)
        self._chosen = tf.constant(chosen, tf.int64)
        # Sums of weights: of the items up to each, and of what was chosen before each.
        self._cumulative = np.cumsum(weights)
        self._bounds = tf.constant(self._cumulative / self._cumulative[-1], tf.float64)
        of_chosen = weights[np.searchsorted(known, chosen % self._size)]
        self._weight_before = tf.constant(np.append(0.0, np.cumsum(of_chosen)), tf.float64)

    def __call__(self, users: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns negatives of users, [n, number]."""
        user = tf.repeat(tf.cast(users, tf.int64), self._sampling.number)
        seed = tf.cast(seed, tf.int64)
        items = self._propose(tf.size(user), seed)
        if self._sampling.reject:
            items = self._redrawn(user, items, seed)
        return tf.reshape(items, [-1, self._sampling.number])

    def _redrawn(self, user: tf.Tensor, items: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The items, with those drawn again that the user chose."""
        first, end = self._range(user)
        has_negatives = end - first < len(self._choices)
        again = tf.where(self._is_chosen(user, items) & has_negatives)[:, 0]

        def redraw(round_: tf.Tensor, again: tf.Tensor, items: tf.Tensor) -> list:
            fresh = self._propose(tf.size(again), seed + tf.stack([round_, 0]))
            items = tf.tensor_scatter_nd_update(items, again[:, None], fresh)
            rejected = self._is_chosen(tf.gather(user, again), fresh)
            return [round_ + 1, tf.boolean_mask(again, rejected), items]

        round_, again, items = tf.while_loop(
            lambda _, again, __: tf.size(again) > 0,
            redraw,
            [tf.constant(1, tf.int64), again, items],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None]), items.shape],
            maximum_iterations=_MAX_DRAWS,
        )

        def looked_up() -> tf.Tensor:
            found = self._among_the_rest(tf.gather(user, again), seed + tf.stack([round_, 0]))
            return tf.tensor_scatter_nd_update(items, again[:, None], found)

        return tf.cond(tf.size(again) > 0, looked_up, lambda: items)

    def _propose(self, number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Items drawn in proportion to their weights, [number], whoever chose them."""
        if self._sampling.exponent == 0:
            at = tf.random.stateless_uniform(
                [number], seed, maxval=len(self._choices), dtype=tf.int64
            )
        else:
            uniform = tf.random.stateless_uniform([number], seed, dtype=tf.float64)
            at = tf.searchsorted(self._bounds, uniform, side="right", out_type=tf.int64)
        return tf.gather(self._choices, at)

    def _among_the_rest(self, user: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Items that the users did not choose, [n], drawn in proportion to their weights."""
        cumulative = tf.constant(self._cumulative, tf.float64)
        before, after = (tf.gather(self._weight_before, at) for at in self._range(user))
        rest = cumulative[-1] - (after - before)
        target = rest * tf.random.stateless_uniform(tf.shape(user), seed, dtype=tf.float64)
        # The first item up to which the weights of what was not chosen exceed the target.
        low, high = tf.zeros_like(user), tf.fill(tf.shape(user), len(self._choices) - 1)
        high = tf.cast(high, tf.int64)
        for _ in range(len(self._choices).bit_length()):
            middle = (low + high) // 2
            key = user * self._size + tf.gather(self._choices, middle)
            end = tf.searchsorted(self._chosen, key, side="right", out_type=tf.int64)
            chosen = tf.gather(self._weight_before, end) - before
            exceeds = tf.gather(cumulative, middle) - chosen > target
            low, high = tf.where(exceeds, low, middle + 1), tf.where(exceeds, middle, high)
        return tf.gather(self._choices, high)

    def _range(self, user: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where the choices of users begin and end."""
        first = tf.searchsorted(self._chosen, user * self._size, out_type=tf.int64)
        end = tf.searchsorted(self._chosen, (user + 1) * self._size, out_type=tf.int64)
        return first, end

    def _is_chosen(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Whether users chose items."""
        key = user * self._size + item
        at = tf.searchsorted(self._chosen, key, out_type=tf.int64)
        return tf.gather(self._chosen, tf.minimum(at, len(self._chosen) - 1)) == key

"""UserItemGraph: who chose what, as a graph along which vectors are averaged."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrec_zoo import draws


@dataclasses.dataclass(frozen=True)
class UserItemGraph:
    """An undirected graph whose edges join users and the items that they chose.

    Args:
        by_user: Users and items of the edges, user after user, int32 [2, edges].
        by_item: Items and users of the same edges, item after item, int32 [2, edges].
        num_users: Number of users.
        num_items: Number of items.
    """

    by_user: tf.Tensor
    by_item: tf.Tensor
    num_users: int
    num_items: int

    @classmethod
    def of(
        cls, users: np.ndarray, items: np.ndarray, num_users: int, num_items: int
    ) -> "UserItemGraph":
        """Returns the graph of some choices; those made twice are one edge.

        Args:
            users: Rows of the users, [choices]; negative ones are unknown, and no edge.
            items: Classes of the items, [choices]; negative ones are unknown, and no edge.
            num_users: Number of users.
            num_items: Number of items.
        """
        is_known = (users >= 0) & (items >= 0)
        edges = np.unique(users[is_known].astype(np.int64) * num_items + items[is_known])
        by_user = np.stack([edges // num_items, edges % num_items]).astype(np.int32)
        by_item = by_user[::-1, np.argsort(by_user[1], kind="stable")]
        return cls(tf.constant(by_user), tf.constant(by_item), num_users, num_items)

    def smoothed(
        self, users: tf.Tensor, items: tf.Tensor, num_layers: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the mean of vectors and of what they become in some steps along the edges.

            E^(k+1) = D^(−1/2) A D^(−1/2) E^(k),    1 / (K + 1) Σ_k E^(k)

        A is the adjacency matrix and D that of degrees. In a step, what has no edge becomes zero.

        Args:
            users: Vectors of the users, float32 [users, dim].
            items: Vectors of the items, float32 [items, dim].
            num_layers: Number of steps, K.

        Returns:
            The vectors of the users and those of the items, in the same shapes.
        """
        layers = [(users, items)]
        for _ in range(num_layers):
            layers.append(self._step(*layers[-1]))
        return tuple(tf.add_n(side) / len(layers) for side in zip(*layers, strict=True))

    def _step(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_users = self._scale(self.by_user, self.num_users)
        of_items = self._scale(self.by_item, self.num_items)
        (user, its_item), (item, its_user) = tf.unstack(self.by_user), tf.unstack(self.by_item)
        to_users = tf.sparse.segment_sum(
            of_items * items, its_item, user, num_segments=self.num_users
        )
        to_items = tf.sparse.segment_sum(
            of_users * users, its_user, item, num_segments=self.num_items
        )
        return of_users * to_users, of_items * to_items

    @staticmethod
    def _scale(edges: tf.Tensor, number: int) -> tf.Tensor:
        """1 / √degree of each node, [number, 1]; 0 without an edge."""
        degree = tf.math.unsorted_segment_sum(tf.ones_like(edges[0], tf.float32), edges[0], number)
        return tf.math.divide_no_nan(1.0, tf.sqrt(degree))[:, None]

    def drawn(self, users: tf.Tensor, seed: int | None = None) -> tf.Tensor:
        """Draws one item for each user, uniformly from those without an edge to the user.

        The draws are exact: the r-th such item is found by counting the user's own before it.

        Args:
            users: Rows of users, int32 [n]; negative ones are unknown and have no edges.
            seed: Seed of the draws.

        Returns:
            Classes of items, int32 [n]; −1 for a user of all items.
        """
        owner, own = tf.unstack(tf.cast(self.by_user, tf.int64))
        numbers = tf.math.unsorted_segment_sum(tf.ones_like(owner), owner, self.num_users)
        begin = tf.cumsum(numbers, exclusive=True)
        # The number of free items before each own one, in a range of numbers for each user.
        stride = self.num_items + 1
        before = own - (tf.range(tf.size(owner, tf.int64)) - tf.gather(begin, owner))
        is_known, row = users >= 0, tf.cast(tf.maximum(users, 0), tf.int64)
        free = self.num_items - tf.where(is_known, tf.gather(numbers, row), 0)
        r = draws.uniform(tf.shape(users), seed, maxval=2**62, dtype=tf.int64)
        r %= tf.maximum(free, 1)
        found = tf.searchsorted(
            owner * stride + before, row * stride + r, side="right", out_type=tf.int64
        )
        r += tf.where(is_known, found - tf.gather(begin, row), 0)
        return tf.cast(tf.where(free > 0, r, -1), tf.int32)

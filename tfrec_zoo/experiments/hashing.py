"""Locality-sensitive hashing, which YouTube's earlier systems searched with.

References:
    Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002: random planes;
    Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for
    inner-product spaces", RecSys 2014: one more component makes products of cosines.
"""

import numpy as np
import tensorflow as tf

from tfrec_zoo.serving.index import ApproximateIndex
from tfrec_zoo.serving.index.products import products
from tfrec_zoo.serving.index.recall import least

_BITS = 64


class HashIndex(ApproximateIndex):
    """Scores the items whose hash differs from the query's in the fewest bits.

    The bits of an item are the sides of random planes that its vector is on, of one more component
    that makes all vectors as long as the longest; a query has zero there::

        hash(v) = sign(P [v, sqrt(max ‖v‖² - ‖v‖²)]),  hash(q) = sign(P [q, 0])

    The odds that a bit differs are the angle between the two over π, so that items with few
    different bits have large products with the query. How many are scored by their vectors is
    measured: as few as reach the target. Hashes are compared one by one, which shows what hashing
    finds, but not how fast buckets would find it.
    """

    kind, title, parts = "lsh", "hashing", "items"

    def _build(self, vectors: np.ndarray, queries: np.ndarray | None, seed: int) -> None:
        self.num_parts = self.num_items
        squares = (vectors**2).sum(axis=1, keepdims=True)
        longest = np.concatenate([vectors, np.sqrt(squares.max() - squares)], axis=1)
        planes = np.random.default_rng(seed).normal(size=(self.dim + 1, _BITS)).astype(np.float32)
        self._vectors = tf.Variable(vectors, trainable=False, name="vectors")
        self._planes = tf.Variable(planes[:-1], trainable=False, name="planes")
        self._hashes = tf.Variable(np.sign(longest @ planes), trainable=False, name="hashes")

    def _tune(self, target_recall: float) -> None:
        def recall_of(items: int) -> float:
            self.parts_to_search = items
            return self.measured_recall()

        self.parts_to_search, _ = least(recall_of, target_recall, self.num_items)

    @property
    def items_scored(self) -> int:
        """How many items a search scores by their vectors."""
        return min(max(self.parts_to_search, self.recall_at + self.spare), self.num_items)

    def _found(self, query: tf.Tensor, width: int, parts: int) -> tuple[tf.Tensor, tf.Tensor]:
        own = tf.sign(tf.linalg.matmul(query, self._planes))
        alike = tf.linalg.matmul(own, self._hashes, transpose_b=True)  # Bits that agree - differ.
        _, rows = tf.math.top_k(alike, max(width, parts))
        return products(query, self._vectors, rows), rows

    @property
    def vectors(self) -> tf.Tensor:
        """The item vectors, float32 [items, dim]."""
        return tf.convert_to_tensor(self._vectors)

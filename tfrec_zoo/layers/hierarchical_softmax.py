"""Hierarchical softmax: a class is a path of yes-or-no decisions down a binary tree.

Morin & Bengio, "Hierarchical Probabilistic Neural Network Language Model", AISTATS 2005; Mikolov et
al., "Distributed Representations of Words and Phrases and their Compositionality", NIPS 2013, §2.1.

    log P(class | u) = Σ_n log σ(± (u · v_n + b_n)),    n: the inner nodes on the path to the class
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class HierarchicalSoftmax(tf.keras.layers.Layer):
    """Gives classes probabilities in a Huffman tree, with one logistic regression per inner node.

    Training takes the nodes on the path to an example's own class only, about log₂(classes) of
    them, whatever the number of classes; in a step only their rows get a gradient. Probabilities
    sum to one by construction. Class i is the i-th most frequent, so frequent classes have short
    paths. At first all weights are zero, and a class has the probability 2^−depth.

    The tree takes no memory. In its canonical form the inner nodes of a level come before its
    leaves, and children come in the order of their parents. A node is then known by its place in
    its level, its parent's place is half of that, and the odd children are those to the right. The
    weights are `classes` − 1 rows of `dimension` + 1 numbers.

    Args:
        leaves: Number of classes at each depth, from the root down, as `huffman_leaves` counts
            them; those of `zipf_counts`, if the classes' frequencies are not known.
        dimension: Width of the query vectors u.
        l2: L2 penalty on the vectors of all nodes.

    Call arguments:
        query: Query vectors, [..., dimension].

    Returns:
        The log-probabilities of all classes, [..., classes].

    Raises:
        ValueError: If there is no binary tree of two classes or more with these leaves.

    Example:

    >>> softmax = HierarchicalSoftmax((0, 1, 2), dimension=2)  # The codes 1, 00 and 01.
    >>> query = tf.ones([1, 2])
    >>> tf.exp(softmax(query)).numpy().tolist()
    [[0.5, 0.25, 0.25]]
    >>> tf.exp(-softmax.cross_entropy(query, tf.constant([2]))).numpy().tolist()
    [0.25]
    """

    def __init__(
        self, leaves: Sequence[int], dimension: int, l2: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": tf.float32})
        if dimension < 1:
            raise ValueError(f"`dimension` must be positive. Received: {dimension}")
        self.leaves = tuple(leaves)
        self.dimension = dimension
        self.l2 = l2
        # Inner nodes by level, and where those of a level begin in the table.
        self._inner = _inner_nodes(self.leaves)
        self._begin = [0, *itertools.accumulate(self._inner)]
        self.depth = len(self.leaves) - 1
        self.num_classes = sum(self.leaves)
        self.nodes = self.add_weight(
            f"{self.name}/nodes",
            shape=[self.num_classes - 1, dimension],
            initializer="zeros",
            regularizer=tf.keras.regularizers.L2(l2) if l2 else None,
        )
        self.bias = self.add_weight(
            f"{self.name}/bias", shape=[self.num_classes - 1], initializer="zeros"
        )

    def call(self, query: tf.Tensor) -> tf.Tensor:
        """Returns the log-probabilities of all classes, which takes all nodes."""
        query = tf.cast(query, tf.float32)
        logits = tf.linalg.matmul(query, self.nodes, transpose_b=True) + self.bias
        steps = _log_sigmoids(logits)  # [..., classes - 1, 2]
        reached = tf.zeros_like(query[..., :1])  # [..., inner nodes of the level]
        found = []
        for level, inner in enumerate(self._inner[1:]):
            begin, end = self._begin[level], self._begin[level + 1]
            children = _in_turn(reached[..., None] + steps[..., begin:end, :])
            found.append(children[..., inner:])
            reached = children[..., :inner]
        return tf.concat(found, axis=-1)

    def cross_entropy(self, query: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """Returns −log P of one class each, which takes the nodes on its path only.

        Args:
            query: Query vectors, [..., dimension].
            classes: Classes, [...]. Axes of one row are broadcast: [batch, 1, dimension] and
                [batch, candidates] give [batch, candidates].
        """
        nodes, is_right, is_on_path = self._paths(tf.cast(classes, tf.int32))
        logits = self._logits(query, nodes)
        losses = tf.nn.softplus(tf.where(is_right, logits, -logits))
        return tf.reduce_sum(tf.where(is_on_path, losses, 0.0), axis=-1)

    def top_k(
        self, query: tf.Tensor, k: int, beam: int | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the most probable classes by a beam search from the root down.

        A node is at least as probable as what is below it, and those of a level share a
        probability of one. So the search is exact where `beam` is at least 1 / P of the k-th class
        that it finds, and takes beam · depth nodes instead of all.

        Args:
            query: Query vectors, [batch, dimension].
            k: Number of classes to return.
            beam: Number of inner nodes of a level that are followed, the most probable ones; 4 k by
                default.

        Returns:
            Log-probabilities in descending order, [batch, k], and classes, int32 [batch, k]. Where
            a narrow beam reaches fewer, the rest has log-probability −inf and class −1.

        Raises:
            ValueError: If `k` is not between 1 and the number of classes, or `beam` not positive.
        """
        if not 1 <= k <= self.num_classes:
            raise ValueError(f"`k` must be in 1 … {self.num_classes}. Received: {k}")
        beam = 4 * k if beam is None else beam
        if beam < 1:
            raise ValueError(f"`beam` must be positive. Received: {beam}")
        batch = tf.shape(query)[0]
        places = tf.zeros([batch, 1], tf.int32)  # In their level.
        reached = tf.zeros([batch, 1])
        best = tf.fill([batch, k], -float("inf"))
        classes = tf.fill([batch, k], -1)
        first = 0  # Class of the first leaf of the level.
        for level, inner in enumerate(self._inner[1:]):
            steps = _log_sigmoids(self._logits(query, self._begin[level] + places))
            children = _in_turn(2 * places[..., None] + [0, 1])
            scores = _in_turn(reached[..., None] + steps)
            is_leaf = children >= inner
            found = tf.where(is_leaf, scores, -float("inf"))
            best, at = tf.math.top_k(tf.concat([best, found], axis=1), k)
            found = tf.where(found > -float("inf"), first + children - inner, -1)
            classes = tf.gather(tf.concat([classes, found], axis=1), at, batch_dims=1)
            first += self.leaves[level + 1]
            if inner:
                width = min(beam, inner, 2 * places.shape[1])
                scores = tf.where(is_leaf, -float("inf"), scores)
                reached, at = tf.math.top_k(scores, width)
                places = tf.gather(tf.where(is_leaf, 0, children), at, batch_dims=1)
        return best, classes

    def _paths(self, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns nodes from the root down, if they are left to the right, and if they exist.

        All are [..., depth of the tree]; beyond the end of a path it is the root.
        """
        ends = np.cumsum(self.leaves, dtype=np.int32)
        # The place in the level is the leaf's number plus that of the inner nodes before it.
        shift = tf.constant(np.array(self._inner) - ends + self.leaves, tf.int32)
        depth = tf.reshape(
            tf.searchsorted(tf.constant(ends), tf.reshape(classes, [-1]), side="right"),
            tf.shape(classes),
        )
        place = (classes + tf.gather(shift, depth))[..., None]
        up = depth[..., None] - tf.range(self.depth)  # How far above the leaf a node is.
        is_on_path = up > 0
        # A place has 31 bits; more than that far above, it is 0.
        ancestor = tf.bitwise.right_shift(place, tf.clip_by_value(up, 0, 31))
        child = tf.bitwise.right_shift(place, tf.clip_by_value(up - 1, 0, 31))
        begin = tf.constant(self._begin[: self.depth], tf.int32)
        return tf.where(is_on_path, begin + ancestor, 0), child % 2 == 1, is_on_path

    def _logits(self, query: tf.Tensor, nodes: tf.Tensor) -> tf.Tensor:
        """Returns u · v + b of given nodes, [..., n]."""
        vectors = tf.nn.embedding_lookup(self.nodes, nodes)
        products = tf.reduce_sum(vectors * tf.cast(query, tf.float32)[..., None, :], axis=-1)
        return products + tf.nn.embedding_lookup(self.bias, nodes)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "leaves": self.leaves,
            "dimension": self.dimension,
            "l2": self.l2,
        }


def _inner_nodes(leaves: tuple[int, ...]) -> list[int]:
    """Returns the number of inner nodes at each depth; 0 at the last."""
    inner, nodes = [], 1
    for number in leaves:
        if not 0 <= number <= nodes:
            break
        inner.append(nodes - number)
        nodes = 2 * inner[-1]
    if len(inner) < len(leaves) or sum(leaves) < 2 or inner[-1] or not leaves[-1]:
        raise ValueError(
            "`leaves` must be the numbers of leaves of a binary tree of two classes or more, "
            f"as `huffman_leaves` counts them. Received: {leaves!r:.200}"
        )
    return inner


def _log_sigmoids(logits: tf.Tensor) -> tf.Tensor:
    """Returns the log-probabilities of going left, log σ(x), and right, log σ(−x), [..., 2]."""
    left = tf.math.log_sigmoid(logits)
    return tf.stack([left, left - logits], axis=-1)


def _in_turn(pairs: tf.Tensor) -> tf.Tensor:
    """Returns what is to the left and to the right of each node, [..., n, 2], as [..., 2 n]."""
    size = 2 * pairs.shape[-2]
    flat = tf.reshape(pairs, tf.concat([tf.shape(pairs)[:-2], [size]], axis=0))
    return tf.ensure_shape(flat, [*pairs.shape[:-2], size])

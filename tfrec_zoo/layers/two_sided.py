"""TwoSided: what a query and its candidates say, apart, so that the query's work is done once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf


class TwoSided(NamedTuple):
    """Stands for the query's part beside the part of each candidate of a list.

    Layers that take it return what they would for the two side by side, the query's repeated for
    each candidate, but compute once what hangs on the query alone: "Query features are computed
    once per request while impression features are computed for each item scored" (Covington et al.
    2016, §4.1).

    Args:
        query: The query's part, [batch, ...].
        candidate: The candidates' part, [batch, candidates, ...]; the axis on which the two stand
            side by side is that of the query's.
    """

    query: tf.Tensor
    candidate: tf.Tensor


def beside(vectors: Sequence[tf.Tensor]) -> tf.Tensor | TwoSided:
    """Concatenates vectors, the query's apart from the candidates' if there is a list of these.

    Args:
        vectors: Vectors, the query's first, each [batch, width] or [batch, candidates, width].

    Returns:
        One vector, [batch, width] or [batch, candidates, width], if they are of one kind.
    """
    return _joined(vectors, lambda side: tf.concat(side, axis=-1))


def stacked(vectors: Sequence[tf.Tensor]) -> tf.Tensor | TwoSided:
    """Stacks vectors of fields, the query's apart from the candidates' if there is a list of these.

    Args:
        vectors: Vectors, the query's first, each [batch, dim] or [batch, candidates, dim].

    Returns:
        [batch, query fields, dim] and [batch, candidates, candidate fields, dim]; or all of them,
        [batch, fields, dim] or [batch, candidates, fields, dim], if they are of one kind.
    """
    return _joined(vectors, lambda side: tf.stack(side, axis=-2))


def _joined(vectors: Sequence[tf.Tensor], join: Callable[[Any], tf.Tensor]) -> tf.Tensor | TwoSided:
    sides = [[v for v in vectors if v.shape.rank == rank] for rank in (2, 3)]
    return TwoSided(*map(join, sides)) if all(sides) else join(vectors)


def dense_of_two_sides(layer: tf.keras.layers.Dense, x: TwoSided) -> tf.Tensor:
    """Applies a dense layer to [q; c], with one product for q: activation(W_q q + W_c c + b).

    Args:
        layer: The layer.
        x: Vectors, [batch, query width] and [batch, candidates, candidate width].

    Returns:
        The output of the layer, [batch, candidates, units].
    """
    width = x.query.shape[-1]
    if not layer.built:
        layer(tf.zeros([0, width + x.candidate.shape[-1]], x.query.dtype))
    of_query = tf.linalg.matmul(x.query, layer.kernel[:width]) + layer.bias
    of_candidates = tf.tensordot(x.candidate, layer.kernel[width:], 1)
    return layer.activation(of_query[:, None] + of_candidates)


def repeated(x: tf.Tensor | TwoSided) -> tf.Tensor:
    """Puts both sides into one vector per candidate, [batch, candidates, width].

    Args:
        x: Vectors of two sides; others are returned as they are.
    """
    if not isinstance(x, TwoSided):
        return x
    query = tf.tile(x.query[:, None], [1, tf.shape(x.candidate)[1], 1])
    return tf.concat([query, x.candidate], axis=-1)

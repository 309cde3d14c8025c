"""Exact index: scores every item."""

import tensorflow as tf

from tfrec_zoo.serving.index.base import Index
from tfrec_zoo.serving.index.keep import Keep
from tfrec_zoo.serving.index.products import best_of, products


class ExactIndex(Index):
    """Scores every item, in plain TensorFlow that loads anywhere.

    Args:
        candidates: Item vectors, [items, dim].
    """

    def __init__(self, candidates: tf.Tensor) -> None:
        super().__init__(candidates)
        self.candidates = tf.Variable(candidates, trainable=False, name="candidates")

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        query = tf.cast(query, self.candidates.dtype)
        return best_of(tf.linalg.matmul(query, self.candidates, transpose_b=True), k, exclude, keep)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return products(query, self.candidates, rows)

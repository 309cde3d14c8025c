"""Score index: for models whose queries are the scores of all items."""

import tensorflow as tf

from tfrec_zoo.serving.index.base import Index
from tfrec_zoo.serving.index.keep import Keep
from tfrec_zoo.serving.index.products import best_of


class ScoreIndex(Index):
    """Sorts queries that are already the scores of all items, [batch, items]."""

    def __init__(self) -> None:
        tf.Module.__init__(self)

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return best_of(query, k, exclude, keep)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return tf.gather(query, rows, batch_dims=1)

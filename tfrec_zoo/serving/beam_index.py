"""Beam index: search down the tree of a hierarchical softmax, for catalogues of any size."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.layers import HierarchicalSoftmax
from tfrec_zoo.serving.index import Index, Keep, is_in


class BeamIndex(Index):
    """Follows the most probable nodes of each level of the tree, and finds the items below them.

    The cost of a search grows with the depth of the tree, which is the logarithm of the number of
    items. Queries are the vectors u, and scores log-probabilities. The items that are found have
    their exact scores; others may be missed where probabilities are nearly uniform. See
    `HierarchicalSoftmax.top_k`.

    Args:
        softmax: Layer of a trained model, whose variables the model must save.
        spare: Number of items to search for beyond k, so that enough remain after exclusions. A
            user who has more of the top items excluded, or not kept, gets a shorter list.
        width: Number of nodes of a level that are followed per item that is searched for.
    """

    def __init__(self, softmax: HierarchicalSoftmax, spare: int = 200, width: int = 4) -> None:
        tf.Module.__init__(self)
        self.num_items, self.dim = softmax.num_classes, softmax.dimension
        self.spare = spare
        self.width = width
        # Functions, because Keras would save the whole of a layer.
        self._top_k, self._cross_entropy = softmax.top_k, softmax.cross_entropy

    @property
    def description(self) -> dict[str, Any]:
        """The kind of the index, and how much of the tree is followed."""
        return {"kind": "beam", "nodes_per_item": self.width}

    def _search(
        self, query: tf.Tensor, k: int, exclude: tf.Tensor | None, keep: Keep | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        wanted = min(k + self.spare, self.num_items)
        scores, rows = self._top_k(query, wanted, self.width * wanted)
        kept = rows >= 0
        if exclude is not None:
            kept &= tf.logical_not(is_in(rows, exclude))
        if keep is not None:
            kept &= keep.of(rows)
        scores = tf.where(kept, scores, scores.dtype.min)
        scores, at = tf.math.top_k(scores, min(k, wanted))
        return scores, tf.gather(rows, at, batch_dims=1)

    def _scores(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return -self._cross_entropy(query[:, None], rows)

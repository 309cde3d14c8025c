"""ScaNN index: approximate search with ScaNN's own operations."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.scann_ops import load_scann_ops
from tfrec_zoo.serving.index.approximate import ApproximateIndex
from tfrec_zoo.serving.index.recall import least


class ScannIndex(ApproximateIndex):
    """Searches approximately with ScaNN (Guo et al., ICML 2020), sublinear in the number of items.

    The catalogue is partitioned into about 2√items leaves. How many of them are searched, and how
    many items are scored again by their vectors, is measured: as few as reach the target.

    Args:
        candidates: Item vectors, [items, dim], at least 1,000.
        k: Length of the lists of which recall is measured.
        queries: Users' vectors, [queries, dim]; without them recall is measured on items' own
            vectors alone, which are easier.
        target_recall: Share of the exact top k that must be found.
        spare: Number of items to search for beyond k, so that enough remain after exclusions.
        seed: Has no effect: no two indexes of ScaNN are equal.

    Raises:
        ImportError: If ScaNN is not installed, or does not load with this TensorFlow.
        ValueError: If there are too few items for its tree.
    """

    custom_ops = ("Scann>ScannSearchBatched", "Scann>TensorsToScann")
    kind, title, parts = "scann", "ScaNN", "leaves"

    def __init__(self, candidates: tf.Tensor, *args: Any, **kwargs: Any) -> None:
        load_scann_ops()  # Before anything else takes time.
        super().__init__(candidates, *args, **kwargs)

    def _build(self, vectors: np.ndarray, queries: np.ndarray | None, seed: int) -> None:
        self.num_parts = int(2 * self.num_items**0.5)
        searcher = (
            load_scann_ops()
            .builder(vectors, min(300, self.num_items), "dot_product")
            .tree(self.num_parts, self.num_parts, training_sample_size=min(self.num_items, 250_000))
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(min(600, self.num_items))
            .build()
        )
        self.state = searcher.serialize_to_module()

    def _tune(self, target_recall: float) -> None:
        def recall_of(leaves: int) -> float:
            self.parts_to_search = leaves
            return self.measured_recall()

        best = (0.0, 0, 0)
        for times in (2, 4, 8):
            self.reordered = times
            leaves, recall = least(recall_of, target_recall, self.num_parts)
            if recall > best[0] and best[0] < target_recall:
                best = (recall, leaves, times)
            # More of what is found is scored again only if searching more doesn't help.
            if recall >= target_recall or times * (self.recall_at + self.spare) >= self.num_items:
                break
        _, self.parts_to_search, self.reordered = best

    @property
    def items_scored(self) -> int:
        """How many items a search scores by their vectors."""
        return min(self.reordered * (self.recall_at + self.spare), self.num_items)

    def _found(self, query: tf.Tensor, width: int, parts: int) -> tuple[tf.Tensor, tf.Tensor]:
        searcher = load_scann_ops().searcher_from_module(self.state)
        query = tf.cast(query, tf.float32)
        batch = tf.shape(query)[0]
        # ScaNN rejects empty batches, and queries that are not finite.
        finite = tf.reduce_all(tf.math.is_finite(query), axis=1, keepdims=True)
        rows, scores = searcher.search_batched(
            tf.pad(tf.where(finite, query, 0), [[0, tf.cast(batch == 0, tf.int32)], [0, 0]]),
            final_num_neighbors=width,
            pre_reorder_num_neighbors=min(self.reordered * width, self.num_items),
            leaves_to_search=parts,
        )
        # ScaNN pads short lists with NaN at row 0, but only up to the longest list of the batch.
        short = [[0, 0], [0, width - tf.shape(scores)[1]]]
        rows = tf.pad(tf.cast(rows, tf.int32), short)[:batch]
        scores = tf.pad(scores, short, constant_values=float("nan"))[:batch]
        scores = tf.where(finite, scores, float("nan"))
        return tf.ensure_shape(scores, [None, width]), tf.ensure_shape(rows, [None, width])

    @property
    def vectors(self) -> tf.Tensor:
        """The item vectors, float32 [items, dim], which the searcher keeps to score by."""
        return self.state.dataset

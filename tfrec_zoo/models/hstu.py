"""HSTU: the history as a sequence, through gated pointwise attention.

Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
Generative Recommendations", ICML 2024.

    score(i) = ⟨F_t / ‖F_t‖, m_i / ‖m_i‖⟩ / τ,    F = units(√d m_{s_1} + p_1, …, √d m_{s_t} + p_t)
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import TransductionUnit
from tfrec_zoo.models.retrieval import NegativesLike
from tfrec_zoo.models.sequence import SequenceModel


class HSTU(SequenceModel):
    """Predicts the next item from the sequence of the last ones, by transduction units.

    A hierarchical sequential transduction unit is one layer in place of the two of a Transformer:
    its attention is not normalized over the positions, so that how many of them agree is not lost,
    and each position gates what it attended to. See `TransductionUnit`.

    As in `SASRec`, an example (history, item) trains as many predictions as the history has items,
    and the loss of a batch is the mean over all of them; evaluation is of the example's own item
    alone. Positions are counted from the last known item. Unknown and missing values count for
    nothing, wherever they are. Without any known item all scores are 0, which ranks the items by
    how frequent they are.

    If the bag of the history is declared with `ages`, attention has a bias by how long before the
    moment of the prediction each item was.

    Args:
        features: Fitted features; the query is one bag of item ids, the history, oldest first,
            which may have ages.
        embedding_dim: Width of the vectors, d.
        num_blocks: Number of units: 2 in the paper's experiments on MovieLens, 8 in their large
            form.
        num_heads: Number of heads of each attention: 1, and 2 in the large form.
        max_history: Number of last items that are read.
        temperature: Temperature τ of the softmax over cosines.
        negatives: Which items stand for all others in the softmax: `"uniform"`, `"log-uniform"`, or
            a `Negatives` of either kind, drawn for each batch and shared by all of its positions.
            None is the full softmax.
        dropout: Dropout rate on the embedded sequence, and on what each unit projects.
        seed: Seed of the initial weights, of dropout and of sampling.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(BagColumn(VocabularyColumn("history", space="video")),),
    ...                    candidate=(VocabularyColumn("video", space="video"),))
    >>> features = Features.fit(spec, {"video": ["a", "b", "c"]})
    >>> model = HSTU(features, embedding_dim=8)
    >>> model.compile("adam")
    >>> x = {"history": np.array([["a", "b"], ["b", ""]])}
    >>> _ = model.fit(x, np.array(["c", "a"]), verbose=0)
    >>> model.scores(x).shape
    TensorShape([2, 3])

    References:
        Zhai et al., ICML 2024, https://arxiv.org/abs/2402.17152, §3 and §4.1. The cosines, their
        temperature and the defaults are those of the authors' published settings for MovieLens-1M,
        which draw 128 negatives for each position.
    """

    _MAX_HISTORY = 200

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 50,
        num_blocks: int = 2,
        num_heads: int = 1,
        max_history: int = _MAX_HISTORY,
        temperature: float = 0.05,
        negatives: NegativesLike = None,
        dropout: float = 0.2,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            num_heads=num_heads,
            max_history=max_history,
            negatives=negatives,
            dropout=dropout,
            seed=seed,
            name=name,
        )
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")

        # Layers. Each unit has four weights that are drawn.
        has_ages = self.bag.ages is not None
        self.blocks = [
            TransductionUnit(max_history, num_heads, dropout, has_ages, seed_after(seed, 2 + 4 * i))
            for i in range(num_blocks)
        ]

        # Config.
        self.num_blocks = num_blocks
        self.temperature = temperature

    def finished(self, x: tf.Tensor) -> tf.Tensor:
        """Returns F / (‖F‖ τ)."""
        return tf.math.l2_normalize(x, axis=-1) / self.temperature

    def candidates(self) -> tf.Tensor:
        """Returns the item vectors m / ‖m‖, [items, dim]."""
        return tf.math.l2_normalize(super().candidates(), axis=-1)

    def item_vectors(self, classes: tf.Tensor) -> tf.Tensor:
        """Returns the vectors m / ‖m‖ of the given classes, [n, dim]."""
        vectors = tf.cast(super().item_vectors(classes), tf.float32)
        return tf.math.l2_normalize(vectors, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "temperature": self.temperature,
        }

"""TwoTower: a network over what is known of the query, another over what is known of the item.

Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys
2019.

    score = u(x) · v(y) / τ,    u, v: ReLU towers over all features of a side, of length one
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import (
    DenseFeatures,
    Features,
    PairColumn,
    make_embedding_tables,
    seed_after,
)
from tfrec_zoo.layers import Dropout, Normalization, Tower
from tfrec_zoo.models.retrieval import NegativesLike, RetrievalModel

#: Number of items whose vectors are computed at a time.
_ITEMS = 2**15
#: Number of rows that kernels of matrix products take at once, or a multiple of it.
_BLOCK = 64


class TwoTower(RetrievalModel):
    """Matches two towers, of the query's features and of the item's.

    An item that no example holds has a vector from its features, as far as it has features besides
    its id. The features of all items of the vocabulary are in `features.items`; see `Features.fit`.
    Columns that compare the query with the candidate belong to ranking models.

    Args:
        features: Fitted features. The query columns are the input of one tower, the candidate
            columns of the other; columns that share a table share it across the towers.
        hidden_units: Width of each layer of both towers; the last one is that of the vectors, and
            linear. The paper's are (1024, 512, 128).
        normalize: Whether vectors have length one, as in the paper.
        temperature: Temperature τ that the scores are divided by; the paper tunes it for vectors of
            length one, to 0.05 and about.
        negatives: Which items stand for all others in training; in the paper those of the batch,
            corrected for their frequency. None is the full softmax, for small catalogues: each step
            computes the vectors of all items. See `Negatives`.
        dropout: Dropout rate on the input and between the layers of both towers.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        activation: Activation function of all layers but the last.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        seed: Seed of the initial weights, of dropout and of sampling.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(
    ...     query=(EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"))),),
    ...     candidate=(EmbeddingColumn(VocabularyColumn("video_id", space="video")),
    ...                EmbeddingColumn(VocabularyColumn("genre"))))
    >>> items = {"video_id": ["a", "b", "c"], "genre": ["pop", "pop", "rock"]}
    >>> model = TwoTower(Features.fit(spec, items, items=items), hidden_units=(8, 4))
    >>> model.compile("adam")
    >>> x = {"history": np.array([["a", "b"], ["b", ""]])}
    >>> _ = model.fit(x, np.array(["c", "a"]), verbose=0)
    >>> model.scores(x).shape
    TensorShape([2, 3])

    References:
        Yi et al., RecSys 2019, https://doi.org/10.1145/3298689.3346996
    """

    reads_items = True
    _HIDDEN_UNITS = (1024, 512, 128)

    @classmethod
    def input_width(cls, arguments: Mapping[str, Any]) -> int | None:
        """64, for the ids that both towers share."""
        return 64

    def __init__(
        self,
        features: Features,
        *,
        hidden_units: tuple[int, ...] = _HIDDEN_UNITS,
        normalize: bool = True,
        temperature: float = 0.05,
        negatives: NegativesLike = "in-batch",
        dropout: float = 0.0,
        l2: float = 0.0,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, negatives, seed, name=name)
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")
        if not hidden_units:
            raise ValueError("`hidden_units` must have the width of the vectors. Received: ()")
        pairs = [column for column in features.spec.candidate if isinstance(column, PairColumn)]
        if pairs:
            raise ValueError(
                "Candidate columns that compare the query with the candidate are for ranking "
                f"models: leave them out. Received: {pairs!r}"
            )
        self.catalogue = self.encoded_items()

        # Layers.
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        initializer = tf.keras.initializers.RandomNormal(stddev=0.05, seed=seed)
        self.tables = make_embedding_tables(features, initializer, regularizer)
        self.query_inputs = DenseFeatures(features, features.spec.query, self.tables)
        self.item_inputs = DenseFeatures(features, features.spec.candidate, self.tables)
        self.input_dropout = Dropout(dropout, seed=seed)
        self.query_tower, self.item_tower = (
            Tower(hidden_units, activation, dropout, l2, seed_after(seed, 100 * side),
                  drop_output=False, output_activation="linear", normalization=normalization)
            for side in (0, 1)
        )  # fmt: skip

        # Config.
        self.hidden_units = tuple(hidden_units)
        self.normalize = normalize
        self.temperature = temperature
        self.dropout = dropout
        self.l2 = l2
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the query vectors u / τ, [batch, dim]."""
        x = self.query_inputs(self.encode(inputs))
        u = self.query_tower(self.input_dropout(x, training=training), training=training)
        return self._as_vectors(u) / self.temperature

    def candidates(self) -> tf.Tensor:
        """Returns the item vectors v, [items, dim]."""
        # The last rows of a product are rounded in another way than whole blocks: without them, an
        # item's vector does not depend on how many others there are.
        total = -(-self.num_items // _BLOCK) * _BLOCK
        classes = tf.minimum(tf.range(total), self.num_items - 1)
        if not tf.executing_eagerly():
            return self.item_vectors(classes)[: self.num_items]
        vectors = [self.item_vectors(c, training=False) for c in tf.split(classes, _sizes(total))]
        return tf.concat(vectors, axis=0)[: self.num_items]

    def item_vectors(self, classes: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the vectors v of the given classes, [n, dim]."""
        y = tf.nest.map_structure(lambda column: tf.gather(column, classes), self.catalogue)
        v = self.input_dropout(self.item_inputs(y), training=training)
        return self._as_vectors(self.item_tower(v, training=training))

    def _as_vectors(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float32)
        return tf.math.l2_normalize(x, axis=-1) if self.normalize else x

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "normalize": self.normalize,
            "temperature": self.temperature,
            "negatives": self.negatives and self.negatives.to_config(),
            "dropout": self.dropout,
            "l2": self.l2,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "seed": self.seed,
        }


def _sizes(total: int) -> list[int]:
    return [min(_ITEMS, total - begin) for begin in range(0, total, _ITEMS)]

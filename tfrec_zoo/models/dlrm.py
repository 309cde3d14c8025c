"""DLRM: dot products of embeddings with each other and with one vector for all the numbers.

Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems",
arXiv 1906.00091, 2019.

    v_0 = bottom tower(numbers),   logit = w · top tower([v_0; ⟨v_i, v_j⟩ for i < j]) + b
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import DenseFeatures, EmbeddingColumn, Features, seed_after
from tfrec_zoo.layers import (
    FieldEmbeddings,
    Logit,
    Normalization,
    Tower,
    dot_interaction,
    stack_fields,
)
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class DLRM(EmbeddingRankingModel):
    """Crosses whole vectors instead of components: each pair of fields yields one number.

    Every embedding column is a field. All other dense columns are concatenated and passed through
    the bottom tower, whose output is one more field; without such columns there is no bottom tower.
    Bare categorical columns are ignored. Labels above 0 are positives.

    Args:
        features: Fitted features, with an embedding column and a second dense column.
        embedding_dim: Width of the vectors; 16 in the paper's experiment on Criteo Kaggle.
        bottom_units: The bottom tower, to which a layer of `embedding_dim` is added;
            (512, 256, 64) in the paper.
        hidden_units: The top tower; (512, 256) in the paper.
        dropout: Dropout rate after each layer of the towers but the bottom's last, which is the
            vector of a field; the paper has none.
        activation: Activation function of the towers' layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If an embedding column declares another width, or there are fewer than two
            fields.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"age": np.array([20.0, 30.0, 40.0]), "video_id": np.array(["a", "b", "a"])}
    >>> model = DLRM(Features.fit(spec, x), bottom_units=(8,), hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Naumov et al., arXiv 1906.00091, §2.2 and §5.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 16,
        bottom_units: tuple[int, ...] = (512, 256, 64),
        hidden_units: tuple[int, ...] = (512, 256),
        dropout: float = 0.0,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        embedding_initializer: Any = None,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            embedding_initializer=embedding_initializer,
            l2=l2,
            batch_l2=batch_l2,
            seed=seed,
            name=name,
        )
        columns = features.spec.dense
        embedded = tuple(c for c in columns if isinstance(c, EmbeddingColumn))
        numbers = tuple(c for c in columns if not isinstance(c, EmbeddingColumn))
        if not embedded or len(columns) < 2:
            raise ValueError(
                "DLRM multiplies vectors with each other: there must be an embedding column, and "
                f"another one or a number. Received: {columns}"
            )

        # Layers.
        self.fields = FieldEmbeddings(features, embedded, self.tables, embedding_dim)
        self.numbers = DenseFeatures(features, numbers, self.tables) if numbers else None
        units = (*bottom_units, embedding_dim)
        self.bottom = Tower(
            units, activation, dropout, l2, seed, drop_output=False, normalization=normalization
        )
        top_seed = seed_after(seed, len(units))
        self.top = Tower(
            hidden_units, activation, dropout, l2, top_seed, normalization=normalization
        )
        self.logit = Logit(l2, seed_after(top_seed, len(hidden_units)))

        # Config.
        self.bottom_units = tuple(bottom_units)
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        vectors = self.fields.vectors(encoded)
        if self.numbers is not None:
            vectors = [self.bottom(self.numbers(encoded), training=training), *vectors]
        v = stack_fields(vectors)  # [..., fields, dim]
        x = dot_interaction(v)  # [..., pairs]
        if self.numbers is not None:
            x = tf.concat([v[..., 0, :], x], axis=-1)
        return self.bias + self.logit(self.top(x, training=training))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "bottom_units": self.bottom_units,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

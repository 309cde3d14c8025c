"""xDeepFM: products of fields up to a bounded order, in parallel with a deep network.

Lian, Zhou, Zhang, Chen, Xie & Sun, "xDeepFM: Combining Explicit and Implicit Feature Interactions
for Recommender Systems", KDD 2018.

    logit = w · x + w_c · CIN([e_1, …, e_m]) + w_h · ReLU tower([e_1; …; e_m]) + b
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import (
    CompressedInteraction,
    Logit,
    Normalization,
    Tower,
    flatten_fields,
    stacked,
    sum_fields,
)
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class xDeepFM(EmbeddingRankingModel):
    """Replaces DeepFM's factorization machine with the CIN, whose layer k multiplies k + 1 vectors.

    The CIN crosses whole vectors and the tower crosses their components; they share the embeddings.
    The fields are those of `DeepFM`, and bare categorical columns have linear weights only. Labels
    above 0 are positives.

    Args:
        features: Fitted features, with at least one dense column.
        cin_units: Feature maps of each layer of the CIN; (200, 200, 200) in the paper on Criteo,
            and 100 each on its other data.
        cin_activation: Activation function of the feature maps; the identity was best in the paper.
        split_half: Whether half of the feature maps go on to the next layer and half to the output,
            as in the authors' code, instead of all to both, as in the paper.
        embedding_dim: Width of the vectors; 10 in the paper.
        hidden_units: Width of each layer of the tower; (400, 400) in the paper on Criteo. () leaves
            the network out.
        dropout: Dropout rate after each layer of the tower; the paper has none.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables; 0.0001 in the paper.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If an embedding column declares another width, there is no dense column, or an
            argument is out of range.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = xDeepFM(Features.fit(spec, x), cin_units=(8, 8), hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Lian et al., KDD 2018, equations 6, 7 and 15, and §4.1.4.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        cin_units: tuple[int, ...] = (200, 200, 200),
        cin_activation: Any = "linear",
        split_half: bool = False,
        embedding_dim: int = 10,
        hidden_units: tuple[int, ...] = (400, 400),
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

        # Layers.
        layers = len(cin_units) + len(hidden_units)
        offsets = (len(cin_units), layers, layers + 1)
        seeds = [seed_after(seed, offset) for offset in offsets]
        self.fields = self.field_embeddings()
        self.linear = self.linear_features()
        self.cin = CompressedInteraction(cin_units, cin_activation, split_half, l2, seed)
        self.cin_logit = Logit(l2, seeds[1])
        self.tower = Tower(
            hidden_units, activation, dropout, l2, seeds[0], normalization=normalization
        )
        self.deep_logit = Logit(l2, seeds[2]) if hidden_units else None

        # Config.
        self.cin_units = tuple(cin_units)
        self.cin_activation = tf.keras.activations.get(cin_activation)
        self.split_half = split_half
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        e = stacked(self.fields.vectors(encoded))  # [batch, fields, dim]
        logits = [self.linear(encoded), self.cin_logit(self.cin(e))]
        if self.deep_logit is not None:
            logits.append(self.deep_logit(self.tower(flatten_fields(e), training=training)))
        return self.bias + sum_fields(logits)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "cin_units": self.cin_units,
            "cin_activation": tf.keras.activations.serialize(self.cin_activation),
            "split_half": self.split_half,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

"""FiBiNET: bilinear products of fields, and of fields weighted by their importance.

Huang, Zhang & Zhang, "FiBiNET: Combining Feature Importance and Bilinear feature Interaction for
Click-Through Rate Prediction", RecSys 2019.

    logit = w₀ + w · x + w_h · ReLU tower([p; q]),    p = bilinear(v), q = bilinear(SENET(v))
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import (
    BilinearInteraction,
    Logit,
    Normalization,
    SqueezeExcitation,
    Tower,
    flatten_fields,
    sum_fields,
)
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class FiBiNET(EmbeddingRankingModel):
    """Feeds a tower with two sets of products p_ij = (v_i W) ⊙ v_j over all pairs of fields.

    One set multiplies the vectors v themselves. The other, with kernels of its own, multiplies
    a_i v_i, where SENET infers from the whole row how important field i is. The fields are those of
    `DeepFM`. Labels above 0 are positives.

    Args:
        features: Fitted features, with at least two dense columns.
        bilinear: What has a kernel W: `"all"` pairs one, `"each"` field or each `"interaction"` of
            two. In the paper none is best throughout; the default is the richest and the usual one.
        reduction_ratio: Ratio of the number of fields to the units of SENET; 3 in the paper.
        embedding_dim: Width of the vectors; 10 in the paper on Criteo (50 on Avazu).
        hidden_units: Width of each layer of the tower; (400, 400, 400) in the paper on Criteo. ()
            is the paper's shallow model, which sums p and q: logit = w₀ + w · x + Σ p + Σ q.
        dropout: Dropout rate after each layer of the tower; 0.5 in the paper.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If an embedding column declares another width, there are fewer than two dense
            columns, or an argument is out of range.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = FiBiNET(Features.fit(spec, x), hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Huang, Zhang & Zhang, RecSys 2019, §3.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        bilinear: str = "interaction",
        reduction_ratio: int = 3,
        embedding_dim: int = 10,
        hidden_units: tuple[int, ...] = (400, 400, 400),
        dropout: float = 0.5,
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
        seeds = [seed_after(seed, i) for i in (2, 3, 4)]
        self.fields = self.field_embeddings()
        self.linear = self.linear_features()
        self.senet = SqueezeExcitation(reduction_ratio, l2, seed)
        self.products = BilinearInteraction(bilinear, l2, seeds[0])
        self.senet_products = BilinearInteraction(bilinear, l2, seeds[1])
        self.tower = Tower(
            hidden_units, activation, dropout, l2, seeds[2], normalization=normalization
        )
        logit_seed = seed_after(seeds[2], len(hidden_units))
        self.deep_logit = Logit(l2, logit_seed) if hidden_units else None

        # Config.
        self.bilinear = bilinear
        self.reduction_ratio = reduction_ratio
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        v = self.fields(encoded)  # [batch, fields, dim]
        p, q = self.products(v), self.senet_products(self.senet(v))  # [batch, pairs, dim]
        c = flatten_fields(tf.concat([p, q], axis=-2))
        if self.deep_logit is None:
            interactions = tf.reduce_sum(tf.cast(c, tf.float32), axis=-1)
        else:
            interactions = self.deep_logit(self.tower(c, training=training))
        return self.bias + sum_fields([self.linear(encoded), interactions])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "bilinear": self.bilinear,
            "reduction_ratio": self.reduction_ratio,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

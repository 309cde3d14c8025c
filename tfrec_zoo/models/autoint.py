"""AutoInt: fields attend to one another in a stack of self-attention layers.

Song, Shi, Xiao, Duan, Xu, Zhang & Tang, "AutoInt: Automatic Feature Interaction Learning via
Self-Attentive Neural Networks", CIKM 2019.

    logit = w · [e_1; …; e_m] + b,    (e_1, …, e_m) = attention(… attention(v_1, …, v_m))
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import InteractingAttention, Logit, Normalization, Tower, flatten_fields
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class AutoInt(EmbeddingRankingModel):
    """Learns by self-attention which fields to combine, to a higher order with each layer.

    The fields are those of `DeepFM`. There are no linear weights, so bare categorical columns are
    ignored. With `hidden_units` the model is AutoInt+, which adds the logit of a tower over the
    concatenated v. Labels above 0 are positives.

    What the authors' code adds to the paper is left out: layer normalization, scaled scores, and
    ReLU and biases in the projections.

    Args:
        features: Fitted features, with at least one dense column.
        num_attention_layers: 3 in the paper; with 0 the logit is linear in v.
        num_heads: 2 in the paper.
        attention_dim: Width of a field after a layer, that of all heads together: 64 in the paper,
            whose d' = 32 is the width of a head.
        residual: Whether layers add a projection of what they read.
        embedding_dim: Width of the vectors v; 16 in the paper.
        hidden_units: The network of AutoInt+, two layers in the paper. () is AutoInt.
        dropout: Dropout rate after each layer of the tower; none in the paper but on
            MovieLens-1M.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
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
    >>> model = AutoInt(Features.fit(spec, x), num_attention_layers=2)
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Song et al., CIKM 2019, equations 2 to 9, §5.1.4 and §5.5.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        num_attention_layers: int = 3,
        num_heads: int = 2,
        attention_dim: int = 64,
        residual: bool = True,
        embedding_dim: int = 16,
        hidden_units: tuple[int, ...] = (),
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
        if num_attention_layers < 0:
            raise ValueError(
                f"`num_attention_layers` must be 0 or more. Received: {num_attention_layers}"
            )
        if num_heads < 1 or attention_dim % num_heads:
            raise ValueError(
                "`attention_dim` must be a multiple of `num_heads`. Received: "
                f"attention_dim={attention_dim}, num_heads={num_heads}"
            )

        # Layers.
        kernels = 4 * num_attention_layers  # Each layer has up to four kernels.
        layers = kernels + len(hidden_units)
        offsets = (*range(0, kernels, 4), kernels, layers, layers + 1)
        seeds = [seed_after(seed, offset) for offset in offsets]
        self.fields = self.field_embeddings()
        self.attentions = [
            InteractingAttention(attention_dim // num_heads, num_heads, residual, l2, layer_seed)
            for layer_seed in seeds[:num_attention_layers]
        ]
        self.logit = Logit(l2, seeds[-2])
        self.tower = Tower(
            hidden_units, activation, dropout, l2, seeds[-3], normalization=normalization
        )
        self.deep_logit = Logit(l2, seeds[-1]) if hidden_units else None

        # Config.
        self.num_attention_layers = num_attention_layers
        self.num_heads = num_heads
        self.attention_dim = attention_dim
        self.residual = residual
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        v = self.fields(self.encode(inputs))  # [batch, fields, dim]
        e = v
        for attention in self.attentions:
            e = attention(e)  # [batch, fields, attention_dim]
        logit = self.bias + self.logit(flatten_fields(e))
        if self.deep_logit is None:
            return logit
        return logit + self.deep_logit(self.tower(flatten_fields(v), training=training))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "num_attention_layers": self.num_attention_layers,
            "num_heads": self.num_heads,
            "attention_dim": self.attention_dim,
            "residual": self.residual,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

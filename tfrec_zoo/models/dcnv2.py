"""DCN-V2: Deep & Cross with a matrix per cross layer: full-rank, low-rank or a mixture of experts.

Wang, Shivanna, Cheng, Jain, Lin, Hong & Chi, "DCN V2: Improved Deep & Cross Network and Practical
Lessons for Web-scale Learning to Rank Systems", WWW 2021.

    x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l,   logit = w · ReLU tower(x_L) + b
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.features.embedding import fourth_root_dimension
from tfrec_zoo.layers import (
    Logit,
    MatrixCross,
    MixtureCross,
    Normalization,
    Tower,
    beside,
    repeated,
)
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class DCNV2(EmbeddingRankingModel):
    """Weights every product of two components separately, where DCN has one number per layer.

    x_0 is the concatenation of embeddings and normalized numbers. The deep network reads the output
    of the cross network (`"stacked"`), or x_0 like the cross network, with one logit over [x_L; h]
    (`"parallel"`). Bare categorical columns are ignored. Labels above 0 are positives.

    The paper tunes all sizes to each data set, so the defaults are not the paper's.

    Args:
        features: Fitted features, with at least one dense column.
        structure: How the two networks are combined, `"stacked"` or `"parallel"`.
        num_cross_layers: Number of cross layers; the degree of the crosses is at most one higher.
        projection_dim: Rank of the matrices, or of each expert's; None is full rank.
        num_experts: Number of low-rank experts per cross layer, mixed by gates; 1 is no mixture.
        embedding_dim: Width of the embedding columns that declare none; None is 6 n^(1/4) for n
            ids, as in DCN.
        hidden_units: Width of each layer of the tower.
        dropout: Dropout rate after each layer of the tower.
        activation: Activation function of the tower's layers; the experts' is tanh.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If `structure` is unknown, there is no cross layer or no expert, or there are
            several experts and no `projection_dim`.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = DCNV2(Features.fit(spec, x), projection_dim=3, num_experts=2, hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Wang et al., WWW 2021, equations 1 to 4 and figure 1.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        structure: str = "stacked",
        num_cross_layers: int = 2,
        projection_dim: int | None = None,
        num_experts: int = 1,
        embedding_dim: int | None = None,
        hidden_units: tuple[int, ...] = (1024, 1024),
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
            dimension_of=fourth_root_dimension,
            name=name,
        )
        if structure not in ("stacked", "parallel"):
            raise ValueError(f"`structure` is 'stacked' or 'parallel'. Received: {structure!r}")
        if num_cross_layers < 1 or num_experts < 1:
            raise ValueError(
                "`num_cross_layers` and `num_experts` must be positive. "
                f"Received: num_cross_layers={num_cross_layers}, num_experts={num_experts}"
            )
        if num_experts > 1 and projection_dim is None:
            raise ValueError(
                "Experts are of low rank: several of them need a `projection_dim`. "
                f"Received: num_experts={num_experts}, projection_dim=None"
            )

        # Layers.
        def cross(i: int) -> MatrixCross | MixtureCross:
            layer_seed = seed_after(seed, 4 * i)  # Each layer has up to four.
            if projection_dim is not None and num_experts > 1:
                return MixtureCross(projection_dim, num_experts, l2=l2, seed=layer_seed)
            return MatrixCross(projection_dim, l2, layer_seed)

        self.dense = self.dense_features()
        self.crosses = [cross(i) for i in range(num_cross_layers)]
        tower_seed = seed_after(seed, 4 * num_cross_layers)
        self.tower = Tower(
            hidden_units, activation, dropout, l2, tower_seed, normalization=normalization
        )
        self.logit = Logit(l2, seed_after(tower_seed, len(hidden_units)))

        # Config.
        self.structure = structure
        self.num_cross_layers = num_cross_layers
        self.projection_dim = projection_dim
        self.num_experts = num_experts
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        sides = beside(self.dense.vectors(self.encode(inputs)))
        x = x_0 = repeated(sides)  # [..., width]
        for cross in self.crosses:
            x = cross((x_0, x))
        if self.structure == "stacked":
            return self.bias + self.logit(self.tower(x, training=training))
        h = self.tower(sides, training=training)  # [..., units]
        return self.bias + self.logit(tf.concat([x, h], axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "structure": self.structure,
            "num_cross_layers": self.num_cross_layers,
            "projection_dim": self.projection_dim,
            "num_experts": self.num_experts,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }

"""DeepCrossing: residual units over all features, without hand-crafted crosses.

Shan, Hoens, Jiao, Wang, Yu & Mao, "Deep Crossing: Web-Scale Modeling without Manually Crafted
Combinatorial Features", KDD 2016.

    logit = w₀ + w · x_n,    x_k = ReLU(x_{k−1} + W_k1 ReLU(W_k0 x_{k−1} + b_k0) + b_k1)
"""

from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import Logit, ResidualUnit, StackedFeatures
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class DeepCrossing(EmbeddingRankingModel):
    """Stacks the features into x_0 and passes it through residual units of the same width.

    An embedding enters as ReLU(v + b), and a missing value as the zero vector; numbers and
    indicators enter unchanged. Bare categorical columns are ignored. Labels above 0 are positives.

    Args:
        features: Fitted features, with at least one dense column.
        embedding_dim: Width of the embedding columns that declare none; 256 in the paper. None lets
            it grow with the logarithm of the number of ids.
        hidden_units: Inner width of each residual unit; (512, 512, 256, 128, 64) in the paper. With
            () the logit is linear in the stacked features.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights.

    Raises:
        ValueError: If a width is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"age": np.array([20.0, 40.0, 30.0]), "video_id": np.array(["a", "b", "a"])}
    >>> model = DeepCrossing(Features.fit(spec, x), embedding_dim=8, hidden_units=(8, 4))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Shan et al., KDD 2016, §4.
    """

    quick_arguments = MappingProxyType({"hidden_units": (128, 64)})

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int | None = 256,
        hidden_units: tuple[int, ...] = (512, 512, 256, 128, 64),
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
        seeds = [seed_after(seed, 2 * i) for i in range(len(hidden_units) + 1)]
        self.stacked = StackedFeatures(features, features.spec.columns, self.tables)
        self.residual_units = [
            ResidualUnit(units, l2, unit_seed)
            for units, unit_seed in zip(hidden_units, seeds[:-1], strict=True)
        ]
        self.logit = Logit(l2, seeds[-1])

        # Config.
        self.hidden_units = tuple(hidden_units)

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        x = self.stacked(self.encode(inputs))  # [batch, width]
        for unit in self.residual_units:
            x = unit(x)
        return self.bias + self.logit(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "hidden_units": self.hidden_units}

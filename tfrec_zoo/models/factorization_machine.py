"""FactorizationMachine: every pair of features interacts, by the dot product of their vectors.

Rendle, "Factorization Machines", ICDM 2010.

    logit = w₀ + w · x + Σ_{i<j} ⟨v_i, v_j⟩,    the last ½ Σ_d ((Σ_i v_i)² − Σ_i v_i²)
"""

from types import MappingProxyType
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import Features
from tfrec_zoo.layers import second_order, sum_fields
from tfrec_zoo.losses import Logistic, Squared
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel


class FactorizationMachine(EmbeddingRankingModel):
    """Adds factorized pairwise interactions to a linear model, for clicks or for ratings.

    Every dense column is a field with one vector, x_i times its factors in the paper; a pooled bag
    is one field, and so is a number with its powers. Columns of one ID space share factors but not
    linear weights, and bare categorical columns have linear weights only. A prediction costs
    O(fields · embedding_dim), and the query's sums are computed once for a list of candidates.

    Args:
        features: Fitted features, with at least one dense column.
        embedding_dim: Number of factors; embedding columns declare the same width or none.
        loss: `"logistic"`, in which labels above 0 are positives, or `"squared"`, in which labels
            and `predictions` are ratings.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on all factors and linear weights, not on the bias.
        batch_l2: L2 penalty on the factors and linear weights of the ids in a batch.
        seed: Seed of the initial factors.

    Raises:
        ValueError: If an embedding column declares another width, or there is no dense column.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(EmbeddingColumn(VocabularyColumn("user_id")),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = FactorizationMachine(Features.fit(spec, x), embedding_dim=8, loss="squared")
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([5.0, 3.0, 4.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Rendle, ICDM 2010, equation 1 and lemma 3.1.
    """

    arguments_to_predict = MappingProxyType(
        {
            "probability": MappingProxyType({"loss": "logistic"}),
            "rating": MappingProxyType({"loss": "squared"}),
        }
    )

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 16,
        loss: Literal["logistic", "squared"] = "logistic",
        embedding_initializer: Any = None,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        if loss not in ("logistic", "squared"):
            raise ValueError(f'`loss` must be "logistic" or "squared". Received: {loss!r}')
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            embedding_initializer=embedding_initializer,
            l2=l2,
            batch_l2=batch_l2,
            seed=seed,
            loss=Logistic() if loss == "logistic" else Squared(),
            name=name,
        )

        # Layers.
        self.fields = self.field_embeddings()
        self.linear = self.linear_features()

        # Config.
        self.loss_name = loss  # `loss` is an attribute of Keras models.

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits or ratings, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        pairs = second_order(self.fields.vectors(encoded))
        return self.bias + sum_fields([self.linear(encoded), pairs])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "loss": self.loss_name}

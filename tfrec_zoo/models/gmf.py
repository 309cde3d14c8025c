"""GMF: generalized matrix factorization, a weighted dot product.

He, Liao, Zhang, Nie, Hu & Chua, "Neural Collaborative Filtering", WWW 2017, §3.2.

    logit = hᵀ (p_u ⊙ q_i) + b
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features
from tfrec_zoo.layers import UserItemEmbeddings, align_with
from tfrec_zoo.losses import Logistic
from tfrec_zoo.models.ranking import RankingModel


class GMF(RankingModel):
    """Gives each latent dimension of matrix factorization a weight, and learns from clicks.

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        embedding_dim: Width of p and q, the paper's number of predictive factors.
        l2: L2 penalty on the embedding tables and on h.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights, which are normal with standard deviation .01, as in the
            paper.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("movie_id"),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "movie_id": np.array(["a", "a", "b"])}
    >>> model = GMF(Features.fit(spec, x), embedding_dim=4)
    >>> model.compile("lazy_adam")
    >>> _ = model.fit(x, np.array([1.0, 0.0, 1.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        He et al., WWW 2017, equations 8, 9.
    """

    reads = "ids"
    default_task = "choice"

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 8,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, Logistic(), name=name)

        # Layers.
        self.embeddings = UserItemEmbeddings(
            features, embedding_dim, l2=l2, batch_l2=batch_l2, seed=seed, name="gmf"
        )
        kernel = tf.keras.initializers.LecunUniform(seed=seed)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.logit = tf.keras.layers.Dense(
            1, kernel_initializer=kernel, kernel_regularizer=regularizer, name="logit"
        )

        # Config.
        self.embedding_dim = embedding_dim
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.seed = seed

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        p, q = self.embeddings(self.encode(inputs))
        logit = self.logit(align_with(p, q) * q)
        return tf.cast(tf.squeeze(logit, axis=-1), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "seed": self.seed,
        }

"""NeuMF: a weighted dot product and a perceptron, fused in the last layer.

He, Liao, Zhang, Nie, Hu & Chua, "Neural Collaborative Filtering", WWW 2017, §3.4.

    logit = hᵀ [p_u^G ⊙ q_i^G ; tower([p_u^M; q_i^M])] + b
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features, seed_after
from tfrec_zoo.layers import InteractionTower, UserItemEmbeddings, align_with
from tfrec_zoo.losses import Logistic
from tfrec_zoo.models.gmf import GMF
from tfrec_zoo.models.ncf_mlp import NCFMLP, default_width
from tfrec_zoo.models.ranking import RankingModel


class NeuMF(RankingModel):
    """Fuses GMF and MLP, each with its own embeddings, in one output layer.

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        embedding_dim: Width of the GMF path, the paper's number of predictive factors.
        hidden_units: Width of each layer of the tower of the MLP path; (32, 16, 8) in the paper
            with 8 factors.
        mlp_embedding_dim: Width of the MLP path's p and q; by default half of the first layer.
        dropout: Dropout rate after each layer of the tower.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        activation: Activation function of the tower's layers.
        seed: Seed of the initial weights and of dropout; weights are initialized as in `GMF` and
            `NCFMLP`.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("movie_id"),))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "movie_id": np.array(["a", "a", "b"])}
    >>> features = Features.fit(spec, x)
    >>> gmf, mlp = GMF(features), NCFMLP(features)
    >>> for model in (gmf, mlp):
    ...     model.compile("lazy_adam")
    ...     _ = model.fit(x, np.array([1.0, 0.0, 1.0]), verbose=0)
    >>> model = NeuMF.from_pretrained(gmf, mlp)
    >>> model.compile(tf.keras.optimizers.legacy.SGD(0.001))
    >>> _ = model.fit(x, np.array([1.0, 0.0, 1.0]), verbose=0)

    References:
        He et al., WWW 2017, equations 11 to 13, figure 3.
    """

    reads = "ids"
    default_task = "choice"

    @classmethod
    def pretraining(cls, arguments: Mapping[str, Any]) -> tuple[tuple[Any, dict[str, Any]], ...]:
        """GMF as wide and MLP as deep as the two halves are."""
        halves: tuple[tuple[Any, str], ...] = ((GMF, "embedding_dim"), (NCFMLP, "hidden_units"))
        return tuple(
            (half, {name: arguments[name]} if name in arguments else {}) for half, name in halves
        )

    def __init__(
        self,
        features: Features,
        *,
        embedding_dim: int = 8,
        hidden_units: tuple[int, ...] = (32, 16, 8),
        mlp_embedding_dim: int | None = None,
        dropout: float = 0.0,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        activation: Any = "relu",
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, Logistic(), name=name)
        if mlp_embedding_dim is None:
            mlp_embedding_dim = default_width(hidden_units)

        # Layers.
        self.embeddings = UserItemEmbeddings(
            features, embedding_dim, l2=l2, batch_l2=batch_l2, seed=seed, name="gmf"
        )
        tower_seed = seed_after(seed, 100)
        self.tower = InteractionTower(
            features,
            tuple(hidden_units),
            mlp_embedding_dim,
            activation,
            dropout,
            l2,
            batch_l2,
            tower_seed,
        )
        kernel = tf.keras.initializers.LecunUniform(seed=seed)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.logit = tf.keras.layers.Dense(
            1, kernel_initializer=kernel, kernel_regularizer=regularizer, name="logit"
        )

        # Config.
        self.embedding_dim = embedding_dim
        self.hidden_units = tuple(hidden_units)
        self.mlp_embedding_dim = mlp_embedding_dim
        self.dropout = dropout
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.activation = tf.keras.activations.get(activation)
        self.seed = seed

    @classmethod
    def from_pretrained(cls, gmf: GMF, mlp: NCFMLP, alpha: float = 0.5, **kwargs: Any) -> "NeuMF":
        """Starts from a trained GMF and a trained MLP, as in §3.4.1 of the paper.

        Each path takes over its model's embeddings, and the MLP path the tower. The output layer is
        h = [α h^G ; (1 − α) h^M], and its bias likewise: with α = ½ the logit is the mean of the
        two models' logits. Continue training with plain SGD, because the moments of both models'
        Adam are lost. `tf.keras.optimizers.legacy.SGD` suits tables of any size, because it updates
        the batch's rows only.

        Args:
            gmf: Trained GMF model.
            mlp: Trained MLP model, on the same features.
            alpha: Weight α of the GMF model.
            **kwargs: Arguments of `NeuMF` other than the widths, such as `dropout`.

        Raises:
            ValueError: If the two models were made for different features.
        """
        if gmf.features != mlp.features:
            raise ValueError("`gmf` and `mlp` must have the same features. Received different ones")
        model = cls(
            gmf.features,
            embedding_dim=gmf.embedding_dim,
            hidden_units=mlp.hidden_units,
            mlp_embedding_dim=mlp.embedding_dim,
            **{"activation": mlp.activation, **kwargs},
        )
        for one in (gmf, mlp, model):
            one.build_weights()
        model.embeddings.set_weights(gmf.embeddings.get_weights())
        model.tower.set_weights(mlp.tower.get_weights())
        (h_gmf, b_gmf), (h_mlp, b_mlp) = gmf.logit.get_weights(), mlp.logit.get_weights()
        h = tf.concat([alpha * h_gmf, (1 - alpha) * h_mlp], axis=0)
        model.logit.set_weights([h, alpha * b_gmf + (1 - alpha) * b_mlp])
        return model

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        p, q = self.embeddings(encoded)
        fused = tf.concat([align_with(p, q) * q, self.tower(encoded, training=training)], axis=-1)
        return tf.cast(tf.squeeze(self.logit(fused), axis=-1), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "hidden_units": self.hidden_units,
            "mlp_embedding_dim": self.mlp_embedding_dim,
            "dropout": self.dropout,
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "activation": tf.keras.activations.serialize(self.activation),
            "seed": self.seed,
        }

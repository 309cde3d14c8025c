"""YouTubeRanking: a deep network whose odds are the expected watch time.

Covington, Adams & Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016, §4.

    E[T] ≈ e^logit,    logit = w · ReLU tower([query features; impression features]) + b
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import DenseFeatures, Features, make_embedding_tables, seed_after, seeded
from tfrec_zoo.layers import Dropout, Normalization, Tower, TwoSidedDense, UnitNormalization
from tfrec_zoo.losses import WeightedLogistic
from tfrec_zoo.models.arguments import DROPOUT_OF_TOWER, OF_TOWER
from tfrec_zoo.models.ranking import RankingModel


class YouTubeRanking(RankingModel):
    """Ranks impressions by expected watch time, trained by weighted logistic regression.

    Labels are watch times, 0 for an impression that was not watched. Positives are weighted by
    their watch time and negatives by one, so the odds e^logit are the expected watch time, which
    `predictions` and the exported model return. For a list of candidates the query's part is
    computed once.

    Args:
        features: Fitted features, with query and candidate columns.
        hidden_units: Width of each layer of the tower; (1024, 512, 256) was best in the paper's
            table 1. () is logistic regression on the features.
        weighted: If False positives weigh one: click prediction, the paper's comparison, and
            `predictions` are click probabilities.
        exact_odds: Whether e^logit estimates the watch time also where clicks are not rare, which
            the paper's loss overestimates; see `WeightedLogistic`.
        embedding_initializer: Initializer of the embedding tables.
        dropout: Dropout rate after each layer of the tower.
        l2: L2 penalty on embeddings and kernels.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        seed: Seed of the initial weights and of dropout.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
    >>> x = {"age": np.array([20.0, 40.0, 30.0]), "video_id": np.array(["a", "b", "a"])}
    >>> model = YouTubeRanking(Features.fit(spec, x), hidden_units=(8,))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 120.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Covington et al., RecSys 2016, figure 7 and §4.2.
    """

    default_task = "watch-time"
    arguments_to_predict = MappingProxyType(
        {"watch time": MappingProxyType({}), "probability": MappingProxyType({"weighted": False})}
    )
    needs = (OF_TOWER, DROPOUT_OF_TOWER)
    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    @classmethod
    def input_width(cls, arguments: Mapping[str, Any]) -> int | None:
        """32, for every embedding of an id."""
        return 32

    def __init__(
        self,
        features: Features,
        *,
        hidden_units: tuple[int, ...] = (1024, 512, 256),
        weighted: bool = True,
        exact_odds: bool = False,
        embedding_initializer: Any = "uniform",
        dropout: float = 0.0,
        l2: float = 0.0,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, WeightedLogistic(weighted, exact_odds), name=name)

        # Layers.
        initializer = seeded(embedding_initializer, seed)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.tables = make_embedding_tables(features, initializer, regularizer)
        tower_seed = seed_after(seed, len(self.tables))
        self.query_layer = DenseFeatures(features, features.spec.query, self.tables)
        self.candidate_layer = DenseFeatures(features, features.spec.candidate, self.tables)
        if hidden_units:
            first_activation = activation if normalization is None else "linear"
            self.first = TwoSidedDense(hidden_units[0], first_activation, l2, tower_seed)
            self.first_norm = None if normalization is None else UnitNormalization(normalization)
            self.first_dropout = Dropout(dropout, seed=seed)
            rest_seed = seed_after(tower_seed, 2)  # The first layer has two kernels.
            self.tower = Tower(
                tuple(hidden_units)[1:],
                activation,
                dropout,
                l2,
                rest_seed,
                normalization=normalization,
            )
            logit_seed = seed_after(rest_seed, len(hidden_units))
            kernel = tf.keras.initializers.GlorotUniform(seed=logit_seed)
            self.logit = tf.keras.layers.Dense(
                1, kernel_initializer=kernel, kernel_regularizer=regularizer
            )
        else:
            self.first = TwoSidedDense(1, None, l2, tower_seed)

        # Config.
        self.hidden_units = tuple(hidden_units)
        self.weighted = weighted
        self.exact_odds = exact_odds
        self.embedding_initializer = tf.keras.initializers.get(embedding_initializer)
        self.dropout = dropout
        self.l2 = l2
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization
        self.seed = seed

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        h = self.first((self.query_layer(encoded), self.candidate_layer(encoded)))
        if self.hidden_units:
            if self.first_norm is not None:
                h = self.activation(self.first_norm(h, training=training))
            h = self.tower(self.first_dropout(h, training=training), training=training)
            h = self.logit(h)
        return tf.cast(tf.squeeze(h, axis=-1), tf.float32)

    @property
    def predicts(self) -> Literal["score", "probability", "rating", "watch time"]:
        """The watch time (the probability of a click if not `weighted`)."""
        return "watch time" if self.weighted else "probability"

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns the expected watch time e^logit, or the click probability if not `weighted`."""
        return tf.exp(logits) if self.weighted else tf.math.sigmoid(logits)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "weighted": self.weighted,
            "exact_odds": self.exact_odds,
            "embedding_initializer": tf.keras.initializers.serialize(self.embedding_initializer),
            "dropout": self.dropout,
            "l2": self.l2,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "seed": self.seed,
        }

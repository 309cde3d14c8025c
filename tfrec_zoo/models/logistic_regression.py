"""LogisticRegression: the baseline of click prediction, one weight per id and per number.

Richardson, Dominowska & Ragno, "Predicting Clicks: Estimating the Click-Through Rate for New Ads",
WWW 2007.

    P(positive) = σ(logit),    logit = w₀ + w · x
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import Features
from tfrec_zoo.layers import LinearFeatures
from tfrec_zoo.losses import Logistic
from tfrec_zoo.models.ranking import RankingModel


class LogisticRegression(RankingModel):
    """Fits a logistic regression on one-hot, multi-hot and normalized features, without embeddings.

    Every column takes part, including bare categorical columns and crosses; see `LinearFeatures`.
    Without a cross of query and candidate, all users get the same order of candidates. Labels above
    0 are positives.

    Args:
        features: Fitted features.
        l2: L2 penalty on all weights, not on the bias.
        batch_l2: L2 penalty on the weights of the ids in a batch.
        seed: Unused, because weights start at 0; accepted so that all models take the same
            arguments.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),), candidate=(VocabularyColumn("video_id"),))
    >>> x = {"age": np.array([20.0, 40.0, 30.0]), "video_id": np.array(["a", "b", "a"])}
    >>> model = LogisticRegression(Features.fit(spec, x))
    >>> model.compile("adam")
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Richardson et al., WWW 2007, §4.
    """

    def __init__(
        self,
        features: Features,
        *,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, Logistic(), name=name)

        # Layers.
        self.linear = LinearFeatures(features, features.spec.columns, l2, batch_l2)
        # Logits stay in float32, because half precision is too coarse for them.
        self.bias = self.add_weight(
            "bias", shape=[], initializer="zeros", experimental_autocast=False
        )

        # Config.
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.seed = seed

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        return self.bias + self.linear(self.encode(inputs))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "seed": self.seed,
        }

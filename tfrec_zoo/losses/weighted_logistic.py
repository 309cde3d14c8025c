"""Weighted logistic regression, whose odds are the expected watch time."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.losses.pointwise import Pointwise


class WeightedLogistic(Pointwise):
    """Cross-entropy with positives weighted by watch time and negatives by one.

    Covington et al. (2016), §4.2. An impression watched for T > 0 is a positive of weight T; one
    not watched is a negative of weight one:

        loss = T · softplus(−logit)   if T > 0,   softplus(logit)   otherwise.

    The odds it learns, e^logit = Σ T / (N − k) for k positives among N impressions, are close to
    the expected watch time E[T] where positives are few.

    Where the chance P of a click is not small, the odds are E[T] / (1 − P), too large. With
    `exact_odds` a watched impression is also a negative of weight one, which is not in the paper
    and makes the odds Σ T / N, the expected watch time itself:

        loss = T · softplus(−logit) + softplus(logit).

    Args:
        weighted: If False every impression weighs one: plain click prediction, to compare with.
        exact_odds: Whether the odds are the expected watch time whatever the chance of a click.

    Call arguments:
        y_true: [batch] watch times, 0 where the impression was not watched.
        y_pred: [batch] logits.
    """

    def __init__(self, weighted: bool = True, exact_odds: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if exact_odds and not weighted:
            raise ValueError("`exact_odds` is for weighted training. Received: weighted=False")
        self.weighted = weighted
        self.exact_odds = exact_odds

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each impression."""
        if self.exact_odds:
            return y_true * tf.math.softplus(-y_pred) + tf.math.softplus(y_pred)
        is_watched = y_true > 0
        weight = tf.where(is_watched, y_true, 1.0) if self.weighted else 1.0
        # −logit for positives, logit for negatives.
        return weight * tf.math.softplus(tf.where(is_watched, -y_pred, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        config = {"weighted": self.weighted, "exact_odds": self.exact_odds}
        return {**super().get_config(), **config}

"""Weighted logistic regression, whose odds are the expected watch time."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.losses.pointwise import Pointwise


class WeightedLogistic(Pointwise):
    """Cross-entropy with positives weighted by watch time and negatives by one.

    Covington et al. (2016), §4.2. An impression watched for T > 0 is a positive of weight T, and
    one that was not watched is a negative of weight one:

        loss = T · softplus(−logit)   if T > 0,   softplus(logit)   otherwise.

    The learned odds, e^logit = Σ T / (N − k) for k positives among N impressions, are close to the
    expected watch time E[T] if positives are rare.

    If the probability P of a click is not small, the odds E[T] / (1 − P) are too large. With
    `exact_odds` a watched impression is also a negative of weight one. This is not in the paper; it
    makes the odds Σ T / N, the expected watch time itself:

        loss = T · softplus(−logit) + softplus(logit).

    Args:
        weighted: Whether positives are weighted by watch time. If False every impression weighs
            one: plain click prediction, for comparison.
        exact_odds: Whether the odds are the expected watch time, whatever the probability of a
            click.

    Call arguments:
        y_true: Watch times, [batch], 0 if the impression was not watched.
        y_pred: Logits, [batch].

    Returns:
        The loss of each impression, [batch].
    """

    def __init__(self, weighted: bool = True, exact_odds: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if exact_odds and not weighted:
            raise ValueError("`exact_odds` is for weighted training. Received: weighted=False")
        self.weighted = weighted
        self.exact_odds = exact_odds

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each impression, [batch]."""
        if self.exact_odds:
            return y_true * tf.math.softplus(-y_pred) + tf.math.softplus(y_pred)
        is_watched = y_true > 0
        weight = tf.where(is_watched, y_true, 1.0) if self.weighted else 1.0
        # Cross-entropy is softplus(−logit) for positives and softplus(logit) for negatives.
        return weight * tf.math.softplus(tf.where(is_watched, -y_pred, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        config = {"weighted": self.weighted, "exact_odds": self.exact_odds}
        return {**super().get_config(), **config}

"""Pairwise losses, which push chosen candidates above those that were not chosen."""

from typing import Any

import tensorflow as tf


class _Pairwise(tf.keras.losses.Loss):
    """Compares the positive, the first candidate of each list, with the other candidates."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("reduction", tf.keras.losses.Reduction.NONE)
        super().__init__(**kwargs)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each list, [batch]."""
        y_pred = tf.convert_to_tensor(y_pred)
        if y_pred.shape.rank != 2 or y_pred.shape[1] == 1:
            raise ValueError(
                "A pairwise loss needs lists [batch, 1 + negatives], the positive first: make "
                "the batches with `negatives`, see `Examples.dataset`. "
                f"Received scores of shape {y_pred.shape}"
            )
        # The lead of the positive over each negative, [batch, negatives].
        return self.list_losses(y_pred[:, :1] - y_pred[:, 1:])

    def list_losses(self, lead: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each list, [batch], for the positives' leads, [batch, negatives]."""
        raise NotImplementedError


class BPR(_Pairwise):
    """Bayesian personalized ranking: the mean of −log σ(s_positive − s_j) over negatives j.

    Call arguments:
        y_true: Ignored, because the first candidate of each list is the positive.
        y_pred: Scores, [batch, 1 + negatives].

    Returns:
        The loss of each list, [batch].

    Example:

    >>> loss = BPR()(tf.zeros([1, 2]), tf.constant([[1.0, 1.0]]))
    >>> f"{loss[0]:.3f}"  # log 2
    '0.693'

    References:
        Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
    """

    def list_losses(self, lead: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each list, [batch]."""
        return tf.reduce_mean(tf.math.softplus(-lead), axis=1)


class WARP(_Pairwise):
    """Weighted approximate-rank pairwise loss, used by YouTube's matrix factorization before 2016.

    Negatives are tried in the order in which they were drawn. If the t-th is the first to come
    within the margin of the positive, about (items − 1) / t items do, which estimates the
    positive's rank. The loss grows with that rank:

        loss = L(⌊(items − 1) / t⌋) · (margin − s_positive + s_t),    L(r) = 1 + 1/2 + … + 1/r

    If no negative comes within the margin, the loss is 0. More negatives per list give a finer
    estimate.

    Args:
        num_items: Number of items in the catalogue.
        margin: Margin by which the positive should lead.

    Call arguments:
        y_true: Ignored, because the first candidate of each list is the positive.
        y_pred: Scores, [batch, 1 + negatives].

    Returns:
        The loss of each list, [batch].

    References:
        Weston, Bengio & Usunier, "WSABIE: Scaling up to large vocabulary image annotation", IJCAI
        2011.
    """

    def __init__(self, num_items: int, margin: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_items < 2 or margin <= 0:
            raise ValueError(
                "`num_items` must be at least 2 and `margin` positive. "
                f"Received: num_items={num_items}, margin={margin}"
            )
        self.num_items = num_items
        self.margin = margin

    def list_losses(self, lead: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each list, [batch]."""
        hinge = self.margin - lead
        violates = hinge > 0
        first = tf.argmax(violates, axis=1, output_type=tf.int32)
        rank = (self.num_items - 1) // (first + 1)
        harmonic = tf.cumsum(1 / tf.range(1, self.num_items, dtype=tf.float32))
        weight = tf.gather(harmonic, tf.maximum(rank, 1) - 1)
        weight = tf.cast(weight, lead.dtype) * tf.gather(hinge, first, batch_dims=1)
        return tf.where(tf.reduce_any(violates, axis=1), weight, 0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "num_items": self.num_items, "margin": self.margin}

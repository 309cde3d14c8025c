"""Pointwise losses: one loss per impression, in the shape of the logits."""

from typing import Any

import tensorflow as tf


class Pointwise(tf.keras.losses.Loss):
    """Computes one loss per element, whereas Keras's losses average over the last axis, a list."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("reduction", tf.keras.losses.Reduction.NONE)
        super().__init__(**kwargs)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element, in the shape of `y_pred`."""
        y_pred = tf.convert_to_tensor(y_pred)
        y_true = tf.cast(y_true, y_pred.dtype)
        # Other shapes would broadcast every label against every logit.
        if not y_true.shape.is_compatible_with(y_pred.shape):
            raise ValueError(
                "`y_true` and `y_pred` must have the same shape. "
                f"Received: {y_true.shape} and {y_pred.shape}"
            )
        return self.element_losses(y_true, y_pred)

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element, for labels and predictions of equal shape."""
        raise NotImplementedError


class Logistic(Pointwise):
    """Cross-entropy of whether the label is positive.

        loss = softplus(−logit)   if label > 0,   softplus(logit)   otherwise.

    Every label above 0 is a positive, so watch times can serve as labels.

    Call arguments:
        y_true: Labels, [...]: 0 or 1, or any numbers of which those above 0 are positives.
        y_pred: Logits, [...], of the same shape.

    Returns:
        The loss of each impression, [...].

    Example:

    >>> losses = Logistic()(tf.constant([0.0, 5.0]), tf.constant([-1.0, 0.0]))
    >>> [f"{loss:.3f}" for loss in losses]  # log(1 + 1/e) and log 2
    ['0.313', '0.693']
    """

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element, [...]."""
        return tf.math.softplus(tf.where(y_true > 0, -y_pred, y_pred))


class Squared(Pointwise):
    """Squared error of a rating, (prediction − label)².

    Call arguments:
        y_true: Ratings, [...].
        y_pred: Predicted ratings, [...], of the same shape.

    Returns:
        The loss of each impression, [...].

    Example:

    >>> Squared()(tf.constant([5.0, 3.0]), tf.constant([4.0, 3.0])).numpy().tolist()
    [1.0, 0.0]
    """

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element, [...]."""
        return tf.math.squared_difference(y_pred, y_true)

"""Pointwise losses: one per impression, of the shape the logits have."""

from typing import Any

import tensorflow as tf


class Pointwise(tf.keras.losses.Loss):
    """One loss per element; Keras's own losses would average over the last axis, a list's."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("reduction", tf.keras.losses.Reduction.NONE)
        super().__init__(**kwargs)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element."""
        y_pred = tf.convert_to_tensor(y_pred)
        y_true = tf.cast(y_true, y_pred.dtype)
        # Else every label would meet every logit.
        if not y_true.shape.is_compatible_with(y_pred.shape):
            raise ValueError(
                "`y_true` and `y_pred` must have the same shape. "
                f"Received: {y_true.shape} and {y_pred.shape}"
            )
        return self.element_losses(y_true, y_pred)

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The loss itself, of labels and predictions of one shape."""
        raise NotImplementedError


class Logistic(Pointwise):
    """Cross-entropy of "is it a positive?": anything above 0 is one, so watch times will do.

        loss = softplus(−logit)   if label > 0,   softplus(logit)   otherwise.

    Call arguments:
        y_true: [...] labels; 0 or 1, or any number whose being above 0 is what is predicted.
        y_pred: [...] logits, of the same shape.

    Returns:
        [...] the loss of each impression.

    Example:

    >>> losses = Logistic()(tf.constant([0.0, 5.0]), tf.constant([-1.0, 0.0]))
    >>> [f"{loss:.3f}" for loss in losses]  # log(1 + 1/e) and log 2
    ['0.313', '0.693']
    """

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element."""
        return tf.math.softplus(tf.where(y_true > 0, -y_pred, y_pred))


class Squared(Pointwise):
    """(prediction − label)²: for ratings.

    Call arguments:
        y_true: [...] ratings.
        y_pred: [...] predicted ratings, of the same shape.

    Returns:
        [...] the loss of each impression.

    Example:

    >>> Squared()(tf.constant([5.0, 3.0]), tf.constant([4.0, 3.0])).numpy().tolist()
    [1.0, 0.0]
    """

    def element_losses(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each element."""
        return tf.math.squared_difference(y_pred, y_true)

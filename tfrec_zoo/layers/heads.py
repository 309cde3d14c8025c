"""What the attentions over a sequence share: heads, and which positions see which."""

import tensorflow as tf


def require_heads(num_heads: int, dim: int | None = None) -> None:
    """Checks a number of heads.

    Args:
        num_heads: Number of heads.
        dim: Width of the input, if it is known.

    Raises:
        ValueError: If there are no heads, or they do not divide the width.
    """
    if not isinstance(num_heads, int) or num_heads < 1:
        raise ValueError(f"`num_heads` must be a positive integer. Received: {num_heads}")
    if dim is not None and dim % num_heads:
        raise ValueError(
            "`num_heads` must divide the width of the input. "
            f"Received: {num_heads} heads, width {dim}"
        )


def by_head(x: tf.Tensor, num_heads: int) -> tf.Tensor:
    """Returns vectors [batch, length, dim] as [batch, heads, length, dim / heads]."""
    batch, length = tf.unstack(tf.shape(x))[:2]
    parts = tf.reshape(x, [batch, length, num_heads, x.shape[-1] // num_heads])
    return tf.transpose(parts, [0, 2, 1, 3])


def joined(x: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns what `by_head` returned in the shape that it was given."""
    return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), shape)


def seen(length: tf.Tensor, is_known: tf.Tensor | None) -> tf.Tensor:
    """Returns which positions see which: bool [length, length], or [batch, 1, length, length].

    Args:
        length: Number of positions, each of which sees itself and those before it.
        is_known: Which positions can be seen, [batch, length]; None for all.
    """
    can_see = tf.linalg.band_part(tf.ones([length, length], tf.bool), -1, 0)
    return can_see if is_known is None else can_see & is_known[:, None, None, :]

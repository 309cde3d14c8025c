"""Dot interaction: the dot product of each pair of fields, which DLRM feeds to its tower."""

import tensorflow as tf

from tfrec_zoo.layers.field_embeddings import flatten_fields


def dot_interaction(fields: tf.Tensor) -> tf.Tensor:
    """Computes ⟨v_i, v_j⟩ for every pair of fields i < j.

    Args:
        fields: Vectors of the fields, [..., fields, dim].

    Returns:
        The dot products, [..., fields · (fields − 1) / 2], with the pairs in the order
        (1, 2), (1, 3), …, (2, 3), …

    Raises:
        ValueError: If there are fewer than two fields.

    References:
        Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation
        Systems", arXiv 1906.00091, §2.2.
    """
    number = fields.shape[-2]
    if number < 2:
        raise ValueError(f"A pair needs two fields at least. Received: shape={fields.shape}")
    with tf.name_scope("dot_interaction"):
        products = tf.linalg.matmul(fields, fields, transpose_b=True)  # [..., fields, fields]
        pairs = [i * number + j for i in range(number) for j in range(i + 1, number)]
        return tf.gather(flatten_fields(products), pairs, axis=-1)

"""Dot interaction: the dot product of each pair of fields, as DLRM feeds them to its tower."""

import tensorflow as tf

from tfrec_zoo.layers.field_embeddings import flatten_fields


def dot_interaction(fields: tf.Tensor) -> tf.Tensor:
    """⟨v_i, v_j⟩ for all i < j, row by row: (1, 2), (1, 3), …, (2, 3), …

    Args:
        fields: [..., fields, dim]

    Returns:
        [..., fields (fields − 1) / 2]

    Raises:
        ValueError: If there is no pair.

    References:
        Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation
        Systems", arXiv 1906.00091, §2.2.
    """
    number = fields.shape[-2]
    if number < 2:
        raise ValueError(f"A pair needs two fields at least. Received: shape={fields.shape}")
    products = tf.linalg.matmul(fields, fields, transpose_b=True)  # [..., fields, fields]
    pairs = [i * number + j for i in range(number) for j in range(i + 1, number)]
    return tf.gather(flatten_fields(products), pairs, axis=-1)

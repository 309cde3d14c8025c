"""SecondOrder: the pairwise interactions of a factorization machine."""

from collections.abc import Sequence

import tensorflow as tf

from tfrec_zoo.layers.field_embeddings import sum_fields


def second_order(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Sums the dot products of all pairs of fields, in float32 and in linear time.

        Σ_{i<j} ⟨v_i, v_j⟩ = ½ Σ_d ((Σ_i v_i)² − Σ_i v_i²)

    Args:
        vectors: Vectors of the fields, each [batch, dim] or [batch, candidates, dim]. The query's
            sums are computed once for a list of candidates.

    Returns:
        The sums, [batch] or [batch, candidates].

    References:
        Rendle, "Factorization Machines", ICDM 2010, lemma 3.1.
    """
    with tf.name_scope("second_order"):
        v = [tf.cast(vector, tf.float32) for vector in vectors]
        square_of_sum = tf.square(sum_fields(v))
        sum_of_squares = sum_fields([tf.square(vector) for vector in v])
        return 0.5 * tf.reduce_sum(square_of_sum - sum_of_squares, axis=-1)

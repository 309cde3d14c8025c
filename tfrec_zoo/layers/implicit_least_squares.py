"""Implicit least squares: the vector of each row of a 0-1 matrix, given those of its columns.

A row costs as much as it has ones: the zeros of all rows are in one Gramian of the columns.
"""

import tensorflow as tf

#: Numbers in each temporary tensor of a block of rows: 16 MB.
_BLOCK = 2**22


def implicit_least_squares(
    vectors: tf.Tensor | tf.Variable,
    gramian: tf.Tensor,
    penalty: tf.Tensor,
    columns: tf.Tensor,
    splits: tf.Tensor,
    weights: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Minimizes Σ_j w_j (1 − x·v_j)² + x G xᵀ + penalty ‖x‖² over x, for each row by itself.

    j goes over the columns in which the row has a one. Rows of similar length are solved together,
    in blocks of bounded size, so that memory beyond the vectors does not grow with their number.

    Args:
        vectors: Vectors v of the columns, [columns, dim].
        gramian: G, [dim, dim].
        penalty: L2 penalty of each row, positive, [rows].
        columns: Columns of the ones, row after row, [ones].
        splits: Where each row begins in `columns`, and the end of the last one, [rows + 1].
        weights: Weights w of the columns, [columns]; None for 1.

    Returns:
        The minimizers, [rows, dim], and how far the minimum is below Σ_j w_j, the value at zero,
        [rows]. A row without ones has the zero vector. Where the penalty is lost among the other
        numbers, so that there is no minimum, they are NaN or have no meaning.
    """
    dim = vectors.shape[1]
    columns, splits = tf.cast(columns, tf.int64), tf.cast(splits, tf.int64)
    lengths = splits[1:] - splits[:-1]
    order = tf.argsort(lengths, direction="DESCENDING")
    num_rows, last = tf.size(order), tf.maximum(tf.size(columns, tf.int64) - 1, 0)

    def solve_block(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        length = tf.gather(lengths, rows)[:, None]
        place = tf.range(tf.reduce_max(length))[None]
        at = tf.minimum(tf.gather(splits, rows)[:, None] + place, last)
        column = tf.gather(columns, at)  # [rows, length], padded with those of other rows.
        w = tf.cast(place < length, tf.float32)
        if weights is not None:
            w *= tf.gather(weights, column)
        v = tf.gather(vectors, column)  # [rows, length, dim]
        weighted = w[:, :, None] * v
        left = tf.linalg.matmul(weighted, v, transpose_a=True) + gramian
        left += tf.gather(penalty, rows)[:, None, None] * tf.eye(dim)
        right = tf.reduce_sum(weighted, axis=1)
        x = tf.linalg.cholesky_solve(tf.linalg.cholesky(left), right[:, :, None])[:, :, 0]
        return x, tf.reduce_sum(x * right, axis=1)

    def step(
        begin: tf.Tensor, block: tf.Tensor, x: tf.TensorArray, gain: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray, tf.TensorArray]:
        # The first row is the longest.
        longest = tf.maximum(tf.gather(lengths, order[begin]), dim)
        size = tf.maximum(tf.cast(_BLOCK // (dim * longest), tf.int32), 1)
        end = tf.minimum(begin + size, num_rows)
        solution, below = solve_block(order[begin:end])
        return end, block + 1, x.write(block, solution), gain.write(block, below)

    def blocks(*shape: int | None) -> tf.TensorArray:
        return tf.TensorArray(
            tf.float32, 0, dynamic_size=True, infer_shape=False, element_shape=shape
        )

    _, _, x, gain = tf.while_loop(
        lambda begin, *_: begin < num_rows,
        step,
        # TensorFlow can't concatenate no block at all.
        (
            0,
            1,
            blocks(None, dim).write(0, tf.zeros([0, dim])),
            blocks(None).write(0, tf.zeros([0])),
        ),
        parallel_iterations=2,
    )
    place = tf.math.invert_permutation(order)
    return tf.gather(x.concat(), place), tf.gather(gain.concat(), place)

import numpy as np
import pytest

from tfrec_zoo.features import EmbeddingTable
from tfrec_zoo.optimizers import FusedAdam, LazyAdam

# isort: split
import tensorflow as tf


def numpy_adam(w, gradients, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Kingma & Ba, Algorithm 1 in the order of its §2."""
    w = np.array(w, np.float64)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        alpha = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        w -= alpha * m / (np.sqrt(v) + epsilon)
    return w


def random_batches(steps, table_rows, batch, dimension):
    rng = np.random.default_rng(0)
    for _ in range(steps):
        yield rng.normal(size=[batch, dimension]), rng.integers(0, table_rows, batch)


def apply(optimizer, table, values, indices):
    values = tf.convert_to_tensor(values, tf.float32)
    gradient = tf.IndexedSlices(values, tf.convert_to_tensor(indices), tf.shape(table))
    optimizer.apply_gradients([(gradient, table)])


def train(optimizer, start, batches):
    table = tf.Variable(start, dtype=tf.float32)
    step = tf.function(lambda values, indices: apply(optimizer, table, values, indices))
    for values, indices in batches:
        step(tf.constant(values, tf.float32), tf.constant(indices))
    return table.numpy()


START = np.random.default_rng(1).normal(size=[20, 3])


def test_agrees_with_numpy():
    gradients = []
    for values, indices in random_batches(40, 20, 8, 3):
        gradients.append(np.zeros([20, 3]))
        np.add.at(gradients[-1], indices, values)
    expected = numpy_adam(START, gradients, 0.05)
    trained = train(FusedAdam(0.05), START, random_batches(40, 20, 8, 3))
    np.testing.assert_allclose(trained, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_agrees_with_keras(amsgrad):
    fused, keras = (
        train(kind(0.05, amsgrad=amsgrad), START, random_batches(40, 20, 8, 3))
        for kind in (FusedAdam, tf.keras.optimizers.legacy.Adam)
    )
    np.testing.assert_allclose(fused, keras, rtol=1e-5, atol=1e-5)


def test_a_row_that_rests_goes_on_moving():
    def second_step(optimizer):
        table = tf.Variable([[1.0], [1.0]])
        apply(optimizer, table, [[2.0], [2.0]], [0, 1])
        apply(optimizer, table, [[2.0]], [0])
        return table.numpy()

    # Both rows go to .9 first. Then row 0 goes on to .8, and row 1 in Adam by
    # .1 √(1 - .999²) / (1 - .9²) · .9 m / √(.999 v), where m / √v = .1 / √.001,
    # = .1 · .0447102 / .19 · .9 · 3.162278 / .9995 = .0670050.
    np.testing.assert_allclose(second_step(FusedAdam(0.1)), [[0.8], [0.9 - 0.0670050]], rtol=1e-6)
    np.testing.assert_allclose(second_step(LazyAdam(0.1)), [[0.8], [0.9]], rtol=1e-6)


def test_repeated_rows_are_summed():
    table = tf.Variable([[1.0], [1.0]])
    optimizer = FusedAdam(0.1)
    apply(optimizer, table, [[1.0], [2.0], [-6.0]], [1, 1, 1])
    np.testing.assert_allclose(table, [[1.0], [1.1]], rtol=1e-6)
    np.testing.assert_allclose(optimizer.get_slot(table, "m"), [[0.0], [-0.3]], rtol=1e-6)


def test_an_unknown_id_moves_no_row():
    table = EmbeddingTable(3, 2, initializer="ones")
    optimizer = FusedAdam(0.1)
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(table(tf.constant([0, 3, 0])))
        optimizer.apply_gradients([(tape.gradient(loss, table.table), table.table)])
    np.testing.assert_allclose(table.table, [[1, 1], [1, 1], [0.8, 0.8]], rtol=1e-5)


@pytest.mark.parametrize(
    "clip, table_gradient, bias_gradient",
    [
        # Row 1's gradient is 1 + 2 = 3, the bias's 4: norms 3 and 4, together 5.
        ({"clipnorm": 1.0}, 1.0, 1.0),
        ({"global_clipnorm": 2.5}, 1.5, 2.0),
        ({"global_clipnorm": 5.0}, 3.0, 4.0),
        ({"clipvalue": 2.5}, 2.5, 2.5),
    ],
)
def test_clips_the_sum_of_repeated_rows(clip, table_gradient, bias_gradient):
    table, bias = tf.Variable([[0.0], [0.0]]), tf.Variable([0.0])
    optimizer = FusedAdam(**clip)
    gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([1, 1]))
    optimizer.apply_gradients([(gradient, table), (tf.constant([4.0]), bias)])
    m = optimizer.get_slot(table, "m")
    np.testing.assert_allclose(m, [[0], [0.1 * table_gradient]], rtol=1e-5)
    np.testing.assert_allclose(optimizer.get_slot(bias, "m"), [0.1 * bias_gradient], rtol=1e-5)


def test_a_constraint_on_a_table():
    table = tf.Variable([[0.05], [1.0]], constraint=tf.keras.constraints.NonNeg())
    apply(FusedAdam(0.1), table, [[1.0], [1.0]], [0, 1])
    np.testing.assert_allclose(table, [[0.0], [0.9]], rtol=1e-6)

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tfrec_zoo.features import EmbeddingTable
from tfrec_zoo.optimizers import LazyAdam

# isort: split
import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class NumpyLazyAdam:
    """Kingma & Ba, Algorithm 1 in the order of its §2, on the rows with a gradient."""

    def __init__(self, w, amsgrad=False):
        self.w = np.array(w, np.float64)
        self.m, self.v, self.v_max = (np.zeros_like(self.w) for _ in range(3))
        self.t = 0
        self.amsgrad = amsgrad

    def step(self, values, indices, learning_rate):
        self.t += 1
        alpha = learning_rate * np.sqrt(1 - BETA_2**self.t) / (1 - BETA_1**self.t)
        for row in set(indices):
            g = sum(np.float64(value) for value, i in zip(values, indices, strict=True) if i == row)
            if not np.any(g):
                continue
            self.m[row] = BETA_1 * self.m[row] + (1 - BETA_1) * g
            self.v[row] = BETA_2 * self.v[row] + (1 - BETA_2) * g * g
            self.v_max[row] = np.maximum(self.v_max[row], self.v[row])
            v = self.v_max[row] if self.amsgrad else self.v[row]
            self.w[row] -= alpha * self.m[row] / (np.sqrt(v) + EPSILON)


def rows(values, indices, table):
    values = tf.convert_to_tensor(values, tf.float32)
    return tf.IndexedSlices(values, tf.convert_to_tensor(indices), tf.shape(table))


def apply(optimizer, table, values, indices):
    optimizer.apply_gradients([(rows(values, indices, table), table)])


def random_batches(steps, table_rows, batch, dimension):
    rng = np.random.default_rng(0)
    for _ in range(steps):
        yield rng.normal(size=[batch, dimension]), rng.integers(0, table_rows, batch)


def test_two_steps_by_hand():
    table = tf.Variable([[1.0], [2.0], [3.0]])
    optimizer = LazyAdam(0.1)
    apply(optimizer, table, [[4.0], [-2.0]], [0, 1])
    # The first step is α √(1 - β₂) / (1 - β₁) · (1 - β₁) g / (√(1 - β₂) |g|) = α sign(g).
    np.testing.assert_allclose(table, [[0.9], [2.1], [3.0]], rtol=1e-6)
    apply(optimizer, table, [[4.0], [1.0]], [0, 2])
    # Row 0, the same gradient again: once more α sign(g). Row 1 rests. Row 2, new at step 2:
    # .1 √(1 - .999²) / (1 - .9²) · .1 / √.001 = .1 · .0447102 / .19 · 3.162278 = .0744128
    np.testing.assert_allclose(table, [[0.8], [2.1], [3 - 0.0744128]], rtol=1e-6)
    np.testing.assert_allclose(optimizer.get_slot(table, "m"), [[0.76], [-0.2], [0.1]], rtol=1e-6)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_agrees_with_numpy(amsgrad):
    table = tf.Variable(np.random.default_rng(1).normal(size=[20, 3]), dtype=tf.float32)
    expected = NumpyLazyAdam(table.numpy(), amsgrad)
    optimizer = LazyAdam(0.05, amsgrad=amsgrad)
    step = tf.function(lambda values, indices: apply(optimizer, table, values, indices))
    for values, indices in random_batches(40, 20, 8, 3):
        step(tf.constant(values, tf.float32), tf.constant(indices))
        expected.step(values, indices, 0.05)
    np.testing.assert_allclose(table, expected.w, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(optimizer.get_slot(table, "v"), expected.v, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [[4], [4, 2, 3]])
def test_tables_of_any_rank(shape):
    table = tf.Variable(tf.ones(shape))
    apply(LazyAdam(0.1), table, tf.fill([3, *shape[1:]], 2.0), [1, 3, 3])
    expected = np.ones(shape)
    expected[[1, 3]] = 0.9
    np.testing.assert_allclose(table, expected, rtol=1e-6)


def test_repeated_rows_are_summed():
    # 1 + 2 - 6 = -3, in one step: m = .1 · -3, v = .001 · 9.
    table = tf.Variable([[1.0], [1.0]])
    optimizer = LazyAdam(0.1)
    apply(optimizer, table, [[1.0], [2.0], [-6.0]], [1, 1, 1])
    np.testing.assert_allclose(table, [[1.0], [1.1]], rtol=1e-6)
    np.testing.assert_allclose(optimizer.get_slot(table, "m"), [[0.0], [-0.3]], rtol=1e-6)
    np.testing.assert_allclose(optimizer.get_slot(table, "v"), [[0.0], [0.009]], rtol=1e-4)


def test_a_dense_gradient_gets_adam():
    dense, adam = (tf.Variable(tf.ones([3, 2])) for _ in range(2))
    ours, keras = LazyAdam(0.1), tf.keras.optimizers.legacy.Adam(0.1)
    for gradient, _ in random_batches(10, 3, 3, 2):
        gradient = tf.constant(gradient, tf.float32)
        ours.apply_gradients([(gradient, dense)])
        keras.apply_gradients([(gradient, adam)])
    assert np.array_equal(dense, adam)


@pytest.mark.parametrize("lookup", ["call", "pooled"])
def test_an_unknown_id_moves_no_row(lookup):
    """`EmbeddingTable` looks id 0 up in the first row and masks it: a touch of gradient 0."""
    table = EmbeddingTable(3, 2, initializer="ones")
    optimizer = LazyAdam(0.1)

    def step(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(getattr(table, "__call__" if lookup == "call" else lookup)(ids))
        optimizer.apply_gradients([(tape.gradient(loss, table.table), table.table)])

    step(tf.constant([[1, 2]]))
    before = table.table.numpy()
    step(tf.constant([[0, 3]]))
    moved = np.any(table.table.numpy() != before, axis=1)
    assert moved.tolist() == [False, False, True]


def test_a_batch_of_unknown_ids():
    table = tf.Variable([[1.0], [2.0]])
    optimizer = LazyAdam(0.1)
    apply(optimizer, table, [[1.0], [1.0]], [0, 1])
    before = table.numpy()
    apply(optimizer, table, [[0.0], [0.0]], [0, 0])
    assert np.array_equal(table, before)


def test_nan_is_not_hidden():
    table = tf.Variable([[1.0], [2.0]])
    apply(LazyAdam(0.1), table, [[np.nan]], [0])
    assert np.isnan(table.numpy()).tolist() == [[True], [False]]


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
    optimizer = LazyAdam(**clip)
    gradient = rows([[1.0], [2.0]], [1, 1], table)
    optimizer.apply_gradients([(gradient, table), (tf.constant([4.0]), bias)])
    m = optimizer.get_slot(table, "m")
    np.testing.assert_allclose(m, [[0], [0.1 * table_gradient]], rtol=1e-5)
    np.testing.assert_allclose(optimizer.get_slot(bias, "m"), [0.1 * bias_gradient], rtol=1e-5)


def test_learning_rate_schedule():
    table = tf.Variable([[0.0]])
    schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([0, 1], [1.0, 0.5, 0.25])
    optimizer = LazyAdam(schedule)
    for expected in (-1.0, -1.5, -1.75):  # the same gradient each time: a step is α
        apply(optimizer, table, [[3.0]], [0])
        np.testing.assert_allclose(table, [[expected]], rtol=1e-5)


_REPLICAS = """
import json
import tfrec_zoo.optimizers
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert mirrored.num_replicas_in_sync == 2
results = {}
for name in ("lazy_adam", "fused_adam"):
    for devices in (1, 2):
        with (tf.distribute.get_strategy() if devices == 1 else mirrored).scope():
            tf.keras.utils.set_random_seed(0)
            model = tf.keras.Sequential([
                tf.keras.layers.Embedding(6, 2, input_length=2),
                tf.keras.layers.Flatten(),
                tf.keras.layers.Dense(1),
            ])
            model.compile(name, "mse")
            model.optimizer.global_clipnorm = 0.5
        # Rows repeat within a replica (0) and between replicas (1); row 5 is never looked up.
        x = tf.constant([[0, 1], [0, 2], [1, 3], [4, 1]])
        y = tf.constant([[5.0], [-5.0], [5.0], [3.0]])
        model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
        results[f"{name} {devices}"] = [weight.tolist() for weight in model.get_weights()]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def replicas():
    run = subprocess.run(
        [sys.executable, "-c", _REPLICAS],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["lazy_adam", "fused_adam"])
def test_two_replicas_train_as_one(replicas, name):
    one, two = replicas[f"{name} 1"], replicas[f"{name} 2"]
    for single, mirrored in zip(one, two, strict=True):
        np.testing.assert_allclose(mirrored, single, rtol=1e-5, atol=1e-6)

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfrec_zoo.features.quantile import QuantileNormalization

BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
LOG = np.array([0.0, 1.0, 3.0, 7.0, 15.0], np.float32)


def feature(size=20_000, seed=0):
    return np.random.default_rng(seed).lognormal(0, 2, size).astype(np.float32)


def reference(x, boundaries):
    cdf = np.interp(x, boundaries, np.linspace(0, 1, len(boundaries)))
    return np.clip(cdf, 0, BELOW_ONE)


def test_hand_worked():
    layer = QuantileNormalization(num_quantiles=5, powers=True)
    layer.adapt(LOG)  # five values, five quantiles: the boundaries are the values themselves
    np.testing.assert_array_equal(layer.boundaries, LOG)
    # 1 is the second of 0, 1/4, 2/4, 3/4, 1; 11 is halfway from 3/4 to 1; 1.5 a quarter of the way
    # from 1/4 to 2/4: 0.25 + 0.25 * 0.25 = 0.3125.
    cdf = np.array([0.25, 0.875, 0.3125, 0.0])
    output = layer(np.array([1.0, 11.0, 1.5, 0.0], np.float32))
    assert output.dtype == tf.float32
    np.testing.assert_allclose(output, np.stack([cdf, cdf**2, np.sqrt(cdf)], -1), atol=1e-7)


@pytest.mark.parametrize("num_quantiles", [2, 17, 1000])
def test_agrees_with_numpy(num_quantiles):
    data = feature()
    layer = QuantileNormalization(num_quantiles)
    layer.adapt(data)
    boundaries = layer.boundaries.numpy()
    np.testing.assert_allclose(
        boundaries, np.quantile(data, np.linspace(0, 1, num_quantiles)), rtol=0.05
    )
    x = np.concatenate([feature(seed=1), boundaries, [-1.0, 1e9]]).astype(np.float32)
    output = layer(x).numpy()[:, 0]
    np.testing.assert_allclose(output, reference(x, boundaries), atol=1e-6, rtol=0)
    assert output.min() == 0.0 and output.max() == BELOW_ONE


def test_makes_the_feature_uniform():
    layer = QuantileNormalization()
    layer.adapt(feature())
    # The moments of the uniform distribution on [0, 1): 1/2, 1/3; that of its root is 2/3.
    powers = QuantileNormalization(powers=True, boundaries=layer.boundaries.numpy())(feature())
    np.testing.assert_allclose(np.mean(powers, axis=0), [1 / 2, 1 / 3, 2 / 3], atol=2e-3)


def test_missing_and_extreme_values():
    layer = QuantileNormalization(powers=True, boundaries=LOG - 6)  # 0 is not at an end
    x = np.array([np.nan, -np.inf, np.inf, -7.0, 9.0, 3e38], np.float32)
    output = layer(x).numpy()
    assert output[[0, 1, 3]].tolist() == [[0.0, 0.0, 0.0]] * 3
    assert output[[2, 4, 5], 0].tolist() == [BELOW_ONE] * 3
    assert np.all(output < 1)


def test_gradients_are_finite():
    layer = QuantileNormalization(powers=True, boundaries=[0.0, 0.0, 1.0, 3.0, 3.0])
    x = tf.constant([np.nan, -np.inf, np.inf, -1.0, 0.0, 1e-45, 0.5, 1.0, 3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x)[:, :2])
    gradient = tape.gradient(total, x).numpy()
    # Nothing moves with a missing value or beyond the ends.
    assert gradient[[0, 1, 2, 3, 9]].tolist() == [0.0] * 5
    # At 0.5, x~ = 1/4 + x / 4 = 0.375: x~' + 2 x~ x~' = 1/4 (1 + 0.75).
    assert gradient[6] == pytest.approx(0.4375)
    with tf.GradientTape() as tape:
        tape.watch(x)
        root = layer(x)[:, 2]
    assert np.all(np.isfinite(tape.gradient(root, x)))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_of_the_root_at_zero(jit_compile):
    layer = QuantileNormalization(powers=True, boundaries=[0.0, 1.0])

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x))
        return tape.gradient(total, x)

    # At 0 that of x~ alone. At 0.25: 1 + 2 x~ + 1 / (2 sqrt(x~)) = 1 + 0.5 + 1.
    x = tf.constant([0.0, 0.25, np.nan])
    np.testing.assert_allclose(gradient(x), [1.0, 2.5, 0.0])


def test_repeated_boundaries_count_the_value_itself():
    layer = QuantileNormalization(num_quantiles=11)
    # Eleven values, eleven quantiles in ten steps of 0.1: the first seven are 0, up to 0.6.
    layer.adapt(np.array([0] * 7 + [1, 2, 3, 4]))
    np.testing.assert_array_equal(layer.boundaries, [0] * 7 + [1, 2, 3, 4])
    output = layer(np.array([0.0, -1e-3, 0.5, 4.0], np.float32)).numpy()[:, 0]
    np.testing.assert_allclose(output, [0.6, 0.0, 0.65, BELOW_ONE], atol=1e-7)

    boundaries = [-3.0, -1.0, -1.0, -1.0, 2.0, 2.0]
    x = np.array([-4, -3, -2, -1.001, -1, -0.999, 0, 1.999, 2, 2.5], np.float32)
    output = QuantileNormalization(boundaries=boundaries)(x)[:, 0]
    np.testing.assert_allclose(output, reference(x, boundaries), atol=1e-6)


def test_constant_feature():
    layer = QuantileNormalization(powers=True)
    layer.adapt(np.full(100, 7.0))
    output = layer(np.array([6.0, 7.0, 8.0, np.nan], np.float32)).numpy()
    assert output[:, 0].tolist() == [0.0, BELOW_ONE, BELOW_ONE, 0.0]
    assert np.all(np.isfinite(output))


@pytest.mark.parametrize("powers", [False, True])
@pytest.mark.parametrize("shape", [(), (4,), (4, 1), (2, 3, 4), (0,)])
def test_shapes(shape, powers):
    layer = QuantileNormalization(powers=powers, boundaries=LOG)
    assert layer(tf.ones(shape)).shape == (*shape, 3 if powers else 1)
    symbolic = layer(tf.keras.Input((5,)))
    assert symbolic.shape.as_list() == [None, 5, 3 if powers else 1]
    assert symbolic.dtype == tf.float32


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float16, np.float64])
def test_input_dtypes(dtype):
    output = QuantileNormalization(boundaries=LOG)(np.array([1, 11], dtype))
    assert output.dtype == tf.float32
    np.testing.assert_allclose(output, [[0.25], [0.875]])


def test_half_precision_policy_keeps_the_digits():
    layer = QuantileNormalization(boundaries=[20_000.0, 20_010.0], dtype="mixed_float16")
    output = layer(np.array([20_001.0, 20_010.0], np.float32))  # float16 has steps of 16 there
    assert output.dtype == tf.float32
    np.testing.assert_allclose(output, [[0.1], [BELOW_ONE]], atol=1e-7)


@pytest.mark.parametrize(
    "wrap",
    [
        pd.Series,
        tf.constant,
        list,
        lambda x: x.astype(np.float64).reshape(-1, 4),
        lambda x: pd.Series([*x, None], dtype="Float64"),
        lambda x: np.concatenate([x, [np.nan, np.inf, -np.inf]]),
        lambda x: tf.data.Dataset.from_tensor_slices(x).batch(300),
    ],
)
def test_adapt_takes(wrap):
    data = feature(4_000)
    expected, layer = QuantileNormalization(50), QuantileNormalization(50)
    expected.adapt(data)
    layer.adapt(wrap(data))
    np.testing.assert_array_equal(layer.boundaries, expected.boundaries)


def test_adapt_replaces_the_boundaries_of_traced_functions():
    layer = QuantileNormalization(num_quantiles=3)
    layer.adapt([0.0, 1.0, 2.0])
    function = tf.function(layer)
    assert function(tf.constant([2.0])).numpy().tolist() == [[BELOW_ONE]]
    layer.adapt([0.0, 4.0, 8.0])
    assert function(tf.constant([2.0])).numpy().tolist() == [[0.25]]
    assert len(layer.weights) == 1 and not layer.trainable_weights


@pytest.mark.parametrize("data", [[], [np.nan, np.nan], [np.inf]])
def test_adapt_needs_values(data):
    with pytest.raises(ValueError, match="at least one finite value. Received: "):
        QuantileNormalization().adapt(np.array(data))


def test_adapt_needs_a_finite_dataset_of_tensors():
    dataset = tf.data.Dataset.from_tensors([1.0])
    for wrong in (dataset.repeat(), dataset.map(lambda x: (x, x)), dataset.map(lambda x: {"x": x})):
        with pytest.raises(ValueError, match="finite dataset of single tensors. Received: "):
            QuantileNormalization().adapt(wrong)


@pytest.mark.parametrize(
    "boundaries", [[1.0], [2.0, 1.0], [0.0, np.nan], [0.0, np.inf], [[0.0, 1.0]], [-1e308, 1e308]]
)
def test_wrong_boundaries(boundaries):
    with pytest.raises(ValueError, match="do not decrease. Received: "), np.errstate(all="ignore"):
        QuantileNormalization(boundaries=boundaries)


def test_wrong_num_quantiles():
    with pytest.raises(ValueError, match="at least 2. Received: 1$"):
        QuantileNormalization(num_quantiles=1)


def test_use_before_adapt():
    layer = QuantileNormalization(num_quantiles=3, name="age")
    match = "'age' has no quantiles yet: .* Received: "
    with pytest.raises(ValueError, match=match):
        layer(tf.constant([1.0]))
    with pytest.raises(ValueError, match=match):
        tf.function(layer)(tf.constant([1.0]))
    with pytest.raises(ValueError, match=match):
        tf.data.Dataset.from_tensors([1.0]).map(layer)
    # It can be wired into a model, whose weights may come later, but not run.
    inputs = tf.keras.Input((1,))
    model = tf.keras.Model(inputs, layer(inputs))
    with pytest.raises(ValueError, match=match):
        model.predict(tf.ones((1, 1)), verbose=0)
    model.set_weights([np.array([0.0, 2.0, 4.0])])
    assert model.predict(tf.ones((1, 1)), verbose=0).tolist() == [[[0.25]]]


def test_config_round_trip():
    fresh = QuantileNormalization(num_quantiles=4, name="age")
    assert fresh.get_config()["boundaries"] is None
    assert QuantileNormalization.from_config(fresh.get_config()).num_quantiles == 4

    layer = QuantileNormalization(num_quantiles=100, powers=True, name="age")
    layer.adapt(feature())
    config = json.loads(json.dumps(layer.get_config()))
    restored = QuantileNormalization.from_config(config)
    assert (restored.name, restored.num_quantiles, restored.powers) == ("age", 100, True)
    np.testing.assert_array_equal(restored(feature(seed=1)), layer(feature(seed=1)))


def test_weights_round_trip(tmp_path):
    layer = QuantileNormalization(num_quantiles=100)
    layer.adapt(feature())
    expected = layer(feature(seed=1))
    fresh = QuantileNormalization(num_quantiles=100)
    fresh.set_weights(layer.get_weights())
    np.testing.assert_array_equal(fresh(feature(seed=1)), expected)
    assert fresh.get_config()["boundaries"] == layer.get_config()["boundaries"]

    for path in (str(tmp_path / "w.weights.h5"), str(tmp_path / "checkpoint")):
        tf.keras.Sequential([tf.keras.Input(()), layer]).save_weights(path)
        fresh = tf.keras.Sequential([tf.keras.Input(()), QuantileNormalization(num_quantiles=100)])
        fresh.load_weights(path)
        np.testing.assert_array_equal(fresh(feature(seed=1)), expected)


def test_keras_file(tmp_path):
    layer = QuantileNormalization(num_quantiles=100, powers=True)
    layer.adapt(feature())
    inputs = tf.keras.Input(())
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(layer(inputs)))
    model.save(tmp_path / "model.keras")
    restored = tf.keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"QuantileNormalization": QuantileNormalization}
    )
    np.testing.assert_array_equal(restored(feature(seed=1)), model(feature(seed=1)))
    assert len(restored.non_trainable_weights) == 1


def test_saved_model_loads_without_the_package(tmp_path, run_python):
    layer = QuantileNormalization(num_quantiles=100, powers=True)
    layer.adapt(feature())
    inputs = tf.keras.Input(())
    model = tf.keras.Model(inputs, layer(inputs))
    tf.saved_model.save(model, str(tmp_path / "model"))
    x = np.concatenate([feature(200, seed=1), [np.nan, np.inf, -np.inf]]).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    script = (
        "import numpy as np, tensorflow as tf\n"
        "model = tf.saved_model.load('model')\n"
        "(y,) = model.signatures['serving_default'](tf.constant(np.load('x.npy'))).values()\n"
        "np.save('y.npy', y)\n"
    )
    run = run_python(script, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    # A graph may round the last bit otherwise than single operations do.
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(x), rtol=2e-7)


def test_in_tf_data_and_compiled():
    layer = QuantileNormalization(boundaries=LOG)
    dataset = tf.data.Dataset.from_tensor_slices([1.0, np.nan, 11.0]).batch(2).map(layer)
    assert dataset.element_spec.shape.as_list() == [None, 1]
    assert [batch.tolist() for batch in dataset.as_numpy_iterator()] == [[[0.25], [0.0]], [[0.875]]]
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant([1.0, np.nan])), [[0.25], [0.0]])


def test_a_mass_does_not_squeeze_the_rest():
    counts = np.repeat([0, 1, 2, 3], [9200, 400, 240, 160])
    plain, apart = QuantileNormalization(), QuantileNormalization(mass=True)
    for layer in (plain, apart):
        layer.adapt(np.random.default_rng(0).permutation(counts))
    x = np.array([0, 1, 2, 3])
    np.testing.assert_allclose(plain(x)[:, 0], [0.92, 0.96, 0.984, 1], atol=2e-3)
    # Of the 800 others, 400 are up to 1 and 640 up to 2.
    np.testing.assert_allclose(apart(x)[:, 0], [0, 0.5, 0.8, 1], atol=2e-3)
    assert apart.get_config()["mass"] == 0.0


def test_a_mass_that_is_not_the_lowest_stays_apart_from_its_neighbours():
    layer = QuantileNormalization(boundaries=[0.0, 1.0, 3.0, 4.0, 4.0], mass=2.0)
    # 0.9 P(X <= x | X != 2), and 0.1 from 2 on. Of the others, a quarter is up to 1, and 1.5 and 2
    # are a quarter and half of the way from there to 3, where another quarter ends.
    expected = [0.9 * 0.25, 0.9 * 0.3125, 0.9 * 0.375 + 0.1, 0.9 * 0.5 + 0.1, BELOW_ONE, 0]
    found = layer(np.array([1.0, 1.5, 2.0, 3.0, 4.0, np.nan]))[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_mass_of_all_values_is_0():
    layer = QuantileNormalization(mass=True)
    layer.adapt([7.0] * 10)
    assert layer(np.array([6.0, 7.0, 8.0]))[:, 0].numpy().tolist() == [0.0, 0.0, BELOW_ONE]


def test_without_a_mass_nothing_is_set_apart():
    data = feature(5_000)
    plain, apart = QuantileNormalization(), QuantileNormalization(mass=True)
    plain.adapt(data), apart.adapt(data)
    np.testing.assert_allclose(apart(data), plain(data), atol=2e-3)


def test_extrapolation_below_the_first_boundary():
    boundaries = [0.0, 2.0, 6.0]
    layer = QuantileNormalization(boundaries=boundaries, extrapolate=True, powers=True)
    # The first interval rises by 0.5 in 2: -0.5 is at -0.125; nothing is below -1.
    x = np.array([-0.5, -100.0, -np.inf, 0.0, 1.0, 6.0, np.nan])
    cdf = np.array([-0.125, -1, -1, 0, 0.25, BELOW_ONE, 0])
    expected = np.stack([cdf, cdf**2, np.sign(cdf) * np.sqrt(np.abs(cdf))], -1)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert QuantileNormalization(boundaries=boundaries)(np.array([-0.5])).numpy() == 0


def test_extrapolation_goes_on_from_repeated_boundaries():
    layer = QuantileNormalization(boundaries=[0.0, 0.0, 4.0], extrapolate=True)
    # P(X <= 0) = 0.5, and 0.5 in 4 above it.
    np.testing.assert_allclose(layer(np.array([0.0, -1.0]))[:, 0], [0.5, 0.375], atol=1e-6)
    constant = QuantileNormalization(boundaries=[1.0, 1.0], extrapolate=True)
    assert constant(np.array([0.0])).numpy() == 0


def test_boundaries_that_were_given_are_not_rounded_by_a_checkpoint(tmp_path):
    class Rounded(tf.keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.boundaries = self.add_weight("boundaries", [2], tf.float32, "zeros")

        def call(self, inputs):
            return inputs

    path = str(tmp_path / "weights")
    tf.keras.Sequential([tf.keras.Input(()), Rounded()]).save_weights(path)
    layer = QuantileNormalization(boundaries=[1.7e9, 1.7e9 + 2])
    model = tf.keras.Sequential([tf.keras.Input((), dtype=tf.float64), layer])
    model.load_weights(path).assert_existing_objects_matched()
    assert layer(np.array([1.7e9 + 1])).numpy() == 0.5

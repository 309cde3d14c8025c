"""What Keras does with the optimizers: names, configurations, checkpoints, `fit`."""

import numpy as np
import pytest

from tfrec_zoo.optimizers import FusedAdam, LazyAdam

# isort: split
import tensorflow as tf

NAMES = {"fused_adam": FusedAdam, "lazy_adam": LazyAdam}
X = np.random.default_rng(0).integers(0, 30, [64, 2])
Y = (X[:, :1] % 2).astype(np.float32)

each = pytest.mark.parametrize("name", NAMES)


def make_model():
    tf.keras.utils.set_random_seed(0)
    return tf.keras.Sequential(
        [
            tf.keras.layers.Embedding(30, 4, input_length=2),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(1, dtype="float32"),
        ]
    )


def fit(model, optimizer, epochs=1, **kwargs):
    steps = kwargs.pop("steps_per_execution", 1)
    model.compile(optimizer, "mse", steps_per_execution=steps)
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **kwargs)
    return model


@each
def test_compile_takes_the_name(name):
    model = make_model()
    model.compile(name)
    assert type(model.optimizer) is NAMES[name]
    assert model.optimizer.get_config() == NAMES[name]().get_config()


@each
def test_an_instance_is_kept(name):
    optimizer = NAMES[name](0.5)
    assert tf.keras.optimizers.get(optimizer) is optimizer


@each
def test_config_round_trip(name):
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer = NAMES[name](schedule, 0.8, 0.99, 1e-5, amsgrad=True, name="it", global_clipnorm=2.0)
    again = tf.keras.optimizers.deserialize(tf.keras.optimizers.serialize(optimizer))
    assert type(again) is NAMES[name]
    assert again.get_config() == optimizer.get_config()
    assert (again.epsilon, again.amsgrad, again.global_clipnorm) == (1e-5, True, 2.0)
    assert again.get_config()["learning_rate"]["config"]["decay_rate"] == 0.5


@each
def test_steps_per_execution_change_nothing(name):
    one = fit(make_model(), name, epochs=3)
    many = fit(make_model(), name, epochs=3, steps_per_execution=32)
    for a, b in zip(one.get_weights(), many.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert many.optimizer.iterations.numpy() == 3 * 64 // 8


@each
def test_fit_learns(name):
    model = fit(make_model(), NAMES[name](0.05), epochs=20)
    assert model.evaluate(X, Y, verbose=0) < 0.1 * np.var(Y)


@each
def test_learning_rate_callbacks(name):
    scheduler = tf.keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    plateau = tf.keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)
    model = fit(make_model(), name, epochs=2, callbacks=[scheduler])
    np.testing.assert_allclose(model.optimizer.lr, 0.25)
    model = fit(make_model(), NAMES[name](0.25), epochs=3, callbacks=[plateau])
    # Nothing is an improvement after the first epoch.
    np.testing.assert_allclose(model.optimizer.lr, 0.0025, rtol=1e-5)


@each
def test_a_checkpoint_goes_on_where_it_was(name, tmp_path):
    straight = fit(make_model(), name, epochs=2)
    half = fit(make_model(), name, epochs=1)
    path = tf.train.Checkpoint(model=half, optimizer=half.optimizer).write(str(tmp_path / "half"))
    rest = make_model()
    rest.compile(name)
    status = tf.train.Checkpoint(model=rest, optimizer=rest.optimizer).read(path)
    fit(rest, rest.optimizer)
    status.assert_consumed()
    for a, b in zip(rest.get_weights(), straight.get_weights(), strict=True):
        assert np.array_equal(a, b)


@each
def test_a_saved_model_goes_on_where_it_was(name, tmp_path):
    # Of a legacy optimizer Keras's other formats keep the configuration, not the moments.
    straight = fit(make_model(), name, epochs=2)
    fit(make_model(), name).save(tmp_path / "model.h5")
    rest = tf.keras.models.load_model(tmp_path / "model.h5")
    assert type(rest.optimizer) is NAMES[name]
    rest.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(rest.get_weights(), straight.get_weights(), strict=True):
        assert np.array_equal(a, b)


@each
def test_a_keras_file_keeps_the_configuration(name, tmp_path):
    fit(make_model(), NAMES[name](0.5, clipnorm=2.0)).save(tmp_path / "model.keras")
    optimizer = tf.keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(optimizer) is NAMES[name]
    assert (optimizer.lr.numpy(), optimizer.clipnorm) == (0.5, 2.0)


@each
def test_mixed_precision(name):
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = fit(make_model(), name, epochs=1)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert type(model.optimizer.inner_optimizer) is NAMES[name]
    full = fit(make_model(), name, epochs=1)
    for a, b in zip(model.get_weights(), full.get_weights(), strict=True):
        # Eight steps of .001, in halves.
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert model.optimizer.inner_optimizer.iterations.numpy() == 8

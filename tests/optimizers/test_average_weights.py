"""Moving averages of weights: against the recurrence, between epochs, and where weights change."""

import numpy as np
import pytest

import tfrec_zoo  # noqa: F401 (chooses Keras 2)
from tfrec_zoo.optimizers import AverageWeights

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X @ np.array([1.0, -2.0, 0.5], "float32")


class Steps(tf.keras.callbacks.Callback):
    """Keeps the weights after each step, and before the first of each epoch.

    It stands before `AverageWeights`, which gives the model others after the last step.
    """

    def __init__(self):
        super().__init__()
        self.after, self.first = [], []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.first.append(self.model.get_weights())

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(self.model.get_weights())


def made(at_once=1):
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(3,))])
    model.compile(tf.keras.optimizers.legacy.SGD(0.1), "mse", steps_per_execution=at_once)
    return model


def averaged(start, steps, decay):
    """a ← d a + (1 − d) w with d = min(decay, (1 + t) / (10 + t)), t = 0, 1, ..."""
    average = [np.float64(array) for array in start]
    for t, weights in enumerate(steps):
        d = min(decay, (1 + t) / (10 + t))
        average = [d * a + (1 - d) * w for a, w in zip(average, weights, strict=True)]
    return average


@pytest.mark.parametrize("decay", [0.15, 0.9])
def test_the_model_has_the_average_of_its_steps(decay):
    """With .15 the decay is the lesser of both from the second step on, with .9 never."""
    model, steps = made(), Steps()
    start = model.get_weights()
    seen = []
    look = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: seen.append(model.get_weights())
    )
    callbacks = [steps, AverageWeights(decay), look]
    model.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
    assert len(steps.after) == 12
    for epoch, shown in enumerate(seen, 1):
        expected = averaged(start, steps.after[: 4 * epoch], decay)
        for one, other in zip(shown, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for one, other in zip(model.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_steps_are_those_of_a_training_without():
    plain, alone = made(), Steps()
    model, steps = made(), Steps()
    how = {"batch_size": 3, "epochs": 3, "shuffle": False, "verbose": 0}
    plain.fit(X, Y, **how, callbacks=[alone])
    model.fit(X, Y, **how, callbacks=[steps, AverageWeights(0.9)])
    for one, other in zip(steps.after, alone.after, strict=True):
        for mine, its in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, its)


def test_validation_is_of_the_averages():
    model = made()
    history = model.fit(
        X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0,
        validation_data=(X, Y), callbacks=[AverageWeights(0.9)],
    )  # fmt: skip
    found = model.evaluate(X, Y, verbose=0)
    assert history.history["val_loss"][-1] == pytest.approx(found)
    plain = made()
    without = plain.fit(X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx(without.history["loss"])
    assert found != pytest.approx(plain.evaluate(X, Y, verbose=0), rel=1e-3)


def test_validation_is_of_the_averages_where_the_number_of_steps_is_not_known():
    batches = tf.data.Dataset.from_generator(
        lambda: ((X[i : i + 3], Y[i : i + 3]) for i in range(0, 12, 3)),
        output_signature=(tf.TensorSpec([3, 3]), tf.TensorSpec([3])),
    )
    model = made()
    history = model.fit(
        batches, epochs=1, verbose=0, validation_data=(X, Y), callbacks=[AverageWeights(0.9)]
    )
    assert history.history["val_loss"] == pytest.approx([model.evaluate(X, Y, verbose=0)])


def test_steps_at_once_count_as_many_towards_their_last_weights():
    """Two steps at t = 0 and two at t = 2: d = .1² and (3/12)²."""
    model, steps = made(at_once=2), Steps()
    [kernel, bias] = model.get_weights()
    model.fit(X, Y, batch_size=3, shuffle=False, verbose=0, callbacks=[steps, AverageWeights(0.9)])
    first, second = steps.after
    for start, one, two, found in zip([kernel, bias], first, second, model.get_weights(),
                                      strict=True):  # fmt: skip
        expected = 0.0625 * (0.01 * start + 0.99 * one) + 0.9375 * two
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_weights_given_in_between_are_gone_on_from():
    """As a plateau does that goes back to the best: neither last step nor average counts."""
    model, steps = made(), Steps()
    given = [np.full((3, 1), 2.0, "float32"), np.array([1.0], "float32")]
    back = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: model.set_weights(given) if epoch == 0 else None
    )
    average = AverageWeights(0.9)
    model.fit(
        X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0, callbacks=[steps, average, back]
    )
    for one, other in zip(steps.first[1], given, strict=True):
        np.testing.assert_array_equal(one, other)
    expected = given
    for t, weights in enumerate(steps.after[4:], 4):
        d = (1 + t) / (10 + t)
        expected = [d * a + (1 - d) * w for a, w in zip(expected, weights, strict=True)]
    for one, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_an_epoch_that_is_cut_short_ends_with_the_average():
    model, steps = made(), Steps()
    start = model.get_weights()
    cut = tf.keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, _: setattr(model, "stop_training", batch == 1)
    )
    model.fit(
        X, Y, batch_size=3, shuffle=False, verbose=0, callbacks=[steps, AverageWeights(0.9), cut]
    )
    assert len(steps.after) == 2
    for one, other in zip(model.get_weights(), averaged(start, steps.after, 0.9), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)

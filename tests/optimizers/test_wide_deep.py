"""FTRL and AdaGrad in one `compile`: what each does to its side, and what Keras does with both."""

import numpy as np
import pytest

from tfrec_zoo import checkpoints, optimizers
from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import WideDeep

# isort: split
import tensorflow as tf

VIDEOS = np.array(["a", "b", "c", "d"])
SPEC = FeatureSpec(candidate=(EmbeddingColumn(VocabularyColumn("video_id")),))
X = {"video_id": np.array(["a", "b", "a", "c", "b", "a", "c", "a"])}
Y = np.array([1, 0, 1, 1, 0, 0, 1, 1], np.float32)
FTRL = {"learning_rate": 0.3, "initial_accumulator_value": 0.01}
ADAGRAD = {"learning_rate": 0.2, "initial_accumulator_value": 0.01}
FEATURES = Features.fit(SPEC, {"video_id": VIDEOS})


def make_model(ftrl=None, adagrad=None, **kwargs):
    model = WideDeep(FEATURES, hidden_units=(3,), embedding_dim=2, seed=0, **kwargs)
    model.build_weights()
    model.compile(
        [
            optimizers.make("ftrl", **{**FTRL, **(ftrl or {})}),
            optimizers.make("adagrad", **{**ADAGRAD, **(adagrad or {})}),
        ]
    )
    return model


def fit(model, epochs=1, **kwargs):
    return model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, **kwargs)


def gradients(model, rows):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(({"video_id": X["video_id"][rows]}, Y[rows]), training=True)
    dense = [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]
    return {v.ref(): g.numpy() for v, g in zip(model.trainable_variables, dense, strict=True)}


@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_each_side_moves_by_its_own_equations(l1):
    model = make_model({"l1_regularization_strength": l1})
    wide = {v.ref() for v in model.wide_variables}
    assert len(wide) == 1
    values = {v.ref(): v.numpy().astype(np.float64) for v in model.trainable_variables}
    n = {ref: np.full(value.shape, 0.01) for ref, value in values.items()}
    z = {ref: np.zeros_like(value) for ref, value in values.items()}
    twin = make_model()
    for rows in (slice(0, 4), slice(4, 8)):
        for v in twin.trainable_variables:
            v.assign(values[[w.ref() for w in model.trainable_variables][_place(twin, v)]])
        g = {
            ref: gradient
            for ref, gradient in zip(values, gradients(twin, rows).values(), strict=True)
        }
        for ref in values:
            before = n[ref].copy()
            n[ref] += g[ref] ** 2
            if ref in wide:
                # McMahan et al. 2013, algorithm 1, with α = .3 and β = 0.
                z[ref] += g[ref] - (np.sqrt(n[ref]) - np.sqrt(before)) / 0.3 * values[ref]
                shrunk = np.sign(z[ref]) * np.maximum(np.abs(z[ref]) - l1, 0)
                values[ref] = -shrunk * 0.3 / np.sqrt(n[ref])
            else:
                values[ref] -= 0.2 * g[ref] / (np.sqrt(n[ref]) + 1e-7)
    fit(model)
    for v in model.trainable_variables:
        np.testing.assert_allclose(v.numpy(), values[v.ref()], rtol=1e-4, atol=1e-6)
    (table,) = model.wide_variables
    assert (table.numpy() != 0).any()
    assert table.numpy()[3] == 0  # never seen


def _place(model, variable):
    return [v.ref() for v in model.trainable_variables].index(variable.ref())


def test_l1_makes_exact_zeros():
    def zeros(l1):
        model = make_model({"l1_regularization_strength": l1})
        fit(model, epochs=3)
        return model.zeros().set_index("column")["zeros"].to_dict()

    # The video that is never seen stays at its initial zero.
    assert zeros(0.0) == {"video_id": 1}
    assert zeros(100.0) == {"video_id": 4}
    assert 1 < zeros(0.6)["video_id"] < 4


def test_the_learning_rate_is_the_deep_sides():
    model = make_model()
    wide, deep = model.optimizer.optimizers
    assert float(model.optimizer.lr) == float(deep.lr) == pytest.approx(0.2)
    model.optimizer.learning_rate = 0.05
    assert float(deep.lr) == pytest.approx(0.05) and float(wide.lr) == pytest.approx(0.3)


def test_half_precision_trains_both_sides():
    found = {}
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        tf.keras.mixed_precision.set_global_policy(policy)
        try:
            model = make_model()
            history = fit(model, epochs=3).history["loss"]
        finally:
            tf.keras.mixed_precision.set_global_policy("float32")
        found[policy] = (history, [v.numpy() for v in model.trainable_variables])
    losses, weights = found.pop("float32")
    assert losses[2] < losses[0]
    for other_losses, other_weights in found.values():
        np.testing.assert_allclose(other_losses, losses, rtol=0.01)
        for one, other in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(other, one, atol=0.02)


def test_reduce_on_plateau():
    model = make_model()
    # Of nothing that could get better.
    drop = tf.keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=100.0)
    history = fit(model, epochs=4, callbacks=[drop]).history
    np.testing.assert_allclose(history["lr"], [0.2, 0.2, 0.1, 0.05], rtol=1e-6)
    wide, deep = model.optimizer.optimizers
    assert float(deep.lr) == pytest.approx(0.025) and float(wide.lr) == pytest.approx(0.3)


def test_a_smaller_rate_would_shrink_what_ftrl_has_learned():
    """Why the wide side keeps its rate."""
    model = make_model()
    fit(model, epochs=3)
    (table,) = model.wide_variables
    before = table.numpy()
    model.optimizer.optimizers[0].learning_rate = 0.03
    fit(model)
    seen = slice(0, 3)
    assert (np.abs(table.numpy()[seen]) < 0.25 * np.abs(before[seen])).all()


def test_learning_rate_scheduler_and_schedule():
    model = make_model()
    schedule = tf.keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = fit(model, epochs=2, callbacks=[schedule]).history
    np.testing.assert_allclose(history["lr"], [0.1, 0.05], rtol=1e-6)
    decay = tf.keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.2, 0.0])
    model = make_model(adagrad={"learning_rate": decay})
    fit(model)
    deep = [v.numpy() for v in model.deep_variables]
    fit(model)  # From the third step on the deep side rests.
    for value, v in zip(deep, model.deep_variables, strict=True):
        np.testing.assert_array_equal(v.numpy(), value)


def test_resumed_from_a_checkpoint_is_as_never_interrupted(tmp_path):
    whole = make_model()
    fit(whole, epochs=3)
    begun = make_model()
    fit(begun, epochs=1)
    checkpoints.save(begun, tmp_path / "saved")
    again = checkpoints.restore(tmp_path / "saved")
    again.compile([optimizers.make("ftrl", **FTRL), optimizers.make("adagrad", **ADAGRAD)])
    fit(again, epochs=2)
    for value, v in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(v, value, rtol=1e-6, atol=1e-7)


def test_model_checkpoint_and_backup(tmp_path):
    whole = make_model()
    fit(whole, epochs=3)

    class Stop(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    first = make_model()
    checkpoint = tf.keras.callbacks.ModelCheckpoint(tmp_path / "w", save_weights_only=True)
    backup = tf.keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        fit(first, epochs=3, callbacks=[checkpoint, backup, Stop()])
    second = make_model()
    history = fit(
        second, epochs=3, callbacks=[tf.keras.callbacks.BackupAndRestore(tmp_path / "backup")]
    )
    assert history.epoch == [2]
    for value, v in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(v, value, rtol=1e-6, atol=1e-7)
    third = make_model()
    third.load_weights(tmp_path / "w").expect_partial()
    for one, other in zip(first.trainable_variables, third.trainable_variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_names_and_defaults():
    model = make_model()
    model.compile()
    wide, deep = model.optimizer.optimizers
    assert type(wide) is tf.keras.optimizers.legacy.Ftrl
    assert type(deep) is tf.keras.optimizers.legacy.Adagrad
    assert (float(wide.lr), float(deep.lr)) == pytest.approx((0.1, 0.05))
    model.compile(["sgd", "lazy_adam"])
    wide, deep = model.optimizer.optimizers
    assert type(wide) is tf.keras.optimizers.legacy.SGD
    assert type(deep) is optimizers.LazyAdam
    model.compile("fused_adam")
    assert type(model.optimizer) is optimizers.FusedAdam
    with pytest.raises(ValueError, match=r"must be one, or two: .* Received: \['ftrl'\]"):
        model.compile(["ftrl"])

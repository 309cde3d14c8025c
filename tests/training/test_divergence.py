"""Trainings that diverge: they stop, name what was not finite first, and leave good weights."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import checkpoints, tasks
from tfrec_zoo.data import Log, interaction_examples
from tfrec_zoo.models import MatrixFactorization, WideDeep
from tfrec_zoo.serving import export
from tfrec_zoo.tasks.specs import choice_spec, id_spec
from tfrec_zoo.training import Training, fit
from tfrec_zoo.training.early_stopping import best_index
from tfrec_zoo.training.runs import train

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@pytest.fixture(scope="module")
def log() -> Log:
    user, item = np.divmod(np.arange(60), 6)
    frame = pd.DataFrame({"user_id": user, "item_id": item, "time": np.arange(60)})
    return Log("ratings", frame.assign(weight=(user * item % 5 + 1).astype(np.float32)))


def factorization(log: Log, **kwargs) -> tuple:
    examples = interaction_examples(log, np.arange(60), "weight")
    features = examples.fit_features(id_spec(log))
    model = MatrixFactorization(features, loss="squared", embedding_dim=2, seed=0, **kwargs)
    return model, examples


def training(**kwargs) -> Training:
    arguments = {"epochs": 60, "batch_size": 8, "decay": False, "optimizer": "sgd", "verbose": 0}
    return Training(**{**arguments, **kwargs})


@pytest.mark.usefixtures("eagerly")
def test_a_rate_that_is_too_high_stops_and_keeps_the_last_good_weights(log: Log) -> None:
    model, examples = factorization(log)
    epochs = []
    watch = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: epochs.append(epoch))
    with pytest.raises(FloatingPointError, match="first .* not finite. Received: the ") as error:
        fit(model, examples, training(learning_rate=1e3), callbacks=[watch])
    assert "\n" not in str(error.value) and len(epochs) < 60
    assert all(np.isfinite(array).all() for array in model.get_weights())
    # And it can be trained on.
    history = fit(model, examples, training(learning_rate=1e-4, epochs=1)).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.usefixtures("eagerly")
def test_the_weights_kept_are_those_before_it_diverged(log: Log) -> None:
    model, examples = factorization(log)
    fit(model, examples, training(learning_rate=0.01, epochs=2))
    good = [variable.numpy() for variable in model.learned]

    def destroy(epoch: int, logs: object) -> None:
        if epoch == 1:
            model.item_bias.table.assign(model.item_bias.table * np.nan)

    watch = tf.keras.callbacks.LambdaCallback(on_epoch_begin=destroy)
    with pytest.raises(
        FloatingPointError, match="in epoch 2: the loss is nan.* Received: the weight '"
    ):
        fit(model, examples, training(learning_rate=1e-30), callbacks=[watch])
    for one, other in zip(model.learned, good, strict=True):
        np.testing.assert_allclose(one, other)


def test_a_last_step_that_diverges_is_found(log: Log) -> None:
    model, examples = factorization(log)
    break_it = tf.keras.callbacks.LambdaCallback(on_train_end=lambda _: model.bias.assign([np.inf]))
    with pytest.raises(FloatingPointError, match="a weight is not finite.*the weight 'bias"):
        fit(model, examples, training(epochs=1, learning_rate=0.01), callbacks=[break_it])
    assert np.isfinite(model.bias).all()


def test_a_gradient_that_is_not_finite_is_named(log: Log) -> None:
    model, examples = factorization(log)

    @tf.custom_gradient
    def broken(x: tf.Tensor) -> tuple:
        return x, lambda dy: dy * np.nan

    scores = model.pair_scores
    model.pair_scores = lambda inputs: broken(scores(inputs))
    with pytest.raises(FloatingPointError, match=r"the gradient of 'table_|the gradient of '\w+"):
        fit(model, examples, training(epochs=1, learning_rate=0.01))


def test_two_optimizers(log: Log) -> None:
    examples = interaction_examples(log, np.arange(60), "weight")
    features = examples.fit_features(choice_spec(log))
    model = WideDeep(features, embedding_dim=2, hidden_units=(4,), activation="exponential", seed=0)
    with pytest.raises(FloatingPointError, match="Training diverged"):
        fit(model, examples, training(optimizer="ftrl+sgd", learning_rate=1e6))
    model.require_finite()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_labels_and_weights_are_numbers(log: Log, value: float) -> None:
    model, examples = factorization(log)
    label = np.where(np.arange(60) == 7, value, examples.label).astype(np.float32)
    object.__setattr__(examples, "label", label)
    with pytest.raises(ValueError, match=r"Labels must be finite .*Received: \[.*\] in rows \[7\]"):
        fit(model, examples, training())


def test_nothing_that_diverged_is_saved_or_exported(log: Log, tmp_path) -> None:
    model, _ = factorization(log)
    model.build_weights()
    model.bias.assign([np.nan])
    for write in (checkpoints.save, export):
        with pytest.raises(FloatingPointError, match="diverged. Received: bias"):
            write(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("eagerly")
def test_a_grid_leaves_out_what_diverges(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    task = tasks.Ratings(log)
    grid = {"learning_rate": (1e6, 0.01)}
    run = train("MatrixFactorization", task, training(epochs=2, grid=grid), embedding_dim=2)
    assert run.training.learning_rate == 0.01 and np.isfinite(run.metrics["rmse"])
    assert "{'learning_rate': 1000000.0} is left out: Training diverged" in caplog.text
    with pytest.raises(FloatingPointError, match="No combination of `grid`"):
        train("MatrixFactorization", task, training(epochs=2, grid={"learning_rate": (1e6,)}))


def test_nan_is_never_best() -> None:
    nan = float("nan")
    assert best_index([nan, 0.1, 0.3, 0.3], "auc") == 2
    assert best_index([nan, 0.4, 0.3, nan], "val_loss") == 2
    assert best_index([nan, -np.inf], "auc") in (0, 1)

"""How models are compiled and fitted on examples."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tfrec_zoo import optimizers
from tfrec_zoo.data import Log, NegativeSampling, interaction_examples
from tfrec_zoo.models import (
    GMF,
    FactorizationMachine,
    MatrixFactorization,
    Popularity,
    WideDeep,
    retrieval,
)
from tfrec_zoo.optimizers import FusedAdam, LazyAdam
from tfrec_zoo.tasks.specs import choice_spec, id_spec
from tfrec_zoo.training.early_stopping import KeepBest
from tfrec_zoo.training.schedules import cosine
from tfrec_zoo.training.training import Training, fit

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_cosine_by_hand() -> None:
    rate = cosine(0.1, 6)
    # .1 (1 + cos(π step / 6)) / 2
    found = [float(rate(step)) for step in (0, 2, 3, 4, 6, 9)]
    np.testing.assert_allclose(found, [0.1, 0.075, 0.05, 0.025, 0, 0], atol=1e-8)
    rate = cosine(0.1, 8, warmup_steps=2)
    found = [float(rate(step)) for step in (0, 1, 2, 4, 5, 6, 8, 9)]
    np.testing.assert_allclose(found, [0, 0.05, 0.1, 0.075, 0.05, 0.025, 0, 0], atol=1e-8)
    # Nothing but warm-up.
    rate = cosine(0.1, 4, warmup_steps=4)
    np.testing.assert_allclose([float(rate(step)) for step in (0, 2, 4)], [0, 0.05, 0.1], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lazy_adam", LazyAdam),
        ("fused_adam", FusedAdam),
        ("adam", tf.keras.optimizers.Adam),
        ("adagrad", tf.keras.optimizers.legacy.Adagrad),
        ("ftrl", tf.keras.optimizers.legacy.Ftrl),
        ("sgd", tf.keras.optimizers.legacy.SGD),
        ("SGD", tf.keras.optimizers.legacy.SGD),
    ],
)
def test_make_optimizer(name: str, kind: type) -> None:
    optimizer = optimizers.make(name, learning_rate=0.25, global_clipnorm=2.5)
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == 0.25 and optimizer.global_clipnorm == 2.5
    optimizer = optimizers.make(name, learning_rate=cosine(0.5, 4), global_clipnorm=None)
    assert type(optimizer) is kind and optimizer.global_clipnorm is None
    schedule = optimizer.get_config()["learning_rate"]
    assert schedule["config"]["initial_learning_rate"] == 0.5


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(ValueError, match="adam2000"):
        optimizers.make("adam2000", learning_rate=0.1)


def rated(users: np.ndarray, items: np.ndarray, ratings: Any) -> Log:
    frame = pd.DataFrame({"user_id": users, "item_id": items, "time": np.arange(len(users))})
    return Log("rated", frame.assign(weight=np.asarray(ratings, np.float32)))


@pytest.fixture(scope="module")
def noisy() -> tuple[Log, Any, Any]:
    """Likes of 40 x 30, by the item and much chance; half of them known, to overfit on."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(40 * 30), 30)
    likes = rng.normal(size=30)[items] + 2 * rng.normal(size=len(items)) > 0
    log = rated(users, items, likes)
    rows = rng.permutation(len(users))
    train, validation = (interaction_examples(log, r, "weight") for r in np.split(rows, [600]))
    return log, train, validation


def gmf(log: Log, examples: Any) -> GMF:
    return GMF(examples.fit_features(id_spec(log)), embedding_dim=16, seed=0)


def test_validation_ends_training_and_keeps_the_best_epoch(noisy: tuple[Log, Any, Any]) -> None:
    log, train, validation = noisy
    # The items' weights, which are true, are learned before the pairs, which are chance.
    features = train.fit_features(choice_spec(log))
    model = FactorizationMachine(features, embedding_dim=16, seed=0)
    training = Training(
        epochs=14, batch_size=32, learning_rate=0.02, optimizer="lazy_adam", patience=2, verbose=0
    )
    aucs = fit(model, train, training, validation=validation).history["val_auc"]
    best = int(np.argmax(aucs))
    assert len(aucs) == best + 1 + 2 < 14
    # It overfits, so the weights of the last epoch would be seen to be.
    assert aucs[best] > aucs[-1] + 0.02
    predictions = model.predict(validation.dataset(1024), verbose=0)
    found = roc_auc_score(validation.label, predictions)
    # Keras's AUC is by 200 thresholds.
    assert found == pytest.approx(aucs[best], abs=0.005)
    assert found > aucs[-1] + 0.01


def test_the_monitor_asked_for_ends_training(noisy: tuple[Log, Any, Any]) -> None:
    log, train, validation = noisy
    features = train.fit_features(choice_spec(log))
    model = FactorizationMachine(features, embedding_dim=16, seed=0)
    training = Training(
        epochs=14, batch_size=32, learning_rate=0.02, optimizer="lazy_adam", patience=1, verbose=0
    )
    history = fit(model, train, training, validation=validation, monitor="val_loss").history
    losses = history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 1 < 14
    found = model.evaluate(
        validation.dataset(1024, model.preprocessor), verbose=0, return_dict=True
    )
    assert found["loss"] == pytest.approx(losses[best], rel=1e-5)
    with pytest.raises(ValueError, match=r"one of \['val_loss', 'val_auc'\]. Received: 'val_x'"):
        fit(model, train, training, validation=validation, monitor="val_x")


class Falling:
    """A model whose weights are the number of the epoch."""

    def __init__(self) -> None:
        self.weights, self.stop_training = [0], False

    def get_weights(self) -> list[int]:
        return list(self.weights)

    def set_weights(self, weights: list[int]) -> None:
        self.weights = list(weights)


@pytest.mark.parametrize(
    ("metric", "values", "epoch", "kept", "ended"),
    [
        # The fifth is the third without a better one than the second.
        ("hit_rate", [0.2, 0.5, 0.5, 0.4, 0.5, 0.9, 0.9], None, 2, 5),
        # Of an error less is better.
        ("rmse", [3.0, 2.0, 2.5, 2.5, 1.5, 9.0, 9.0], None, 5, 7),
        # The weights of a given epoch are kept, whatever is best.
        ("hit_rate", [0.2, 0.5, 0.5, 0.4, 0.5, 0.9, 0.9], 1, 1, 5),
        # And training doesn't end before it.
        ("hit_rate", [0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4], 6, 6, 6),
    ],
)
def test_keep_best(metric: str, values: list[float], epoch: Any, kept: int, ended: int) -> None:
    rest = iter(values)
    model: Any = Falling()
    keep = KeepBest(lambda _: {metric: next(rest)}, metric, patience=3, epoch=epoch)
    keep.set_model(model)
    for now in range(len(values)):
        model.set_weights([now + 1])
        keep.on_epoch_end(now, {"loss": 0.5})
        if model.stop_training:
            break
    keep.on_train_end()
    assert (model.weights, now + 1) == ([kept], ended)
    assert [row[metric] for row in keep.history] == values[:ended]
    best = min(values[:ended]) if metric == "rmse" else max(values[:ended])
    assert keep.best_epoch == 1 + values.index(best)


def test_keep_best_says_what_is_measured() -> None:
    keep = KeepBest(lambda _: {"b": 1.0, "a": 2.0}, "c", patience=1)
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\]. Received: 'c'"):
        keep.on_epoch_end(0)


def test_the_learning_rate_drops_from_the_best_weights(noisy: tuple[Log, Any, Any]) -> None:
    log, train, validation = noisy
    model = FactorizationMachine(train.fit_features(choice_spec(log)), embedding_dim=16, seed=0)
    rates, aucs, weights = [], [], []
    watch = tf.keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: weights.append(model.get_weights()),
        on_epoch_end=lambda epoch, logs: (
            rates.append(float(model.optimizer.learning_rate)),
            aucs.append(logs["val_auc"]),
        ),
    )
    training = Training(
        epochs=8, batch_size=32, learning_rate=0.02, optimizer="lazy_adam", patience=8,
        plateau=0.5, verbose=0,
    )  # fmt: skip
    fit(model, train, training, validation=validation, callbacks=[watch])
    worse = [i for i in range(1, 8) if aucs[i] <= max(aucs[:i])]
    assert worse
    # The rate is halved by each epoch that did not improve, and by no other.
    halvings = np.cumsum([i in worse for i in range(8)])
    np.testing.assert_allclose(rates, 0.02 * 0.5**halvings, rtol=1e-5)
    # After it, the next epoch begins where the best ended.
    for epoch in worse[:-1]:
        best = int(np.argmax(aucs[: epoch + 1]))
        for one, other in zip(weights[epoch + 1], weights[best + 1], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "values"),
    [("epochs", (0, 1.5)), ("batch_size", (0, -3, 2.0)), ("patience", (0,)),
     ("learning_rate", (0.0, -1.0, float("nan"))), ("plateau", (0.0,)), ("clipping", (-1.0,))],
)  # fmt: skip
def test_wrong_values_are_refused(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"`{name}` must be .*(positive|whole).*Received: "):
            Training(**{name: value})


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_averages_have_a_share_of_both(value: float) -> None:
    with pytest.raises(ValueError, match="`averaging` must be between 0 and 1, such as 0.998. Rec"):
        Training(averaging=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rates_are_finite(value: float) -> None:
    for name in ("learning_rate", "plateau", "clipping"):
        with pytest.raises(ValueError, match=f"`{name}` must be positive and finite. Received: "):
            Training(**{name: value})
    with pytest.raises(ValueError, match="`wide` must hold finite numbers. Received: {'l1': "):
        Training(wide={"l1": value})
    with pytest.raises(ValueError, match="`learning_rate` must be positive and finite"):
        Training(grid={"learning_rate": (0.1, value)})


def test_the_wide_sides_rate_is_positive() -> None:
    with pytest.raises(ValueError, match="`learning_rate` that is positive. Received: -0.5"):
        Training(wide={"learning_rate": -0.5})


def test_training_as_json() -> None:
    training = Training(
        epochs=3, grid={"l2": (0.1, 1.0)}, wide={"learning_rate": 0.5}, optimizer="ftrl+adagrad",
        pretraining=Training(seed=4), seed=4,
    )  # fmt: skip
    found = json.loads(json.dumps(training.to_dict()))
    assert (found["epochs"], found["grid"], found["wide"]) == (
        3, {"l2": [0.1, 1.0]}, {"learning_rate": 0.5}
    )  # fmt: skip
    assert found["pretraining"]["seed"] == 4 and found["pretraining"]["pretraining"] is None
    # Where and when the state is kept changes no result.
    assert {*found, "checkpoint_dir", "checkpoint_minutes"} == {
        field.name for field in dataclasses.fields(Training)
    }


def test_two_optimizers_for_two_sides(noisy: tuple[Log, Any, Any]) -> None:
    log, train, _ = noisy
    model = WideDeep(train.fit_features(choice_spec(log)), embedding_dim=2, hidden_units=(4,))
    training = Training(
        epochs=1, learning_rate=0.25, optimizer="ftrl+adagrad", decay=False, verbose=0,
        wide={"learning_rate": 0.125, "l1_regularization_strength": 0.5},
    )  # fmt: skip
    fit(model, train, training)
    wide, deep = model.optimizer.optimizers
    assert type(wide) is tf.keras.optimizers.legacy.Ftrl and float(wide.learning_rate) == 0.125
    assert wide.get_config()["l1_regularization_strength"] == 0.5
    assert type(deep) is tf.keras.optimizers.legacy.Adagrad and float(deep.learning_rate) == 0.25


def test_validation_of_ratings_is_by_loss(noisy: tuple[Log, Any, Any]) -> None:
    log, _, _ = noisy
    train, validation = (interaction_examples(log, np.arange(i, 1200, 2), "weight") for i in (0, 1))
    features = train.fit_features(choice_spec(log))
    model = FactorizationMachine(features, embedding_dim=2, loss="squared", seed=0)
    training = Training(epochs=2, learning_rate=0.05, verbose=0)
    history = fit(model, train, training, validation=validation).history
    assert set(history) == {"loss", "val_loss"}
    predictions = model.predict(validation.dataset(1024), verbose=0)
    mean_square = np.mean((predictions - validation.label) ** 2)
    assert mean_square == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_validation_is_among_the_same_negatives_in_each_epoch(noisy: tuple[Log, Any, Any]) -> None:
    log, _, _ = noisy
    train, validation = (interaction_examples(log, np.arange(i, 1200, 4)) for i in (0, 1))
    model = gmf(log, train)
    model.build_weights()
    for variable in model.trainable_variables:
        variable.assign(tf.random.stateless_normal(variable.shape, [1, 2]))
    # Nothing moves, and so nothing may change.
    training = Training(epochs=2, learning_rate=1e-30, patience=5, verbose=0)
    negatives = NegativeSampling(2)
    history = fit(model, train, training, negatives, validation).history
    assert len(set(history["val_auc"])) == 1 and len(set(history["loss"])) > 1


def test_validation_of_many_items_is_in_small_batches(
    noisy: tuple[Log, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _, _ = noisy
    train, validation = (interaction_examples(log, np.arange(i, 1200, 4), "item") for i in (0, 1))
    found = []
    for scores in (retrieval._SCORES, 30 * 7):
        monkeypatch.setattr(retrieval, "_SCORES", scores)
        model = MatrixFactorization(train.fit_features(id_spec(log)), embedding_dim=4, seed=0)
        last = [-1]
        count = tf.keras.callbacks.LambdaCallback(
            on_test_batch_end=lambda batch, _, last=last: last.append(batch)
        )
        training = Training(epochs=1, batch_size=100, verbose=0)
        history = fit(model, train, training, validation=validation, callbacks=[count]).history
        found.append((last[-1] + 1, history["val_loss"]))
    (few, loss), (many, same) = found
    size = len(validation)
    assert (few, many) == (-(-size // 100), -(-size // 7)) and many > few
    assert same == pytest.approx(loss, rel=1e-5)


def test_the_first_step_is_no_longer_than_its_clipped_gradient() -> None:
    # Each user and item once: no row of a table repeats.
    log = rated(np.arange(12), np.arange(12), [1, 1, 1, 0] * 3)
    examples = interaction_examples(log, np.arange(12), "weight")
    moved = {}
    for norm in (None, 0.02):
        model = gmf(log, examples)
        model.build_weights()
        before = [variable.numpy() for variable in model.trainable_variables]
        training = Training(epochs=1, learning_rate=0.5, optimizer="sgd", clipping=norm, verbose=0)
        fit(model, examples, training)
        steps = zip(model.trainable_variables, before, strict=True)
        moved[norm] = np.sqrt(sum(np.sum((a.numpy() - b) ** 2) for a, b in steps))
    # The bias alone has a gradient of 3/4 - 1/2.
    assert moved[None] > 0.5 * 0.2
    assert moved[0.02] == pytest.approx(0.5 * 0.02, rel=1e-4)


def test_warmup_is_a_share_of_all_steps() -> None:
    log = rated(np.arange(12), np.arange(12), [1, 0] * 6)
    examples = interaction_examples(log, np.arange(12), "weight")
    model = gmf(log, examples)
    training = Training(
        epochs=2, batch_size=3, learning_rate=0.5, optimizer="sgd", warmup=0.25, verbose=0
    )
    fit(model, examples, training)
    # 4 batches of 3, twice: two steps up, six down.
    rate = model.optimizer.learning_rate
    found = [float(rate(step)) for step in (0, 1, 2, 5, 8)]
    np.testing.assert_allclose(found, [0, 0.25, 0.5, 0.25, 0], atol=1e-7)
    assert int(model.optimizer.iterations) == 8


def test_what_counts_is_counted_once() -> None:
    log = rated(np.arange(6), np.array([4, 4, 4, 5, 5, 6]), [1] * 6)
    examples = interaction_examples(log, np.arange(6), "item")
    model = Popularity(examples.fit_features(id_spec(log)))
    fit(model, examples, Training(epochs=5, verbose=0))
    assert sorted(model.counts.numpy().tolist()) == [1, 2, 3]

"""Recipes: how models are trained, on which features and tasks, by the registry."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tfrec_zoo import recipes, registry
from tfrec_zoo.data import Log, NegativeSampling, Roles, interaction_examples, simulate
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import (
    GMF,
    FactorizationMachine,
    MatrixFactorization,
    Popularity,
)
from tfrec_zoo.optimizers import FusedAdam, LazyAdam

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_cosine_by_hand() -> None:
    rate = recipes.cosine(0.1, 6)
    # .1 (1 + cos(π step / 6)) / 2
    found = [float(rate(step)) for step in (0, 2, 3, 4, 6, 9)]
    np.testing.assert_allclose(found, [0.1, 0.075, 0.05, 0.025, 0, 0], atol=1e-8)
    rate = recipes.cosine(0.1, 8, warmup_steps=2)
    found = [float(rate(step)) for step in (0, 1, 2, 4, 5, 6, 8, 9)]
    np.testing.assert_allclose(found, [0, 0.05, 0.1, 0.075, 0.05, 0.025, 0, 0], atol=1e-8)
    # Nothing but warm-up.
    rate = recipes.cosine(0.1, 4, warmup_steps=4)
    np.testing.assert_allclose([float(rate(step)) for step in (0, 2, 4)], [0, 0.05, 0.1], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lazy_adam", LazyAdam),
        ("fused_adam", FusedAdam),
        ("adam", tf.keras.optimizers.Adam),
        ("adagrad", tf.keras.optimizers.Adagrad),
        ("sgd", tf.keras.optimizers.legacy.SGD),
        ("SGD", tf.keras.optimizers.legacy.SGD),
    ],
)
def test_make_optimizer(name: str, kind: type) -> None:
    optimizer = recipes.make_optimizer(name, 0.25, global_clipnorm=2.5)
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == 0.25 and optimizer.global_clipnorm == 2.5
    optimizer = recipes.make_optimizer(name, recipes.cosine(0.5, 4), global_clipnorm=None)
    assert type(optimizer) is kind and optimizer.global_clipnorm is None
    schedule = optimizer.get_config()["learning_rate"]
    assert schedule["config"]["initial_learning_rate"] == 0.5


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(ValueError, match="adam2000"):
        recipes.make_optimizer("adam2000", 0.1)


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
    return GMF(examples.fit_features(recipes.id_spec(log)), embedding_dim=16, seed=0)


def test_validation_ends_training_and_keeps_the_best_epoch(noisy: tuple[Log, Any, Any]) -> None:
    log, train, validation = noisy
    # The items' weights, which are true, are learned before the pairs, which are chance.
    features = train.fit_features(recipes.choice_spec(log))
    model = FactorizationMachine(features, embedding_dim=16, seed=0)
    training = recipes.Training(
        epochs=14, batch_size=32, learning_rate=0.02, optimizer="lazy_adam", patience=2, verbose=0
    )
    aucs = recipes.fit(model, train, training, validation=validation).history["val_auc"]
    best = int(np.argmax(aucs))
    assert 0 < best and len(aucs) == best + 1 + 2 < 14
    # It overfits, so the weights of the last epoch would be seen to be.
    assert aucs[best] > aucs[-1] + 0.02
    predictions = model.predict(validation.dataset(1024), verbose=0)
    found = roc_auc_score(validation.label, predictions)
    # Keras's AUC is by 200 thresholds.
    assert found == pytest.approx(aucs[best], abs=0.005)
    assert found > aucs[-1] + 0.01


def test_validation_of_ratings_is_by_loss(noisy: tuple[Log, Any, Any]) -> None:
    log, _, _ = noisy
    train, validation = (interaction_examples(log, np.arange(i, 1200, 2), "weight") for i in (0, 1))
    features = train.fit_features(recipes.choice_spec(log))
    model = FactorizationMachine(features, embedding_dim=2, loss="squared", seed=0)
    training = recipes.Training(epochs=2, learning_rate=0.05, verbose=0)
    history = recipes.fit(model, train, training, validation=validation).history
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
    training = recipes.Training(epochs=2, learning_rate=0.0, patience=5, verbose=0)
    negatives = NegativeSampling(2)
    history = recipes.fit(model, train, training, negatives, validation).history
    assert len(set(history["val_auc"])) == 1 and len(set(history["loss"])) > 1


def test_the_first_step_is_no_longer_than_its_clipped_gradient() -> None:
    # Each user and item once: no row of a table repeats.
    log = rated(np.arange(12), np.arange(12), [1, 1, 1, 0] * 3)
    examples = interaction_examples(log, np.arange(12), "weight")
    moved = {}
    for norm in (None, 0.02):
        model = gmf(log, examples)
        model.build_weights()
        before = [variable.numpy() for variable in model.trainable_variables]
        training = recipes.Training(
            epochs=1, learning_rate=0.5, optimizer="sgd", global_clipnorm=norm, verbose=0
        )
        recipes.fit(model, examples, training)
        steps = zip(model.trainable_variables, before, strict=True)
        moved[norm] = np.sqrt(sum(np.sum((a.numpy() - b) ** 2) for a, b in steps))
    # The bias alone has a gradient of 3/4 - 1/2.
    assert moved[None] > 0.5 * 0.2
    assert moved[0.02] == pytest.approx(0.5 * 0.02, rel=1e-4)


def test_warmup_is_a_share_of_all_steps() -> None:
    log = rated(np.arange(12), np.arange(12), [1, 0] * 6)
    examples = interaction_examples(log, np.arange(12), "weight")
    model = gmf(log, examples)
    training = recipes.Training(
        epochs=2, batch_size=3, learning_rate=0.5, optimizer="sgd", warmup=0.25, verbose=0
    )
    recipes.fit(model, examples, training)
    # 4 batches of 3, twice: two steps up, six down.
    rate = model.optimizer.learning_rate
    found = [float(rate(step)) for step in (0, 1, 2, 5, 8)]
    np.testing.assert_allclose(found, [0, 0.25, 0.5, 0.25, 0], atol=1e-7)
    assert int(model.optimizer.iterations) == 8


def test_what_counts_is_counted_once() -> None:
    log = rated(np.arange(6), np.array([4, 4, 4, 5, 5, 6]), [1] * 6)
    examples = interaction_examples(log, np.arange(6), "item")
    model = Popularity(examples.fit_features(recipes.id_spec(log)))
    recipes.fit(model, examples, recipes.Training(epochs=5, verbose=0))
    assert sorted(model.counts.numpy().tolist()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("capabilities", "has_it"),
    [([], False), ([(7, 0)], True), ([(8, 6), (6, 1)], False), ([(8, 6), (7, 5)], True)],
)
def test_half_precision_where_the_device_has_it(
    capabilities: list, has_it: bool, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": gpu}
    )
    try:
        with caplog.at_level(logging.WARNING, "tfrec_zoo.recipes"):
            assert recipes.use_half_precision() is has_it
        policy = tf.keras.mixed_precision.global_policy().name
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert policy == ("mixed_float16" if has_it else "float32")
    assert ("going on in single precision" in caplog.text) is not has_it


def test_id_spec_has_the_types_of_the_ids() -> None:
    frame = pd.DataFrame({"who": [3, 3, 5], "what": ["x", "y", "x"], "time": [1, 2, 3]})
    spec = recipes.id_spec(Log("named", frame, roles=Roles("who", "what")))
    assert spec.query == (VocabularyColumn("who", dtype="int64"),)
    assert spec.candidate == (VocabularyColumn("what"),)
    assert spec.item.dtype == "string"


def test_choice_spec_has_the_columns_of_users_and_items() -> None:
    rows = 6
    log = Log(
        "columns",
        pd.DataFrame({"user_id": list("aabbcd"), "item_id": range(rows), "time": range(rows)}),
        users=pd.DataFrame(
            {"user_id": list("abcd"), "country": ["nl", "ee", "nl", "nl"], "age": [20, 30, 40, 50]}
        ),
        items=pd.DataFrame(
            {
                "item_id": range(rows),
                "title": [f"title {i}" for i in range(rows)],
                "genres": [["x"], ["x", "y"], [], ["y"], ["x"], ["z"]],
                "channel": ["c0", "c1"] * 3,
                "upload_time": np.arange(rows) / 2,
                "length": np.arange(rows) * 60.0,
            }
        ),
    )
    spec = recipes.choice_spec(log, embedding_dim=4)
    assert spec.query == (
        EmbeddingColumn(VocabularyColumn("user_id"), 4),
        EmbeddingColumn(VocabularyColumn("country")),
        NumericColumn("age"),
    )
    # Titles are names, and when it was uploaded is no property of an item.
    assert spec.candidate == (
        EmbeddingColumn(VocabularyColumn("item_id", dtype="int64"), 4),
        EmbeddingColumn(BagColumn(VocabularyColumn("genres"), 50)),
        EmbeddingColumn(VocabularyColumn("channel")),
        NumericColumn("length"),
    )
    examples = interaction_examples(log, np.arange(rows))
    model = FactorizationMachine(examples.fit_features(spec), embedding_dim=4)
    assert model(examples.raw()).shape == (rows,)


def test_basket_task_has_whole_histories_and_each_user_once() -> None:
    frame = pd.DataFrame({"user_id": list("aaaaabbbcc"), "item_id": list("pqrstqrspq")})
    log = Log("baskets", frame.assign(time=np.arange(10)))
    assert recipes.longest_history(log) == 5
    task = recipes.basket_task(log)

    def baskets(examples: Any) -> list[tuple[str, str]]:
        history = examples.raw(["history"])["history"]
        return [("".join(h), i) for h, i in zip(history, examples.label, strict=True)]

    # The last of each user is the test, the one before validation, where there are three.
    assert baskets(task.train) == [("pq", "r"), ("", "q"), ("", "p")]
    assert baskets(task.test) == [("pqrs", "t"), ("qr", "s"), ("p", "q")]
    validation = recipes.basket_task(log, validation=True).test
    assert baskets(validation) == [("pqr", "s"), ("q", "r")]


@pytest.fixture(scope="module")
def simulated() -> Log:
    return simulate(num_users=60, num_items=60, num_days=4, num_topics=4)


@pytest.mark.parametrize("name", registry.MODELS)
def test_every_model_can_be_built_on_the_features_of_its_task(name: str, simulated: Log) -> None:
    log, task, spec = recipes.make_task(name, simulated)
    features = task.train.fit_features(spec)
    model = registry.get(name).load()(features)
    model.build_weights()
    # And its batches trained on.
    few = task.train.take(np.arange(20))
    batch = next(iter(few.dataset(16, model.preprocessor, negatives=task.negatives)))
    assert np.isfinite(model.compute_loss(batch))
    assert (task.negatives is None) == (name not in ("GMF", "NCFMLP", "NeuMF"))


PAIR_LOSSES = ("logistic", "squared", "bpr", "warp")


@pytest.mark.parametrize("loss", ["softmax", *PAIR_LOSSES])
def test_the_task_of_a_matrix_factorization_is_by_its_loss(loss: Any, simulated: Log) -> None:
    _, task, spec = recipes.make_task("MatrixFactorization", simulated, arguments={"loss": loss})
    model = MatrixFactorization(task.train.fit_features(spec), embedding_dim=2, loss=loss)
    batches = task.train.dataset(50, model.preprocessor, negatives=task.negatives)
    features, label = next(iter(batches))
    assert label.shape == ((50,) if loss == "softmax" else (10, 5))
    assert np.isfinite(model.compute_loss((features, label), training=True))


@pytest.fixture(scope="module")
def halves() -> Log:
    """Everyone chooses 8 of the 20 even items, or of the 20 odd ones."""
    rng = np.random.default_rng(1)
    chosen = [2 * rng.choice(20, 8, replace=False) + user % 2 for user in range(60)]
    frame = pd.DataFrame(
        {"user_id": np.repeat(np.arange(60), 8), "item_id": np.concatenate(chosen)}
    )
    return Log("halves", frame.assign(time=np.arange(480)))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("NeuMF", {}),
        ("EASE", {"l2": 20.0}),
        ("MatrixFactorization", {"embedding_dim": 8, "loss": "bpr"}),
    ],
)
def test_train_learns_who_chooses_what(name: str, arguments: dict[str, Any], halves: Log) -> None:
    training = recipes.Training(
        epochs=8, batch_size=128, learning_rate=0.03, optimizer="lazy_adam", verbose=0
    )
    trained = recipes.train(name, halves, training, **arguments)
    assert type(trained.model).__name__ == name
    ranks = "full ranking over the training items"
    assert trained.protocol == f"leave-last-out, {ranks}"
    assert all(0 <= value <= 1 for value in trained.metrics.values())
    # 10 of the 13 items of the half that are left: 10 / 13; 10 / 33 by chance.
    assert trained.metrics["hit_rate_at_10"] > 0.6
    # What the user has chosen comes before what is held out, unless it is left out.
    assert trained.metrics["hit_rate_at_10_seen_kept"] < trained.metrics["hit_rate_at_10"]


def test_train_a_ranking_model_of_any_features(halves: Log, caplog: Any) -> None:
    training = recipes.Training(epochs=1, mixed_precision=True, verbose=0)
    with caplog.at_level(logging.WARNING, "tfrec_zoo.recipes"):
        try:
            trained = recipes.train("FactorizationMachine", halves, training, embedding_dim=4)
        finally:
            tf.keras.mixed_precision.set_global_policy("float32")
    if not tf.config.list_physical_devices("GPU"):
        assert "going on in single precision" in caplog.text
    assert set(trained.metrics) == {"auc", "gauc", "weighted_per_user_loss", "bias"}
    assert np.isfinite(list(trained.metrics.values())).all()
    assert trained.protocol == "impressions by time, last 0.15"

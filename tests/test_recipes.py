"""Recipes: on which features and tasks models are trained, by the registry."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import recipes, registry
from tfrec_zoo.data import Log, Roles, interaction_examples, simulate
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import (
    FactorizationMachine,
    MatrixFactorization,
)
from tfrec_zoo.training import Training

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


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
    training = Training(
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
    training = Training(epochs=1, mixed_precision=True, verbose=0)
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

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo as zoo
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    MatchColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import TwoTower

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@pytest.fixture(scope="module")
def log():
    """Users stay in one genre; of some items there is no purchase."""
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [f"i{n:02}" for n in range(40)]})
    items["genre"] = [f"g{n % 4}" for n in range(40)]
    items["title"] = [f"number {n}" for n in range(40)]
    rows = []
    for user in range(80):
        own = rng.choice(np.arange(user % 4, 36, 4), 6, replace=False)
        rows += [(f"u{user:02}", f"i{item:02}", float(t)) for t, item in enumerate(own)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "time"])
    users = pd.DataFrame({"user_id": [f"u{n:02}" for n in range(80)], "country": "nl"})
    return zoo.Log("shop", frame, items=items, users=users)


@pytest.fixture(scope="module")
def run(log):
    training = zoo.Training(seed=1, epochs=12, batch_size=64, learning_rate=0.01, verbose=0)
    return zoo.train(
        "TwoTower", zoo.tasks.NextWatch(log), training, hidden_units=(16, 8), temperature=0.1
    )


def test_learns_from_the_columns_of_the_items(log, run):
    assert run.metrics["hit_rate_at_10"] > 0.7  # Nine items of a genre, of which five are seen.
    features = run.model.features
    tokens = np.array(features.vocabularies["item_id"].tokens)
    genres = log.items.set_index("item_id")["genre"]
    assert features.items["genre"].tolist() == genres[tokens].tolist()
    assert run.model.item_counts.share.numpy().sum() == pytest.approx(1)
    # What the ids share, the history and the item, is one table.
    assert len([name for name in run.model.tables if "item" in name]) == 1


def test_recommends_and_exports(run, log, tmp_path):
    found = run.recommend({"history": [["i00", "i04"]]}, k=3)
    assert sum(found["id"].str[1:].astype(int) % 4 == 0) >= 2
    assert found["title"].tolist() == [f"number {int(i[1:])}" for i in found["id"]]
    run.export(tmp_path / "model")
    served = zoo.load(tmp_path / "model").recommend({"history": [["i00", "i04"]]}, k=3)
    assert served["id"].tolist() == found["id"].tolist()


def test_item_vectors_have_length_one(run):
    norms = np.linalg.norm(run.model.candidates(), axis=1)
    np.testing.assert_allclose(norms, np.ones(len(norms)), rtol=1e-5)
    some, expected = [3, 0, 3], run.model.candidates().numpy()[[3, 0, 3]]
    # A component near zero is as exact as the length of one, not as its own size.
    np.testing.assert_allclose(run.model.item_vectors(tf.constant(some)), expected, atol=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_without_order_too(log):
    training = zoo.Training(epochs=1, batch_size=64, verbose=0)
    task = zoo.tasks.Choice(log, split="random-out")
    run = zoo.train("TwoTower", task, training, hidden_units=(8,), negatives="mixed")
    assert "genre" in run.model.features.items
    assert "user_id" not in run.model.raw_keys


QUERY = (EmbeddingColumn(BagColumn(VocabularyColumn("history", space="item"))),)
ITEM, GENRE = (EmbeddingColumn(VocabularyColumn(key)) for key in ("item", "genre"))
DATA = {"item": ["a", "b"], "genre": ["x", "y"], "history": ["a"], "likes": ["x"]}


def test_what_is_known_of_the_items_must_be_there():
    features = Features.fit(FeatureSpec(QUERY, (ITEM, GENRE)), DATA)
    with pytest.raises(ValueError, match=r"`Features.fit\(..., items=...\)`.*: \['genre'\]"):
        TwoTower(features)
    # Nothing is needed where the id is all there is.
    TwoTower(Features.fit(FeatureSpec(QUERY, (ITEM,)), DATA), hidden_units=(4,))


def test_columns_of_query_and_candidate_belong_to_rankers():
    match = MatchColumn(VocabularyColumn("likes", space="genre"), VocabularyColumn("genre"))
    spec = FeatureSpec(
        (*QUERY, EmbeddingColumn(VocabularyColumn("likes", space="genre"))), (ITEM, match)
    )
    features = Features.fit(spec, DATA, items={"item": ["a"], "genre": ["x"]})
    with pytest.raises(ValueError, match="compare"):
        TwoTower(features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_units": ()}, r"`hidden_units` must .* Received: \(\)"),
        ({"temperature": 0.0}, "`temperature` must be positive. Received: 0.0"),
        ({"negatives": "nearby"}, "`negatives` must be one of .* Received: 'nearby'"),
    ],
)
def test_wrong_arguments(arguments, message):
    features = Features.fit(FeatureSpec(QUERY, (ITEM,)), DATA)
    with pytest.raises(ValueError, match=message):
        TwoTower(features, **arguments)

"""What the registry-driven suite does not ask of a factorization machine."""

import json

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import FactorizationMachine, LogisticRegression

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ROWS = 40
RNG = np.random.default_rng(0)
RAW = {
    "user_id": RNG.choice(["u", "v", "w"], ROWS),
    "history": RNG.choice(["a", "b", "c", ""], [ROWS, 5]),
    "age": RNG.uniform(10, 80, ROWS).astype(np.float32),
    "video_id": np.append(["a", "b", "c"], RNG.choice(["a", "b", "c"], ROWS - 3)),
    "length": RNG.lognormal(4, 1, ROWS).astype(np.float32),
}
USER, VIDEO = VocabularyColumn("user_id"), VocabularyColumn("video_id", space="video")
HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4)
SPEC = FeatureSpec(
    query=(EmbeddingColumn(USER), EmbeddingColumn(HISTORY), IndicatorColumn(USER)),
    candidate=(
        EmbeddingColumn(VIDEO),
        NumericColumn("length"),
        InteractionColumn(HISTORY, VIDEO),
        BucketizedColumn("length", (20.0, 60.0)),
        CrossedColumn((USER, VIDEO), 50),
    ),
)
RATING = np.array([1, 2, 3, 4, 5], np.float32)[np.arange(ROWS) % 5]


def fm(features=None, spec=SPEC, **arguments):
    features = features or Features.fit(spec, RAW)
    return FactorizationMachine(features, **{"embedding_dim": 5, "seed": 1, **arguments})


def randomise(model):
    """Makes all weights of the size of one."""
    model(RAW)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


def test_pairs_one_by_one():
    model = randomise(fm())
    encoded = model.encode(RAW)
    v = model.fields(encoded).numpy().astype(np.float64)  # [rows, 6 fields, 5]
    assert v.shape == (ROWS, 6, 5)
    expected = model.bias.numpy() + model.linear(encoded).numpy().astype(np.float64)
    for row in range(ROWS):
        for i in range(6):
            for j in range(i):
                expected[row] += v[row, i] @ v[row, j]
    np.testing.assert_allclose(model(RAW), expected, rtol=1e-5, atol=1e-5)


def test_by_hand():
    spec = FeatureSpec((EmbeddingColumn(USER), EmbeddingColumn(HISTORY)), (EmbeddingColumn(VIDEO),))
    model = fm(spec=spec, embedding_dim=2)
    tokens = model.features.vocabularies
    video = [tokens["video"].tokens.index(t) for t in "abc"]
    user = tokens["user_id"].tokens.index("u")
    factors, weights = model.tables, model.linear.tables
    factors["user_id"].table.scatter_nd_update([[user]], [[1.0, 2.0]])
    factors["video"].table.scatter_nd_update([[i] for i in video], [[4.0, 0], [0, 2.0], [1, 3.0]])
    weights["user_id"].table.scatter_nd_update([[user]], [[100.0]])
    weights["video_id"].table.scatter_nd_update([[i] for i in video], [[0.0], [0.0], [1000.0]])
    weights["history_bag4"].table.scatter_nd_update([[i] for i in video], [[2.0], [6.0], [0.0]])
    model.bias.assign(0.5)
    raw = {
        "user_id": np.array(["u", "u", ""]),
        "history": np.array([["a", "b"], ["", ""], ["b", ""]]),
        "video_id": np.array(["c", "a", "nothing"]),
    }
    # User (1, 2), history the mean (2, 1), video (1, 3): 4 + 7 + 5, weights 100 + 4 + 1000.
    # User (1, 2) and video (4, 0): 4, weight 100. History alone: no pair, weight 6.
    np.testing.assert_allclose(model(raw), [1104 + 16 + 0.5, 104 + 0.5, 6 + 0.5])


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ((EmbeddingColumn(USER), NumericColumn("age")), (VIDEO,)),
        ((USER,), (EmbeddingColumn(VIDEO), NumericColumn("length"))),
        ((), (EmbeddingColumn(VIDEO), NumericColumn("length"))),
    ],
    ids=["fields of the query only", "fields of the candidate only", "candidates only"],
)
def test_lists_where_one_side_has_no_fields(query, candidate):
    model = randomise(fm(spec=FeatureSpec(query, candidate)))
    keys = model.features.spec.raw
    lists = {k: v[:, None] if k in ("video_id", "length") else v for k, v in RAW.items()}
    logits = model({k: lists[k] for k in keys})
    assert logits.shape == (ROWS, 1)
    rows = model({k: RAW[k] for k in keys})
    np.testing.assert_allclose(logits[:, 0], rows, rtol=1e-5, atol=1e-6)


def test_squared_loss_is_for_ratings():
    model = randomise(fm(loss="squared"))
    model.compile("sgd", metrics=[tf.keras.metrics.RootMeanSquaredError(name="rmse")])
    ratings = model(RAW).numpy().astype(np.float64)
    np.testing.assert_allclose(model.predict(RAW, verbose=0), ratings, rtol=1e-5)
    found = model.evaluate(RAW, RATING, return_dict=True, verbose=0)
    expected = np.mean((ratings - RATING) ** 2)
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["rmse"], np.sqrt(expected), rtol=1e-5)
    model.compile(tf.keras.optimizers.Adam(0.05))
    model.fit(RAW, RATING, batch_size=ROWS, epochs=120, verbose=0)
    assert model.evaluate(RAW, RATING, verbose=0) < 0.2 * expected


def test_learns_a_pure_interaction():
    """Likes where user and video agree, or neither does: no linear model can tell."""
    user, video = np.divmod(np.arange(ROWS), 2)
    raw = {"user_id": np.array(["u", "v"])[user % 2], "video_id": np.array(["a", "b"])[video]}
    label = (user % 2 == video).astype(np.float32)
    spec = FeatureSpec((EmbeddingColumn(USER),), (EmbeddingColumn(VIDEO),))
    losses = []
    for cls in (FactorizationMachine, LogisticRegression):
        model = cls(Features.fit(spec, raw), seed=1)
        model.compile(tf.keras.optimizers.Adam(0.1))
        model.fit(raw, label, epochs=60, verbose=0)
        losses.append(model.evaluate(raw, label, verbose=0))
    assert losses[0] < 0.05
    assert losses[1] > 0.69  # log 2 - 0.003: a coin


def test_initial_weights():
    features = Features.fit(SPEC, RAW)
    model = fm(features, embedding_dim=400)
    model(RAW)
    vectors = [table.table for table in model.tables.values()]
    vectors += [kernel.kernel for kernel in model.fields.kernels.values()]
    for vector in vectors:
        np.testing.assert_allclose(np.std(vector), 0.01, rtol=0.1)
        assert abs(np.mean(vector)) < 0.001
    assert all(not np.any(variable) for variable in model.linear.trainable_variables)
    assert model.bias.numpy() == 0
    # No two start equal, for all the seed; but it comes again.
    assert len({float(vector[0, 0]) for vector in vectors}) == len(vectors) == 5
    again = FactorizationMachine.from_config(json.loads(json.dumps(model.get_config())))
    np.testing.assert_array_equal(again(RAW), model(RAW))
    assert np.any(fm(features, embedding_dim=400, seed=2)(RAW) != model(RAW))


def test_embedding_dim_is_for_columns_that_declare_none():
    spec = FeatureSpec((EmbeddingColumn(USER),), (EmbeddingColumn(VIDEO, 5),))
    widths = [table.dimension for table in fm(spec=spec).tables.values()]
    assert widths == [5, 5]
    with pytest.raises(ValueError, match=r"the width 4: .*Received: {'video_id_embedding': 5}"):
        fm(spec=spec, embedding_dim=4)
    assert FactorizationMachine(Features.fit(SPEC, RAW)).tables["video"].dimension == 16


def test_wrong_loss():
    with pytest.raises(ValueError, match='must be "logistic" or "squared". Received: \'hinge\''):
        fm(loss="hinge")

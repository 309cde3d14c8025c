"""Weights that halve with the age: against NumPy, and in bags as models read them."""

import json

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    DenseFeatures,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    IndicatorColumn,
    InteractionColumn,
    MatchColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
    make_embedding_tables,
)
from tfrec_zoo.features.recency import recency_weights

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAN, INF = np.nan, np.inf
VIDEO = VocabularyColumn("video", space="video")
WATCHED = VocabularyColumn("watched", space="video")
HALVED = BagColumn(WATCHED, 3, half_life=10.0, ages="watched_age")
TABLE = np.array([[1.0, -1.0], [2.0, 5.0], [4.0, 3.0]], np.float32)


def pooled_by_hand(ids: list[int], ages: list[float], half_life: float) -> np.ndarray:
    """The weighted mean of the rows of a bag's known ids, value by value."""
    known = [(i, a) for i, a in zip(ids, ages, strict=True) if i > 0]
    dated = {i: 2.0 ** (-a / half_life) for i, (_, a) in enumerate(known) if np.isfinite(a)}
    average = np.mean([*dated.values()]) if dated else 1.0
    weights = [dated.get(i, average) for i in range(len(known))]
    if not known:
        return np.zeros(2)
    return np.average([TABLE[i - 1] for i, _ in known], axis=0, weights=weights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_is_that_of_numpy(dtype: str) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, [50, 6])
    ages = rng.choice([0.0, 3.0, 10.0, 25.0, -7.0, NAN, INF, -INF], [50, 6]).astype(dtype)
    table = make_embedding_tables(features_of(HALVED))["video"]
    table.table.assign(TABLE)
    weights = recency_weights(tf.constant(ids > 0), tf.constant(ages), 10.0)
    expected = [pooled_by_hand(*bag, 10.0) for bag in zip(ids, ages, strict=True)]
    found = table.pooled(tf.constant(ids), "mean", weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # A list of candidates has a bag each.
    found = table.pooled(tf.constant(ids[None]), "mean", weights[None])
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=1e-6)


def test_weights_of_old_bags_neither_vanish_nor_lose_seconds() -> None:
    # 2^-(1.7e9 / 10) is 0 in every precision, and float32 has no seconds left at 1.7e9.
    ages = tf.constant([[1_700_000_010.0, 1_700_000_000.0]], tf.float64)
    weights = recency_weights(tf.constant([[True, True]]), ages, 10.0)
    assert weights.numpy().tolist() == [[0.5, 1.0]]


def features_of(*columns: BagColumn) -> Features:
    query = tuple(EmbeddingColumn(column, 2) for column in columns)
    return Features(FeatureSpec(query, (VIDEO,)), {"video": Vocabulary(tuple("abc"))}, {})


def test_bags_with_and_without_a_half_life_are_fed_apart() -> None:
    features = features_of(BagColumn(WATCHED, 3), HALVED)
    assert [*features.spec.raw_query] == ["watched", "watched_age"]
    tables = make_embedding_tables(features)
    tables["video"].table.assign(TABLE)
    layer = DenseFeatures(features, features.spec.query, tables)

    def vectors(watched: list, ages: list) -> np.ndarray:
        raw = {"watched": tf.constant(watched), "watched_age": tf.constant(ages, tf.float64)}
        return layer(Preprocessor(features)(raw)).numpy()

    # The last three count, of which z is unknown: b, 10 older than c, weighs half of it.
    watched = [["a", "b", "z", "c"], ["a", "b", "c", ""]]
    ages = [[3.0, 10.0, 1.0, 0.0], [20.0, 10.0, 0.0, NAN]]
    b_and_c, thirds = (TABLE[1] + 2 * TABLE[2]) / 3, (TABLE[0] + 2 * TABLE[1] + 4 * TABLE[2]) / 7
    expected = [[3, 4, *b_and_c], [7 / 3, 7 / 3, *thirds]]
    np.testing.assert_allclose(vectors(watched, ages), expected, rtol=1e-6)
    # Without ages, or with fewer of them than values, all or the rest weigh as on average.
    np.testing.assert_allclose(vectors(watched, [[], []])[:, 2:], [[3, 4], [7 / 3, 7 / 3]], 1e-6)
    found = vectors([["a", "b", "c"]], [[10.0, 0.0]])
    np.testing.assert_allclose(found[0, 2:], (2 * TABLE[0] + 4 * TABLE[1] + 3 * TABLE[2]) / 9, 1e-6)


def test_gradients_are_finite_without_ages() -> None:
    table = make_embedding_tables(features_of(HALVED))["video"]
    ids = tf.constant([[1, 2], [3, 0], [0, 0]])
    for ages in ([[NAN, INF]] * 3, [[1.0, NAN]] * 3, [[1e30, 0.0]] * 3):
        with tf.GradientTape() as tape:
            weights = recency_weights(ids > 0, tf.constant(ages), 10.0)
            loss = tf.reduce_sum(table.pooled(ids, "mean", weights))
        gradient = tf.convert_to_tensor(tape.gradient(loss, table.table)).numpy()
        # The weights of a bag that isn't empty add up to 1.
        np.testing.assert_allclose(gradient.sum(axis=0), [2, 2], rtol=1e-6)


def test_config_has_what_was_set() -> None:
    spec = features_of(BagColumn(WATCHED, 3), HALVED).spec
    assert FeatureSpec.from_json(spec.to_json()) == spec
    plain, halved = (column["categorical"] for column in json.loads(spec.to_json())["query"])
    assert set(plain) == {"column", "values", "max_length", "combiner"}
    assert {**plain, "half_life": 10.0, "ages": "watched_age"} == halved


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"half_life": 3.0}, "`half_life` needs `ages`"),
        ({"ages": ""}, "`key` must be a string"),
        ({"half_life": 0.0, "ages": "age"}, "must be positive and finite.* Received: 0.0"),
        ({"half_life": NAN, "ages": "age"}, "must be positive and finite"),
        ({"half_life": INF, "ages": "age"}, "must be positive and finite"),
        ({"half_life": 3.0, "ages": ""}, "`key` must be a string"),
        ({"half_life": 3.0, "ages": "age", "combiner": "sum"}, "set `combiner` to 'mean'"),
    ],
)
def test_half_lives_that_are_none(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BagColumn(WATCHED, **arguments)


def test_only_embeddings_are_weighed() -> None:
    hashed = HashedColumn("os", 3)
    for make in (
        lambda: IndicatorColumn(HALVED),
        lambda: InteractionColumn(HALVED, VIDEO),
        lambda: MatchColumn(HALVED, VIDEO),
        lambda: MatchColumn(WATCHED, HALVED),
        lambda: CrossedColumn((HALVED, hashed), 5),
    ):
        with pytest.raises(ValueError, match="Only the embeddings of a bag are weighed"):
            make()

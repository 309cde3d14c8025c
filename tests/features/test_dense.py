import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    DenseFeatures,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
    make_embedding_tables,
)

# isort: split
import tensorflow as tf

NAN = float("nan")
VIDEO = VocabularyColumn("video_id", space="video")
WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=3)
OS = VocabularyColumn("os")
AGE = BucketizedColumn("age", (18.0, 30.0))
CROSS = CrossedColumn((OS, HashedColumn("country", 3)), 4)
VOCABULARIES = {"video": Vocabulary(tuple("abc")), "os": Vocabulary(("x", "y"))}
QUANTILES = {
    "age": (0.0, 20.0, 30.0, 60.0, 80.0),
    "duration": (0.0, 1.0, 2.0, 3.0, 4.0),
    "watched_bag3_and_video_id/count": (0.0, 0.0, 1.0, 2.0, 3.0),
    "watched_bag3_and_video_id/age": (0.0, 10.0, 20.0, 30.0, 40.0),
}
TABLE = np.array([[1.0, -1.0], [2.0, 5.0], [4.0, 3.0]], np.float32)


def layer_of(*query, candidate=(), dtype=None):
    """The columns' layer and the preprocessor before it; `TABLE` is the table of videos."""
    spec = FeatureSpec(query=query, candidate=candidate)
    known = {column.space for column in spec.vocabulary_columns}
    vocabularies = {k: v for k, v in VOCABULARIES.items() if k in known}
    features = Features(spec, vocabularies, QUANTILES)
    tables = make_embedding_tables(features)
    for name, table in tables.items():
        if name == "video":
            table.table.assign(TABLE)
    return Preprocessor(features), DenseFeatures(features, spec.columns, tables, dtype=dtype)


def vectors(column, raw, is_candidate=False, dtype=None):
    sides = {"candidate": (column,)} if is_candidate else {}
    preprocessor, layer = layer_of(*(() if is_candidate else (column,)), **sides, dtype=dtype)
    return layer(preprocessor({key: tf.constant(value) for key, value in raw.items()}))


def powers(cdf):
    """x, x², √x of values in [0, 1)."""
    cdf = np.asarray(cdf)[..., None]
    return np.concatenate([cdf, cdf**2, np.sqrt(cdf)], axis=-1)


def test_embedding():
    found = vectors(EmbeddingColumn(VIDEO, 2), {"video_id": ["b", "z", "a", ""]})
    np.testing.assert_array_equal(found, [[2, 5], [0, 0], [1, -1], [0, 0]])


@pytest.mark.parametrize(
    ("combiner", "expected"),
    [
        ("mean", [[1.5, 2], [4, 3], [0, 0]]),
        ("sum", [[3, 4], [4, 3], [0, 0]]),
        ("max", [[2, 5], [4, 3], [0, 0]]),
        ("sqrtn", [[3 / 2**0.5, 4 / 2**0.5], [4, 3], [0, 0]]),
    ],
)
def test_embedding_of_a_bag(combiner, expected):
    bag = BagColumn(VocabularyColumn("watched", space="video"), max_length=3, combiner=combiner)
    # The last three of the first row are a, b and the unknown z.
    raw = {"watched": [["c", "a", "b", "z"], ["z", "c", "", ""], ["z", "", "", ""]]}
    np.testing.assert_allclose(vectors(EmbeddingColumn(bag, 2), raw), expected, rtol=1e-6)
    raw = {"watched": np.zeros([2, 0], "S1")}
    np.testing.assert_array_equal(vectors(EmbeddingColumn(bag, 2), raw), np.zeros([2, 2]))


def test_embedding_of_a_cross_is_the_sum_of_its_combinations():
    cross = CrossedColumn((OS, BagColumn(HashedColumn("tags", 7))), 50)
    preprocessor, layer = layer_of(EmbeddingColumn(cross, 1))
    (table,) = layer.tables.values()
    rows = np.arange(1.0, 51.0, dtype=np.float32)[:, None]
    table.table.assign(rows)
    raw = {"os": tf.constant(["x", ""]), "tags": tf.constant([["p", "", "q"], ["p", "q", ""]])}
    # x is 1 of 2, so the keys are (1 - 1) * 7 + the ids of p and q.
    p, q = tf.strings.to_hash_bucket_fast(["p", "q"], 7).numpy() + 1
    hashed = tf.strings.to_hash_bucket_fast([str(p), str(q)], 50).numpy()
    expected = [[rows[hashed].sum()], [0]]
    np.testing.assert_allclose(layer(preprocessor(raw)), expected)


@pytest.mark.parametrize(
    ("column", "raw", "expected"),
    [
        (OS, {"os": ["y", "z", "x", ""]}, [[0, 1], [0, 0], [1, 0], [0, 0]]),
        (AGE, {"age": [17.0, 18.0, 99.0, NAN]}, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        (
            WATCHED,
            {"watched": [["a", "b", "b"], ["z", "", ""], ["", "c", "z"]]},
            [[1, 1, 0], [0, 0, 0], [0, 0, 1]],
        ),
        (WATCHED, {"watched": np.zeros([2, 0], "S1")}, [[0, 0, 0], [0, 0, 0]]),
    ],
    ids=["vocabulary", "bucketized", "bag", "bag of width 0"],
)
def test_indicator(column, raw, expected):
    found = vectors(IndicatorColumn(column), raw)
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, expected)


def test_indicator_of_hashed_and_crossed():
    hashed = tf.strings.to_hash_bucket_fast(["de", "fr"], 3).numpy()
    found = vectors(IndicatorColumn(HashedColumn("country", 3)), {"country": ["de", "", "fr"]})
    np.testing.assert_array_equal(found, [np.eye(3)[hashed[0]], [0] * 3, np.eye(3)[hashed[1]]])
    # y is 2 of 2.
    key = (2 - 1) * 3 + tf.strings.to_hash_bucket_fast(["de"], 3).numpy()[0] + 1
    crossed = tf.strings.to_hash_bucket_fast([str(key)], 4).numpy()
    found = vectors(IndicatorColumn(CROSS), {"os": ["y", "y"], "country": ["de", ""]})
    np.testing.assert_array_equal(found, [np.eye(4)[crossed[0]], [0] * 4])


def test_numeric():
    raw = {"age": np.array([10.0, 45.0, NAN, -1.0, 60.0], np.float32)}
    # Quantiles 0, 20, 30, 60, 80: 10 is half of the first quarter, 45 half of the third.
    cdf = [0.125, 0.625, 0, 0, 0.75]
    np.testing.assert_allclose(vectors(NumericColumn("age"), raw), powers(cdf), rtol=1e-6)
    found = vectors(NumericColumn("age", powers=False), raw)
    np.testing.assert_allclose(found, np.array(cdf)[:, None], rtol=1e-6)


def test_numeric_as_it_is():
    column = NumericColumn("price", normalization="none", powers=False)
    found = vectors(column, {"price": [1.5, NAN, -3.0, np.inf]})
    np.testing.assert_array_equal(found, [[1.5], [0], [-3], [0]])


INTERACTION = InteractionColumn(WATCHED, VIDEO, ages="ages", mass=False)
INTERACTION_RAW = {
    "watched": [
        ["a", "b", "a"],
        ["b", "b", "c"],
        ["a", "", "a"],
        ["a", "a", "a"],
        ["z", "z", "z"],
        ["a", "a", ""],
    ],
    "ages": [
        [5.0, 1.0, 15.0],
        [1.0, 2.0, 3.0],
        [NAN, 2.0, 25.0],
        [NAN, NAN, NAN],
        [1.0, 2.0, 3.0],
        [30.0, 20.0, 0.0],
    ],
    "video_id": ["a", "a", "a", "a", "z", ""],
}
# How many of the bag are the candidate, and the age of the latest: 2 and 5; none; 2 and 25 (the
# other's age is missing); 3 without ages; unknown candidates match nothing, nor do missing ones.
COUNTS = [2, 0, 2, 3, 0, 0]
# Count quantiles 0, 0, 1, 2, 3: of 0 the last counts, P(X <= 0) = 1/4; 2 is at 3/4, 3 at the end.
COUNT_CDF = [0.75, 0.25, 0.75, 1 - 2**-24, 0.25, 0.25]
# Age quantiles 0, 10, 20, 30, 40: 5 is at 1/8, 25 at 5/8, no age at 0.
AGE_CDF = [0.125, 0, 0.625, 0, 0, 0]


def test_interaction():
    found = vectors(INTERACTION, INTERACTION_RAW, is_candidate=True)
    expected = np.concatenate([powers(COUNT_CDF), powers(AGE_CDF)], axis=-1)
    assert found.shape == (6, 6)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_interaction_by_other_normalizations():
    def found(**how):
        column = InteractionColumn(WATCHED, VIDEO, ages="ages", **how)
        return vectors(column, INTERACTION_RAW, is_candidate=True)

    ages = np.array([5.0, 0, 25, 0, 0, 0])  # None is 0, like other missing numbers.
    raw = np.stack([COUNTS, ages], axis=1)
    np.testing.assert_array_equal(found(normalization="none"), raw)
    np.testing.assert_allclose(found(normalization="log"), np.log1p(raw), atol=1e-6)
    quantiles = np.stack([COUNT_CDF, AGE_CDF], axis=1)
    np.testing.assert_allclose(found(mass=False, powers=False), quantiles, atol=1e-6)


def test_interaction_without_ages():
    raw = {key: INTERACTION_RAW[key] for key in ("watched", "video_id")}
    found = vectors(InteractionColumn(WATCHED, VIDEO, mass=False), raw, is_candidate=True)
    np.testing.assert_allclose(found, powers(COUNT_CDF), atol=1e-6)


def test_interaction_counts_the_last_of_the_bag_only():
    raw = {
        "watched": [["a", "a", "b", "", "a", "a"], ["a", "b", "b", "b", "", ""]],
        "ages": [[1.0, 2.0, 3.0, 4.0, 20.0, 30.0], [5.0, 1.0, 1.0, 1.0, NAN, NAN]],
        "video_id": ["a", "a"],
    }
    found = vectors(INTERACTION, raw, is_candidate=True)
    # b a a: 2, and the earlier a of age 1 is forgotten; b b b: none.
    expected = np.concatenate([powers([0.75, 0.25]), powers([0.5, 0])], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("width", [0, 3])
def test_interaction_with_a_bag_of_width_0(width):
    raw = {
        "watched": np.zeros([2, 0], "S1"),
        "ages": np.ones([2, width], np.float32),
        "video_id": ["a", ""],
    }
    found = vectors(INTERACTION, raw, is_candidate=True)
    expected = np.concatenate([powers([0.25, 0.25]), powers([0, 0])], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("width", [0, 1])
def test_interaction_with_ages_left_out(width):
    raw = {
        "watched": [["b", "a"], ["a", "b"]],
        "ages": np.full([2, width], 10, np.float32),
        "video_id": ["a", "a"],
    }
    found = vectors(INTERACTION, raw, is_candidate=True)
    # Only the second row's match is at the place of an age, 10 at 1/4.
    expected = np.concatenate([powers([0.5, 0.5]), powers([0, 0.25 * width])], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_interaction_of_a_list():
    raw = {
        "watched": [["a", "b", "a"], ["c", "", ""]],
        "ages": [[30.0, 5.0, 15.0], [10.0, NAN, NAN]],
        "video_id": [["a", "b", "c", "z"], ["c", "a", "", "c"]],
    }
    found = vectors(INTERACTION, raw, is_candidate=True)
    # Counts 2 1 0 0 and 1 0 0 1; ages 15 5 and 10 10.
    count = [[0.75, 0.5, 0.25, 0.25], [0.5, 0.25, 0.25, 0.5]]
    age = [[0.375, 0.125, 0, 0], [0.25, 0, 0, 0.25]]
    expected = np.concatenate([powers(count), powers(age)], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


CANDIDATE = (
    EmbeddingColumn(VIDEO, 2),
    IndicatorColumn(AGE),
    NumericColumn("duration"),
    NumericColumn("price", normalization="none", powers=False),
    INTERACTION,
    IndicatorColumn(CROSS),
    EmbeddingColumn(CrossedColumn((VIDEO, WATCHED), 30), 3),
    EmbeddingColumn(HashedColumn("country", 3), 2),
)
LIST = {
    "video_id": np.array([["a", "b", "z", ""], ["c", "a", "a", "b"]]),
    "age": np.array([[17, 20, NAN, 40], [30, 1, 2, 3]], np.float32),
    "duration": np.array([[0.5, NAN, 2.5, 9], [1, 2, 3, 4]], np.float32),
    "price": np.array([[0.5, NAN, 2.5, 9], [1, 2, 3, 4]], np.float32),
    "os": np.array([["x", "y", "", "x"], ["y", "y", "x", "z"]]),
    "country": np.array([["de", "", "fr", "de"], ["fr", "de", "de", "x"]]),
}
QUERY = {
    "watched": np.array([["a", "b", "a"], ["c", "", "b"]]),
    "ages": np.array([[5, 20, 3], [1, NAN, 30]], np.float32),
}


def test_a_list_is_its_candidates_one_by_one():
    preprocessor, layer = layer_of(candidate=CANDIDATE)
    listed = layer(preprocessor({**QUERY, **LIST}))
    # 2 + 3 + 3 + 1 + 6 + 4 + 3 + 2
    assert listed.shape == (2, 4, 24)
    for i in range(4):
        one = layer(preprocessor({**QUERY, **{key: value[:, i] for key, value in LIST.items()}}))
        assert one.shape == (2, 24)
        np.testing.assert_allclose(listed[:, i], one, atol=1e-7)
    assert len(np.unique(listed.numpy().reshape(8, 24), axis=0)) == 8


def test_columns_in_order():
    columns = (NumericColumn("age"), OS, EmbeddingColumn(VIDEO, 2), IndicatorColumn(OS))
    preprocessor, layer = layer_of(*columns[:3], candidate=columns[3:])
    assert layer.columns == (columns[0], columns[2], columns[3])
    encoded = preprocessor(
        {"age": tf.constant([20.0]), "os": tf.constant(["y"]), "video_id": tf.constant(["c"])}
    )
    expected = [[0.25, 0.0625, 0.5, 4, 3, 0, 1]]
    np.testing.assert_allclose(layer(encoded), expected, rtol=1e-6)
    np.testing.assert_allclose(layer.vector(columns[2], encoded), [[4, 3]])


def test_no_column():
    preprocessor, layer = layer_of(OS)
    with pytest.raises(ValueError, match="no dense column to feed"):
        layer(preprocessor({"os": tf.constant(["x"])}))


def test_tables_are_shared():
    history = EmbeddingColumn(WATCHED, 2)
    spec = FeatureSpec(query=(history,), candidate=(EmbeddingColumn(VIDEO, 2),))
    features = Features(spec, {"video": VOCABULARIES["video"]}, {})
    tables = make_embedding_tables(features, "ones")
    query = DenseFeatures(features, spec.query, tables)
    candidate = DenseFeatures(features, spec.candidate, tables)
    encoded = Preprocessor(features)(
        {"watched": tf.constant([["a", "b"]]), "video_id": tf.constant(["b"])}
    )
    query(encoded), candidate(encoded)
    assert len(query.trainable_variables) == 1
    assert query.trainable_variables[0] is candidate.trainable_variables[0]
    tables["video"].table.assign(TABLE)
    np.testing.assert_allclose(query(encoded), [[1.5, 2]])
    np.testing.assert_allclose(candidate(encoded), [[2, 5]])


def test_half_precision_rounds_what_comes_out_only():
    # Half precision would take 70,000 for infinite, and ages of 2,049 for 2,048.
    price = NumericColumn("price", normalization="none", powers=False)
    preprocessor, layer = layer_of(
        NumericColumn("duration"), price, candidate=(INTERACTION,), dtype="mixed_float16"
    )
    raw = {key: tf.constant(value) for key, value in INTERACTION_RAW.items()}
    numbers = {"duration": tf.fill([6], 2.5), "price": tf.fill([6], 7.0)}
    found = layer(preprocessor({**raw, **numbers}))
    assert found.dtype == tf.float16
    repeated = np.concatenate([powers([0.625] * 6), np.full([6, 1], 7)], axis=-1)
    expected = np.concatenate([repeated, powers(COUNT_CDF), powers(AGE_CDF)], axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    layer._normalizations["duration"].boundaries.assign([0, 2_048, 2_049, 2_050, 100_000])
    numbers["duration"] = tf.constant([2_048.0, 2_049.0, 2_050.0, 70_000.0, 1.0, NAN])
    cdf = np.array([0.25, 0.5, 0.75, 0.75 + 0.25 * 67_950 / 97_950, 0.25 / 2_048, 0])
    found = layer(preprocessor({**raw, **numbers}))[:, 0]
    np.testing.assert_allclose(found, cdf, atol=1e-3)


def test_in_a_function():
    preprocessor, layer = layer_of(candidate=CANDIDATE)
    raw = {key: tf.constant(value) for key, value in {**QUERY, **LIST}.items()}
    eager = layer(preprocessor(raw))
    compiled = tf.function(lambda raw: layer(preprocessor(raw)))(raw)
    np.testing.assert_allclose(compiled, eager, atol=1e-7)

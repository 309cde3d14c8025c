import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
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
)
from tfrec_zoo.layers import LinearFeatures

# isort: split
import tensorflow as tf

NAN = float("nan")
VIDEO = VocabularyColumn("video_id", space="video")
WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=3)
OS = VocabularyColumn("os")
VOCABULARIES = {"video": Vocabulary(tuple("abc")), "os": Vocabulary(("x", "y"))}
QUANTILES = {
    "age": (0.0, 20.0, 30.0, 60.0, 80.0),
    "watched_bag3_and_video_id/count": (0.0, 0.0, 1.0, 2.0, 3.0),
}


def layer_of(query=(), candidate=(), **kwargs):
    """The preprocessor and the layer."""
    spec = FeatureSpec(query, candidate)
    known = {column.space for column in spec.vocabulary_columns}
    vocabularies = {k: v for k, v in VOCABULARIES.items() if k in known}
    features = Features(spec, vocabularies, QUANTILES)
    return Preprocessor(features), LinearFeatures(features, spec.columns, **kwargs)


def logits(column, raw, weights):
    """The logits of one column, given the weights of its ids."""
    preprocessor, layer = layer_of((column,))
    (table,) = layer.tables.values()
    table.table.assign(np.array(weights, np.float32)[:, None])
    return layer(preprocessor({key: tf.constant(value) for key, value in raw.items()}))


@pytest.mark.parametrize("kind", [lambda c: c, EmbeddingColumn, IndicatorColumn])
def test_univalent(kind):
    found = logits(kind(OS), {"os": ["y", "z", "x", ""]}, [3, -5])
    assert found.shape == (4,)
    np.testing.assert_array_equal(found, [-5, 0, 3, 0])
    found = logits(
        kind(BucketizedColumn("age", (18.0, 30.0))), {"age": [17.0, 18.0, 99.0, NAN]}, [1, 20, 300]
    )
    np.testing.assert_array_equal(found, [1, 20, 300, 0])


@pytest.mark.parametrize("kind", [lambda c: c, EmbeddingColumn, IndicatorColumn])
@pytest.mark.parametrize(
    ("combiner", "expected"),
    [
        ("mean", [11 / 3, 500, 0]),
        ("sum", [11, 500, 0]),
        ("sqrtn", [11 / 3**0.5, 500, 0]),
        ("max", [10, 500, 0]),
    ],
)
def test_a_bag_is_pooled_by_its_combiner(kind, combiner, expected):
    bag = BagColumn(VocabularyColumn("watched", space="video"), 3, combiner)
    # a a b of weights 1/2, 1/2 and 10; then one that is known, and none.
    raw = {"watched": [["c", "a", "a", "b"], ["z", "c", "", ""], ["z", "", "", ""]]}
    np.testing.assert_allclose(logits(kind(bag), raw, [0.5, 10, 500]), expected, rtol=1e-6)


def test_a_cross_sums_its_combinations():
    cross = CrossedColumn((OS, BagColumn(HashedColumn("tags", 7))), 50)
    weights = np.arange(1.0, 51.0)
    # Each is there once, however often its values are.
    raw = {"os": ["x", "", "y"], "tags": [["p", "q", "q"], ["p", "q", ""], ["p", "", "p"]]}
    # x and y are 1 and 2 of 2, so the keys are (1 - 1) * 7 + p and so on.
    p, q = tf.strings.to_hash_bucket_fast(["p", "q"], 7).numpy() + 1
    assert p != q
    keys = [str(p), str(q), str(7 + p)]
    hashed = tf.strings.to_hash_bucket_fast(keys, 50).numpy()
    expected = [weights[hashed[:2]].sum(), 0, weights[hashed[2]]]
    np.testing.assert_array_equal(logits(cross, raw, weights), expected)


def test_numbers():
    preprocessor, layer = layer_of(
        (NumericColumn("age"), NumericColumn("price", "none", False)),
        (InteractionColumn(WATCHED, VIDEO, mass=False),),
    )
    encoded = preprocessor(
        {
            "age": tf.constant([20.0, NAN]),
            "price": tf.constant([3.0, NAN]),
            "watched": tf.constant([["a", "b", "a"], ["b", "c", ""]]),
            "video_id": tf.constant(["a", "c"]),
        }
    )
    np.testing.assert_array_equal(layer(encoded), [0, 0])  # All weights start at 0.
    # 20 is at 1/4 of the quantiles; counts 2 and 1 are at 3/4 and 1/2.
    for name, weights in [
        ("age", [8, 16, 2]),
        ("price", [-1]),
        ("watched_bag3_and_video_id", [4, 16, 0]),
    ]:
        kernel = layer.fields.kernels[name].kernel
        kernel.assign(np.array(weights, np.float32)[:, None])
    # 0.25·8 + 0.0625·16 + 0.5·2 = 4, less 3, and 0.75·4 + 0.5625·16 = 12; 0.5·4 + 0.25·16 = 6
    np.testing.assert_allclose(layer(encoded), [4 - 3 + 12, 6])
    # An interaction's parts have no weights as ids.
    assert not layer.tables


def test_each_column_has_weights_of_its_own_and_once():
    _, layer = layer_of(
        (EmbeddingColumn(WATCHED), WATCHED, IndicatorColumn(WATCHED), OS),
        (EmbeddingColumn(VIDEO), CrossedColumn((OS, VIDEO), 20)),
    )
    sizes = {name: table.num_ids for name, table in layer.tables.items()}
    assert sizes == {"watched_bag3": 3, "os": 2, "video_id": 3, "os_X_video_id": 20}
    assert sum(int(np.prod(v.shape)) for v in layer.trainable_variables) == 3 + 2 + 3 + 20


QUERY = (
    NumericColumn("age"),
    EmbeddingColumn(WATCHED),
    IndicatorColumn(OS),
    BucketizedColumn("age", (20.0,)),
)
CANDIDATE = (
    VIDEO,
    InteractionColumn(WATCHED, VIDEO, mass=False),
    CrossedColumn((VIDEO, WATCHED), 30),
    CrossedColumn((VIDEO, OS), 30),
)
RAW = {
    "age": np.array([10, NAN], np.float32),
    "watched": np.array([["a", "b", "a"], ["c", "", "b"]]),
    "os": np.array(["y", "x"]),
}
LISTS = {"video_id": np.array([["a", "b", "z", ""], ["c", "a", "a", "b"]])}


def randomised(*sides, **kwargs):
    preprocessor, layer = layer_of(*sides, **kwargs)
    layer(preprocessor({**RAW, **LISTS}))
    rng = np.random.default_rng(0)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return preprocessor, layer


def test_a_list_is_its_candidates_one_by_one():
    preprocessor, layer = randomised(QUERY, CANDIDATE)
    listed = layer(preprocessor({**RAW, **LISTS}))
    assert listed.shape == (2, 4)
    assert np.std(listed, axis=1).min() > 0.1
    for i in range(4):
        one = layer(preprocessor({**RAW, "video_id": LISTS["video_id"][:, i]}))
        assert one.shape == (2,)
        np.testing.assert_allclose(listed[:, i], one, rtol=1e-5, atol=1e-6)
    raw = {key: tf.constant(value) for key, value in {**RAW, **LISTS}.items()}
    compiled = tf.function(lambda raw: layer(preprocessor(raw)))(raw)
    np.testing.assert_allclose(compiled, listed, rtol=1e-5, atol=1e-6)


def test_one_side_is_enough():
    preprocessor, layer = randomised(QUERY)
    assert layer(preprocessor(RAW)).shape == (2,)
    preprocessor, layer = randomised((), CANDIDATE[:1])
    assert layer(preprocessor(LISTS)).shape == (2, 4)


def test_unknown_ids_move_no_weight():
    preprocessor, layer = layer_of((OS, WATCHED), (VIDEO,))
    encoded = preprocessor(
        {
            "os": tf.constant(["z", "y"]),
            "watched": tf.constant([["z", "b"], ["", ""]]),
            "video_id": tf.constant(["", "c"]),
        }
    )
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(encoded) * [1.0, 10.0])
    tables = {name: table.table for name, table in layer.tables.items()}
    found = {k: tf.convert_to_tensor(g)[:, 0] for k, g in tape.gradient(loss, tables).items()}
    np.testing.assert_array_equal(found["os"], [0, 10])
    np.testing.assert_array_equal(found["watched_bag3"], [0, 1, 0])
    np.testing.assert_array_equal(found["video_id"], [0, 0, 10])


def test_l2_on_all_weights():
    preprocessor, layer = randomised(QUERY, CANDIDATE, l2=0.5)
    penalty = 0.5 * sum(np.sum(v.numpy() ** 2) for v in layer.trainable_variables)
    np.testing.assert_allclose(sum(layer.losses), penalty, rtol=1e-5)
    assert randomised(QUERY, CANDIDATE)[1].losses == []


def test_float32_whatever_the_policy():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        preprocessor, layer = randomised(QUERY, CANDIDATE)
        half = layer(preprocessor({**RAW, **LISTS}))
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert half.dtype == tf.float32
    preprocessor, layer = randomised(QUERY, CANDIDATE)
    np.testing.assert_allclose(half, layer(preprocessor({**RAW, **LISTS})), rtol=1e-5, atol=1e-6)


def test_no_column():
    with pytest.raises(ValueError, match="There is no column to weigh"):
        layer_of()

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
    make_embedding_tables,
)
from tfrec_zoo.layers import FieldEmbeddings, stack_fields, sum_fields

# isort: split
import tensorflow as tf

NAN = float("nan")
VIDEO = VocabularyColumn("video_id", space="video")
WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=3)
OS = VocabularyColumn("os")
VOCABULARIES = {"video": Vocabulary(tuple("abc")), "os": Vocabulary(("x", "y"))}
QUANTILES = {
    "age": (0.0, 20.0, 30.0, 60.0, 80.0),
    "length": (0.0, 1.0, 2.0, 3.0, 4.0),
    "watched_bag3_and_video_id/count": (0.0, 0.0, 1.0, 2.0, 3.0),
}
TABLE = np.array([[1.0, -1.0], [2.0, 5.0], [4.0, 3.0]], np.float32)


def layer_of(query=(), candidate=(), **kwargs):
    """The preprocessor and the fields; `TABLE` is the table of videos."""
    spec = FeatureSpec(query, candidate)
    known = {column.space for column in spec.vocabulary_columns}
    vocabularies = {k: v for k, v in VOCABULARIES.items() if k in known}
    features = Features(spec, vocabularies, QUANTILES)
    tables = make_embedding_tables(features, dimension=2)
    if "video" in tables:
        tables["video"].table.assign(TABLE)
    return Preprocessor(features), FieldEmbeddings(features, spec.columns, tables, 2, **kwargs)


def fields(column, raw, kernel=None):
    """The only field of a column, given its kernel."""
    is_candidate = isinstance(column, InteractionColumn)
    preprocessor, layer = layer_of(*(((), (column,)) if is_candidate else ((column,), ())))
    encoded = preprocessor({key: tf.constant(value) for key, value in raw.items()})
    layer(encoded)
    assert set(layer.kernels) == (set() if kernel is None else {column.name})
    if kernel is not None:
        layer.kernels[column.name].kernel.assign(kernel)
    found = layer(encoded)
    assert found.shape == (len(found), 1, 2)
    return found[:, 0]


def test_embedding():
    found = fields(EmbeddingColumn(VIDEO), {"video_id": ["b", "z", "a", ""]})
    np.testing.assert_array_equal(found, [[2, 5], [0, 0], [1, -1], [0, 0]])


def test_a_bag_is_one_field():
    # The last three of the first row are a, b and the unknown z: (1, -1) and (2, 5).
    raw = {"watched": [["c", "a", "b", "z"], ["z", "c", "", ""], ["z", "", "", ""]]}
    found = fields(EmbeddingColumn(WATCHED), raw)
    np.testing.assert_array_equal(found, [[1.5, 2], [4, 3], [0, 0]])


def test_a_cross_is_the_sum_of_its_combinations():
    cross = CrossedColumn((OS, BagColumn(HashedColumn("tags", 7))), 50)
    preprocessor, layer = layer_of((EmbeddingColumn(cross),))
    rows = np.arange(100.0, dtype=np.float32).reshape(50, 2)
    layer.dense.tables[cross.name].table.assign(rows)
    raw = {"os": tf.constant(["x", ""]), "tags": tf.constant([["p", "", "q"], ["p", "q", ""]])}
    # x is 1 of 2, so the keys are (1 - 1) * 7 + the ids of p and q.
    p, q = tf.strings.to_hash_bucket_fast(["p", "q"], 7).numpy() + 1
    hashed = tf.strings.to_hash_bucket_fast([str(p), str(q)], 50).numpy()
    np.testing.assert_array_equal(
        layer(preprocessor(raw)), [[rows[hashed[0]] + rows[hashed[1]]], [[0, 0]]]
    )


def test_numeric():
    # Quantiles 0, 20, 30, 60, 80: 20 is at 1/4, with square 1/16 and root 1/2.
    # 0.25·(8, 0) + 0.0625·(16, 16) + 0.5·(2, -4) = (4, -1); below all is 0, as is missing.
    kernel = [[8, 0], [16, 16], [2, -4]]
    found = fields(NumericColumn("age"), {"age": [20.0, NAN, -5.0]}, kernel)
    np.testing.assert_allclose(found, [[4, -1], [0, 0], [0, 0]])
    price = NumericColumn("price", normalization="none", powers=False)
    found = fields(price, {"price": [1.5, NAN, -3.0]}, [[2, -4]])
    np.testing.assert_array_equal(found, [[3, -6], [0, 0], [-6, 12]])


def test_indicator():
    kernel = [[1, 2], [30, 40]]
    found = fields(IndicatorColumn(OS), {"os": ["y", "z", "x", ""]}, kernel)
    np.testing.assert_array_equal(found, [[30, 40], [0, 0], [1, 2], [0, 0]])
    # Multi-hot: b is there twice and counts once.
    raw = {"watched": [["a", "b", "b"], ["z", "", ""], ["", "c", "z"]]}
    found = fields(IndicatorColumn(WATCHED), raw, [[1, 2], [30, 40], [500, 600]])
    np.testing.assert_array_equal(found, [[31, 42], [0, 0], [500, 600]])


def test_interaction():
    raw = {"watched": [["a", "b", "a"], ["b", "b", "c"]], "video_id": ["a", "c"]}
    # Counts 2 and 1 are at 3/4 and 1/2 of the quantiles 0, 0, 1, 2, 3.
    found = fields(InteractionColumn(WATCHED, VIDEO, mass=False), raw, [[16, 1], [16, 0], [0, 0]])
    np.testing.assert_allclose(found, [[12 + 9, 0.75], [8 + 4, 0.5]])


QUERY = (
    NumericColumn("age"),
    EmbeddingColumn(WATCHED),
    IndicatorColumn(OS),
)
CANDIDATE = (
    EmbeddingColumn(VIDEO, 2),
    NumericColumn("length", powers=False),
    BucketizedColumn("length", (1.0, 2.0)),
    InteractionColumn(WATCHED, VIDEO, mass=False),
    EmbeddingColumn(CrossedColumn((VIDEO, WATCHED), 30)),
)
RAW = {
    "age": np.array([10, NAN], np.float32),
    "watched": np.array([["a", "b", "a"], ["c", "", "b"]]),
    "os": np.array(["y", "x"]),
}
LISTS = {
    "video_id": np.array([["a", "b", "z", ""], ["c", "a", "a", "b"]]),
    "length": np.array([[0.5, NAN, 2.5, 9], [1, 2, 3, 4]], np.float32),
}


def test_a_list_is_its_candidates_one_by_one():
    preprocessor, layer = layer_of(QUERY, CANDIDATE, initializer="normal")
    # Bare categorical columns are no fields.
    assert len(layer.columns) == 7
    listed = layer(preprocessor({**RAW, **LISTS}))
    assert listed.shape == (2, 4, 7, 2)
    for i in range(4):
        one = layer(preprocessor({**RAW, **{key: value[:, i] for key, value in LISTS.items()}}))
        assert one.shape == (2, 7, 2)
        np.testing.assert_allclose(listed[:, i], one, atol=1e-6)
    # The query's are not repeated before they are stacked.
    vectors = layer.vectors(preprocessor({**RAW, **LISTS}))
    assert [vector.shape.rank for vector in vectors] == [2, 2, 2, 3, 3, 3, 3]


def test_in_a_function_of_unknown_sizes():
    preprocessor, layer = layer_of(QUERY, CANDIDATE)
    raw = {key: tf.constant(value) for key, value in {**RAW, **LISTS}.items()}
    specs = {
        key: tf.TensorSpec([None] * value.shape.rank, value.dtype) for key, value in raw.items()
    }
    shapes = []

    @tf.function(input_signature=[specs])
    def compiled(raw):
        stacked = layer(preprocessor(raw))
        shapes.append(stacked.shape.as_list())
        return stacked

    np.testing.assert_allclose(compiled(raw), layer(preprocessor(raw)), atol=1e-6)
    # Dense layers need to know how wide all fields are.
    assert shapes[-1] == [None, None, 7, 2]


def test_stack_and_sum():
    query = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    lists = tf.constant([[[10.0, 20.0]] * 3, [[30.0, 40.0]] * 3])
    # Whichever comes first.
    for vectors in ([query, 2 * query, lists], [query, lists, 2 * query]):
        stacked = stack_fields(vectors)
        assert stacked.shape == (2, 3, 3, 2)
        np.testing.assert_array_equal(tf.reduce_sum(stacked, axis=-2), sum_fields(vectors))
    np.testing.assert_array_equal(stacked[1, 2], [[3, 4], [30, 40], [6, 8]])
    # (1 + 2 + 10, 2 + 4 + 20), (3 + 6 + 30, 4 + 8 + 40)
    np.testing.assert_array_equal(sum_fields(vectors), [[[13, 26]] * 3, [[39, 52]] * 3])
    np.testing.assert_array_equal(sum_fields([query, query]), 2 * query)
    np.testing.assert_array_equal(stack_fields([query, query])[0], [[1, 2], [1, 2]])


def test_missing_moves_nothing():
    preprocessor, layer = layer_of(QUERY)
    encoded = preprocessor(
        {
            "age": tf.constant([NAN]),
            "watched": tf.constant([["z", ""]]),
            "os": tf.constant(["z"]),
        }
    )
    layer(encoded)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(encoded) + 1e6)
    for gradient in tape.gradient(loss, layer.trainable_variables):
        assert not np.any(tf.convert_to_tensor(gradient))
    assert len(layer.trainable_variables) == 3


def test_kernels_start_apart_and_come_again():
    def kernels(seed):
        initializer = tf.keras.initializers.RandomNormal(seed=seed)
        preprocessor, layer = layer_of(QUERY, CANDIDATE, initializer=initializer, l2=0.5)
        layer(preprocessor({**RAW, **LISTS}))
        found = [layer.kernels[name].kernel.numpy() for name in sorted(layer.kernels)]
        penalty = 0.5 * sum(np.sum(kernel**2) for kernel in found)
        np.testing.assert_allclose(sum(layer.losses), penalty, rtol=1e-6)
        return found

    one, same, other = kernels(3), kernels(3), kernels(4)
    # age, length, os, interaction
    assert [kernel.shape for kernel in one] == [(3, 2), (1, 2), (2, 2), (3, 2)]
    for kernel, again, differs in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(kernel, again)
        assert not np.any(kernel == differs)
    assert len({kernel[0, 0] for kernel in one}) == 4


def test_half_precision():
    preprocessor, layer = layer_of(QUERY, CANDIDATE, dtype="mixed_bfloat16")
    encoded = preprocessor({**RAW, **LISTS})
    found = layer(encoded)
    assert found.dtype == tf.bfloat16
    assert all(variable.dtype == tf.float32 for variable in layer.trainable_variables)


@pytest.mark.parametrize("dimension", [2, 8])
def test_all_fields_have_one_width(dimension):
    spec = FeatureSpec((EmbeddingColumn(HashedColumn("a", 5), 3), EmbeddingColumn(OS)))
    features = Features(spec, {"os": VOCABULARIES["os"]}, {})
    tables = make_embedding_tables(features, dimension=dimension)
    with pytest.raises(ValueError, match=rf"the width {dimension}: .*{{'a_hashed_embedding': 3}}"):
        FieldEmbeddings(features, spec.columns, tables, dimension)


def test_no_fields():
    features = Features(FeatureSpec((OS,)), {"os": VOCABULARIES["os"]}, {})
    with pytest.raises(ValueError, match=r"`columns` must have one. Received: \(VocabularyColumn"):
        FieldEmbeddings(features, features.spec.columns, {}, 2)

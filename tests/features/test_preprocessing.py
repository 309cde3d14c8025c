"""Raw features become ids and numbers, eagerly, in graphs and from serialized examples."""

import numpy as np
import pytest
from column_ids import (
    AGE,
    COUNTRY,
    NAN,
    NUMBER,
    RATED,
    VIDEO,
    WATCHED,
    farm,
    hashed,
    ids,
    preprocessor,
)

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    HashedColumn,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
    RawFeature,
    VocabularyColumn,
    is_encoded,
    parse_examples,
    raw_signature,
)

# isort: split
import tensorflow as tf


def test_strings():
    assert ids(VIDEO, video_id=["b", "a", "é", "[UNK]", " c "]) == [2, 1, 3, 4, 5]


def test_unknown_and_empty_strings_are_nothing():
    assert ids(VIDEO, video_id=["z", "", "c", "A", "a ", "b\n"]) == [0] * 6


def test_integers():
    assert ids(NUMBER, number=np.array([0, 7, 2**40, 7])) == [2, 1, 3, 1]
    assert ids(NUMBER, number=np.array([-1, 5, -(2**63), 2**40 + 1])) == [0, 0, 0, 0]


def test_any_shape_of_univalent_features():
    assert ids(VIDEO, video_id=[["a", "z", "b"], ["", "b", "a"]]) == [[1, 0, 2], [0, 2, 1]]
    number = np.array([[[7], [0]], [[1], [-1]]])
    assert ids(NUMBER, number=number) == [[[1], [2]], [[0], [0]]]
    assert ids(AGE, age=[[1.0, NAN], [18.0, 99.0]]) == [[1, 0], [2, 3]]
    assert ids(VIDEO, video_id=np.zeros([0], "S1")) == []


def test_hashed():
    column = HashedColumn("query", 50)
    values = ["dogs", "cats", "é", " "]
    assert ids(column, query=[*values, ""]) == [*farm(*values, buckets=50), 0]
    assert len(set(farm(*values, buckets=50))) > 1


def test_hashed_integers():
    column = HashedColumn("device", 50, dtype="int64")
    device = np.array([3, 0, 2**62, -1, -9])
    assert ids(column, device=device) == [*farm("3", "0", str(2**62), buckets=50), 0, 0]


def test_hashed_stays_within_its_buckets():
    column = HashedColumn("device", 3, dtype="int64")
    found = ids(column, device=np.arange(-5, 500))
    assert set(found[:5]) == {0}
    assert set(found[5:]) == {1, 2, 3}
    assert ids(HashedColumn("device", 1, dtype="int64"), device=np.array([4, -1])) == [1, 0]


def test_bucketized():
    below, above = np.nextafter(np.float32(18), [np.float32(0), np.float32(99)])
    age = [0.0, below, 18.0, above, 30.0, 30.1, 1e30, -np.inf, np.inf, NAN]
    # (-inf, 18) is 1, [18, 30.1) is 2, [30.1, inf) is 3.
    expected = [1, 1, 2, 2, 2, 3, 3, 1, 3, 0]
    assert ids(AGE, age=np.array(age, np.float32)) == expected
    # 30.1 is rounded alike on both sides, whatever the type of the raw number.
    assert ids(AGE, age=np.array([30.1, 30.0, NAN])) == [3, 2, 0]
    assert ids(AGE, age=np.array([17, 18, 31])) == [1, 2, 3]


def test_bags_of_strings():
    watched = [["a", "b"], ["z", "b"], ["", "a"], ["b", ""], ["", ""]]
    assert ids(WATCHED, watched=watched) == [[1, 2], [0, 2], [0, 1], [2, 0], [0, 0]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # The last two that are there count, wherever the padding is.
        (["a", "b", "é", "", ""], [0, 2, 3, 0, 0]),
        (["", "", "a", "b", "é"], [0, 0, 0, 2, 3]),
        (["a", "", "b", "", "é"], [0, 0, 2, 0, 3]),
        (["a", "", "", "", ""], [1, 0, 0, 0, 0]),
        (["a", "a", "a", "a", "a"], [0, 0, 0, 1, 1]),
        # Unknown is not missing: it takes its place in the history.
        (["a", "b", "z", "", ""], [0, 2, 0, 0, 0]),
        (["a", "z", "z", "z", ""], [0, 0, 0, 0, 0]),
        (["", "", "", "", ""], [0, 0, 0, 0, 0]),
    ],
)
def test_bag_keeps_the_last_of_a_row(row, expected):
    other = ["b", "", "a", "", ""]
    assert ids(WATCHED, watched=[row, other]) == [expected, [2, 0, 1, 0, 0]]


def test_bags_of_integers():
    rated = np.array([[7, 0, 7, 0, -1], [-5, 7, -1, 0, 1], [-1] * 5])
    assert ids(RATED, rated=rated) == [[0, 2, 1, 2, 0], [0, 1, 0, 2, 0], [0] * 5]


def test_bags_of_hashed_values():
    column = BagColumn(HashedColumn("tokens", 40), max_length=2)
    dogs, cats = farm("dogs", "cats", buckets=40)
    assert ids(column, tokens=[["dogs", "dogs", "", "cats"]]) == [[0, dogs, 0, cats]]


def test_history_of_width_0():
    assert ids(WATCHED, watched=np.zeros([2, 0], "S1")) == [[], []]
    assert ids(RATED, rated=np.zeros([2, 0], np.int64)) == [[], []]


def test_history_10_000_wide():
    watched = np.full([2, 10_000], "a", object)
    watched[1, 5_000:] = ""
    expected = np.zeros([2, 10_000], int)
    expected[0, -2:] = expected[1, 4_998:5_000] = 1
    np.testing.assert_array_equal(ids(WATCHED, watched=watched), expected)


@pytest.fixture
def all_columns():
    return preprocessor(
        VIDEO,
        EmbeddingColumn(NUMBER, 2),
        WATCHED,
        AGE,
        NumericColumn("age", normalization="none", powers=False),
        CrossedColumn((COUNTRY, WATCHED), 100),
        COUNTRY,
        NumericColumn("price", normalization="none", powers=False),
        candidate=(InteractionColumn(WATCHED, VocabularyColumn("seen", space="video"), "ages"),),
    )


RAW = {
    "video_id": np.array(["a", "z", "b"]),
    "number": np.array([7, -1, 0]),
    "watched": np.array([["a", "b", "b"], ["", "a", ""], ["z", "", ""]]),
    "age": np.array([17.0, NAN, 40.0], np.float64),
    "country": np.array(["de", "", "fr"]),
    "price": np.array([0.1, 16_777_215.0, NAN], np.float64),
    "seen": np.array(["a", "a", "a"]),
    "ages": np.array([[1, 2, 3], [NAN, 4, NAN], [5, NAN, NAN]], np.float64),
}


def check_all(encoded):
    countries = farm("de", "fr", buckets=5)
    # de and b, of five videos; twice, but once in a cross.
    (de,) = hashed((countries[0] - 1) * 5 + 2, buckets=100)
    expected = {
        "video_id": [1, 0, 2],
        "number": [1, 0, 2],
        "watched_bag2": [[0, 2, 2], [0, 1, 0], [0, 0, 0]],
        "age_bucketized": [1, 0, 3],
        "country_hashed_X_watched_bag2": [[de, 0], [0, 0], [0, 0]],
        "country_hashed": [countries[0], 0, countries[1]],
        "seen": [1, 1, 1],
    }
    assert {name: found.numpy().tolist() for name, found in encoded["ids"].items()} == expected
    assert {found.dtype for found in encoded["ids"].values()} == {tf.int32}
    assert set(encoded["values"]) == {"age", "price", "ages"}
    for key, found in encoded["values"].items():
        assert found.dtype == tf.float64
        np.testing.assert_array_equal(found, RAW[key])


def test_eager(all_columns):
    check_all(all_columns(RAW))


def test_function(all_columns):
    check_all(tf.function(all_columns)({k: tf.constant(v) for k, v in RAW.items()}))


def test_function_of_the_signature(all_columns):
    signature = raw_signature(all_columns.features.spec.raw)
    encode = tf.function(lambda raw: all_columns(raw), input_signature=[signature])
    check_all(encode({key: tf.constant(value) for key, value in RAW.items()}))


def test_dataset_map(all_columns):
    dataset = tf.data.Dataset.from_tensor_slices(RAW).batch(3).map(all_columns)
    (encoded,) = dataset
    check_all(encoded)


def test_half_precision_leaves_numbers_alone(all_columns):
    half = Preprocessor(all_columns.features, dtype="mixed_float16")
    check_all(half(RAW))


def test_encoded_passes_through(all_columns):
    encoded = all_columns(RAW)
    assert is_encoded(encoded)
    assert not is_encoded(RAW)
    assert not is_encoded(encoded["ids"])
    check_all(all_columns(encoded))


def test_features_may_be_called_ids_and_values():
    raw = {"ids": tf.constant(["a"]), "values": tf.constant([1.0])}
    assert not is_encoded(raw)
    columns = VocabularyColumn("ids", space="video"), NumericColumn("values", "none", False)
    encoded = preprocessor(*columns)(raw)
    assert encoded["ids"]["ids"].numpy().tolist() == [1]
    assert encoded["values"]["values"].numpy().tolist() == [1.0]


def test_partial_inputs(all_columns):
    encoded = all_columns({"video_id": RAW["video_id"], "country": RAW["country"], "label": [1.0]})
    # The cross needs the bag too.
    assert set(encoded["ids"]) == {"video_id", "country_hashed"}
    assert encoded["values"] == {}
    encoded = all_columns({"price": RAW["price"]})
    assert encoded["ids"] == {}
    assert set(encoded["values"]) == {"price"}


def test_none_of_the_features(all_columns):
    with pytest.raises(ValueError, match=r"expected some of \['age', .*Received: \['pricee'\]"):
        all_columns({"pricee": np.array([1.0])})


def example(**features):
    kinds = {str: "bytes_list", int: "int64_list", float: "float_list"}
    proto = tf.train.Example()
    for key, values in features.items():
        feature = proto.features.feature[key]  # even if there are no values
        for value in values or ():
            value_list = getattr(feature, kinds[type(value)])
            value_list.value.append(value.encode() if isinstance(value, str) else value)
    return proto.SerializeToString()


EXAMPLE_RAW = {
    "country": RawFeature("country", "string"),
    "number": RawFeature("number", "int64"),
    "age": RawFeature("age", "float32"),
    "watched": RawFeature("watched", "string", is_bag=True),
    "rated": RawFeature("rated", "int64", is_bag=True),
    "ages": RawFeature("ages", "float32", is_bag=True),
}


def test_parse_examples():
    full = example(
        country=["é"], number=[7], age=[1.5], watched=["a", "b"], rated=[1], ages=[0.5, 2.0, 3.0]
    )
    # Absent, and there but without a kind.
    nothing, empty = example(), example(**dict.fromkeys(EXAMPLE_RAW))
    proto = tf.train.Example()
    proto.features.feature["country"].bytes_list.SetInParent()
    proto.features.feature["watched"].bytes_list.SetInParent()
    proto.features.feature["number"].int64_list.SetInParent()
    empty_lists = proto.SerializeToString()
    for parse in (parse_examples, tf.function(parse_examples)):
        raw = parse(tf.constant([nothing, full, empty, empty_lists]), EXAMPLE_RAW)
        assert raw["country"].numpy().tolist() == [b"", "é".encode(), b"", b""]
        assert raw["number"].numpy().tolist() == [-1, 7, -1, -1]
        np.testing.assert_array_equal(raw["age"], [NAN, 1.5, NAN, NAN])
        assert raw["watched"].numpy().tolist() == [[b"", b""], [b"a", b"b"], [b"", b""], [b"", b""]]
        assert raw["rated"].numpy().tolist() == [[-1], [1], [-1], [-1]]
        missing = [NAN] * 3
        np.testing.assert_array_equal(raw["ages"], [missing, [0.5, 2.0, 3.0], missing, missing])
        dtypes = [raw[key].dtype for key in EXAMPLE_RAW]
        assert dtypes == [tf.string, tf.int64, tf.float32] * 2


def test_parse_examples_of_nothing():
    raw = parse_examples(tf.constant([example(), example()]), EXAMPLE_RAW)
    assert raw["country"].numpy().tolist() == [b"", b""]
    for key in ("watched", "rated", "ages"):
        assert raw[key].shape == (2, 0)


def test_parse_examples_with_two_values_where_one_is_expected():
    serialized = tf.constant([example(country=["a", "b"])])
    with pytest.raises(tf.errors.InvalidArgumentError, match="'country': expected at most one"):
        parse_examples(serialized, EXAMPLE_RAW)


def test_parsed_examples_encode():
    parsed = parse_examples(
        tf.constant([example(watched=["a", "", "b", "é"]), example()]), EXAMPLE_RAW
    )
    encoded = preprocessor(WATCHED)(parsed)
    assert encoded["ids"]["watched_bag2"].numpy().tolist() == [[0, 0, 2, 3], [0, 0, 0, 0]]


def test_raw_signature():
    signature = raw_signature(EXAMPLE_RAW)
    assert {key: (spec.shape.as_list(), spec.dtype) for key, spec in signature.items()} == {
        "country": ([None], tf.string),
        "number": ([None], tf.int64),
        "age": ([None], tf.float32),
        "watched": ([None, None], tf.string),
        "rated": ([None, None], tf.int64),
        "ages": ([None, None], tf.float32),
    }
    assert all(spec.name == key for key, spec in signature.items())


def test_columns_of_one_are_one_value_per_row():
    encode = preprocessor(VIDEO, candidate=(VocabularyColumn("seen", space="video"),))

    def names(raw):
        found = encode({key: tf.constant(value) for key, value in raw.items()})["ids"]
        return found["video_id"].numpy().tolist(), found["seen"].numpy().tolist()

    # As Keras makes of pandas.Series: [batch, 1] of the query, and then of the candidate.
    assert names({"video_id": [["a"], ["b"]], "seen": [["b"], ["a"]]}) == ([1, 2], [2, 1])
    assert names({"video_id": [["a"], ["b"]], "seen": ["b", "a"]}) == ([1, 2], [2, 1])
    assert names({"video_id": [["a"]], "seen": [["b", "a"]]}) == ([1], [[2, 1]])
    # Where the query's are [batch], they are lists of one candidate.
    assert names({"video_id": ["a", "b"], "seen": [["b"], ["a"]]}) == ([1, 2], [[2], [1]])


def test_codes_above_float32_are_buckets_of_their_own():
    codes = 2**24 + np.arange(30)
    column = BucketizedColumn("code", tuple(codes[1:]))
    assert ids(column, code=codes) == list(range(1, 31))
    assert ids(column, code=codes.astype(np.float64)) == list(range(1, 31))

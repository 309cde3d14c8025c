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
    InteractionColumn,
    NumericColumn,
    Preprocessor,
    RawFeature,
    Vocabulary,
    VocabularyColumn,
    is_encoded,
    parse_examples,
    raw_signature,
)

# isort: split
import tensorflow as tf

NAN = float("nan")
VIDEOS = Vocabulary(("a", "b", "é", "[UNK]", " c "))
NUMBERS = Vocabulary((7, 0, 2**40), "int64")
VIDEO = VocabularyColumn("video_id", space="video")
NUMBER = VocabularyColumn("number", dtype="int64")
WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=2)
RATED = BagColumn(VocabularyColumn("rated", dtype="int64", space="number"), max_length=3)
AGE = BucketizedColumn("age", (18.0, 30.1))


def preprocessor(*query, candidate=(), keys=()):
    """Of columns; `keys` are those of the crosses with `top_n`."""
    spec = FeatureSpec(query=query, candidate=candidate)
    known = {"video": VIDEOS, "number": NUMBERS, "os": Vocabulary(("x", "y"))}
    vocabularies = {column.space: known[column.space] for column in spec.vocabulary_columns}
    frequent = [column for column in spec.crosses if column.top_n]
    vocabularies.update((column.space, Vocabulary(tuple(keys), "int64")) for column in frequent)
    return Preprocessor(Features(spec, vocabularies, {}))


def ids(column, keys=(), **raw):
    """The ids of one column, as lists."""
    raw = {key: tf.constant(value) for key, value in raw.items()}
    encoded = preprocessor(column, keys=keys)(raw)
    assert set(encoded) == {"ids", "values"}
    parts = {part.name for part in getattr(column, "columns", ())}
    assert set(encoded["ids"]) == {column.name, *parts}
    assert encoded["values"] == {}
    assert encoded["ids"][column.name].dtype == tf.int32
    return encoded["ids"][column.name].numpy().tolist()


def farm(*values, buckets):
    """The bucket of each string by TensorFlow's own hash, from 1 up."""
    return (tf.strings.to_hash_bucket_fast(list(values), buckets) + 1).numpy().tolist()


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


COUNTRY, DEVICE = HashedColumn("country", 5), HashedColumn("device", 5, dtype="int64")


OS = VocabularyColumn("os")


def hashed(*keys, buckets=1000):
    """The buckets of keys, 0 for none."""
    return [key and farm(str(key), buckets=buckets)[0] for key in keys]


def test_cross_of_two_values():
    # Of 5 videos and 2 systems; a, b, é are 1, 2, 3 and x, y are 1, 2.
    raw = {"video_id": ["a", "a", "b", "é", " c "], "os": ["x", "y", "x", "y", "y"]}
    # (video - 1) * 2 + os
    keys = [1, 2, 3, 6, 10]
    assert ids(CrossedColumn((VIDEO, OS), 1000), **raw) == [[i] for i in hashed(*keys)]
    # (os - 1) * 5 + video
    keys = [1, 6, 2, 8, 10]
    assert ids(CrossedColumn((OS, VIDEO), 1000), **raw) == [[i] for i in hashed(*keys)]


def test_the_most_frequent_combinations_have_ids_of_their_own():
    raw = {"video_id": ["a", "a", "b", "é", " c "], "os": ["x", "y", "x", "y", "y"]}
    column = CrossedColumn((VIDEO, OS), top_n=9)
    # Keys 1, 2, 3, 6 and 10.
    assert ids(column, keys=(6, 5, 1, 10), **raw) == [[3], [0], [0], [1], [4]]


@pytest.mark.parametrize("arguments", [{"num_buckets": 1000}, {"top_n": 10}])
def test_a_cross_with_an_unknown_or_missing_part_is_nothing(arguments):
    column = CrossedColumn((VIDEO, OS), **arguments)
    found = ids(
        column,
        keys=range(1, 11),
        video_id=["a", "z", "", "a", "a", "z", ""],
        os=["x", "x", "x", "z", "", "z", ""],
    )
    assert found[0][0] > 0
    assert found[1:] == [[0]] * 6
    found = ids(
        CrossedColumn((AGE, RATED), **arguments),
        keys=range(1, 10),
        age=[20.0, 20.0, 20.0, NAN],
        rated=[[5, 7, 9], [5, 9, 8], [-1, -1, -1], [7, 7, 7]],
    )
    assert np.count_nonzero(found, axis=1).tolist() == [1, 0, 0, 0]


def test_cross_of_hashed_values():
    column = CrossedColumn((COUNTRY, DEVICE), 1000)
    found = ids(column, country=["de", "de", "", "fr", ""], device=np.array([3, -1, 3, 0, -1]))
    de, fr = farm("de", "fr", buckets=5)
    three, zero = farm("3", "0", buckets=5)
    keys = [(de - 1) * 5 + three, 0, 0, (fr - 1) * 5 + zero, 0]
    assert found == [[i] for i in hashed(*keys)]


def test_cross_of_a_bucket():
    # Three buckets: 17 is in 1, 18 and 30 in 2.
    found = ids(
        CrossedColumn((AGE, OS), 1000),
        age=[17.0, 18.0, 30.0, 99.0, NAN],
        os=["x", "x", "x", "y", "x"],
    )
    # (age - 1) * 2 + os
    assert found == [[i] for i in hashed(1, 3, 3, 6, 0)]


@pytest.mark.parametrize("bag_first", [True, False])
def test_cross_of_a_bag_takes_each_of_its_values(bag_first):
    parts = (WATCHED, OS) if bag_first else (OS, WATCHED)
    found = ids(
        CrossedColumn(parts, 1000),
        watched=[["a", "b", "", "é"], ["b", "", "", ""], ["", "a", "", ""]],
        os=["y", "", "x"],
    )
    # The last two of the bag, the largest id first: é is 3, b is 2. The second row has no system.
    keys = ((3 - 1) * 2 + 2, (2 - 1) * 2 + 2) if bag_first else (5 + 3, 5 + 2)
    assert found == [hashed(*keys), [0, 0], hashed(1, 0)]


@pytest.mark.parametrize("arguments", [{"num_buckets": 1000}, {"top_n": 10}])
def test_a_combination_is_there_once_however_often_its_values_are(arguments):
    bag = BagColumn(VocabularyColumn("watched", space="video"), max_length=6)
    found = ids(
        CrossedColumn((bag, OS), **arguments),
        keys=range(1, 11),
        watched=[
            ["b", "a", "b", "b", "a", ""],
            ["a", "", "z", "a", "z", "a"],
            ["é", "é", "é", "é", "é", "é"],
        ],
        os=["x", "y", "x"],
    )
    # b x = 3 and a x = 1; a y = 2; é x = 5. With all ten keys known, ids are keys.
    expected = [[3, 1], [2], [5]]
    for row, keys in zip(found, expected, strict=True):
        keys = keys if "top_n" in arguments else hashed(*keys)
        assert sorted(i for i in row if i) == sorted(keys)


def test_cross_of_two_bags_is_every_combination():
    column = CrossedColumn((WATCHED, RATED), top_n=15)
    found = ids(
        column,
        keys=range(1, 16),
        watched=[["a", "b", ""], ["a", "", ""], ["b", "b", "b"]],
        rated=[[7, 0, -1, 7], [-1, -1, 2**40, -1], [0, 0, 5, 7]],
    )
    # 7, 0 and 2**40 are 1, 2 and 3: key (watched - 1) * 3 + rated.
    # The last three of a row are rated: 7 0 7 = {7, 0} with {a, b}.
    # a with 2**40. b with 0, an unknown one and 7.
    assert [sorted(row) for row in found] == [
        [0, 0, 1, 2, 4, 5],
        [0, 0, 0, 0, 0, 3],
        [0, 0, 0, 0, 4, 5],
    ]


def test_cross_of_three():
    # (video - 1) * 6 + (age - 1) * 2 + os, videos of a bag of two
    raw = {
        "watched": [["a", "b"], ["", "a"], ["a", "b"], ["a", ""], ["z", "é"]],
        "age": [17.0, 40.0, 20.0, NAN, 20.0],
        "os": ["y", "x", "", "x", "y"],
    }
    found = ids(CrossedColumn((WATCHED, AGE, OS), 1000), **raw)
    # b: 6 + 0 + 2, a: 0 + 0 + 2; a: 0 + 4 + 1; é: 12 + 2 + 2
    assert found == [hashed(8, 2), hashed(5, 0), [0, 0], [0, 0], hashed(16, 0)]
    found = ids(CrossedColumn((WATCHED, AGE, OS), top_n=3), keys=(16, 2, 7), **raw)
    assert found == [[0, 2], [0, 0], [0, 0], [0, 0], [1, 0]]


def test_hashed_crosses_stay_within_their_buckets():
    raw = {"video_id": ["a", "b", "é", "[UNK]", " c "] * 4, "os": ["x"] * 10 + ["y"] * 10}
    found = ids(CrossedColumn((VIDEO, OS), 3), **raw)
    assert {i for (i,) in found} == {1, 2, 3}
    # Equal combinations are equal.
    assert found[:5] == found[5:10] and found[10:15] == found[15:]
    assert ids(CrossedColumn((VIDEO, OS), 1), video_id=["a", "z"], os=["y", "y"]) == [[1], [0]]


def test_keys_are_exact():
    letters = [HashedColumn(key, 2**20) for key in "abc"]
    encode = preprocessor(CrossedColumn(letters, 10**6))
    last = tf.constant([2**20, 2**20])
    encoded = {"a_hashed": last, "b_hashed": last, "c_hashed": tf.constant([2**20, 2**20 - 1])}
    found = encode({"ids": encoded, "values": {}})["ids"]["a_hashed_X_b_hashed_X_c_hashed"]
    # Beyond the digits of a float64.
    assert found.numpy().tolist() == [[i] for i in hashed(2**60, 2**60 - 1, buckets=10**6)]
    assert len(set(hashed(2**60, 2**60 - 1, buckets=10**6))) == 2


def test_cross_of_no_rows_and_of_no_bag():
    column = CrossedColumn((COUNTRY, WATCHED), 9)
    assert ids(column, country=np.zeros([0], "S1"), watched=np.zeros([0, 3], "S1")) == []
    assert ids(column, country=["de", "fr"], watched=np.zeros([2, 0], "S1")) == [[], []]
    column = CrossedColumn((WATCHED, RATED), top_n=9)
    raw = {"watched": [["a", "b"]], "rated": np.zeros([1, 0], np.int64)}
    assert ids(column, keys=(1,), **raw) == [[]]


def test_cross_of_bags_10_000_wide():
    column = CrossedColumn((WATCHED, RATED), top_n=15)
    watched = np.full([2, 10_000], "a", object)
    watched[1, 7_000:] = "b"
    rated = np.full([2, 10_000], 7)
    # No wider than two of the one by three of the other.
    found = ids(column, keys=range(1, 16), watched=watched, rated=rated)
    assert found == [[1] + [0] * 5, [4] + [0] * 5]


LISTED = {
    "os": ["x", "y", "x"],
    "watched": [["a", "b", "a"], ["é", "", "a"], ["z", "", ""]],
    "video_id": [["a", "b", "z"], ["", "é", "é"], ["b", "b", "a"]],
    "rated": [[[7, 0], [0, 0], [-1, 7]], [[5, 7], [7, -1], [0, 7]], [[7, 7], [-1, -1], [0, 7]]],
}


@pytest.mark.parametrize("arguments", [{"num_buckets": 1000}, {"top_n": 150}])
@pytest.mark.parametrize(
    ("parts", "num_keys"),
    [
        ((OS, VIDEO), 10),
        ((VIDEO, OS, WATCHED), 50),
        ((WATCHED, RATED), 15),
        ((OS, RATED, VIDEO, WATCHED), 150),
        ((OS, WATCHED), 10),
    ],
    ids=lambda parts: "_".join(part.key for part in parts) if isinstance(parts, tuple) else "",
)
def test_cross_of_a_list_of_candidates_is_that_of_its_rows(parts, num_keys, arguments):
    column = CrossedColumn(parts, **arguments)
    raw = {part.key: np.array(LISTED[part.key]) for part in parts}
    of_item = {"video_id", "rated"} & set(raw)
    flat = {
        key: value.reshape([9, *value.shape[2:]]) if key in of_item else np.repeat(value, 3, axis=0)
        for key, value in raw.items()
    }
    keys = range(1, num_keys + 1)
    expected, found = ids(column, keys=keys, **flat), np.array(ids(column, keys=keys, **raw))
    assert np.any(expected)
    if of_item:
        assert found.shape[:2] == (3, 3)
        assert found.reshape(9, -1).tolist() == expected
    else:
        assert np.repeat(found, 3, axis=0).tolist() == expected


def test_crosses_of_what_was_encoded_apart():
    both = CrossedColumn((WATCHED, VIDEO), top_n=25)
    all_three = CrossedColumn((VIDEO, OS, RATED), 40)
    encode = preprocessor(
        OS, CrossedColumn((OS, WATCHED), 30), candidate=(VIDEO, both, all_three), keys=range(1, 26)
    )
    raw = {key: tf.constant(value) for key, value in LISTED.items()}
    query = encode({key: raw[key] for key in ("os", "watched")})
    candidate = encode({key: raw[key] for key in ("video_id", "rated")})
    assert set(query["ids"]) == {"os", "watched_bag2", "os_X_watched_bag2"}
    assert set(candidate["ids"]) == {"video_id", "rated_bag3"}
    merged = {"ids": {**query["ids"], **candidate["ids"]}, "values": {}}
    expected = encode(raw)["ids"]
    assert set(expected) == {*merged["ids"], both.name, all_three.name}
    for complete in (encode, encode.with_crosses, tf.function(encode)):
        found = complete(merged)["ids"]
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
    # (watched - 1) * 5 + video: {b, a} × a, of the last two of the row, is {6, 1}.
    assert found[both.name][0, 0].numpy().tolist() == [6, 1]
    # What is there already is left as it is, and the input as it was.
    own = tf.constant([[9], [9], [9]])
    assert encode({"ids": {**merged["ids"], both.name: own}, "values": {}})["ids"][both.name] is own
    assert both.name not in merged["ids"]


def test_crosses_need_no_package_once_exported(tmp_path):
    column = CrossedColumn((WATCHED, OS), top_n=3)
    encode = preprocessor(column, CrossedColumn((AGE, OS), 50), keys=(4, 1, 6))
    module = tf.Module()
    module.tables = encode.tables
    specs = [raw_signature(encode.features.spec.raw)]
    module.encode = tf.function(lambda raw: encode(raw)["ids"], input_signature=specs)
    tf.saved_model.save(module, str(tmp_path))
    keys = [path.read_text() for path in (tmp_path / "assets").iterdir()]
    assert "4\n1\n6\n" in keys
    raw = {"watched": [["a", "b"], ["é", ""]], "os": ["y", "y"], "age": [20.0, NAN]}
    raw = {key: tf.constant(value) for key, value in raw.items()}
    found = tf.saved_model.load(str(tmp_path)).encode(raw)
    # b y is 4, a y is 2, é y is 6; the second bucket with y is 4.
    assert found[column.name].numpy().tolist() == [[1, 0], [3, 0]]
    assert found["age_bucketized_X_os"].numpy().tolist() == [hashed(4, buckets=50), [0]]


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
    "age": np.array([17.0, NAN, 40.0], np.float32),
    "country": np.array(["de", "", "fr"]),
    "price": np.array([0.1, 16_777_215.0, NAN], np.float32),
    "seen": np.array(["a", "a", "a"]),
    "ages": np.array([[1, 2, 3], [NAN, 4, NAN], [5, NAN, NAN]], np.float32),
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
        assert found.dtype == tf.float32
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

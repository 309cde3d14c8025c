"""Crosses: the ids of combinations, of values, bags and lists of candidates."""

import numpy as np
import pytest
from column_ids import (
    AGE,
    COUNTRY,
    DEVICE,
    NAN,
    OS,
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
    CrossedColumn,
    HashedColumn,
    VocabularyColumn,
    raw_signature,
)

# isort: split
import tensorflow as tf


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


def test_a_bag_in_several_crosses_is_sorted_once():
    columns = [CrossedColumn((WATCHED, part), 100) for part in (OS, COUNTRY)]
    encode = preprocessor(*columns)
    raw = {"watched": [["b", "a", "a"]], "os": ["y"], "country": ["no"]}
    found = encode({key: tf.constant(value) for key, value in raw.items()})["ids"]
    for column in columns:
        keys = {part.key: raw[part.key] for part in column.columns}
        assert found[column.name].numpy().tolist() == ids(column, **keys)
    specs = {key: tf.TensorSpec([None, None][: np.ndim(v)], tf.string) for key, v in raw.items()}
    graph = tf.function(encode).get_concrete_function(specs).graph
    assert [node.op for node in graph.as_graph_def().node].count("TopKV2") == 1


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
    raw = {"watched": [["a", "b"], ["é", ""]], "os": ["y", "y"], "age": np.array([20.0, NAN])}
    raw = {key: tf.constant(value) for key, value in raw.items()}
    found = tf.saved_model.load(str(tmp_path)).encode(raw)
    # b y is 4, a y is 2, é y is 6; the second bucket with y is 4.
    assert found[column.name].numpy().tolist() == [[1, 0], [3, 0]]
    assert found["age_bucketized_X_os"].numpy().tolist() == [hashed(4, buckets=50), [0]]

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import MISSING, RawFeature, raw_array, request_arrays

RAW = {
    "country": RawFeature("country", "string"),
    "user_id": RawFeature("user_id", "int64"),
    "age": RawFeature("age", "float32"),
    "watched": RawFeature("watched", "string", is_bag=True),
    "rated": RawFeature("rated", "int64", is_bag=True),
    "ages": RawFeature("ages", "float32", is_bag=True),
}
NAN = float("nan")


def same(array, expected, dtype):
    assert array.dtype == dtype
    assert array.shape == np.shape(expected)
    if np.dtype(dtype).kind == "f":
        np.testing.assert_array_equal(array, np.array(expected, dtype))
    else:
        assert array.tolist() == expected


def test_missing():
    assert MISSING["string"] == ""
    assert MISSING["int64"] == -1
    assert np.isnan(MISSING["float32"])


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "é", "", NAN],
        ("a", None, "é", "", NAN),
        [b"a", None, "é".encode(), b"", NAN],
        np.array(["a", None, "é", "", NAN], object),
        pd.Series(["a", None, "é", "", NAN]),
        pd.Series(["a", None, "é", "", NAN], dtype=object),
        pd.Series(["a", None, "é", "", NAN], dtype="category"),
        pd.Series(["a", pd.NA, "é", "", pd.NA], dtype="string"),
    ],
    ids=["list", "tuple", "bytes", "array", "str", "object", "category", "string"],
)
def test_strings(values):
    same(raw_array(values, "string"), ["a", "", "é", "", ""], object)


def test_string_arrays_of_numpy():
    same(raw_array(np.array(["ab", "é"]), "string"), ["ab", "é"], object)
    same(raw_array(np.array([b"ab", "é".encode()]), "string"), ["ab", "é"], object)


@pytest.mark.parametrize(
    "values",
    [
        [5, None, -1, 2**62 + 1],
        (np.int32(5), NAN, -1, np.int64(2**62 + 1)),
        [5.0, None, -1, 2**62 + 1],
        np.array([5, None, -1, 2**62 + 1], object),
        pd.Series([5, None, -1, 2**62 + 1], dtype="Int64"),
    ],
    ids=["list", "tuple", "floats", "array", "Int64"],
)
def test_integers(values):
    # 2**62 + 1 is no float64: it must not pass through one.
    same(raw_array(values, "int64"), [5, -1, -1, 2**62 + 1], np.int64)


def test_integer_arrays():
    for dtype in (np.int8, np.uint16, np.int64, np.uint64, np.float32):
        same(raw_array(np.array([1, 5], dtype), "int64"), [1, 5], np.int64)
    same(raw_array(np.array([1.0, NAN]), "int64"), [1, -1], np.int64)
    same(raw_array([True, False], "int64"), [1, 0], np.int64)
    same(raw_array([2**63 - 1, -(2**63)], "int64"), [2**63 - 1, -(2**63)], np.int64)


@pytest.mark.parametrize(
    "values",
    [
        [1, None, 2.5, NAN],
        np.array([1, NAN, 2.5, NAN]),
        pd.Series([1, None, 2.5, None], dtype="Float64"),
        pd.Series([1, None, 2.5, pd.NA], dtype=object),
    ],
    ids=["list", "array", "Float64", "object"],
)
def test_floats(values):
    same(raw_array(values, "float32"), [1, NAN, 2.5, NAN], np.float32)


def test_huge_floats_are_infinite():
    with np.errstate(all="raise"):
        same(raw_array([1e300, -1e300, 1], "float32"), [np.inf, -np.inf, 1], np.float32)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([2**63], "int64"),
        ([-(2**63) - 1], "int64"),
        ([2**63, None], "int64"),
        ([10**400], "int64"),
        ([1e19], "int64"),
        ([1e300, None], "int64"),
        (np.array([9.3e18]), "int64"),
        (np.array([2**64 - 1], np.uint64), "int64"),
        ([10**400], "float32"),
        ([1.5], "int64"),
        ([np.inf], "int64"),
        (["7"], "int64"),
        (np.array(["7"]), "int64"),
        ([b"7"], "int64"),
        (["7"], "float32"),
        (np.array(["7"]), "float32"),
        ([1.0, "x"], "float32"),
        ([1, "x"], "string"),
        ([1.5], "string"),
        (np.array([1]), "string"),
        (np.array([1.5, NAN]), "string"),
        ([b"\xff"], "string"),
        (["\ud800"], "string"),
        ([{"a": 1}], "string"),
        ([1j], "float32"),
        (np.array([1j]), "float32"),
        (np.array(["2020-01-01"], "datetime64[s]"), "float32"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "int64"),
        ([pd.Timestamp("2020-01-01")], "float32"),
        # Bags where one value is expected.
        ([["a"], ["b", "c"]], "string"),
        ([["a"], ["b"]], "string"),
        ([[1], [2, 3]], "int64"),
        ([[1.0], [2.0, 3.0]], "float32"),
        (np.ones([2, 2]), "float32"),
        # One value where one per row is expected.
        ("abc", "string"),
        (5, "int64"),
        (5.0, "float32"),
        (None, "string"),
    ],
)
def test_wrong_values(values, dtype):
    with pytest.raises(TypeError, match=r"^Expected .* Received"):
        raw_array(values, dtype)


def test_empty_lists():
    assert raw_array([], "string").dtype == object
    assert raw_array([], "int64").dtype == np.int64
    assert raw_array([], "float32").dtype == np.float32
    for dtype in ("string", "int64", "float32"):
        assert raw_array([], dtype).shape == (0,)
        assert raw_array([], dtype, is_bag=True).shape == (0, 0)


@pytest.mark.parametrize(
    "bags",
    [
        [["a", "b"], [], None, ["c"]],
        (("a", "b"), (), NAN, ("c",)),
        [np.array(["a", "b"]), np.array([]), np.nan, pd.Series(["c"])],
        pd.Series([["a", "b"], [], None, ["c"]]),
        pd.Series([np.array(["a", "b"], object), [], pd.NA, ["c"]], dtype=object),
        np.array([["a", "b"], ["", ""], ["", ""], ["c", ""]]),
        [["a", "b"], [None, ""], [NAN], ["c", None]],
    ],
    ids=["lists", "tuples", "arrays", "series", "series of arrays", "padded", "with missing"],
)
def test_ragged_string_bags(bags):
    expected = [["a", "b"], ["", ""], ["", ""], ["c", ""]]
    same(raw_array(bags, "string", is_bag=True), expected, object)


def test_ragged_number_bags():
    same(
        raw_array([[1], None, [2, None, 3]], "int64", True),
        [[1, -1, -1], [-1] * 3, [2, -1, 3]],
        int,
    )
    expected = [[0.5, NAN], [NAN, NAN], [1, 2]]
    same(raw_array([[0.5], [], [1, 2]], "float32", True), expected, np.float32)
    same(raw_array([None, []], "int64", True), [[], []], np.int64)
    same(raw_array(np.ones([2, 0]), "float32", True), np.ones([2, 0]), np.float32)


@pytest.mark.parametrize(
    ("bags", "dtype"),
    [
        (["abc", "d"], "string"),
        ("abc", "string"),
        ([b"abc"], "string"),
        ([3, 4], "int64"),
        (5, "int64"),
        (None, "string"),
        ([{"id": 1}], "string"),
        ([["a"], [["b"]]], "string"),
        ([[["a"]], [["b"]]], "string"),
        ([[1.0], [[2.0, 3.0]]], "float32"),
        ([[1], ["b"]], "int64"),
        ([["a"], [2]], "string"),
        ([[2**63]], "int64"),
    ],
)
def test_wrong_bags(bags, dtype):
    with pytest.raises(TypeError, match=r"^Expected .* Received"):
        raw_array(bags, dtype, is_bag=True)


def test_request():
    arrays = request_arrays(
        RAW,
        {
            "country": ["de", None],
            "user_id": [3, None],
            "age": [20, None],
            "watched": [["a", "b"], None],
            "rated": [[1], [2, 3]],
            "ages": [[0.5], []],
        },
    )
    same(arrays["country"], ["de", ""], object)
    same(arrays["user_id"], [3, -1], np.int64)
    same(arrays["age"], [20, NAN], np.float32)
    same(arrays["watched"], [["a", "b"], ["", ""]], object)
    same(arrays["rated"], [[1, -1], [2, 3]], np.int64)
    same(arrays["ages"], [[0.5], [NAN]], np.float32)
    assert set(arrays) == set(RAW)


def test_a_column_of_an_array_is_one_value_per_row():
    same(raw_array(np.array([["a"], ["b"]]), "string"), ["a", "b"], object)
    same(raw_array(pd.DataFrame({"id": [3, 4]}), "int64"), [3, 4], np.int64)
    same(raw_array(np.array([[0.5], [NAN]]), "float64"), [0.5, NAN], np.float64)
    arrays = request_arrays(RAW, {"user_id": np.array([[3], [4]]), "age": [1.0, 2.0]})
    same(arrays["user_id"], [3, 4], np.int64)


def test_float64_keeps_the_digits():
    same(raw_array([2**53 - 1, 1_700_000_001.5], "float64"), [2**53 - 1, 1_700_000_001.5], float)
    same(raw_array([10**300, None], "float64"), [1e300, NAN], float)


VECTOR = {"text": RawFeature("text", "float32", width=2), "id": RawFeature("id", "int64")}


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2.5], None, [3, NAN], []],
        [np.array([1, 2.5]), NAN, (3, None), np.array([])],
        np.array([[1, 2.5], [NAN, NAN], [3, NAN], [0, 0]]),
        pd.Series([[1, 2.5], None, [3, np.inf], []]),
    ],
    ids=["lists", "arrays", "array", "series"],
)
def test_missing_vectors_and_components_are_zeros(values):
    found = request_arrays(VECTOR, {"text": values})
    same(found["text"], [[1, 2.5], [0, 0], [3, 0], [0, 0]], np.float32)
    same(found["id"], [-1] * 4, np.int64)


def test_vectors_left_out_are_zeros():
    same(request_arrays(VECTOR, {"id": [3]})["text"], [[0, 0]], np.float32)
    same(request_arrays(VECTOR, {"text": [None, None]})["text"], [[0, 0], [0, 0]], np.float32)


@pytest.mark.parametrize("values", [[[1.0, 2.0, 3.0]], [[1.0, 2.0], [1.0]], np.ones((2, 3))])
def test_vectors_of_another_width(values):
    with pytest.raises(TypeError, match="Feature 'text': Expected vectors of 2 components. Rece"):
        request_arrays(VECTOR, {"text": values})
    with pytest.raises(TypeError, match="Feature 'text': Expected numbers. Received"):
        request_arrays(VECTOR, {"text": [["a", "b"]]})


def test_keys_left_out_are_missing():
    arrays = request_arrays(RAW, {"country": ["de", "fr", "de"]})
    assert set(arrays) == set(RAW)
    same(arrays["user_id"], [-1, -1, -1], np.int64)
    same(arrays["age"], [NAN, NAN, NAN], np.float32)
    same(arrays["watched"], [[], [], []], object)
    same(arrays["rated"], [[], [], []], np.int64)
    same(arrays["ages"], np.ones([3, 0]), np.float32)
    same(request_arrays(RAW, {"age": [1.0]})["country"], [""], object)


def test_request_as_a_frame():
    frame = pd.DataFrame({"country": ["de", None], "user_id": [3, None], "watched": [["a"], None]})
    assert str(frame["country"].dtype) == "str"
    arrays = request_arrays(RAW, frame)
    same(arrays["country"], ["de", ""], object)
    same(arrays["user_id"], [3, -1], np.int64)
    same(arrays["watched"], [["a"], [""]], object)


def test_unknown_keys():
    with pytest.raises(KeyError, match=r"expected some of \['age', 'ages', .*Received: \['Age'"):
        request_arrays(RAW, {"Age": [1.0], "age": [2.0]})


def test_rows_must_agree():
    with pytest.raises(ValueError, match="same number of rows. Received rows: .*'watched': 1"):
        request_arrays(RAW, {"country": ["de", "fr"], "watched": [["a", "b"]]})


def test_empty_request():
    with pytest.raises(ValueError, match="at least one feature"):
        request_arrays(RAW, {})


@pytest.mark.parametrize(
    "request_", [{"user_id": [2**63]}, {"user_id": 3}, {"user_id": [1.5]}, {"user_id": [[1], [2]]}]
)
def test_errors_name_the_feature(request_):
    with pytest.raises(TypeError, match="^Feature 'user_id': Expected .* Received"):
        request_arrays(RAW, request_)
    with pytest.raises(TypeError, match="^Feature 'watched': Expected .* Received"):
        request_arrays(RAW, {"watched": ["abc"]})

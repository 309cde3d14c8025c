"""Requests as typed arrays: ids of either type, keys that are ignored, lengths of lists."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import RawFeature
from tfrec_zoo.serving.requests import checked_k, typed_lists, typed_request

TEXT = {"history": RawFeature("history", "string", True), "user": RawFeature("user", "string")}
WHOLE = {"history": RawFeature("history", "int64", True), "user": RawFeature("user", "int64")}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([[1, 2], [3]], [["1", "2"], ["3", ""]]),
        (np.array([[1, 2], [3, 4]]), [["1", "2"], ["3", "4"]]),
        ([np.array([7]), ["a", 8, "9"]], [["7", "", ""], ["a", "8", "9"]]),
        ([[-5, 2**70], [1.0, np.int32(4)]], [["-5", str(2**70)], ["1", "4"]]),
        (pd.Series([[1], None]), [["1"], [""]]),
    ],
)
def test_a_whole_number_is_its_decimal_text(given: Any, text: Any) -> None:
    assert typed_request(TEXT, {"history": given})["history"].tolist() == text


@pytest.mark.parametrize("given", [[1, 2, 1], np.array([1, 2, 1]), pd.Series([1, 2, 1])])
def test_so_it_is_in_a_column(given: Any) -> None:
    assert typed_request(TEXT, {"user": given})["user"].tolist() == ["1", "2", "1"]


def test_canonical_text_is_a_whole_number() -> None:
    found = typed_request(WHOLE, {"history": [["12", 3], ["-7"]], "user": ["0", "5"]})
    assert found["history"].tolist() == [[12, 3], [-7, -1]]
    assert found["user"].tolist() == [0, 5]
    for other in ("012", "+1", "1.0", " 1", "1e3", "", "one", "-0", "٣"):
        with pytest.raises(TypeError, match="'user': Expected whole numbers.*Received: "):
            typed_request(WHOLE, {"user": [other]})
    with pytest.raises(TypeError, match="'user': Expected whole numbers"):
        typed_request(WHOLE, {"user": [str(2**63)]})


@pytest.mark.parametrize("other", [2.5, True, float("inf"), {"a": 1}, b"\xff"])
def test_nothing_else_is_text(other: Any) -> None:
    with pytest.raises(TypeError, match="'user': Expected strings.*Received: "):
        typed_request(TEXT, {"user": [other]})


def test_what_is_ignored_counts_rows_and_has_no_effect() -> None:
    bags = {"exclude": RawFeature("exclude", "string", True)}
    assert typed_request(bags, {"age": [1, 2, 3]}, {"age"})["exclude"].shape == (3, 0)
    found = typed_request(TEXT, {"user": ["a"], "age": [None]}, {"age"})
    assert found["user"].tolist() == ["a"] and set(found) == set(TEXT)
    with pytest.raises(ValueError, match=r"number of rows, 1. Received: age=\[1, 2\]"):
        typed_request(TEXT, {"user": ["a"], "age": [1, 2]}, {"age"})
    with pytest.raises(KeyError, match=r"Unknown features.*Received: \['aeg'\]"):
        typed_request(TEXT, {"user": ["a"], "aeg": [1]}, {"age"})


def test_lists_are_padded() -> None:
    values, lengths = typed_lists([["a", 2], [], ["b"]], RawFeature("item", "string"))
    assert values.tolist() == [["a", "2"], ["", ""], ["b", ""]] and lengths.tolist() == [2, 0, 1]
    values, _ = typed_lists([[["x", "y"], []], [["z"]]], RawFeature("tags", "string", True))
    assert values.tolist() == [[["x", "y"], ["", ""]], [["z", ""], ["", ""]]]
    values, _ = typed_lists([[1, None], [2.5]], RawFeature("price", "float32"))
    np.testing.assert_array_equal(values, np.array([[1, np.nan], [2.5, np.nan]], np.float32))
    for wrong in ("ab", ["ab"], [1], None, {"a": 1}):
        with pytest.raises(TypeError, match="'item': expected a list per row. Received: "):
            typed_lists(wrong, RawFeature("item", "string"))


def test_k() -> None:
    assert checked_k(np.int64(3), 10) == 3 and type(checked_k(np.int64(3))) is int
    for k in (0, -1, True, np.True_, 2.0, "3", None):
        with pytest.raises(ValueError, match="whole number in 1 … 10. Received: "):
            checked_k(k, 10)
        with pytest.raises(ValueError, match="whole number from 1 up. Received: "):
            checked_k(k)
    with pytest.raises(ValueError, match="in 1 … 10. Make another. Received: 11"):
        checked_k(11, 10, "Make another.")

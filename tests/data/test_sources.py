"""Rows and windows of tables become raw features, with what is missing and what is hidden."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from small_examples import ITEMS, ints, windows

from tfrec_zoo.data import Examples, Rows, Windows


def raw_of(*sources: Rows | Windows, n: int = 3) -> dict[str, np.ndarray]:
    return Examples(sources, label=np.zeros(n, np.float32)).raw()


def test_rows_give_one_value_per_example() -> None:
    table = {
        "name": ITEMS,
        "count": np.arange(6, dtype=np.int16) * 10,
        "share": np.arange(6) / 4,
        "is_new": np.array([True, False] * 3),
        "bag": np.array([["p", ""], ["q", "r"]] * 3, object),
    }
    raw = raw_of(Rows(table, ints(5, 0, 5)))
    assert raw["name"].tolist() == ["f", "a", "f"]
    assert raw["count"].tolist() == [50, 0, 50] and raw["count"].dtype == np.int64
    assert raw["share"].tolist() == [1.25, 0.0, 1.25] and raw["share"].dtype == np.float64
    assert raw["is_new"].tolist() == [0, 1, 0]
    assert raw["bag"].tolist() == [["q", "r"], ["p", ""], ["q", "r"]]


def test_windows_end_with_the_newest_and_begin_with_what_is_missing() -> None:
    raw = raw_of(windows({"bag": ITEMS}))
    assert raw["bag"].tolist() == [["", "", ""], ["", "a", "b"], ["d", "e", "f"]]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_missing_whole_numbers_are_minus_one(dtype: Any) -> None:
    raw = raw_of(windows({"bag": np.arange(6).astype(dtype)}))
    assert raw["bag"].tolist() == [[-1, -1, -1], [-1, 0, 1], [3, 4, 5]]
    assert raw["bag"].dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_missing_numbers_are_nan(dtype: Any) -> None:
    raw = raw_of(windows({"bag": np.arange(6).astype(dtype)}))
    nan = np.nan
    np.testing.assert_array_equal(raw["bag"], [[nan, nan, nan], [nan, 0, 1], [3, 4, 5]])
    assert raw["bag"].dtype == (np.float64 if dtype == np.float64 else np.float32)


def test_windows_into_an_empty_table_are_empty() -> None:
    raw = raw_of(windows({"bag": np.array([], object)}, start=ints(0, 0, 0), stop=ints(0, 0, 0)))
    assert raw["bag"].tolist() == [["", "", ""]] * 3


def test_the_hidden_row_is_left_out_and_the_bag_still_full() -> None:
    start, stop = ints(0, 0, 0, 0, 4, 2), ints(6, 6, 6, 2, 6, 6)
    hide = ints(5, 4, 0, 1, 2, 9)
    raw = raw_of(windows({"bag": ITEMS}, start=start, stop=stop, hide=hide), n=6)
    assert raw["bag"].tolist() == [
        ["c", "d", "e"],  # the last
        ["c", "d", "f"],  # one in the middle
        ["d", "e", "f"],  # one older than the bag
        ["", "", "a"],
        ["", "e", "f"],  # one before the window
        ["d", "e", "f"],  # one after it
    ]


def test_ages_are_beside_what_they_are_of() -> None:
    time = np.array([0, 1, 2, 3.5, 4, 6])
    now = np.array([9.0, 10, 8])
    source = windows({"bag": ITEMS}, ages="age", time=time, now=now)
    raw = raw_of(source)
    nan = np.nan
    np.testing.assert_array_equal(raw["age"], [[nan, nan, nan], [nan, 10, 9], [4.5, 4, 2]])
    hidden = raw_of(dataclasses.replace(source, hide=ints(0, 0, 4)))
    np.testing.assert_array_equal(hidden["age"], [[nan, nan, nan], [nan, nan, 9], [6, 4.5, 2]])
    only = Examples((source,), label=np.zeros(3)).raw(["age"])
    assert list(only) == ["age"]
    np.testing.assert_array_equal(only["age"], raw["age"])


def test_ages_of_unix_times_keep_their_seconds() -> None:
    # 1.7e9 seconds have a step of 128 in float32.
    time, now = 1.7e9 + np.arange(6.0), 1.7e9 + np.array([0.0, 7, 9])
    raw = raw_of(windows({}, ages="age", time=time, now=now))
    assert raw["age"][1, 1:].tolist() == [7.0, 6.0] and raw["age"][2].tolist() == [6.0, 5.0, 4.0]


def test_raw_gives_text_not_bytes() -> None:
    raw = raw_of(Rows({"name": np.array(["é", "", "日本"], object)}, ints(2, 1, 0)))
    assert raw["name"].tolist() == ["日本", "", "é"]
    assert all(type(value) is str for value in raw["name"])

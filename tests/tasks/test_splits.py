"""Splits by name."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import registry, tasks
from tfrec_zoo.data import Log, Split, rolling_splits
from tfrec_zoo.tasks.splits import make_split

#: Three users: a has four, b three, c one; days apart.
LOG = Log(
    "three",
    pd.DataFrame(
        {
            "user_id": list("aaaabbbc"),
            "item_id": list("wxyzwxyw"),
            "time": np.array([0, 1, 2, 9, 3, 4, 5, 8]) * 86_400.0,
        }
    ),
)


def parts(split: Split) -> list[list[int]]:
    return [part.tolist() for part in (split.train, split.validation, split.test)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last-out", [[0, 1, 4, 7], [2, 5], [3, 6]]),
        # In order of time the rows are 0 1 2 4 5 6 7 3: a quarter is two of them.
        ("time", [[0, 1, 2, 4], [5, 6], [3, 7]]),
        # Day 9 is row 3, day 8 is row 7.
        ("next-day", [[0, 1, 2, 4, 5, 6], [7], [3]]),
    ],
)
def test_splits_by_hand(name: Any, expected: list[list[int]]) -> None:
    assert parts(make_split(LOG, name, 0.25, 0.25)) == expected


@pytest.mark.parametrize("name", ["random-out", "random"])
def test_random_splits_are_of_a_seed(name: Any) -> None:
    found = [parts(make_split(LOG, name, 0.25, 0.25, seed)) for seed in (*range(6), 0)]
    assert found[0] == found[-1] and len(set(map(str, found))) > 1
    for train, validation, test in found:
        assert sorted([*train, *validation, *test]) == list(range(8))
        if name == "random":
            assert len(test) == len(validation) == 2
        else:
            # One of each of a and b; that of c is trained on.
            assert [row // 4 for row in test] == [row // 4 for row in validation] == [0, 1]
            assert 7 in train


def test_a_split_is_taken_as_it_is() -> None:
    split = Split(np.arange(2), np.arange(2, 4), np.arange(4, 8), "mine")
    assert make_split(LOG, split) is split


def test_an_unknown_split() -> None:
    with pytest.raises(ValueError, match=r"a Split or one of \['last-out', 'random-out', 'time', "
                       r"'next-day', 'random'\]. Received: 'last'"):  # fmt: skip
        make_split(LOG, "last")  # type: ignore[arg-type]


def unpadded(values: np.ndarray) -> list[Any]:
    """Rows without what fills up histories, to the longest of the log."""
    return [row[(row != -1) & (row == row)].tolist() if np.ndim(row) else row for row in values]


@pytest.mark.parametrize("kind", [tasks.NextWatch, tasks.Choice])
def test_nothing_after_a_window_is_known_to_its_task(kind: Any) -> None:
    """A task on a rolling split sees what it would see if the log ended with the window."""
    rng = np.random.default_rng(0)
    rows = {"user_id": rng.integers(0, 8, 200), "item_id": rng.integers(0, 12, 200)}
    log = Log("whole", pd.DataFrame({**rows, "time": rng.integers(1, 101, 200)}))
    first, last = rolling_splits(log, 2, 20)
    time = log.interactions["time"]
    ended = Log("whole", log.interactions[time <= time.max() - 20])
    assert ended.interactions["time"].max() == time.max() - 20
    [alone] = rolling_splits(ended, 1, 20)
    for model in ("EASE", "SASRec", "GMF"):
        of_whole, of_ended = (
            kind(one, split=split).examples(registry.get(model).load())
            for one, split in ((log, first), (ended, alone))
        )
        for part in ("train", "test"):
            whole, other = getattr(of_whole, part), getattr(of_ended, part)
            assert len(whole) == len(other) > 0
            for key, values in whole.raw().items():
                values, others = (unpadded(rows) for rows in (values, other.raw()[key]))
                assert values == others, (model, part, key)
            assert np.array_equal(whole.label, other.label)
    assert len(last.train) == len(first.train) + len(first.test)

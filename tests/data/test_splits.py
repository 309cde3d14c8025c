"""Splits, by hand on tiny logs: what is trained on comes before what is tested on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Log,
    Split,
    before_test,
    by_time,
    leave_last_out,
    leave_random_out,
    next_day,
    random_leaky,
    rolling_splits,
)


def make_log(users: str, times: Sequence[float]) -> Log:
    items = [f"i{n}" for n in range(len(users))]
    return Log("t", pd.DataFrame({"user_id": list(users), "item_id": items, "time": times}))


def rows(split: Split) -> tuple[list[int], list[int], list[int]]:
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


def random_log(seed: int, num_times: int = 40) -> Log:
    rng = np.random.default_rng(seed)
    users = rng.choice(list("abcdefghij"), 200, p=[0.3, 0.2, 0.2, 0.1, 0.1] + [0.02] * 5)
    return make_log("".join(users), rng.integers(0, num_times, 200).tolist())


def test_leave_last_out_with_one_two_and_three_or_more_events() -> None:
    # rows: a 0, b 1-2, c 3-5, d 6-9
    log = make_log("abbcccdddd", range(10))
    split = leave_last_out(log)
    assert rows(split) == ([0, 1, 3, 6, 7], [4, 8], [2, 5, 9])
    assert split.protocol == "leave-last-out"


def test_leave_last_out_takes_the_last_in_time_and_of_ties_the_last_given() -> None:
    log = make_log("aaaa", [4, 9, 9, 1])  # sorted: times 1, 4, 9, 9, items i3, i0, i1, i2
    split = leave_last_out(log)
    assert log.interactions.item_id[split.test].tolist() == ["i2"]
    assert log.interactions.item_id[split.validation].tolist() == ["i1"]


def test_by_time() -> None:
    log = make_log("ababababab", range(10))
    # sorted by user: a has times 0 2 4 6 8 (rows 0-4), b has 1 3 5 7 9 (rows 5-9)
    split = by_time(log, validation_fraction=0.2, test_fraction=0.3)  # times 5, 6; 7, 8, 9
    assert rows(split) == ([0, 1, 2, 5, 6], [3, 7], [4, 8, 9])
    assert split.protocol == "by time, last 0.3"


@pytest.mark.parametrize(
    ("validation", "test", "sizes"),
    [(0, 0.1, (9, 0, 1)), (0.1, 0, (9, 1, 0)), (0, 0, (10, 0, 0)), (0.6, 0.3, (1, 6, 3)),
     (0, 0.9, (1, 0, 9)), (0, 0.01, (9, 0, 1))],
)  # fmt: skip
def test_by_time_sizes(validation: float, test: float, sizes: tuple[int, int, int]) -> None:
    split = by_time(make_log("a" * 10, range(10)), validation, test)
    assert tuple(map(len, rows(split))) == sizes


def test_by_time_never_splits_an_instant() -> None:
    log = make_log("abcdefghij", [0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    # a tenth begins inside the instant 3, a third of validation inside the instant 1
    split = by_time(log, validation_fraction=0.6, test_fraction=0.1)
    assert rows(split) == ([0], [1, 2, 3, 4, 5, 6], [7, 8, 9])


def test_by_time_refuses_to_leave_nothing_to_train_on() -> None:
    with pytest.raises(ValueError, match="leave nothing to train on.* 3 interactions at 1 inst"):
        by_time(make_log("abc", [5, 5, 5]))
    with pytest.raises(ValueError, match="needs interactions"):
        by_time(Log("t", make_log("a", [1]).interactions.head(0)))


@pytest.mark.parametrize("fractions", [(-0.1, 0.2), (0.2, -0.1), (0.5, 0.5), (0, float("nan"))])
def test_bad_fractions_are_named(fractions: tuple[float, float]) -> None:
    for split in (by_time, random_leaky):
        with pytest.raises(ValueError, match="sum to less than 1. Received: "):
            split(make_log("ab", [1, 2]), *fractions)


def test_next_day_counts_days_back_from_the_end() -> None:
    # The log ends at 35: test 25 < t <= 35, validation 15 < t <= 25.
    log = make_log("aaaaaaa", [2, 15, 15.5, 25, 25.5, 34, 35])
    split = next_day(log, day=10)
    assert rows(split) == ([0, 1], [2, 3], [4, 5, 6])
    assert split.protocol == "next day"


def test_next_day_default_is_a_day_of_seconds() -> None:
    log = make_log("abc", [0, 100_000, 180_000])  # 180,000 and 80,000 seconds before the end
    assert rows(next_day(log)) == ([0], [], [1, 2])


def test_next_day_needs_days_to_train_on() -> None:
    assert rows(next_day(make_log("abc", [0, 11, 20]), day=10)) == ([0], [], [1, 2])
    for day in (10.1, 0, -1):
        with pytest.raises(ValueError, match="`day` must be positive.*Received: "):
            next_day(make_log("abc", [0, 11, 20]), day=day)


def test_rolling_splits_by_hand() -> None:
    # The log ends at 35: windows are 25 < t <= 35, 15 < t <= 25 and 5 < t <= 15.
    log = make_log("abababab", [2, 5, 15, 15.5, 25, 25.5, 34, 35])
    # a has the times 2 15 25 34 (rows 0-3), b has 5 15.5 25.5 35 (rows 4-7).
    assert [rows(split) for split in rolling_splits(log, 3, 10)] == [
        ([0, 4], [], [1]),
        ([0, 1, 4], [], [2, 5]),
        ([0, 1, 2, 4, 5], [], [3, 6, 7]),
    ]
    validated = rolling_splits(log, 2, 10, validate=True)
    assert [rows(split) for split in validated] == [
        ([0, 4], [1], [2, 5]),
        ([0, 1, 4], [2, 5], [3, 6, 7]),
    ]
    words = ["rolling windows of 10, 1 of 2", "rolling windows of 10, 2 of 2"]
    assert [split.protocol for split in validated] == words


@pytest.mark.parametrize(("name", "seconds"), [("hour", 3600), ("day", 86400), ("week", 604800)])
def test_rolling_windows_by_name(name: Any, seconds: int) -> None:
    log = random_log(0)
    stretched = Log("t", log.interactions.assign(time=log.interactions["time"] * seconds / 9))
    [last] = rolling_splits(stretched, 1, name, validate=True)
    assert rows(last) == rows(next_day(stretched, day=seconds))
    assert last.protocol == f"rolling windows of a {name}, 1 of 1"
    found = [rows(split) for split in rolling_splits(stretched, 3, name)]
    assert found == [rows(split) for split in rolling_splits(stretched, 3, float(seconds))]


def test_rolling_splits_that_are_refused() -> None:
    log = make_log("aaaa", [0, 9, 30, 35])
    for number in (0, 1.5, True, "3"):
        with pytest.raises(ValueError, match=f"`number` of splits .* Received: {number!r}"):
            rolling_splits(log, number, 10)  # type: ignore[arg-type]
    for width in (0, -1, float("nan"), float("inf"), "year"):
        with pytest.raises(ValueError, match=f"`width` must be .* Received: {width!r}"):
            rolling_splits(log, 1, width)  # type: ignore[arg-type]
    # Nothing is in 15 < t <= 25, and nothing before a window of 40.
    with pytest.raises(ValueError, match="Received none for the test part of window 1 of 2, of 10"):
        rolling_splits(log, 2, 10)
    with pytest.raises(ValueError, match="none for the train part of window 1 of 1, .* spans 35"):
        rolling_splits(log, 1, 40)
    with pytest.raises(ValueError, match="none for the validation part of window 1 of 1"):
        rolling_splits(log, 1, 10, validate=True)
    with pytest.raises(ValueError, match="none for the train part"):
        rolling_splits(Log("t", log.interactions.head(0)), 1, 10)


def test_before_test_leaves_out_what_was_later() -> None:
    events = {"user_id": list("aaab"), "item_id": list("xyzx"), "time": [0, 10, 20, 5]}
    searches = {"user_id": list("aaab"), "time": [5, 20, 25, 50], "query": list("pqrs")}
    shown = {**events, "clicked": [1, 1, 1, 1]}
    users = pd.DataFrame({"user_id": list("abc")})
    log = Log("t", pd.DataFrame(events), users=users, items=pd.DataFrame({"item_id": list("wxyz")}),
              impressions=pd.DataFrame(shown), searches=pd.DataFrame(searches))  # fmt: skip
    known = before_test(log, leave_last_out(log))
    assert known.interactions["item_id"].tolist() == ["x", "y", "x"]
    # The last interaction of a is at 20; b has none to test on.
    assert known.searches["query"].tolist() == ["p", "s"]
    assert known.impressions["item_id"].tolist() == ["x", "y", "x"]
    assert known.users.equals(log.users) and known.items.equals(log.items)
    assert known.interactions["time"].tolist() == [0, 10, 5]
    # What comes after a window is left out, too: this one is 0 < t <= 10.
    early = before_test(log, rolling_splits(log, 2, 10)[0])
    assert early.interactions["item_id"].tolist() == ["x"]
    assert early.searches["query"].tolist() == ["p"]
    assert early.impressions["item_id"].tolist() == ["x"]


def test_before_test_of_a_log_without_times() -> None:
    log = Log("t", pd.DataFrame({"user_id": list("aab"), "item_id": list("xyx")}))
    split = leave_random_out(log)
    known = before_test(log, split)
    assert len(known.interactions) == 2 and not known.has_times


def test_random_leaky_says_so_and_splits_every_row_once() -> None:
    log = random_log(0)
    split = random_leaky(log, validation_fraction=0.29, test_fraction=0.1, seed=3)
    assert "leaks the future" in split.protocol
    assert tuple(map(len, rows(split))) == (122, 58, 20)
    assert sorted(np.concatenate(rows(split)).tolist()) == list(range(200))
    assert rows(random_leaky(log, 0.29, 0.1, seed=3)) == rows(split)
    assert rows(random_leaky(log, 0.29, 0.1, seed=4)) != rows(split)
    for other in (by_time(log), next_day(log, day=5), leave_last_out(log)):
        assert "leak" not in other.protocol


@pytest.mark.parametrize("seed", range(5))
def test_no_row_is_trained_on_that_comes_after_what_it_is_for(seed: int) -> None:
    log = random_log(seed)
    user, time = log.interactions.user_id.to_numpy(), log.interactions.time.to_numpy()
    for split in (leave_last_out(log), by_time(log), next_day(log, day=5)):
        parts = [split.train, split.validation, split.test]
        assert all(len(part) for part in parts)
        assert sorted(np.concatenate(parts).tolist()) == list(range(200))
        for early, late in ((parts[0], parts[1]), (parts[1], parts[2]), (parts[0], parts[2])):
            for name in "abcdefghij":
                of_early, of_late = early[user[early] == name], late[user[late] == name]
                if len(of_early) and len(of_late):
                    assert of_early.max() < of_late.min()
            if split.protocol != "leave-last-out":
                assert time[early].max() < time[late].min()


def test_random_leaky_does_leak() -> None:
    log = random_log(1)
    split = random_leaky(log)
    time = log.interactions.time.to_numpy()
    assert time[split.train].max() >= time[split.test].min()


def test_a_log_without_times_has_random_splits_alone() -> None:
    log = Log("t", pd.DataFrame({"user_id": list("aab"), "item_id": list("xyx")}))
    for split in (leave_last_out, by_time, next_day, rolling_splits):
        with pytest.raises(ValueError, match="needs the order of events.*a log 't' without times"):
            split(log)
    assert rows(leave_random_out(log, seed=0))[1:] in (([], [0]), ([], [1]))
    assert len(random_leaky(log, 0, 0.34).test) == 1

"""Splits, by hand on tiny logs: what is trained on comes before what is tested on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Log,
    Split,
    by_time,
    leave_last_out,
    leave_random_out,
    next_day,
    random_leaky,
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
    for split in (leave_last_out, by_time, next_day):
        with pytest.raises(ValueError, match="needs the order of events.*a log 't' without times"):
            split(log)
    assert rows(leave_random_out(log, seed=0))[1:] in (([], [0]), ([], [1]))
    assert len(random_leaky(log, 0, 0.34).test) == 1

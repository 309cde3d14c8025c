"""A watch is predicted from what came before it, and from nothing else."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Examples,
    Log,
    held_out_watch_examples,
    leave_last_out,
    next_watch_examples,
    search_tokens,
)

NAN = np.nan
# Rows: a watches p q r s t (0-4), b watches q p (5, 6), c watches t (7).
WATCHES = pd.DataFrame(
    {
        "user_id": list("aaaaabbc"),
        "item_id": list("pqrstqpt"),
        "time": [10, 20, 30, 40, 55, 12, 50, 31],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": list("qprst"),
        "title": ["Q", "P", "R", "S", "T"],
        "channel": ["k", "m", "k", None, ""],
        "topic": pd.Categorical(["u", "v", "u", "v", "u"]),
        "length": [1.5, 2, 3, 4, 5],
        "tags": [["w"], [], ["w", "z"], None, []],
    }
)
USERS = pd.DataFrame(
    {
        "user_id": list("cba"),
        "country": np.array(["DE", NAN, "FR"], object),
        "age": [30.0, NAN, 50],
        "visits": [1, 2, 3],
    }
)
SEARCHES = pd.DataFrame(
    {
        "user_id": list("aabaa"),
        "time": [30, 5, 12, 41, 29],
        "query": ["Late One", "taylor swift", "b's own", "too late", "!?"],
    }
)
LOG = Log("tiny", WATCHES, users=USERS, items=ITEMS, searches=SEARCHES)


def lists(bags: np.ndarray) -> list[list[Any]]:
    """Bags without what fills them up."""
    return [[v for v in bag if v != "" and v == v] for bag in bags.tolist()]


def test_history_is_what_came_before_oldest_first() -> None:
    raw = next_watch_examples(LOG, np.array([4, 0, 6, 7, 2]), max_history=3).raw()
    # Examples are in the order of the log: rows 0, 2, 4, 6, 7.
    assert raw["item_id"].tolist() == ["p", "r", "t", "p", "t"]
    assert lists(raw["history"]) == [[], ["p", "q"], ["q", "r", "s"], ["q"], []]
    assert raw["history"].shape == (5, 3)
    assert lists(raw["history_age"]) == [[], [20, 10], [35, 25, 15], [38], []]
    assert raw["last_watched"].tolist() == ["", "q", "s", "q", ""]
    np.testing.assert_array_equal(raw["since_last"], [NAN, 10, 15, 38, NAN])
    # a had watched four items before t, of which a bag holds three.
    assert raw["num_before"].tolist() == [0, 2, 3, 1, 0]
    assert raw["history_channel"].tolist()[2] == ["k", "k", ""]
    assert raw["history_topic"].tolist()[2] == ["u", "u", "v"]
    assert raw["history_channel"].tolist()[3] == ["", "", "k"]


def test_the_features_are_these() -> None:
    raw = next_watch_examples(LOG, np.arange(8)).raw()
    assert set(raw) == {
        "history", "history_age", "history_channel", "history_topic", "last_watched",
        "since_last", "num_before", "search_tokens", "example_age",
        "user_id", "country", "age", "visits",
        # Of the item to predict.
        "item_id", "title", "channel", "topic", "length", "tags",
    }  # fmt: skip
    assert raw["history"].shape == (8, 50)


def test_label_groups_and_seen() -> None:
    examples = next_watch_examples(LOG, np.array([1, 4, 6]))
    assert examples.label.tolist() == ["q", "t", "p"] and examples.weight is None
    assert examples.groups is not None and examples.seen is not None
    assert len(set(examples.groups)) == 2 and examples.groups[0] == examples.groups[1]
    seen = examples.seen
    ranges = zip(seen.start, seen.stop, strict=True)
    assert ["".join(seen.values["history"][i:j]) for i, j in ranges] == ["p", "pqrs", "q"]


def test_user_features() -> None:
    raw = next_watch_examples(LOG, np.array([0, 5, 7])).raw()
    assert raw["user_id"].tolist() == ["a", "b", "c"]
    assert raw["country"].tolist() == ["FR", "", "DE"]
    np.testing.assert_array_equal(raw["age"], [50, NAN, 30])
    assert raw["visits"].tolist() == [3, 2, 1] and raw["visits"].dtype == np.int64


def test_watches_of_a_later_part_have_all_before_as_history() -> None:
    split = leave_last_out(LOG)
    raw = next_watch_examples(LOG, split.test).raw()
    assert raw["item_id"].tolist() == ["t", "p"]
    assert lists(raw["history"]) == [list("pqrs"), ["q"]]


def test_example_age_is_the_time_to_the_last_of_the_rows() -> None:
    rows = np.array([0, 3, 5, 7])  # at 10, 40, 12, 31
    assert next_watch_examples(LOG, rows).raw()["example_age"].tolist() == [30, 0, 28, 9]
    serving = next_watch_examples(LOG, rows, serving=True).raw()
    assert serving["example_age"].tolist() == [0, 0, 0, 0]
    assert lists(serving["history_age"]) == [[], [30, 20, 10], [], []]


def test_example_age_of_times_before_the_origin() -> None:
    early = dataclasses.replace(LOG, interactions=WATCHES.assign(time=WATCHES.time - 1000))
    ages = next_watch_examples(early, np.array([0, 3])).raw()["example_age"]
    assert ages.tolist() == [30, 0]


@pytest.mark.parametrize("make", [next_watch_examples, held_out_watch_examples])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_fixed_number_of_examples_per_user_weighing_the_same(make: Any, number: int) -> None:
    examples: Examples = make(LOG, np.arange(8), examples_per_user=number, seed=1)
    user = examples.raw()["user_id"]
    # a has 5 watches, b 2 and c 1.
    kept = {"a": number, "b": min(number, 2), "c": 1}
    assert pd.Series(user).value_counts().to_dict() == kept
    assert examples.weight is not None
    for name, count in kept.items():
        assert examples.weight[user == name].tolist() == [number / count] * count


def test_the_drawing_is_random_without_repeats_and_repeatable() -> None:
    def drawn(seed: int) -> str:
        examples = next_watch_examples(LOG, np.arange(5), examples_per_user=2, seed=seed)
        return "".join(examples.label)

    draws = [drawn(seed) for seed in range(100)]
    assert draws[:5] == [drawn(seed) for seed in range(5)]
    # Each of the 10 pairs in about 10 of 100 draws: 5 deviations of sqrt(100 * .1 * .9) are 15.
    counts = pd.Series(draws).value_counts()
    assert len(counts) == 10 and counts.max() <= 25
    example_age = next_watch_examples(LOG, np.arange(5), examples_per_user=1).raw()["example_age"]
    assert example_age.tolist()[0] in (45, 35, 25, 15, 0)  # since 55, whichever are kept


def test_drawn_examples_keep_their_own_features() -> None:
    every = next_watch_examples(LOG, np.arange(8)).raw()
    some = next_watch_examples(LOG, np.arange(8), examples_per_user=2, seed=3).raw()
    moments = list(zip(every["user_id"], every["example_age"], strict=True))
    for i, moment in enumerate(zip(some["user_id"], some["example_age"], strict=True)):
        at = moments.index(moment)
        for key, value in some.items():
            np.testing.assert_array_equal(value[i], every[key][at], err_msg=key)


def test_held_out_leaks_the_future_but_not_the_label() -> None:
    examples = held_out_watch_examples(LOG, np.arange(8), max_history=6)
    raw = examples.raw()
    assert examples.label.tolist() == list("pqrstqpt")
    assert lists(raw["history"]) == [
        list("qrs"),  # half of six on the later side
        list("prst"), list("pqst"), list("pqrt"), list("pqrs"), ["p"], ["q"], [],
    ]  # fmt: skip
    assert lists(raw["history_age"])[1] == [10, -10, -20, -35]
    assert lists(raw["history_age"])[5] == [-38]
    # What is said of the moment is of what came before it.
    np.testing.assert_array_equal(raw["since_last"][:3], [NAN, 10, 10])
    assert raw["num_before"].tolist()[:3] == [0, 1, 2]
    assert raw["last_watched"].tolist() == ["", "p", "q", "r", "s", "", "q", ""]
    assert (raw["example_age"] == 55 - np.array([10, 20, 30, 40, 55, 12, 50, 31])).all()


def test_a_short_held_out_history_is_around_the_label() -> None:
    raw = held_out_watch_examples(LOG, np.arange(8), max_history=2).raw()
    assert raw["history"].shape == (8, 2)
    assert lists(raw["history"])[:5] == [["q"], ["p", "r"], ["q", "s"], ["r", "t"], ["r", "s"]]


def test_held_out_stays_within_the_given_part() -> None:
    split = leave_last_out(LOG)
    raw = held_out_watch_examples(LOG, split.train).raw()  # a: p q r, b: q, c: t
    assert lists(raw["history"]) == [["q", "r"], ["p", "r"], ["p", "q"], [], []]


def test_what_a_held_out_example_has_seen_is_not_its_label() -> None:
    seen = held_out_watch_examples(LOG, np.arange(8)).seen
    assert seen is not None
    ranges = zip(seen.start, seen.stop, strict=True)
    past = ["".join(seen.values["history"][i:j]) for i, j in ranges]
    assert past == ["", "p", "pq", "pqr", "pqrs", "", "q", ""]


def test_search_tokens_are_words_and_pairs() -> None:
    assert search_tokens("Taylor SWIFT, live") == [
        "taylor", "swift", "live", "taylor swift", "swift live",
    ]  # fmt: skip
    assert search_tokens("one") == ["one"] and search_tokens(" !? ") == []
    assert search_tokens("déjà-vu") == ["déjà", "vu", "déjà vu"]


def test_only_tokens_of_strictly_earlier_searches() -> None:
    raw = next_watch_examples(LOG, np.arange(8)).raw()
    swift, late = ["taylor", "swift", "taylor swift"], ["late", "one", "late one"]
    assert lists(raw["search_tokens"]) == [
        swift, swift,
        swift,  # a watch at 30 has not seen the search at 30
        swift + late,
        swift + late + ["too", "late", "too late"],
        [],  # b searched when it watched
        ["b", "s", "own", "b s", "s own"],
        [],  # c never searched
    ]  # fmt: skip


def test_the_bag_holds_whole_searches() -> None:
    late = ["late", "one", "late one"]
    raw = next_watch_examples(LOG, np.array([3, 4]), max_searches=1).raw()
    assert lists(raw["search_tokens"]) == [late, ["too", "late", "too late"]]
    raw = next_watch_examples(LOG, np.array([4]), max_searches=2).raw()
    assert lists(raw["search_tokens"]) == [[*late, "too", "late", "too late"]]
    # Fifty searches, whatever their number of words.
    words = [" ".join(f"w{i}x{j}" for j in range(i % 7 + 1)) for i in range(60)]
    searches = pd.DataFrame({"user_id": "a", "time": np.arange(60) / 60, "query": words})
    log = dataclasses.replace(LOG, searches=searches)
    (bag,) = lists(next_watch_examples(log, np.array([0])).raw()["search_tokens"])
    assert bag == [token for query in words[10:] for token in search_tokens(query)]
    assert len(bag) > 300


def test_the_latest_search_is_withheld_where_asked() -> None:
    swift, late = ["taylor", "swift", "taylor swift"], ["late", "one", "late one"]
    for make in (next_watch_examples, held_out_watch_examples):
        raw = make(LOG, np.arange(8), last_search=False).raw()
        # Of a's, and b's only one. The one that a issued before row 2 has no words.
        assert lists(raw["search_tokens"]) == [[], [], swift, swift, swift + late, [], [], []]
    raw = next_watch_examples(LOG, np.array([4]), max_searches=1, last_search=False).raw()
    assert lists(raw["search_tokens"]) == [late]


@pytest.mark.parametrize("queries", [["?", "!", "", "...", "-"], None])
def test_searches_without_a_word_give_empty_bags(queries: list[str] | None) -> None:
    searches = SEARCHES.assign(query=queries) if queries else SEARCHES.head(0)
    log = dataclasses.replace(LOG, searches=searches)
    raw = next_watch_examples(log, np.arange(8)).raw()
    assert lists(raw["search_tokens"]) == [[]] * 8


def test_a_log_without_searches_has_no_tokens() -> None:
    raw = next_watch_examples(Log("w", WATCHES), np.arange(8)).raw()
    assert set(raw) == {
        "history", "history_age", "last_watched", "since_last", "num_before", "example_age",
        "user_id", "item_id",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint32", "Int64", "category"])
def test_whole_number_ids(dtype: str) -> None:
    numbers = {"p": 3, "q": 1, "r": 0, "s": 7, "t": 9}
    events = WATCHES.assign(item_id=WATCHES.item_id.map(numbers).astype(dtype))
    raw = next_watch_examples(Log("n", events), np.array([0, 4])).raw()
    assert raw["history"][:, -5:].tolist() == [[-1] * 5, [-1, 3, 1, 0, 7]]
    assert raw["last_watched"].tolist() == [-1, 7] and raw["item_id"].tolist() == [3, 9]
    assert raw["history"].dtype == raw["last_watched"].dtype == np.int64


def test_items_without_a_row_have_no_attributes() -> None:
    log = dataclasses.replace(LOG, items=ITEMS[ITEMS.item_id != "p"])
    raw = next_watch_examples(log, np.array([2])).raw()
    assert raw["history"][0, -2:].tolist() == ["p", "q"]
    assert raw["history_channel"][0, -2:].tolist() == ["", "k"]


def test_user_columns_of_every_kind() -> None:
    users = pd.DataFrame(
        {
            "user_id": list("abc"),
            "plan": pd.Categorical(["x", None, "y"]),
            "level": pd.array([1, None, 3], "Int64"),
            "points": pd.array([1, 2, 3], "Int64"),
            "is_new": [True, False, True],
            "tags": [["u", "v"], None, []],
            "numbers": [[4], [5, 6], []],
            "scores": [[0.5], [1, 2], [NAN]],
        }
    )
    log = dataclasses.replace(LOG, users=users)
    raw = next_watch_examples(log, np.array([0, 5, 7])).raw()
    assert raw["plan"].tolist() == ["x", "", "y"]
    np.testing.assert_array_equal(raw["level"], np.array([1, NAN, 3], np.float32))
    assert raw["points"].tolist() == [1, 2, 3] and raw["points"].dtype == np.int64
    assert raw["is_new"].tolist() == [1, 0, 1]
    assert raw["tags"].tolist() == [["u", "v"], ["", ""], ["", ""]]
    assert raw["numbers"].tolist() == [[4, -1], [5, 6], [-1, -1]]
    np.testing.assert_array_equal(raw["scores"], [[0.5, NAN], [1, 2], [NAN, NAN]])


def test_a_column_that_is_no_feature_is_named() -> None:
    users = pd.DataFrame({"user_id": list("abc"), "since": [["a", 1], [], []]})
    with pytest.raises(ValueError, match="Column 'since' must hold strings, numbers, or lists"):
        next_watch_examples(dataclasses.replace(LOG, users=users), np.array([0]))


@pytest.mark.parametrize("arguments", [{"max_history": 0}, {"examples_per_user": 0}])
def test_bad_arguments_are_named(arguments: dict[str, int]) -> None:
    for make in (next_watch_examples, held_out_watch_examples):
        with pytest.raises(ValueError, match="`max_history` and `examples_per_user` must be pos"):
            make(LOG, np.arange(8), **arguments)  # type: ignore[operator]


def test_no_rows_no_examples() -> None:
    for make in (next_watch_examples, held_out_watch_examples):
        examples = make(LOG, np.array([], np.int64), examples_per_user=2)  # type: ignore[operator]
        assert len(examples) == 0
        assert list(examples.dataset(4)) == []

"""Impressions are made of interactions, beside items that the user has not turned to."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from small_impressions import LOG, WATCHES, lists

from tfrec_zoo.data import Log, impression_examples, sampled_impressions


def crowd(seed: int = 0) -> Log:
    rng = np.random.default_rng(seed)
    share = np.arange(1, 13) / 78
    pairs = {(u, i) for u in range(300) for i in rng.choice(12, 3, p=share)}
    user, item = np.array(sorted(pairs)).T
    events = pd.DataFrame(
        {"user_id": user, "item_id": item, "time": rng.random(len(user)), "weight": 3.0}
    )
    return Log("crowd", events)


def test_sampled_impressions_are_the_interactions_beside_items_of_others() -> None:
    log = crowd()
    frame = sampled_impressions(log, negatives=4, seed=1)
    positives, negatives = frame[frame.clicked == 1], frame[frame.clicked == 0]
    columns = ["user_id", "item_id", "time", "weight"]
    pd.testing.assert_frame_equal(
        positives[columns].reset_index(drop=True), log.interactions[columns]
    )
    # What a user turns to later was a negative before.
    had = negatives.merge(log.interactions, on=["user_id", "item_id"], suffixes=("", "_had"))
    assert len(had) and (had.time_had > had.time).all()
    assert len(negatives) == 4 * len(positives) and (negatives.weight == 0).all()
    pages = frame.groupby("page_id")
    assert (pages.clicked.sum() == 1).all() and (pages.size() == 5).all()
    assert (pages[["user_id", "time"]].nunique() == 1).all(axis=None)


def test_negatives_are_drawn_by_popularity() -> None:
    log = crowd()
    frame = sampled_impressions(log, negatives=20, seed=2)
    drawn = frame[frame.clicked == 0].item_id.value_counts().sort_index().to_numpy()
    # Expected: of each interaction's 20, popularity among the items its user doesn't have yet.
    popularity = log.interactions.item_id.value_counts().sort_index().to_numpy()
    expected = np.zeros(12)
    for _, events in log.interactions.groupby("user_id"):
        for n in range(1, len(events) + 1):
            chance = popularity.astype(float)
            chance[events.item_id.to_numpy()[:n]] = 0
            expected += 20 * chance / chance.sum()
    assert (np.abs(drawn - expected) < 5 * np.sqrt(expected)).all()
    # Which uniform drawing would not pass: the rarest item would be as frequent as the others.
    assert expected.max() > 5 * expected.min()


def test_the_seed_repeats_the_drawing() -> None:
    log = crowd()
    first, again, other = (sampled_impressions(log, seed=s) for s in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first.item_id.equals(other.item_id)


def test_what_is_chosen_when_everything_is_makes_no_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = pd.DataFrame(
        {"user_id": list("aaabc"), "item_id": list("pqrqq"), "time": [1, 1, 1, 1, 1]}
    )
    frame = sampled_impressions(Log("tiny", events), negatives=6, seed=0)
    assert frame.columns.tolist() == ["user_id", "time", "item_id", "clicked", "page_id"]
    of_a, of_others = frame[frame.user_id == "a"], frame[frame.user_id != "a"]
    drawn = of_a[of_a.clicked == 0].groupby("page_id").item_id.agg(set).to_dict()
    assert drawn == {0: {"q", "r"}, 1: {"r"}}
    # By r, a has everything.
    assert of_a[of_a.clicked == 1].item_id.tolist() == list("pq")
    assert "1 of 5 interactions are left out of the sampled impressions" in caplog.text
    assert (of_others.groupby("page_id").size() > 1).all()
    assert set(of_others[of_others.clicked == 0].item_id) <= {"p", "r"}


def test_negatives_can_be_drawn_from_what_was_nominated() -> None:
    events = pd.DataFrame(
        {"user_id": list("aabcd"), "item_id": list("pqrst"), "time": [1, 2, 1, 1, 1]}
    )
    nominated = np.array(
        [
            ["p", "r", "s"],  # p is what a chose
            ["p", "q", "p"],  # both are a's by now
            ["r", "new", "t"],  # unknown to the log
            ["r", "r", "r"],  # what c chose, s, was not nominated
            ["t", "q", "r"],
        ],
        object,
    )
    frame = sampled_impressions(Log("n", events), negatives=50, seed=0, nominated=nominated)
    drawn = (
        frame[frame.clicked == 0].groupby("page_id").item_id.agg(lambda v: "".join(sorted({*v})))
    )
    assert drawn.to_dict() == {0: "rs", 2: "t", 4: "qr"}
    # Beside a's q there is nothing to show, and c's s was not nominated.
    assert frame[frame.clicked == 1].item_id.tolist() == list("prt")


def test_a_nomination_is_drawn_once_at_most() -> None:
    events = pd.DataFrame({"user_id": list("abcd"), "item_id": list("pqrs"), "time": [1] * 4})
    nominated = np.array([[*"pqrs"]] * 4, object)
    frame = sampled_impressions(Log("n", events), negatives=2, seed=0, nominated=nominated)
    pages = frame.groupby("page_id")
    assert (pages.size() == 3).all() and (pages.item_id.nunique() == 3).all()
    chosen = frame[frame.clicked == 1]
    assert chosen.item_id.tolist() == list("pqrs")


def test_pages_of_some_interactions() -> None:
    log = crowd()
    rows = np.array([3, 400, 800])
    frame = sampled_impressions(log, negatives=2, seed=1, rows=rows)
    assert frame.page_id.tolist() == np.repeat(rows, 3).tolist()
    chosen = frame[frame.clicked == 1].reset_index(drop=True)
    expected = log.interactions.iloc[rows].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen[expected.columns], expected)
    # What a user turns to later, and all interactions before, are known of the whole log.
    for row in frame[frame.clicked == 0].itertuples():
        before = log.interactions.iloc[: row.page_id + 1]
        assert row.item_id not in set(before[before.user_id == row.user_id].item_id)


def test_where_everybody_has_everything_there_is_nothing_to_show() -> None:
    events = pd.DataFrame({"user_id": ["a", "b"], "item_id": ["p", "p"], "time": [1, 2]})
    with pytest.raises(ValueError, match="no such page for 2 interactions and 1 items"):
        sampled_impressions(Log("one", events))


def test_negatives_must_be_positive() -> None:
    with pytest.raises(ValueError, match="`negatives` must be positive. Received: 0"):
        sampled_impressions(LOG, negatives=0)


def test_sampled_impressions_make_examples() -> None:
    log = Log("tiny", WATCHES)
    log = dataclasses.replace(log, impressions=sampled_impressions(log, negatives=2))
    examples = impression_examples(log)
    raw = examples.raw()
    chosen = examples.label > 0
    # With r, a has all three items.
    assert raw["item_id"][chosen].tolist() == list("pqq")
    assert examples.label[chosen].tolist() == [5, 6, 8]
    # The interaction itself is not in its own history.
    assert [*map("".join, lists(raw["history"][chosen]))] == ["", "p", ""]

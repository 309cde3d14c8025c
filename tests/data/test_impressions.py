"""An impression is judged by what came strictly before it."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, impression_examples, sampled_impressions, simulate
from tfrec_zoo.data.derived import first_position
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
    VocabularyColumn,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAN = np.nan
WATCHES = pd.DataFrame(
    {
        "user_id": list("aaab"),
        "item_id": list("pqrq"),
        "time": [10, 20, 30, 15],
        "weight": [5.0, 6.0, 7.0, 8.0],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": list("pqrs"),
        "channel": list("kkmm"),
        "tags": [["u"], ["u", "v"], [], ["w"]],
        "length": [60.0, 70, 80, 90],
        "upload_time": [0.0, 5, NAN, 40],
    }
)
# Sorted: a's page 1 at 20 (q, s), page 2 at 20.5 (p, q, r); b's page 3 at 10; c's page 4 at 60.
IMPRESSIONS = pd.DataFrame(
    {
        "user_id": list("baacaa"),
        "item_id": list("qqspqp"),
        "time": [10.0, 20, 20, 60, 20.5, 20.5],
        "clicked": [1, 1, 0, 0, 0, 1],
        "weight": [4.0, 9.0, NAN, 3.0, NAN, 2.5],
        "page_id": ["x", "y", "y", "z", "w", "w"],
        "source": ["home", "home", "related", None, "home", "related"],
        "score": [1, 2, 3, 4, 5, 6],
    }
)
SEARCHES = pd.DataFrame({"user_id": ["a", "a"], "time": [20, 1], "query": ["now", "new york"]})
LOG = Log(
    "tiny",
    WATCHES,
    users=pd.DataFrame({"user_id": list("abc"), "age": [20, 30, 40]}),
    items=ITEMS,
    impressions=IMPRESSIONS,
    searches=SEARCHES,
)


def lists(bags: np.ndarray) -> list[list[Any]]:
    """Bags without what fills them up."""
    return [[v for v in bag if v != "" and v == v] for bag in bags.tolist()]


def test_features_are_strictly_before_the_impression() -> None:
    raw = impression_examples(LOG).raw()
    # a at 20 (twice), a at 20.5 (twice), b at 10, c at 60; a watched q at 20, b first at 15.
    assert raw["user_id"].tolist() == list("aaaabc")
    assert raw["item_id"].tolist() == list("qsqpqp")
    assert lists(raw["history"]) == [["p"], ["p"], ["p", "q"], ["p", "q"], [], []]
    assert lists(raw["history_age"]) == [[10], [10], [10.5, 0.5], [10.5, 0.5], [], []]
    assert lists(raw["history_channel"]) == [["k"], ["k"], ["k", "k"], ["k", "k"], [], []]
    assert raw["last_watched"].tolist() == ["p", "p", "q", "q", "", ""]
    np.testing.assert_array_equal(raw["since_last"], [10, 10, 0.5, 0.5, NAN, NAN])
    assert raw["num_before"].tolist() == [1, 1, 2, 2, 0, 0]
    york = ["new", "york", "new york"]
    assert lists(raw["search_tokens"]) == [york, york, [*york, "now"], [*york, "now"], [], []]
    assert raw["age"].tolist() == [20, 20, 20, 20, 30, 40]
    assert raw["example_age"].tolist() == [0] * 6  # a request being served


def test_impressions_of_a_page_do_not_see_each_other() -> None:
    raw = impression_examples(LOG).raw()
    assert lists(raw["recent_impressions"]) == [[], [], ["q", "s"], ["q", "s"], [], []]


def test_bags_keep_the_last() -> None:
    raw = impression_examples(LOG, max_history=1, max_impressions=1, max_searches=1).raw()
    assert raw["history"].tolist() == [["p"], ["p"], ["q"], ["q"], [""], [""]]
    assert raw["recent_impressions"].tolist() == [[""], [""], ["s"], ["s"], [""], [""]]
    assert raw["search_tokens"].tolist()[1:3] == [["new", "york", "new york"], ["", "", "now"]]


def test_the_label_is_the_weight_if_chosen() -> None:
    examples = impression_examples(LOG)
    # A missing weight of what was not chosen is no matter, nor is one that is there.
    assert examples.label.tolist() == [9, 0, 0, 2.5, 4, 0]
    assert examples.label.dtype == np.float32 and examples.weight is None


def test_without_weights_the_label_is_the_choice() -> None:
    log = dataclasses.replace(LOG, impressions=IMPRESSIONS.drop(columns="weight"))
    assert impression_examples(log).label.tolist() == [1, 0, 0, 1, 1, 0]
    bools = IMPRESSIONS.assign(clicked=IMPRESSIONS.clicked.astype(bool))
    log = dataclasses.replace(LOG, impressions=bools)
    assert impression_examples(log).label.tolist() == [9, 0, 0, 2.5, 4, 0]


def test_groups_are_pages_or_users() -> None:
    def partition(log: Log) -> list[set[int]]:
        groups = impression_examples(log).groups
        assert groups is not None
        return [set(np.flatnonzero(groups == g)) for g in pd.unique(groups)]

    assert partition(LOG) == [{0, 1}, {2, 3}, {4}, {5}]
    no_pages = dataclasses.replace(LOG, impressions=IMPRESSIONS.drop(columns="page_id"))
    assert partition(no_pages) == [{0, 1, 2, 3}, {4}, {5}]


def test_candidate_features_are_those_of_the_item() -> None:
    raw = impression_examples(LOG).raw()
    assert raw["channel"].tolist() == list("kmkkkk")
    assert raw["length"].tolist() == [70, 90, 70, 60, 70, 60]
    assert lists(raw["tags"]) == [["u", "v"], ["w"], ["u", "v"], ["u"], ["u", "v"], ["u"]]
    assert raw["item_age"].tolist() == [15, -20, 15.5, 20.5, 5, 60]
    assert "upload_time" not in raw and "source" not in raw


def test_item_age_of_an_unknown_upload_is_missing() -> None:
    items = ITEMS.assign(upload_time=pd.array([0, None, 5, 40], "Int64"))
    raw = impression_examples(dataclasses.replace(LOG, items=items)).raw()
    np.testing.assert_array_equal(raw["item_age"], [NAN, -20, NAN, 20.5, NAN, 60])
    no_uploads = dataclasses.replace(LOG, items=ITEMS.drop(columns="upload_time"))
    assert "item_age" not in impression_examples(no_uploads).raw()


def test_context_is_what_was_asked_for() -> None:
    raw = impression_examples(LOG, context=("source", "score")).raw()
    assert raw["source"].tolist() == ["home", "related", "home", "related", "home", ""]
    assert raw["score"].tolist() == [2, 3, 5, 6, 1, 4]
    assert "page_id" not in raw and "clicked" not in raw


def test_rows_are_taken_in_the_order_given() -> None:
    every, some = impression_examples(LOG, context=["score"]), np.array([4, 1, 3])
    part = impression_examples(LOG, some, context=["score"])
    raw = every.raw()
    for key, value in part.raw().items():
        np.testing.assert_array_equal(value, raw[key][some], err_msg=key)
    assert part.label.tolist() == [4, 0, 2.5]
    assert len(impression_examples(LOG, np.array([], np.int64))) == 0


def test_seen_is_what_was_watched_before() -> None:
    seen = impression_examples(LOG).seen
    assert seen is not None
    ranges = zip(seen.start, seen.stop, strict=True)
    past = ["".join(seen.values["history"][i:j]) for i, j in ranges]
    assert past == ["p", "p", "pq", "pq", "", ""]


def test_a_larger_log_agrees_with_pandas() -> None:
    log = simulate(num_users=40, num_items=60, num_days=6, seed=2)
    assert log.impressions is not None
    rows = np.random.default_rng(0).integers(len(log.impressions), size=100)
    raw = impression_examples(log, rows, max_history=5, max_impressions=7).raw()
    for i, row in enumerate(log.impressions.iloc[rows].itertuples()):
        for key, frame, length in (
            ("history", log.interactions, 5),
            ("recent_impressions", log.impressions, 7),
        ):
            past = frame[(frame.user_id == row.user_id) & (frame.time < row.time)].tail(length)
            assert lists(raw[key][i : i + 1]) == [past.video_id.tolist()]
            if key == "history":
                ages = raw["history_age"][i][5 - len(past) :]
                np.testing.assert_allclose(ages, row.time - past.time, rtol=1e-6)
    assert sum(map(len, lists(raw["history"]))) > 200


def test_a_log_of_impressions_alone() -> None:
    log = dataclasses.replace(LOG, interactions=WATCHES.head(0), searches=SEARCHES.head(0))
    raw = impression_examples(log).raw()
    assert lists(raw["history"]) == lists(raw["search_tokens"]) == [[]] * 6
    assert raw["last_watched"].tolist() == [""] * 6


def test_a_log_without_impressions_is_an_error() -> None:
    with pytest.raises(ValueError, match="`sampled_impressions`. Received a log 'tiny' without"):
        impression_examples(dataclasses.replace(LOG, impressions=None))


def test_an_item_shown_must_be_known() -> None:
    log = dataclasses.replace(LOG, items=ITEMS[ITEMS.item_id != "s"])
    with pytest.raises(ValueError, match="must have a row in `items`. Received: 's'"):
        impression_examples(log)


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


def test_positions_are_known_in_training_and_fixed_in_serving() -> None:
    log = dataclasses.replace(LOG, impressions=IMPRESSIONS.assign(position=[3, 4, 5, 6, 7, 8]))
    examples = impression_examples(log)
    assert examples.raw(["position"])["position"].tolist() == [4, 5, 7, 8, 3, 6]
    assert first_position(log) == 3
    spec = FeatureSpec((), (VocabularyColumn("position", "int64", serving=3),))
    served = examples.as_served(spec)
    assert served.raw(["position"])["position"].tolist() == [3] * 6
    features = examples.fit_features(spec)
    # All positions that were shown are known, also those of what was not clicked.
    assert set(features.vocabularies["position"].tokens) == set(range(3, 9))
    encode = Preprocessor(features)
    ids = served.assembler(encode)(tf.range(6, dtype=tf.int64))["ids"]["position"].numpy()
    assert set(ids) == {1 + features.vocabularies["position"].tokens.index(3)}
    # Without a constant nothing changes.
    assert examples.as_served(FeatureSpec((), (VocabularyColumn("item_id"),))) is examples


@pytest.mark.parametrize("positions", [["top"] * 6, [NAN] * 6])
def test_positions_that_are_no_numbers_have_no_first(positions: list) -> None:
    impressions = IMPRESSIONS.assign(position=positions)
    assert first_position(dataclasses.replace(LOG, impressions=impressions)) is None
    assert first_position(LOG) is None


def test_vocabularies_count_what_was_clicked() -> None:
    # Clicked: q by a, p by a, q by b. Shown besides: s, q, p; watched before: p, q.
    own = VocabularyColumn("item_id")
    channel = EmbeddingColumn(VocabularyColumn("channel"))
    user = EmbeddingColumn(VocabularyColumn("user_id"))
    spec = FeatureSpec((user,), (own, channel, NumericColumn("length", "min-max")))
    clicked = impression_examples(LOG).fit_features(spec)
    assert clicked.vocabularies["item_id"].tokens == ("q", "p")
    assert clicked.vocabularies["channel"].tokens == ("k",)
    shown = impression_examples(LOG, count="shown").fit_features(spec)
    assert shown.vocabularies["item_id"].tokens == ("q", "p", "s")
    assert shown.vocabularies["channel"].tokens == ("k", "m")
    # Users and numbers are learned from all impressions.
    assert clicked.vocabularies["user_id"].tokens == ("a", "b", "c")
    assert clicked.statistics == shown.statistics == {"length": (60.0, 90.0)}


def test_top_n_of_clicked_impressions_is_not_that_of_shown_ones() -> None:
    shown = pd.DataFrame(
        {
            "user_id": "a",
            "item_id": list("qqqpps"),
            "time": range(6),
            "clicked": [0, 0, 1, 1, 1, 0],
        }
    )
    log = Log("tiny", WATCHES, items=ITEMS, impressions=shown)
    spec = FeatureSpec((), (VocabularyColumn("item_id", top_n=1),))
    assert impression_examples(log).fit_features(spec).vocabularies["item_id"].tokens == ("p",)
    examples = impression_examples(log, count="shown")
    assert examples.fit_features(spec).vocabularies["item_id"].tokens == ("q",)
    assert examples.take(np.arange(2)).count == "shown"


def test_past_impressions_count_no_more_than_present_ones() -> None:
    own = VocabularyColumn("item_id")
    past = BagColumn(VocabularyColumn("recent_impressions", space="item_id"))
    spec = FeatureSpec((), (own, InteractionColumn(past, own)))
    tokens = impression_examples(LOG).fit_features(spec).vocabularies["item_id"].tokens
    assert "s" not in tokens
    # Where nothing else has their ID space, they are what is learned.
    alone = FeatureSpec((BagColumn(VocabularyColumn("recent_impressions")),), (own,))
    learned = impression_examples(LOG).fit_features(alone).vocabularies["recent_impressions"]
    assert set(learned.tokens) == {"q", "s"}


def test_nothing_was_clicked() -> None:
    none = dataclasses.replace(LOG, impressions=IMPRESSIONS.assign(clicked=0))
    spec = FeatureSpec((), (VocabularyColumn("item_id"),))
    with pytest.raises(ValueError, match="a label above 0, or set `count='shown'`. Received: 6"):
        impression_examples(none).fit_features(spec)

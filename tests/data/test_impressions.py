"""An impression is judged by what came strictly before it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from small_impressions import IMPRESSIONS, ITEMS, LOG, NAN, SEARCHES, WATCHES, lists

from tfrec_zoo.data import Log, impression_examples, simulate
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

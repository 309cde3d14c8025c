"""The features that tasks guess from the columns of a log."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Catalogue,
    Log,
    Roles,
    Split,
    impression_examples,
    interaction_examples,
    labelled_examples,
    next_watch_examples,
)
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    MatchColumn,
    NumericColumn,
    Preprocessor,
    VectorColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import FactorizationMachine, YouTubeRanking, YouTubeRetrieval
from tfrec_zoo.serving import serve
from tfrec_zoo.tasks import Choice, NextWatch, specs

SIZE = 2000


@pytest.fixture(scope="module")
def columns() -> Log:
    """A few columns of every kind."""
    rows = 6
    return Log(
        "columns",
        pd.DataFrame({"user_id": list("aabbcd"), "item_id": range(rows), "time": range(rows)}),
        users=pd.DataFrame(
            {"user_id": list("abcd"), "country": ["nl", "ee", "nl", "nl"], "age": [20, 30, 40, 50]}
        ),
        items=pd.DataFrame(
            {
                "item_id": range(rows),
                "title": [f"title {i}" for i in range(rows)],
                "genres": [["x"], ["x", "y"], [], ["y"], ["x"], ["z"]],
                "channel": ["c0", "c1"] * 3,
                "upload_time": np.arange(rows) / 2,
                "length": np.arange(rows) * 60.0,
            }
        ),
        searches=pd.DataFrame({"user_id": ["a"], "time": [0.5], "query": ["cats"]}),
    )


def test_id_spec_has_the_types_of_the_ids() -> None:
    frame = pd.DataFrame({"who": [3, 3, 5], "what": ["x", "y", "x"], "time": [1, 2, 3]})
    spec = specs.id_spec(Log("named", frame, roles=Roles("who", "what")))
    assert spec.query == (VocabularyColumn("who", dtype="int64"),)
    assert spec.candidate == (VocabularyColumn("what"),)
    assert spec.item.dtype == "string"


PROFILE = (EmbeddingColumn(VocabularyColumn("country")), NumericColumn("age"))
#: Titles are names, and when it was uploaded is no property of an item.
ITEM = (
    EmbeddingColumn(BagColumn(VocabularyColumn("genres"), 50)),
    EmbeddingColumn(VocabularyColumn("channel")),
    NumericColumn("length"),
)


def test_choice_spec_has_the_columns_of_users_and_items(columns: Log) -> None:
    spec = specs.choice_spec(columns, embedding_dim=4)
    assert spec.query == (EmbeddingColumn(VocabularyColumn("user_id"), 4), *PROFILE)
    item = EmbeddingColumn(VocabularyColumn("item_id", dtype="int64"), 4)
    assert spec.candidate == (item, *ITEM)
    examples = interaction_examples(columns, np.arange(6))
    model = FactorizationMachine(examples.fit_features(spec), embedding_dim=4)
    assert model(examples.raw()).shape == (6,)


def test_next_watch_spec_has_bags_of_one_table(columns: Log) -> None:
    def bag(length: int) -> EmbeddingColumn:
        item = VocabularyColumn("history", space="item_id", dtype="int64")
        return EmbeddingColumn(BagColumn(item, length), 8)

    own = VocabularyColumn("item_id", dtype="int64")
    plain = specs.next_watch_spec(columns, (2, 5), profile=False, embedding_dim=8)
    assert plain == FeatureSpec((bag(2), bag(5)), (own,))

    last = VocabularyColumn("last_watched", space="item_id", dtype="int64")
    tokens = EmbeddingColumn(BagColumn(VocabularyColumn("search_tokens"), 1000))
    full = specs.next_watch_spec(
        columns, (2,), last_watched=True, example_age=True, embedding_dim=8, candidate=True
    )
    age = NumericColumn("example_age", serving=0.0, extrapolate=True)
    assert full.query == (bag(2), EmbeddingColumn(last, 8), *PROFILE, tokens, age)
    assert full.candidate == (EmbeddingColumn(own, 8), *ITEM)
    without = specs.next_watch_spec(columns, (2,), profile=False, embedding_dim=8, candidate=True)
    assert without == FeatureSpec((bag(2),), (EmbeddingColumn(own, 8),))


def test_impression_spec_compares_the_candidate_with_the_past(columns: Log) -> None:
    spec = specs.impression_spec(columns, 5, sources=("network", "popularity"))
    item = {"space": "item_id", "dtype": "int64"}
    history = EmbeddingColumn(BagColumn(VocabularyColumn("history", **item), 5))  # type: ignore[arg-type]
    last = EmbeddingColumn(VocabularyColumn("last_watched", **item))  # type: ignore[arg-type]
    tokens = EmbeddingColumn(BagColumn(VocabularyColumn("search_tokens"), 1000))
    assert spec.query == (history, last, *PROFILE, tokens)
    own = VocabularyColumn("item_id", dtype="int64")
    channels = BagColumn(VocabularyColumn("history_channel", space="channel"), 5)
    shown = BagColumn(VocabularyColumn("recent_impressions", **item), 50)  # type: ignore[arg-type]
    assert spec.candidate == (
        EmbeddingColumn(own),
        *ITEM,
        NumericColumn("item_age"),
        InteractionColumn(channels, VocabularyColumn("channel"), "history_age"),
        InteractionColumn(shown, own),
        EmbeddingColumn(BagColumn(VocabularyColumn("candidate_sources"), 3)),
        NumericColumn("candidate_score_network"),
        NumericColumn("candidate_reciprocal_rank_network", mass=True),
        NumericColumn("candidate_score_popularity"),
        NumericColumn("candidate_reciprocal_rank_popularity", mass=True),
    )
    plain = specs.impression_spec(columns, 5, previous_impressions=False)
    assert plain.candidate == spec.candidate[:-6]


@pytest.fixture(scope="module")
def rated() -> Log:
    """2,000 moments, 40 users of two ages and zips, 60 items of as many lengths."""
    return Log(
        "rated",
        pd.DataFrame(
            {
                "user_id": np.arange(SIZE) % 40,
                "item_id": np.arange(SIZE) % 60,
                "time": np.arange(SIZE, dtype=float),
            }
        ),
        users=pd.DataFrame(
            {"user_id": range(40), "age": [18.0, 25.0] * 20, "zip": ["1", "2"] * 20}
        ),
        items=pd.DataFrame(
            {
                "item_id": range(60),
                "title": [f"t{i}" for i in range(60)],
                "genres": [["a"], ["a", "b"]] * 30,
                "length": np.arange(60) * 2.0,
            }
        ),
    )


def test_click_spec(rated: Log) -> None:
    user = EmbeddingColumn(VocabularyColumn("user_id", dtype="int64"))
    item = EmbeddingColumn(VocabularyColumn("item_id", dtype="int64"))
    age = EmbeddingColumn(BucketizedColumn("age", (25.0,)))
    genres = EmbeddingColumn(BagColumn(VocabularyColumn("genres")))
    length = EmbeddingColumn(BucketizedColumn("length", tuple(np.arange(1, 60) * 2.0)))
    zip_code = EmbeddingColumn(VocabularyColumn("zip"))
    assert specs.click_spec(rated) == FeatureSpec((user, age, zip_code), (item, genres, length))
    assert specs.click_spec(rated, profile=False) == FeatureSpec((user,), (item,))
    without = specs.click_spec(rated, ids=False)
    assert without.query[:3] == (age, zip_code, NumericColumn("time"))
    assert without.candidate == (genres, length)
    # 2,000 moments, 0 to 1,999: a thousand quantiles hold two each.
    (buckets,) = without.query[3:]
    assert isinstance(buckets, EmbeddingColumn)
    assert isinstance(buckets.categorical, BucketizedColumn) and buckets.categorical.key == "time"
    np.testing.assert_allclose(
        buckets.categorical.boundaries, np.arange(1, 1000) * 1.999, rtol=1e-5
    )


def test_click_spec_crosses_all_but_id_with_id(rated: Log) -> None:
    crosses = specs.click_spec(rated, crosses=7).crosses
    assert all(isinstance(cross, CrossedColumn) and cross.top_n == 7 for cross in crosses)
    found = {tuple(part.key for part in cross.columns) for cross in crosses}
    users, items = ("user_id", "age", "zip"), ("item_id", "genres", "length")
    assert found == {(u, i) for u in users for i in items} - {("user_id", "item_id")}
    assert len(crosses) == 8


def test_longest_history() -> None:
    frame = pd.DataFrame({"user_id": list("aabbbc"), "item_id": list("xyxyzx"), "time": range(6)})
    assert specs.longest_history(Log("three", frame)) == 3


def log_of(
    users: dict | None = None, items: dict | None = None, impressions: dict | None = None
) -> Log:
    """Four users, six items, six events, and columns beside the ids."""
    events = pd.DataFrame({"user_id": list("aabbcd"), "item_id": list("uvwxyz"), "time": range(6)})
    shown = None if impressions is None else events.assign(clicked=[1, 0] * 3, **impressions)
    return Log(
        "mine",
        events,
        users=pd.DataFrame({"user_id": list("abcd"), **(users or {})}),
        items=pd.DataFrame({**(items or {}), "item_id": list("uvwxyz")}),
        impressions=shown,
    )


def test_items_whose_id_is_not_the_first_column() -> None:
    log = log_of(items={"channel": ["c0", "c1"] * 3}, impressions={})
    channel = VocabularyColumn("channel")
    past = BagColumn(VocabularyColumn("history_channel", space="channel"))
    own = VocabularyColumn("item_id")
    spec = specs.impression_spec(log)
    assert spec.candidate == (
        EmbeddingColumn(own),
        EmbeddingColumn(channel),
        InteractionColumn(past, channel, "history_age"),
        InteractionColumn(BagColumn(VocabularyColumn("recent_impressions", space="item_id")), own),
    )


def test_numbers_are_guessed_by_their_kind() -> None:
    log = log_of(
        items={
            "is_new": [True, False, True, False, False, False],
            "rare": [0, 0, 0, 0, 0, 1],
            "plays": [0, 0, 0, 0, 7, 9],
            "length": [1.5, 1.5, 1.5, 2.0, np.nan, 5.0],
        }
    )
    assert specs.choice_spec(log).candidate[1:] == (
        NumericColumn("is_new", "min-max"),
        NumericColumn("rare", "min-max"),
        NumericColumn("plays", mass=True),
        NumericColumn("length", mass=True),
    )
    assert not NumericColumn("rare", "min-max").powers


def test_codes_above_float32_are_categories_of_their_own() -> None:
    codes = 2**24 + np.arange(30)
    frame = pd.DataFrame({"user_id": range(30), "item_id": range(30), "time": range(30)})
    users = pd.DataFrame({"user_id": range(30), "zip": codes})
    log = Log("codes", frame.assign(weight=[1, 5] * 15), users=users)
    spec = specs.click_spec(log)
    zips = spec.query[1]
    assert zips == EmbeddingColumn(BucketizedColumn("zip", tuple(codes[1:].tolist())))
    examples = labelled_examples(log)
    features = examples.fit_features(spec)
    ids = examples.assembler(Preprocessor(features))(np.arange(30))["ids"]["zip_bucketized"]
    assert ids.numpy().tolist() == list(range(1, 31))
    times = specs.click_spec(dataclasses.replace(log, interactions=frame.assign(
        weight=[1, 5] * 15, time=1_700_000_000 + np.arange(30))), ids=False)  # fmt: skip
    assert isinstance(times.query[-1], EmbeddingColumn)
    assert isinstance(times.query[-1].categorical, BucketizedColumn)
    assert np.diff(times.query[-1].categorical.boundaries).max() < 1


def test_columns_of_one_name_share_values_and_say_whether_they_match() -> None:
    log = log_of(
        users={"language": ["nl", "et", "nl", "nl"]},
        items={"language": ["nl", "et"] * 3},
        impressions={"position": [0, 1, 2] * 2},
    )
    user = VocabularyColumn("language")
    item = VocabularyColumn("item_language", space="language")
    match = MatchColumn(user, item)
    for spec in (specs.choice_spec(log), specs.next_watch_spec(log, candidate=True)):
        assert spec.candidate[1:] == (EmbeddingColumn(item), match)
    spec = specs.impression_spec(log)
    position = EmbeddingColumn(VocabularyColumn("position", "int64", serving=0))
    assert {EmbeddingColumn(item), match, position} <= set(spec.candidate)
    assert specs.click_spec(log).candidate[1:] == (EmbeddingColumn(item), match, position)
    examples = impression_examples(log)
    features = examples.fit_features(spec, drop_empty=True)
    model = YouTubeRanking(features, hidden_units=(4,), seed=0)
    raw = examples.raw()
    # a, b, b and d have the language of the first, fourth, ... item: users by item.
    assert raw["language"].tolist() == ["nl", "nl", "et", "et", "nl", "nl"]
    assert raw["item_language"].tolist() == ["nl", "et", "nl", "et", "nl", "et"]
    layer = model.candidate_layer
    found = layer.vector(match, Preprocessor(model.features)(raw)).numpy()
    assert found.ravel().tolist() == [1, 0, 0, 1, 1, 0]
    # A request gives no position.
    served = serve(model)
    assert "position" not in served.request
    answer = served({"language": ["nl"], "item_id": ["u"], "item_language": ["nl"]})
    at_first = model({**{k: v[:1] for k, v in raw.items()}, "position": np.array([0])}).shape
    assert answer["predictions"].shape == at_first == (1,)


def test_given_vectors_are_fed() -> None:
    vectors = [[0.5, 1.0], None, [0.0, 2.0], [1.0, 1.0], [3.0, 4.0], [0.1, 0.2]]
    log = log_of(items={"text": vectors, "tags": [["a"], ["b"], [], ["a"], ["b"], ["a"]]})
    spec = specs.choice_spec(log)
    tags = EmbeddingColumn(BagColumn(VocabularyColumn("tags")))
    assert spec.candidate[1:] == (VectorColumn("text", 2), tags)
    examples = interaction_examples(log, np.arange(6))
    expected = np.array([row or [0, 0] for row in vectors], np.float32)
    np.testing.assert_array_equal(examples.raw(["text"])["text"], expected)
    preprocessor = Preprocessor(examples.fit_features(spec))
    encoded = Catalogue.of(log).encoded(preprocessor)
    np.testing.assert_array_equal(encoded["values"]["text"], expected)
    ids = examples.assembler(preprocessor)(np.arange(6))
    np.testing.assert_array_equal(ids["values"]["text"], expected)


def test_text_of_several_lines_is_left_out_with_a_warning(caplog: Any) -> None:
    log = log_of(
        users={"bio": ["a\nb", "c", "c", "c"]},
        items={"kind": ["x", "y"] * 3, "lines": [["p"], ["q\r"], ["p"], [], [], []]},
    )
    spec = specs.choice_spec(log)
    assert spec.query == (EmbeddingColumn(VocabularyColumn("user_id")),)
    assert spec.candidate[1:] == (EmbeddingColumn(VocabularyColumn("kind")),)
    assert "several lines: 'bio'" in caplog.text and "several lines: 'lines'" in caplog.text


def test_columns_without_a_value_in_training_are_left_out(caplog: Any) -> None:
    log = log_of(
        users={"job": ["", "", "", "it"], "income": [np.inf, np.nan, np.nan, 3.0]},
        items={"kind": ["x", "y"] * 3},
    )
    split = Split(np.arange(5), np.arange(0), np.array([5]), "mine")
    task = Choice(log, split=split)
    examples = task.examples(FactorizationMachine)
    features = examples.fit_features()
    assert {column.name for column in features.spec.query} == {"user_id_embedding"}
    assert "no value of 'income' nor of 'job'" in caplog.text
    asked = Choice(log, split=split, spec=examples.spec).examples(FactorizationMachine)
    with pytest.raises(ValueError, match="no value of 'income' nor of 'job': fill it in"):
        asked.fit_features()


def test_without_order_the_history_is_one_bag_and_the_latest_search_is_withheld() -> None:
    events = pd.DataFrame({"user_id": list("aaabbb"), "item_id": list("xyzxzy"), "time": range(6)})
    searches = pd.DataFrame({"user_id": ["a", "a"], "time": [0.5, 1.5], "query": ["old", "new"]})
    log = Log("mine", events, searches=searches)
    task = NextWatch(log, order=False)
    examples = task.examples(YouTubeRetrieval)
    names = [column.name for column in examples.spec.query]
    assert names == [
        "history_bag50_embedding", "search_tokens_bag1000_embedding", "example_age",
    ]  # fmt: skip
    assert "without order" in task.protocol and task.options["order"] is False
    # Tested at time 2, the searches before it are both a's.
    assert examples.test.raw()["search_tokens"][0].tolist() == ["old"]
    fed = NextWatch(log).examples(YouTubeRetrieval).test.raw()["search_tokens"][0]
    assert fed.tolist() == ["old", "new"]


def test_a_log_without_times_has_features() -> None:
    events = pd.DataFrame(
        {"user_id": list("aabb"), "item_id": list("xyxz"), "weight": [5, 1, 4, 2]}
    )
    log = Log("plays", events)
    assert not log.has_times
    ids = (VocabularyColumn("user_id"), VocabularyColumn("item_id"))
    assert specs.click_spec(log, ids=False) == FeatureSpec((), ())
    for spec in (specs.choice_spec(log), specs.click_spec(log)):
        assert spec == FeatureSpec((EmbeddingColumn(ids[0]),), (EmbeddingColumn(ids[1]),))
    with pytest.raises(ValueError, match="needs the order of events"):
        next_watch_examples(log, np.arange(4))
    shown = dataclasses.replace(log, impressions=events.assign(clicked=[1, 0, 1, 0]))
    with pytest.raises(ValueError, match="needs the order of events"):
        impression_examples(shown)

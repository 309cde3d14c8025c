"""The features that tasks guess from the columns of a log."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, Roles, interaction_examples
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import FactorizationMachine
from tfrec_zoo.tasks import specs

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
    spec = specs.impression_spec(columns, 5, candidate_score=True)
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
        NumericColumn("candidate_score"),
    )
    plain = specs.impression_spec(columns, 5, previous_impressions=False)
    assert plain.candidate == spec.candidate[:-2]


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

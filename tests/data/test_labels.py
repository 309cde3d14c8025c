import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, labelled_examples
from tfrec_zoo.features import FeatureSpec, VocabularyColumn

USERS = pd.DataFrame({"user_id": ["a", "b"], "age": [20.0, 50.0]})
ITEMS = pd.DataFrame({"item_id": [7, 8, 9], "genres": [["x"], ["x", "y"], []]})
RATINGS = pd.DataFrame(
    {
        "user_id": ["a", "a", "a", "b", "b"],
        "item_id": [7, 8, 9, 9, 7],
        "time": [1.0, 2.0, 3.0, 4.0, 5.0],
        "weight": [5.0, 3.0, 1.0, 4.0, 2.0],
        "screen": ["tv", "tv", "phone", "tv", ""],
    }
)
RATED = Log("rated", RATINGS, users=USERS, items=ITEMS)


def test_ratings_above_three_are_positives_and_threes_are_dropped():
    examples = labelled_examples(RATED)
    assert examples.label.tolist() == [1, 0, 1, 0] and examples.label.dtype == np.float32
    assert examples.groups.tolist() == [0, 0, 1, 1]
    raw = examples.raw()
    # The label is no feature.
    assert sorted(raw) == ["age", "genres", "item_id", "screen", "time", "user_id"]
    assert raw["user_id"].tolist() == ["a", "a", "b", "b"]
    assert raw["item_id"].tolist() == [7, 9, 9, 7]
    assert raw["age"].tolist() == [20, 20, 50, 50]
    assert raw["time"].tolist() == [1, 3, 4, 5]
    assert raw["screen"].tolist() == ["tv", "phone", "tv", ""]
    assert raw["genres"].tolist() == [["x", ""], ["", ""], ["", ""], ["x", ""]]


def test_another_threshold_and_label():
    examples = labelled_examples(RATED, threshold=4.5)
    assert examples.label.tolist() == [1, 0, 0, 0, 0]
    later = labelled_examples(RATED, label="time", threshold=2)
    assert later.label.tolist() == [0, 1, 1, 1]
    assert "time" not in later.raw() and "weight" not in later.raw()


def test_impressions_are_labelled_by_the_choice():
    shown = RATINGS.drop(columns="weight").assign(clicked=[1, 0, 0, 0, 1], page_id=1)
    log = Log("shown", RATINGS.head(2), users=USERS, items=ITEMS, impressions=shown)
    examples = labelled_examples(log)
    assert examples.label.tolist() == [1, 0, 0, 0, 1]
    assert sorted(examples.raw()) == ["age", "genres", "item_id", "screen", "time", "user_id"]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"label": "stars"}, r"one of \['item_id', 'time', 'weight'\]. Received: 'stars'"),
        ({}, {"label": "screen"}, r"must be a column of numbers.* Received: 'screen'"),
        ({}, {"threshold": 5}, r"Received: threshold=5, 'weight' from 1.0 to 5.0"),
        (
            {"stars": [5, 3, np.nan, 1, -np.inf]},
            {"label": "stars"},
            r"'stars' must be finite. Received: .nan, -inf., in row 2, 4",
        ),
        ({"item_id": [7, 8, 9, 6, 7]}, {}, r"a row in `items`. Received: 6"),
    ],
)
def test_what_cannot_be_labelled(change, arguments, message):
    log = dataclasses.replace(RATED, interactions=RATINGS.assign(**change))
    with pytest.raises(ValueError, match=message):
        labelled_examples(log, **arguments)


def test_vocabularies_of_ratings_know_what_was_disliked_unless_told_otherwise() -> None:
    events = pd.DataFrame(
        {"user_id": list("aab"), "item_id": list("xyx"), "time": [1, 2, 3], "weight": [5, 1, 4]}
    )
    spec = FeatureSpec((), (VocabularyColumn("item_id"),))

    def tokens(log: Log, **kwargs: Any) -> tuple:
        return labelled_examples(log, **kwargs).fit_features(spec).vocabularies["item_id"].tokens

    log = Log("mine", events)
    assert tokens(log) == ("x", "y") and tokens(log, count="clicked") == ("x",)
    shown = Log("mine", events, impressions=events.assign(clicked=[1, 0, 1]))
    assert tokens(shown) == ("x",) and tokens(shown, count="shown") == ("x", "y")

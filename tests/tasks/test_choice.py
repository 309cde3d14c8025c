"""Choice: who takes what, in no order."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, Split
from tfrec_zoo.models import EASE, GMF, DeepFM, MatrixFactorization, YouTubeRetrieval
from tfrec_zoo.tasks import Choice, NextWatch

FRAME = pd.DataFrame(
    {"user_id": list("aaaaabbb"), "item_id": list("pqrstqrs"), "time": np.arange(8.0)}
)
LOG = Log("two", FRAME)
#: a: q and s are tested and validated on; b: r and q.
SPLIT = Split(np.array([0, 2, 4, 7]), np.array([3, 5]), np.array([1, 6]), "mine")
TASK = Choice(LOG, split=SPLIT)


def bags(examples: object) -> list[tuple[str, str]]:
    history = examples.raw(["history"])["history"]  # type: ignore[attr-defined]
    return [("".join(h), i) for h, i in zip(history, examples.label, strict=True)]  # type: ignore[attr-defined]


def test_all_others_are_known_whatever_the_order() -> None:
    given = TASK.examples(YouTubeRetrieval)
    assert bags(given.train) == [("rt", "p"), ("pt", "r"), ("pr", "t"), ("", "s")]
    # When testing, what was validated on is known, too; the test items of others are not.
    assert bags(given.test) == [("prst", "q"), ("qs", "r")]
    validation = TASK.validating().examples(YouTubeRetrieval)
    assert bags(validation.train) == bags(given.train)
    assert bags(validation.test) == [("prt", "s"), ("s", "q")]
    assert TASK.known.tolist() == [0, 2, 3, 4, 5, 7]


def test_whole_histories_once_a_user() -> None:
    given = TASK.examples(EASE)
    assert [{*bag, item} for bag, item in bags(given.train)] == [set("prt"), {"s"}]
    assert bags(given.test) == [("prst", "q"), ("qs", "r")]


def test_the_bag_is_of_the_size_asked_for() -> None:
    given = Choice(LOG, split=SPLIT, max_history=2).examples(YouTubeRetrieval)
    assert bags(given.test) == [("st", "q"), ("qs", "r")]
    assert [column.categorical.max_length for column in given.spec.query] == [2]  # type: ignore[union-attr]


def test_models_of_ids_read_the_user_and_the_item() -> None:
    for model, loss in ((GMF, ""), (MatrixFactorization, "bpr")):
        given = TASK.examples(model, {"loss": loss} if loss else {})
        raw = given.train.raw(["user_id", "item_id"])
        assert list(raw["user_id"]) == list("aaab") and list(raw["item_id"]) == list("prts")
        assert given.train.label.tolist() == [1.0] * 4 and given.negatives is not None
    given = TASK.examples(MatrixFactorization)
    assert given.train.label.tolist() == list("prts") and given.negatives is None


def test_rankers_read_ids_and_columns_of_both_sides(small_log: Log) -> None:
    spec = Choice(small_log).examples(DeepFM).spec
    keys = [column.categorical.key for column in (*spec.query, *spec.candidate)]  # type: ignore[union-attr]
    assert keys == ["user_id", "country", "item_id", "genres"]
    bag = Choice(small_log, profile=False).examples(YouTubeRetrieval).spec.query
    assert [column.categorical.key for column in bag] == ["history"]  # type: ignore[union-attr]


def test_without_profiles_rankers_read_the_ids_alone(small_log: Log) -> None:
    columns = Choice(small_log, profile=False).examples(DeepFM).spec.columns
    assert [column.name for column in columns] == ["user_id_embedding", "item_id_embedding"]


def test_it_differs_from_the_next_watch_in_what_is_known() -> None:
    # q is a's second: the next watch knows p alone.
    given = NextWatch(LOG, split=SPLIT, bags=(50,)).examples(YouTubeRetrieval)
    assert bags(given.test) == [("p", "q"), ("q", "r")]


@pytest.mark.parametrize("split", ["random-out", "random", "last-out", "time"])
def test_test_items_are_in_no_history(split: str, small_log: Log) -> None:
    task = Choice(small_log, split=split)  # type: ignore[arg-type]
    frame = small_log.interactions
    of_user = {
        user: set(part["item_id"]) for user, part in frame.iloc[task.rows.test].groupby("user_id")
    }
    test = task.examples(YouTubeRetrieval).test
    users = frame["user_id"].to_numpy()[task.rows.test]
    for user, history in zip(users, test.raw(["history"])["history"], strict=True):
        assert not of_user[user] & set(history)

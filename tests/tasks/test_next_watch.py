"""The next watch: what is predicted from what."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, NegativeSampling
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import EASE, GMF, DeepFM, MatrixFactorization, Popularity, YouTubeRetrieval
from tfrec_zoo.tasks import NCF, NextWatch
from tfrec_zoo.training import Training


def watched(rows: list[str], **columns: Any) -> Log:
    frame = [(f"u{u}", v, t) for u, items in enumerate(rows) for t, v in enumerate(items)]
    frame = pd.DataFrame(frame, columns=["user_id", "item_id", "time"])
    return Log("tiny", frame.assign(**columns))


def windows(examples: Any) -> list[tuple[str, str]]:
    """The history, oldest first, and the item of each example."""
    history = examples.raw(["history"])["history"]
    return [("".join(h), i) for h, i in zip(history, examples.label, strict=True)]


def test_how_often_user_and_item_are_trained_on() -> None:
    """The last item is tested on, the one before validates: y, x, then x, then z are left."""
    task = NextWatch(watched(["yxyx", "xy", "zv"]))
    activity, popularity = task.frequencies()  # type: ignore[misc]
    assert activity.tolist() == [2, 1, 1] and popularity.tolist() == [2, 1, 0]
    assert task.examples(Popularity).test.label.tolist() == ["x", "y", "v"]


def test_whole_histories_once_a_user() -> None:
    # The last of each user is the test, the one before validation, where there are three.
    task = NextWatch(watched(["pqrst", "qrs", "pq"]))
    given = task.examples(EASE)
    assert windows(given.train) == [("pq", "r"), ("", "q"), ("", "p")]
    assert windows(given.test) == [("pqrs", "t"), ("qr", "s"), ("p", "q")]
    assert windows(task.validating().examples(EASE).test) == [("pqr", "s"), ("q", "r")]
    assert [column.categorical.max_length for column in given.spec.query] == [5]  # type: ignore[union-attr]


def test_item_to_item_learns_each_users_history_once() -> None:
    # Of 4 users, the last watch is tested on, and the one before not trained on either.
    task = NextWatch(watched(["abcd", "bca", "dbcabd", "ab"]))
    given = task.examples(EASE)
    trained = [{*history, item} for history, item in windows(given.train)]
    assert trained == [{"a", "b"}, {"b"}, {"d", "b", "c", "a"}, {"a"}]
    assert windows(given.test) == [("abc", "d"), ("bc", "a"), ("dbcab", "d"), ("a", "b")]
    assert [item for _, item in windows(task.validating().examples(EASE).test)] == ["c", "c", "b"]
    run = tfrec_zoo.train("EASE", task, Training(verbose=0), l2=2.0)
    assert np.diag(run.model.gram).sum() == 2 + 1 + 4 + 1  # One epoch.
    assert run.statistics["epochs"] == 1


def test_windows_roll_back_to_before_each_watch() -> None:
    given = NextWatch(watched(["pqrst", "qr"]), bags=(1, 2)).examples(Popularity)
    # Bags of two, for the longest: one and two are fed of them.
    assert windows(given.train) == [("", "p"), ("p", "q"), ("pq", "r"), ("", "q")]
    assert windows(given.test) == [("rs", "t"), ("q", "r")]
    lengths = [column.categorical.max_length for column in given.spec.query[:2]]  # type: ignore[union-attr]
    assert lengths == [1, 2]
    # The age is from then to the end of what is trained on; when serving it is zero.
    ages = [part.raw(["example_age"])["example_age"].tolist() for part in (given.train, given.test)]
    assert ages == [[2.0, 1.0, 0.0, 2.0], [0.0, 0.0]]


def test_held_out_watches_have_both_sides() -> None:
    task = NextWatch(watched(["pqrstu"]), label="held-out")
    given = task.examples(YouTubeRetrieval)
    assert windows(given.train) == [("qrs", "p"), ("prs", "q"), ("pqs", "r"), ("pqr", "s")]
    assert windows(given.test) == [("pqrst", "u")]
    assert "trained on held-out watches (leaks the future)" in task.protocol


def test_users_weigh_the_same() -> None:
    task = NextWatch(watched(["pqrstuv", "pqrs"]), examples_per_user=2, seed=1)
    given = task.examples(YouTubeRetrieval)
    assert given.train.weight is not None
    # Of five and of two, two each.
    assert len(given.train) == 4 and len(set(given.train.weight)) == 1
    assert "2 examples per user" in task.protocol
    one = NextWatch(watched(["pqrstuv", "pqr"]), examples_per_user=2).examples(YouTubeRetrieval)
    # Of five two, and the only one of the other counts twice.
    assert len(one.train) == 3 and one.train.weight is not None
    assert one.train.weight[2] == pytest.approx(2 * one.train.weight[0])


def test_only_what_was_watched_far_enough_is_predicted() -> None:
    log = watched(["pqrst", "qrst"], weight=[9.0, 1, 5, 9, 2, 3, 8, 9, 9])
    items = pd.DataFrame({"item_id": list("pqrst"), "length": [10.0, 10, 10, 10, 10]})
    task = NextWatch(dataclasses.replace(log, items=items), min_watch_share=0.5)
    given = task.examples(Popularity)
    # p, r and s of the first, r, s and t of the second; r, s, t before the last two.
    assert windows(given.train) == [("", "p"), ("pq", "r"), ("q", "r")]
    assert windows(given.test) == [("qrs", "t")]
    assert task.rows.validation.tolist() == [3, 7]
    assert "watched at least 50%" in task.protocol
    with pytest.raises(ValueError, match="needs interactions with 'weight' and items with "
                       "'length'.* Received columns: "):  # fmt: skip
        NextWatch(log, min_watch_share=0.5).examples(Popularity)


def test_what_is_fed(small_log: Log) -> None:
    def keys(**options: Any) -> list[str]:
        query = NextWatch(small_log, **options).examples(DeepFM).spec.query
        return [getattr(column, "categorical", column).key for column in query]

    assert keys() == [*["history"] * 4, "country", "example_age"]
    plain = {"profile": False, "example_age": False}
    assert keys(**plain) == ["history"] * 4
    assert keys(**plain, bags=(7,), last_watched=True) == ["history", "last_watched"]
    assert keys(**plain, bags=(7,), moment=True) == ["history", "since_last", "num_before"]
    ranked = NextWatch(small_log, profile=False).examples(DeepFM).spec.candidate
    assert [column.categorical.key for column in ranked] == ["item_id"]  # type: ignore[union-attr]
    ranked = NextWatch(small_log).examples(DeepFM).spec.candidate
    assert [column.categorical.key for column in ranked] == ["item_id", "genres"]  # type: ignore[union-attr]


def test_the_longest_bag_is_also_fed_by_half_lives(small_log: Log) -> None:
    task = NextWatch(small_log, bags=(1, 7), half_lives=(60, 3600.0), profile=False)
    *bags, age = task.examples(YouTubeRetrieval).spec.query
    read = [column.categorical for column in bags]  # type: ignore[union-attr]
    assert [(c.max_length, c.half_life, c.ages) for c in read] == [  # type: ignore[union-attr]
        (1, None, None), (7, None, None), (7, 60.0, "history_age"), (7, 3600.0, "history_age")
    ]  # fmt: skip
    assert len({column.table for column in bags}) == 1 and age.name == "example_age"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="say what came last.* Received: .*order=False"):
        NextWatch(small_log, half_lives=(60,), order=False)


def test_the_moment_is_in_the_protocol(small_log: Log) -> None:
    for cls in (NextWatch, NCF):
        assert "with query time" in cls(small_log, moment=True).protocol
        assert "query time" not in cls(small_log, half_lives=(3,)).protocol
    events = small_log.interactions.drop(columns="time")
    without = Log("untimed", events)
    for options in ({"moment": True}, {"half_lives": (3,)}):
        with pytest.raises(ValueError, match="how long ago something was needs the order"):
            NCF(without, **options)  # type: ignore[arg-type]


def test_windows_are_as_long_as_the_bags_of_ones_own_features(small_log: Log) -> None:
    item = VocabularyColumn("item_id")
    for length in (2, 70):
        bag = BagColumn(VocabularyColumn("history", space="item_id"), length)
        query = (EmbeddingColumn(bag, 4), NumericColumn("num_before"))
        task = NextWatch(small_log, spec=FeatureSpec(query, (item,)))
        raw = task.examples(YouTubeRetrieval).train.raw(["history", "num_before"])
        assert raw["history"].shape[1] == length
        # Users have seven watches at most, of which the first five are trained on.
        assert raw["num_before"].max() == min(length, 4)


def test_tables_are_as_wide_as_the_model(small_log: Log) -> None:
    task = NextWatch(small_log, bags=(3,))
    spec = task.examples(YouTubeRetrieval, {"hidden_units": (16, 5), "tied": True}).spec
    bag = spec.query[0]
    assert isinstance(bag, EmbeddingColumn) and bag.dimension == 5


def test_rankers_learn_pairs_with_negatives(small_log: Log) -> None:
    task = NextWatch(small_log, negatives=3, exponent=0.75, reject=False)
    for ranker in (DeepFM, GMF):
        given = task.examples(ranker)
        assert given.negatives is not None
        assert given.negatives == NegativeSampling(3, 0.75, reject=False)
        assert given.train.candidates is not None
    for retrieval in (Popularity, YouTubeRetrieval, MatrixFactorization, EASE):
        assert task.examples(retrieval).negatives is None

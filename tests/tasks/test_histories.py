"""What models of the history alone learn from: the training items of each user, in order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo import tasks
from tfrec_zoo.data import Log, Split
from tfrec_zoo.models import EASE, SASRec
from tfrec_zoo.training import Training


def taken(rows: list[str], **columns: Any) -> Log:
    frame = [(f"u{u}", v, t) for u, items in enumerate(rows) for t, v in enumerate(items)]
    frame = pd.DataFrame(frame, columns=["user_id", "item_id", "time"])
    return Log("tiny", frame.assign(**columns))


def windows(examples: Any) -> list[tuple[str, str]]:
    """The history, oldest first, and the item of each example."""
    history = examples.raw(["history"])["history"]
    return [("".join(h), i) for h, i in zip(history, examples.label, strict=True)]


@pytest.mark.parametrize("name", ["next-watch", "choice"])
def test_a_longer_history_is_cut_into_examples(name: str) -> None:
    # All but the last two of each user are trained on, of the third all but one.
    log = taken(["pqrstuvwxy", "pqrsxy", "py", "pqrstxy"])
    task: Any = tasks.make(name, log, split="last-out")
    given = task.examples(SASRec, {"max_history": 3})
    assert windows(given.train) == [
        ("p", "q"), ("qrs", "t"), ("tuv", "w"),
        ("pqr", "s"),
        ("", "p"),
        ("p", "q"), ("qrs", "t"),
    ]  # fmt: skip
    # No longer ones are built, to train or to test.
    bag = given.spec.query[0].categorical  # type: ignore[union-attr]
    assert bag.max_length == 3
    assert given.test.raw(["history"])["history"].shape == (4, 3)
    tests = [("vwx", "y"), ("rsx", "y"), ("p", "y"), ("stx", "y")]
    if name == "next-watch":
        assert windows(given.test) == tests
    # What it can recommend is all that was trained on.
    assert set(given.fit_features().vocabularies["item_id"].tokens) == set("pqrstuvw")
    assert task.examples(SASRec).spec.query[0].categorical.max_length == 50


def test_every_training_item_is_predicted_once() -> None:
    rng = np.random.default_rng(0)
    log = taken([f"{'pqrstuvwxyz'[: rng.integers(1, 12)]}" for _ in range(40)])
    task = tasks.NextWatch(log)
    for length in (1, 2, 3, 5, 20):
        given = task.examples(SASRec, {"max_history": length})
        predicted = []
        for user, (history, item) in zip(given.train.groups, windows(given.train), strict=True):
            predicted += [(user, target) for target in (history + item)[1:]]
        expected = [
            (log.user_codes[row], log.interactions["item_id"][row])
            for row in task.train_rows
            if row and log.user_codes[row - 1] == log.user_codes[row]
        ]
        assert sorted(predicted) == sorted(expected), length


@pytest.mark.parametrize("name", ["next-watch", "choice"])
@pytest.mark.parametrize("model", [EASE, SASRec])
def test_what_is_held_out_is_not_learned_from(name: str, model: Any) -> None:
    log = taken(["pqrstu", "rspqut"])
    # In the midst of what is trained on.
    split = Split(np.array([0, 3, 5, 6, 9]), np.array([1, 7]), np.array([2, 8]), "mine")
    given = tasks.make(name, log, split=split).examples(model)
    assert windows(given.train) == [("ps", "u"), ("r", "q")]


def test_what_is_not_predicted_is_not_learned_from() -> None:
    items = pd.DataFrame({"item_id": list("pqrst"), "length": [10.0] * 5})
    log = taken(["pqrst"], weight=[9.0, 1, 9, 9, 9])
    log = Log("tiny", log.interactions, items=items)
    given = tasks.NextWatch(log, min_watch_share=0.5).examples(SASRec)
    assert windows(given.train) == [("p", "r")]
    assert windows(given.test) == [("pqrs", "t")]


def test_the_moment_is_the_age_of_each_item() -> None:
    log = taken(["pqrstu", "xy"])
    given = tasks.NextWatch(log, moment=True).examples(SASRec, {"max_history": 2})
    bag = given.spec.query[0].categorical  # type: ignore[union-attr]
    assert (bag.max_length, bag.ages) == (2, "history_age")
    assert windows(given.train) == [("p", "q"), ("qr", "s"), ("", "x")]
    ages = [part.raw(["history_age"])["history_age"] for part in (given.train, given.test)]
    nan = np.nan
    np.testing.assert_array_equal(ages[0], [[nan, 1.0], [2.0, 1.0], [nan, nan]])
    np.testing.assert_array_equal(ages[1], [[2.0, 1.0], [nan, 1.0]])
    assert tasks.NextWatch(log).examples(SASRec).spec.query[0].categorical.ages is None  # type: ignore[union-attr]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["SASRec", "EASE"])
def test_requests_give_the_ages_that_a_model_reads(name: str, small_log: Log) -> None:
    task = tasks.NextWatch(small_log, moment=True)
    assert "with query time" in task.protocol
    arguments = {"embedding_dim": 2} if name == "SASRec" else {}
    training = Training(epochs=1, verbose=0)
    run = tfrec_zoo.train(name, task, training, **arguments)
    item = small_log.interactions["item_id"][0]
    request = {"history": [[item, item], [item]], "history_age": [[90.0, 5.0], [2.0]]}
    if name == "EASE":
        del request["history_age"]
    found = run.recommend(request, k=3)
    assert len(found) == 6 and np.isfinite(found["score"]).all()


def test_what_reads_the_order_is_not_trained_without() -> None:
    task = tasks.NextWatch(taken(["pqrst"]), order=False)
    assert windows(task.examples(EASE).train) == [("pq", "r")]
    with pytest.raises(ValueError, match="SASRec can't be .* reads the order.* order=False"):
        task.examples(SASRec)

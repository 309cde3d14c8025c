"""What models of the history alone learn from: the training items of each user, in order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import tasks
from tfrec_zoo.data import Log, Split
from tfrec_zoo.models import EASE, SASRec


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

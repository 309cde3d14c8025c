"""Logs on which little can be measured: said in a line, and never a silent NaN."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import tasks
from tfrec_zoo.data import Log
from tfrec_zoo.models import EASE, MatrixFactorization
from tfrec_zoo.training import Training
from tfrec_zoo.training.runs import train

pytestmark = pytest.mark.usefixtures("eagerly")

ROWS = 60
EVENTS = pd.DataFrame(
    {
        "user_id": [f"u{i % 6}" for i in range(ROWS)],
        "item_id": [f"i{i * 7 % 10}" for i in range(ROWS)],
        "time": np.arange(ROWS),
        "weight": np.arange(ROWS) % 5 + 1.0,
    }
)


def clicks(split: str = "time", **columns: Any) -> tasks.Clicks:
    return tasks.Clicks(Log("mine", EVENTS.assign(**columns)), split=split, test_fraction=0.2)


@pytest.mark.parametrize(("late", "kind"), [(5.0, "positive"), (1.0, "negative")])
def test_test_examples_of_one_class(late: float, kind: str, caplog: Any) -> None:
    """The last twelve, which are tested on."""
    task = clicks(weight=np.where(EVENTS.time < 48, EVENTS.weight, late))
    run = train("LogisticRegression", task, Training(epochs=1, verbose=0))
    assert np.isnan(run.metrics["auc"]) and np.isnan(run.metrics["gauc"])
    assert np.isfinite(run.metrics["logloss"])
    number = len(task.parts[2])
    words = [record.getMessage() for record in caplog.records]
    assert f"All {number} examples to test on are {kind}" in words
    undefined = f"auc, gauc are undefined on the {number} test examples: all of them are {kind}"
    assert words.count(undefined) == 1
    assert run.result().to_dict()["metrics"]["auc"] is None


def test_users_of_one_class_each(caplog: Any) -> None:
    by_user = EVENTS.user_id.str[1:].astype(int) % 2 * 4 + 1.0
    run = train("LogisticRegression", clicks(weight=by_user), Training(epochs=1, verbose=0))
    assert np.isfinite(run.metrics["auc"]) and np.isnan(run.metrics["gauc"])
    assert "gauc is undefined on the 12 test examples: no user or page has" in caplog.text


def test_one_instant_has_no_past() -> None:
    with pytest.raises(ValueError, match='Nothing precedes .* take split="random". Received: '):
        clicks(time=7).parts  # noqa: B018
    assert sum(map(len, clicks("random", time=7).parts)) > 0


def test_one_item_is_said(caplog: Any) -> None:
    task = tasks.NextWatch(Log("mine", EVENTS.assign(item_id="i0")))
    task.examples(EASE)
    assert "All interactions are of one item" in caplog.text
    with pytest.raises(ValueError, match="but every user chose every item. Received: .* 1 items"):
        train(MatrixFactorization, task, Training(epochs=1, verbose=0), loss="bpr")


def test_users_with_one_event_leave_nothing_to_test() -> None:
    task = tasks.NextWatch(Log("mine", EVENTS.assign(user_id=np.arange(ROWS))))
    with pytest.raises(ValueError, match=r"to test on \(leave-last-out\). Received: 60 and 0"):
        train("Popularity", task, Training(verbose=0))

"""One task serves every model: the same items are ranked, the same are masked, whoever ranks."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo import registry, tasks
from tfrec_zoo.data import Examples, Log
from tfrec_zoo.training import Training

OPTIONS: dict[str, dict[str, Any]] = {
    "next-watch": {},
    "choice": {"split": "random-out", "seed": 3},
    "ncf": {"patience": None},
}


def by_hand(log: Log, test_rows: list[int]) -> list[tuple[str, frozenset[str]]]:
    """The item of each test row, and what else its user took."""
    frame = log.interactions
    found = []
    for row in test_rows:
        user, item = frame["user_id"][row], frame["item_id"][row]
        rest = frame[(frame["user_id"] == user) & (frame.index != row)]
        found.append((item, frozenset(rest["item_id"])))
    return found


def ranked(examples: Examples) -> list[tuple[str, frozenset[str]]]:
    """The item of each example, and what is masked beside it."""
    items = examples.label
    if examples.candidates is not None:
        items = examples.candidates.values["item_id"][examples.candidates.index]
    seen = examples.seen
    assert seen is not None
    hidden = np.full(len(items), -1) if seen.hide is None else seen.hide
    masked = [
        frozenset(seen.values["history"][row] for row in range(start, stop) if row != hide)
        for start, stop, hide in zip(seen.start, seen.stop, hidden, strict=True)
    ]
    return list(zip(items.tolist(), masked, strict=True))


def quick(name: str) -> dict[str, Any]:
    arguments = dict(registry.get(name).load().quick_arguments)
    return {**arguments, "hidden_units": (4,)} if "hidden_units" in arguments else arguments


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("task_name", OPTIONS)
@pytest.mark.parametrize("name", registry.MODELS)
def test_every_model_is_trained_and_measured_on_the_same_items(
    name: str, task_name: str, small_log: Log
) -> None:
    task: Any = tasks.make(task_name, small_log, **OPTIONS[task_name])
    training = Training(epochs=1, batch_size=1024, optimizer="lazy_adam", verbose=0)
    run = tfrec_zoo.train(name, task, training, **quick(name))
    assert type(run.model) is registry.get(name).load() and run.statistics["epochs"] == 1
    assert all(np.isfinite(value) and value >= 0 for value in run.metrics.values())

    frame = small_log.interactions
    last = frame.groupby("user_id", sort=False).tail(1).index.tolist()
    rows = task.rows.test.tolist()
    # In no order, those at random; else the last.
    assert (rows == last) is (task_name != "choice") and len(rows) == 12
    given = task.examples(type(run.model), run.model.get_config())
    expected = by_hand(small_log, rows)
    assert ranked(given.test) == expected
    # Of 15 items all are among the first 50, but those that training doesn't know.
    known = set(frame["item_id"][task.train_rows])
    share = np.mean([item in known for item, _ in expected])
    if task_name != "ncf":
        assert run.metrics["hit_rate_at_50"] == pytest.approx(share)
        assert run.metrics["hit_rate_at_50_seen_kept"] == pytest.approx(share)
        assert run.metrics["hit_rate_at_10_seen_kept"] <= run.metrics["hit_rate_at_10"]
    else:
        names = {"sampled_hit_rate_at_10", "sampled_ndcg_at_10", "hit_rate_at_10"}
        assert names <= set(run.metrics)
    # Rankers learn pairs, with negatives; the others which of all items it was.
    assert (given.negatives is not None) is (registry.get(name).family == "ranking")


@pytest.mark.parametrize("task_name", OPTIONS)
@pytest.mark.parametrize("name", ["EASE", "MatrixFactorization", "YouTubeRetrieval", "DeepFM"])
def test_validating_ranks_the_item_before_with_the_test_item_unknown(
    name: str, task_name: str, small_log: Log
) -> None:
    task: Any = tasks.make(task_name, small_log, **OPTIONS[task_name]).validating()
    assert task.held_out == "validation" and task.validating() is task
    test_item = dict(
        zip(
            small_log.interactions["user_id"][task.rows.test],
            small_log.interactions["item_id"][task.rows.test],
            strict=True,
        )
    )
    users = small_log.interactions["user_id"][task.rows.validation]
    expected = [
        (item, masked - {test_item[user]})
        for user, (item, masked) in zip(
            users, by_hand(small_log, task.rows.validation.tolist()), strict=True
        )
    ]
    given = task.examples(registry.get(name).load())
    assert ranked(given.test) == expected
    # Nor is it trained on.
    assert task.train_rows.tolist() == task.rows.train.tolist()
    assert not set(task.train_rows) & {*task.rows.test, *task.rows.validation}


PAIR_LOSSES = ("logistic", "squared", "bpr", "warp")


@pytest.mark.parametrize("task_name", ["next-watch", "choice"])
@pytest.mark.parametrize("loss", ["softmax", *PAIR_LOSSES])
def test_a_matrix_factorization_reads_what_its_loss_learns_from(
    loss: Any, task_name: str, small_log: Log
) -> None:
    cls = registry.get("MatrixFactorization").load()
    given = tasks.make(task_name, small_log, negatives=2).examples(cls, {"loss": loss})
    model = cls(given.fit_features(), embedding_dim=2, loss=loss)
    batches = given.train.dataset(30, model.preprocessor, negatives=given.negatives)
    features, label = next(iter(batches))
    assert label.shape == ((30,) if loss == "softmax" else (10, 3))
    assert np.isfinite(model.compute_loss((features, label), training=True))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("last-out", "leave-last-out"),
        ("random-out", "leave-random-out of seed 2"),
        ("time", "by time, last 0.25"),
        ("random", "random 0.25 (leaks the future)"),
    ],
)
@pytest.mark.parametrize(("task_name", "predicts"), [("next-watch", "next watch"),
                                                     ("choice", "choice")])  # fmt: skip
def test_the_protocol_says_how_it_is_split(
    split: str, words: str, task_name: str, predicts: str, small_log: Log
) -> None:
    task = tasks.make(task_name, small_log, split=split, test_fraction=0.25, seed=2)
    ranks = "full ranking over the training items"
    assert task.protocol == f"{predicts}, {words}, {ranks}"
    assert task.validating().protocol == f"{predicts}, validation items, {words}, {ranks}"


def test_a_split_of_ones_own(small_log: Log) -> None:
    split = tfrec_zoo.data.Split(np.arange(40), np.arange(40, 50), np.arange(50, 60), "mine")
    task: Any = tasks.NextWatch(small_log, split=split)
    assert task.rows is split and ", mine, " in task.protocol
    popularity = registry.get("Popularity").load()
    assert len(task.examples(popularity).test) == 10
    empty = tfrec_zoo.data.Split(np.arange(40), np.arange(0), np.arange(0), "nothing")
    with pytest.raises(ValueError, match=r"to test on \(nothing\). Received: 40 and 0"):
        tasks.NextWatch(small_log, split=empty).examples(popularity)
    empty = tfrec_zoo.data.Split(np.arange(0), np.arange(0), np.arange(9), "nothing")
    with pytest.raises(ValueError, match=r"Received: 0 and 9"):
        tasks.Choice(small_log, split=empty).examples(popularity)


def test_items_kept_and_items_masked_by_hand() -> None:
    # What most take is x, then y, then z: 4, 3 and 2 of five. Each is tested on the last.
    takes = {"a": "yxz", "b": "xyz", "c": "zyx", "d": "xzw", "e": "yxw"}
    rows = [(user, item, t) for user, items in takes.items() for t, item in enumerate(items)]
    log = Log("five", pd.DataFrame(rows, columns=["user_id", "item_id", "time"]))
    split = tfrec_zoo.data.leave_last_out(log)
    # Without validation: all but the last is trained on.
    train = np.union1d(split.train, split.validation)
    task = tasks.NextWatch(log, split=tfrec_zoo.data.Split(train, train[:0], split.test, "all"))
    run = tfrec_zoo.train("Popularity", task, Training(verbose=0))
    # Trained on: x 4 (a, b, d, e), y 4 (a, b, c, e), z 2 (c, d); w is unknown: a miss.
    # Masked, a and b rank z alone, first; c ranks x alone, first. Average precision 1, thrice.
    assert run.metrics["mean_average_precision"] == pytest.approx(3 / 5, abs=1e-6)
    # Kept, z comes third, and x ties with y, which counts against it: second.
    expected = (1 / 3 + 1 / 3 + 1 / 2) / 5
    assert run.metrics["mean_average_precision_seen_kept"] == pytest.approx(expected, abs=1e-6)

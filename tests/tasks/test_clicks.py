"""Clicks: how the log is split, what is measured, and by what training ends."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import tfrec_zoo
from tfrec_zoo.data import Log
from tfrec_zoo.features import FeatureSpec, VocabularyColumn
from tfrec_zoo.models import GMF, DeepFM, FactorizationMachine
from tfrec_zoo.tasks import Clicks
from tfrec_zoo.training import Training

SIZE = 2000


@pytest.fixture(scope="module")
def log() -> Log:
    """Ratings of 40 x 60, by the item's and the user's taste."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(40 * 60)[:SIZE], 60)
    stars = 3 + rng.normal(size=60)[items] + rng.normal(size=40)[users] + rng.normal(size=SIZE)
    return Log(
        "rated",
        pd.DataFrame(
            {
                "user_id": users,
                "item_id": items,
                "time": rng.permutation(SIZE).astype(float),
                "weight": np.clip(np.round(stars), 1, 5),
            }
        ),
        users=pd.DataFrame({"user_id": range(40), "zip": ["1", "2"] * 20}),
        items=pd.DataFrame({"item_id": range(60), "genres": [["a"], ["a", "b"]] * 30}),
    )


def test_the_split_is_fixed_whole_and_in_parts_of_8_1_1(log: Log) -> None:
    found = [[part.groups for part in Clicks(log).parts] for _ in range(2)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    kept = (log.interactions["weight"] != 3).sum()
    parts = Clicks(log).parts
    assert [len(part) for part in parts[:2]] == [kept * 8 // 10, kept * 9 // 10 - kept * 8 // 10]
    times = np.concatenate([part.raw(["time"])["time"] for part in parts])
    assert len(times) == len(set(times)) == kept  # each once
    # At random: no part is early or late.
    assert all(abs(part.raw(["time"])["time"].mean() - SIZE / 2) < 150 for part in parts)
    other = Clicks(log, seed=1).parts[2].raw(["time"])["time"]
    assert set(other) != set(parts[2].raw(["time"])["time"])


def test_by_time_the_last_are_tested_on(log: Log) -> None:
    task = Clicks(log, split="time", validation_fraction=0.2, test_fraction=0.3)
    train, validation, test = (part.raw(["time"])["time"] for part in task.parts)
    assert max(train) < min(validation) and max(validation) < min(test)
    kept = len(train) + len(validation) + len(test)
    assert len(test) == pytest.approx(0.3 * kept, abs=1)
    assert len(validation) == pytest.approx(0.2 * kept, abs=1)
    sizes = f"{len(train)}/{len(validation)}/{len(test)} examples"
    assert task.protocol == f"clicks, by time, last 0.3, {sizes}"


def test_the_protocol_says_that_a_random_split_leaks(log: Log) -> None:
    task = Clicks(log)
    sizes = "/".join(str(len(part)) for part in task.parts)
    expected = f"clicks, random split of seed 0 (leaks the future), {sizes} examples"
    assert task.protocol == expected
    assert task.validating().protocol == f"{expected}, validation examples"


def test_labels_above_the_threshold_are_positives(log: Log) -> None:
    frame = log.interactions.assign(liked=log.interactions["weight"] > 3).drop(columns="weight")
    own = Clicks(dataclasses.replace(log, interactions=frame), label="liked", threshold=0.5)
    # Nothing equals the threshold, so nothing is dropped.
    assert sum(len(part) for part in own.parts) == SIZE
    share = (log.interactions["weight"] > 3).mean()
    labels = np.concatenate([part.label for part in own.parts])
    assert labels.mean() == pytest.approx(share, abs=1e-6)
    assert own.protocol.startswith("clicks of 'liked', random split")


def test_without_labels_impressions_are_sampled(small_log: Log) -> None:
    frame = small_log.interactions.drop(columns="weight")
    task = Clicks(dataclasses.replace(small_log, interactions=frame), negatives=2, seed=5)
    assert ", sampled impressions with 2 negatives of seed 5, " in task.protocol
    labels = np.concatenate([part.label for part in task.parts])
    # One of three was chosen.
    assert len(labels) == 3 * len(frame) and labels.mean() == pytest.approx(1 / 3)
    assert task.validating().parts is task.parts


def test_impressions_are_taken_where_there_are_any(simulated_log: Log) -> None:
    task = Clicks(simulated_log)
    assert simulated_log.impressions is not None
    clicked = simulated_log.impressions["clicked"]
    assert sum(len(part) for part in task.parts) == len(clicked)
    assert sum(part.label.sum() for part in task.parts) == clicked.sum()


def test_what_a_model_reads(log: Log) -> None:
    def keys(spec: Any) -> list[str]:
        return [c.categorical.key if hasattr(c, "categorical") else c.key
                for c in (*spec.query, *spec.candidate)]  # fmt: skip

    assert keys(Clicks(log).examples(DeepFM).spec) == ["user_id", "zip", "item_id", "genres"]
    without = Clicks(log, ids=False).examples(DeepFM).spec
    assert keys(without) == ["zip", "time", "time", "genres"]
    for options in ({}, {"ids": False}, {"crosses": 5}):
        assert keys(Clicks(log, **options).examples(GMF).spec) == ["user_id", "item_id"]  # type: ignore[arg-type]
    crossed = Clicks(log, crosses=5).examples(DeepFM).spec.crosses
    assert [cross.top_n for cross in crossed] == [5] * 3
    train, validation, test = Clicks(log).parts
    task = Clicks(log)
    assert len(task.examples(GMF).test) == len(test)
    assert len(task.validating().examples(GMF).test) == len(validation)


def rates(train: Any, test: Any) -> np.ndarray:
    of_train, of_test = (part.raw(["item_id"])["item_id"] for part in (train, test))
    mean = train.label.mean()
    damped = [
        (train.label[of_train == i].sum() + 10 * mean) / ((of_train == i).sum() + 10)
        for i in range(60)
    ]
    return np.array(damped)[of_test]


@pytest.mark.parametrize("held_out", ["test", "validation"])
def test_what_is_measured_is_measured_on_what_is_held_out(log: Log, held_out: Any) -> None:
    task = Clicks(log, held_out=held_out)
    (name,) = task.baselines
    assert name == "item-rates"
    metrics = task.baselines[name]()
    train, validation, test = task.parts
    test = test if held_out == "test" else validation
    expected = rates(train, test)
    assert metrics["auc"] == pytest.approx(roc_auc_score(test.label, expected), abs=1e-6)
    assert metrics["logloss"] == pytest.approx(log_loss(test.label, expected), rel=1e-6)
    groups = test.groups
    assert groups is not None
    users = [u for u in set(groups) if 0 < test.label[groups == u].mean() < 1]
    of_users = [roc_auc_score(test.label[groups == u], expected[groups == u]) for u in users]
    sizes = [(groups == u).sum() for u in users]
    assert metrics["gauc"] == pytest.approx(np.average(of_users, weights=sizes), abs=1e-6)


TRAINING = Training(epochs=5, batch_size=64, learning_rate=0.05, plateau=0.2, seed=1, verbose=0)


def test_the_weights_are_those_of_the_best_epoch_on_validation(log: Log) -> None:
    task = Clicks(log)
    run = tfrec_zoo.train("FactorizationMachine", task, TRAINING, embedding_dim=4)
    aucs = [row["val_auc"] for row in run.history]
    best = int(np.argmax(aucs))
    assert run.statistics["epochs"] == best + 1
    # Two epochs without a better one end it, by the task.
    assert len(aucs) == min(best + 1 + 2, 5)
    assert run.metrics["auc"] > 0.65
    # 40 users, 60 items, 2 zips and 2 genres: 104, factors and weight. A bias.
    assert run.statistics["parameters"] == 104 * (4 + 1) + 1
    assert (run.model.seed, run.model.embedding_dim) == (1, 4)
    # The weights are those of that epoch: scikit-learn finds the AUC that Keras reported for it.
    validation = task.parts[1]
    predictions = run.model.predict(validation.dataset(1024), verbose=0)
    assert roc_auc_score(validation.label, predictions) == pytest.approx(aucs[best], abs=0.005)
    test = task.parts[2]
    predictions = run.model.predict(test.dataset(1024), verbose=0)
    assert run.metrics["auc"] == pytest.approx(roc_auc_score(test.label, predictions), abs=1e-6)


def test_no_part_may_be_empty(log: Log) -> None:
    few = dataclasses.replace(log, interactions=log.interactions[:3].assign(weight=[5.0, 1, 5]))
    with pytest.raises(ValueError, match="to validate and to test on. Received: 2, 0 and 1"):
        Clicks(few).examples(FactorizationMachine)


def test_the_level_is_that_of_the_shown_position_and_the_order_that_of_the_first() -> None:
    # Four of five clicks at the first position, one of five at the second, whatever the item.
    size = 1000
    position = np.arange(size) % 2
    clicked = np.arange(size) // 2 % 5 != 0
    shown = pd.DataFrame(
        {
            "user_id": np.arange(size) // 10 % 20,
            "item_id": np.arange(size) % 7,
            "time": np.arange(size, dtype=float),
            "position": position,
            "clicked": np.where(position == 0, clicked, ~clicked).astype(int),
        }
    )
    log = Log("positions", shown[["user_id", "item_id", "time"]], impressions=shown)
    spec = FeatureSpec((), (VocabularyColumn("position", "int64", serving=0),))
    training = Training(epochs=60, batch_size=100, learning_rate=0.1)
    clicks = Clicks(log, spec=spec, split="time")
    metrics = tfrec_zoo.train("LogisticRegression", clicks, training).metrics
    entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    assert metrics["logloss"] == pytest.approx(entropy, abs=0.05)
    assert metrics["auc"] == 0.5  # Position apart, all are alike.

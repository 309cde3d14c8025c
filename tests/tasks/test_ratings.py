"""Ratings: the split, the baseline by pandas, and a rating log of known rank."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, Split
from tfrec_zoo.models import FactorizationMachine, MatrixFactorization
from tfrec_zoo.tasks import Ratings
from tfrec_zoo.tasks.ratings import rating_errors
from tfrec_zoo.training import Training

USERS, ITEMS = 60, 40
NOISE = 0.1


@pytest.fixture(scope="module")
def log() -> Log:
    """Half of all ratings: 6 + b_i + p_u · q_i of rank 2, and noise."""
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(USERS, 2)), rng.normal(size=(ITEMS, 2))
    full = 6 + 0.5 * rng.normal(size=ITEMS) + p @ q.T + NOISE * rng.normal(size=(USERS, ITEMS))
    user, item = np.nonzero(rng.random((USERS, ITEMS)) < 0.5)
    frame = pd.DataFrame({"user_id": user, "item_id": item, "weight": full[user, item]})
    items = pd.DataFrame({"item_id": np.arange(ITEMS), "kind": np.arange(ITEMS) % 3})
    items["kind"] = "k" + items["kind"].astype(str)
    return Log("planted", frame.assign(time=rng.permutation(len(frame))), items=items)


def pairs(examples: Any) -> set[tuple[int, int]]:
    raw = examples.raw(["user_id", "item_id"])
    return set(zip(raw["user_id"].tolist(), raw["item_id"].tolist(), strict=True))


def test_parts_are_of_a_fifth_and_a_tenth_of_the_rest(log: Log) -> None:
    task = Ratings(log)
    size = len(log.interactions)
    rows = task.rows
    assert len(rows.test) == round(0.2 * size) and len(rows.validation) == round(0.08 * size)
    train, test = task.parts
    assert len(pairs(train)) == len(train) and not pairs(train) & pairs(test)
    assert len(train) + len(test) == size
    # Validation is of what is trained on in the end.
    less, validation = task.validating().parts  # type: ignore[attr-defined]
    assert pairs(less) | pairs(validation) == pairs(train) and not pairs(less) & pairs(validation)
    assert task.protocol == "ratings, random 0.2 (leaks the future), seed 0, RMSE"
    assert task.validating().protocol.startswith("ratings, validation ratings, random 0.2")


def test_errors_by_hand() -> None:
    # Errors 1, -1, 0 and 3.
    found = rating_errors(np.array([2.0, 1.0, 3.0, 8.0]), np.array([1.0, 2.0, 3.0, 5.0]))
    assert found == pytest.approx({"rmse": (11 / 4) ** 0.5, "mae": 5 / 4})


def test_damped_means_by_pandas(log: Log) -> None:
    def frame(part: Any) -> pd.DataFrame:
        return pd.DataFrame({**part.raw(["user_id", "item_id"]), "rating": part.label})

    task = Ratings(log)
    train, test = (frame(part) for part in task.parts)
    mean = train["rating"].mean()

    def damped(rest: pd.Series) -> float:
        return rest.sum() / (len(rest) + 5)

    of_item = (train["rating"] - mean).groupby(train["item_id"]).agg(damped)
    rest = train["rating"] - mean - train["item_id"].map(of_item)
    of_user = rest.groupby(train["user_id"]).agg(damped)
    predicted = mean + test["item_id"].map(of_item) + test["user_id"].map(of_user)
    errors = predicted - test["rating"]
    found = task.damped_means(damping=5.0)
    assert found["rmse"] == pytest.approx((errors**2).mean() ** 0.5, rel=1e-5)
    assert found["mae"] == pytest.approx(errors.abs().mean(), rel=1e-5)
    assert list(task.baselines) == ["damped-means"]
    assert task.baselines["damped-means"]() == task.damped_means(damping=10.0)


def test_matrix_factorization_finds_what_was_planted(log: Log) -> None:
    task = Ratings(log)
    training = Training(
        batch_size=32,
        learning_rate=0.1,
        optimizer="lazy_adam",
        grid={"epochs": (1, 12)},
        seed=1,
        verbose=0,
    )
    run = tfrec_zoo.train("MatrixFactorization", task, training, embedding_dim=2, batch_l2=0.001)
    baseline = task.damped_means()["rmse"]
    # The rank-2 part alone has a standard deviation of √2, which means can't see.
    assert baseline > 1
    assert run.metrics["rmse"] < 0.5 * baseline
    assert run.metrics["rmse"] > NOISE / 2
    assert run.statistics["epochs"] == 12 and run.model.get_config()["loss"] == "squared"
    # The run says how the model that was tested was trained.
    assert (run.training.epochs, run.training.seed, dict(run.training.grid)) == (12, 1, {})
    assert run.arguments["embedding_dim"] == 2 and run.training.batch_size == 32


@pytest.mark.parametrize("model", [MatrixFactorization, FactorizationMachine])
def test_the_grid_is_tried_on_validation_and_the_best_is_trained_on_all(
    model: Any, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[Any, int, Any, int]] = []

    class NoHistory:
        history: dict[str, list[float]] = {}
        epoch: list[int] = []

    def fit(model: Any, examples: Any, training: Training, negatives: Any, **_: Any) -> Any:
        fitted.append((type(model), len(examples), training.epochs, training.seed))
        return NoHistory()

    monkeypatch.setattr("tfrec_zoo.training.trainer.fit", fit)
    training = Training(grid={"epochs": (3, 5)}, seed=2, verbose=0)
    run = tfrec_zoo.train(model, Ratings(log), training)
    # Twice on what is neither validation nor test, then on all but the test.
    size = len(log.interactions)
    most, less = size - round(0.2 * size), size - round(0.2 * size) - round(0.08 * size)
    # None was trained: both are as bad, and the first is taken.
    assert fitted == [(model, less, 3, 2), (model, less, 5, 2), (model, most, 3, 2)]
    label = run.task.parts[1].label  # type: ignore[attr-defined]
    assert run.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(label**2)), rel=0.02)


def test_another_column_is_predicted(log: Log) -> None:
    frame = log.interactions.rename(columns={"weight": "stars"})
    other = dataclasses.replace(log, interactions=frame)
    task = Ratings(other, label="stars")
    np.testing.assert_array_equal(task.parts[1].label, Ratings(log).parts[1].label)
    assert task.protocol.startswith("ratings of 'stars', random")
    with pytest.raises(ValueError, match="must have a column 'weight'"):
        Ratings(other).examples(MatrixFactorization)


def test_what_a_model_reads(log: Log) -> None:
    def keys(task: Ratings, model: Any) -> list[str]:
        spec = task.examples(model).spec
        return [getattr(c, "categorical", c).key for c in (*spec.query, *spec.candidate)]  # type: ignore[union-attr]

    assert keys(Ratings(log), FactorizationMachine) == ["user_id", "item_id", "kind"]
    assert keys(Ratings(log, profile=False), FactorizationMachine) == ["user_id", "item_id"]
    assert keys(Ratings(log), MatrixFactorization) == ["user_id", "item_id"]


def test_no_part_may_be_empty(log: Log) -> None:
    nothing = np.arange(0)
    for train, test in ((np.arange(9), nothing), (nothing, np.arange(9))):
        with pytest.raises(ValueError, match=r"to train and to test on \(mine\). Received: "):
            Ratings(log, split=Split(train, nothing, test, "mine")).examples(MatrixFactorization)

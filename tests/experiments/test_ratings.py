"""The ratings table: the split, the baseline by pandas, and a rating log of known rank."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import recipes
from tfrec_zoo.data import Log, interaction_examples
from tfrec_zoo.experiments import ratings
from tfrec_zoo.models import FactorizationMachine, MatrixFactorization
from tfrec_zoo.training import Training

USERS, ITEMS = 60, 40
NOISE = 0.1


@pytest.fixture(scope="module")
def log() -> Log:
    """Half of all ratings: 3 + b_i + p_u · q_i of rank 2, and noise."""
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(USERS, 2)), rng.normal(size=(ITEMS, 2))
    full = 3 + 0.5 * rng.normal(size=ITEMS) + p @ q.T + NOISE * rng.normal(size=(USERS, ITEMS))
    user, item = np.nonzero(rng.random((USERS, ITEMS)) < 0.5)
    frame = pd.DataFrame({"user_id": user, "item_id": item, "weight": full[user, item]})
    items = pd.DataFrame({"item_id": np.arange(ITEMS), "kind": np.arange(ITEMS) % 3})
    items["kind"] = "k" + items["kind"].astype(str)
    return Log("planted", frame.assign(time=rng.permutation(len(frame))), items=items)


def test_parts_are_of_a_fifth_and_a_tenth_of_the_rest(log: Log) -> None:
    train, validation, test, protocol = ratings.parts(log)
    size = len(log.interactions)
    assert len(test) == round(0.2 * size) and len(validation) == round(0.08 * size)
    pairs = [
        set(zip(raw["user_id"].tolist(), raw["item_id"].tolist(), strict=True))
        for raw in (part.raw() for part in (train, validation, test))
    ]
    assert len(set.union(*pairs)) == sum(map(len, pairs)) == size
    assert "leaks the future" in protocol


def test_rmse_by_hand() -> None:
    frame = pd.DataFrame({"user_id": ["a"] * 4, "item_id": list("wxyz"), "time": range(4)})
    log = Log("tiny", frame.assign(weight=[1.0, 2.0, 3.0, 5.0]))
    examples = interaction_examples(log, np.arange(4), "weight")
    # Errors 1, -1, 0 and 3.
    assert ratings.rmse(np.array([2.0, 1.0, 3.0, 8.0]), examples) == pytest.approx((11 / 4) ** 0.5)


def test_damped_means_by_pandas(log: Log) -> None:
    def frame(part: object) -> pd.DataFrame:
        return pd.DataFrame({**part.raw(["user_id", "item_id"]), "rating": part.label})  # type: ignore[attr-defined]

    first, second, test = (frame(part) for part in ratings.parts(log)[:3])
    train = pd.concat([first, second])
    mean = train["rating"].mean()

    def damped(rest: pd.Series) -> float:
        return rest.sum() / (len(rest) + 5)

    of_item = (train["rating"] - mean).groupby(train["item_id"]).agg(damped)
    rest = train["rating"] - mean - train["item_id"].map(of_item)
    of_user = rest.groupby(train["user_id"]).agg(damped)
    predicted = mean + test["item_id"].map(of_item) + test["user_id"].map(of_user)
    expected = ((predicted - test["rating"]) ** 2).mean() ** 0.5
    result = ratings.damped_means(log, seed=7, damping=5.0)
    assert result.metrics["rmse"] == pytest.approx(expected, rel=1e-5)
    assert result.seed == 7 and result.config == {"damping": 5.0}


def test_matrix_factorization_finds_what_was_planted(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratings, "EPOCHS", (1, 12))

    def build(log: Log, train: object, seed: int) -> MatrixFactorization:
        features = train.fit_features(recipes.id_spec(log))  # type: ignore[attr-defined]
        return MatrixFactorization(
            features, embedding_dim=2, loss="squared", batch_l2=0.001, seed=seed
        )

    training = Training(batch_size=32, learning_rate=0.1, optimizer="lazy_adam", verbose=0)
    result = ratings.trained(build, training)(log, seed=1)
    baseline = ratings.damped_means(log, seed=1).metrics["rmse"]
    # The rank-2 part alone has a standard deviation of √2, which means can't see.
    assert baseline > 1
    assert result.metrics["rmse"] < 0.5 * baseline
    assert result.metrics["rmse"] > NOISE / 2
    assert result.metrics["epochs"] == 12
    # The result says how the model that was tested was trained.
    assert (result.config["epochs"], result.config["seed"]) == (12, 1)
    assert result.config["embedding_dim"] == 2 and result.config["batch_size"] == 32


@pytest.mark.parametrize(
    ("row", "model"), [("MF", MatrixFactorization), ("FM", FactorizationMachine)]
)
def test_the_rows_of_the_table(
    row: str, model: type, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[type, int, int, int]] = []

    def fit(model: Any, examples: Any, training: Training) -> None:
        fitted.append((type(model), len(examples), training.epochs, training.seed))

    monkeypatch.setattr(ratings, "fit", fit)
    monkeypatch.setattr(ratings, "EPOCHS", (3, 5))
    result = ratings.ROWS[row](log, 2)
    # Twice on what is neither validation nor test, then on all but the test.
    size = len(log.interactions)
    most, less = size - round(0.2 * size), size - round(0.2 * size) - round(0.08 * size)
    chosen = result.metrics["epochs"]
    assert fitted == [(model, less, 3, 2), (model, less, 5, 2), (model, most, chosen, 2)]
    # None was trained: they predict about nothing.
    label = ratings.parts(log)[2].label
    assert result.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(label**2)), rel=0.02)

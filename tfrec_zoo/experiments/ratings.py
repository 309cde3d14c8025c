"""Table: predicting ratings, RMSE on a fixed fifth of them.

Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems", Computer 2009.
The split is random, as in most published numbers, and so leaks the future; it is the same for
every seed. The number of epochs is that of the lowest error on a tenth of the training ratings,
with which the model is then trained again on all of them.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfrec_zoo import recipes
from tfrec_zoo.data import Examples, Log, interaction_examples, random_leaky
from tfrec_zoo.evaluation import Result, predict
from tfrec_zoo.models import FactorizationMachine, MatrixFactorization, RecommenderModel
from tfrec_zoo.training import Training, fit

TEST_FRACTION, VALIDATION_FRACTION = 0.2, 0.08


def parts(log: Log) -> tuple[Examples, Examples, Examples, str]:
    """Ratings to train on, to validate on and to test on, and the protocol."""
    split = random_leaky(log, VALIDATION_FRACTION, TEST_FRACTION, seed=0)
    train, validation, test = (
        interaction_examples(log, rows, "weight")
        for rows in (split.train, split.validation, split.test)
    )
    return train, validation, test, f"{split.protocol}, seed 0, RMSE"


def rmse(predictions: np.ndarray, examples: Examples) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean(np.square(predictions - examples.label))))


def damped_means(log: Log, seed: int, damping: float = 10.0) -> Result:
    """The baseline: the mean rating, and how far the user's and the item's are from it, damped."""
    _, _, test, protocol = parts(log)
    train = _all_training(log)
    mean = train.label.mean()
    deviation = {}
    rest = train.label - mean
    for side in (_items, _users):
        codes = side(train)
        size = max(codes.max(), side(test).max()) + 1
        total = np.bincount(codes, rest, size) / (np.bincount(codes, minlength=size) + damping)
        rest = rest - total[codes]
        deviation[side] = total
    predictions = mean + sum(deviation[side][side(test)] for side in deviation)
    return Result.of(
        log,
        model="damped means",
        metrics={"rmse": rmse(predictions, test)},
        protocol=protocol,
        seed=seed,
        config={"damping": damping},
    )


def trained(
    build: Callable[[Log, Examples, int], RecommenderModel], training: Training
) -> Callable[[Log, int], Result]:
    """A model of squared error, trained for the number of epochs that validation chose."""

    def run(log: Log, seed: int) -> Result:
        train, validation, test, protocol = parts(log)
        seeded = dataclasses.replace(training, seed=seed)
        errors = []
        for epochs in EPOCHS:
            model = build(log, train, seed)
            fit(model, train, dataclasses.replace(seeded, epochs=epochs))
            errors.append(rmse(predict(model, validation), validation))
        epochs = EPOCHS[int(np.argmin(errors))]
        train = _all_training(log)
        model = build(log, train, seed)
        fit(model, train, dataclasses.replace(seeded, epochs=epochs))
        config = {k: v for k, v in model.get_config().items() if k != "features"}
        return Result.of(
            log,
            model=type(model).__name__,
            metrics={"rmse": rmse(predict(model, test), test), "epochs": epochs},
            protocol=protocol,
            seed=seed,
            config={**config, **dataclasses.asdict(dataclasses.replace(seeded, epochs=epochs))},
        )

    return run


#: Numbers of epochs to choose from; with each the learning rate falls to zero.
EPOCHS = (10, 15, 20)


def _all_training(log: Log) -> Examples:
    split = random_leaky(log, VALIDATION_FRACTION, TEST_FRACTION, seed=0)
    return interaction_examples(log, np.union1d(split.train, split.validation), "weight")


def _users(examples: Examples) -> np.ndarray:
    assert examples.groups is not None
    return examples.groups


def _items(examples: Examples) -> np.ndarray:
    assert examples.candidates is not None
    return examples.candidates.index


def _mf(log: Log, train: Examples, seed: int) -> RecommenderModel:
    features = train.fit_features(recipes.id_spec(log))
    return MatrixFactorization(
        features, embedding_dim=64, loss="squared", batch_l2=0.06, stddev=0.05, seed=seed
    )


def _fm(log: Log, train: Examples, seed: int) -> RecommenderModel:
    spec = recipes.choice_spec(log, embedding_dim=32)
    features = train.fit_features(spec)
    return FactorizationMachine(features, embedding_dim=32, loss="squared", seed=seed)


_TRAINING = Training(batch_size=256, learning_rate=0.005, optimizer="lazy_adam", verbose=0)

ROWS: dict[str, Callable[[Log, int], Any]] = {
    "damped-means": damped_means,
    "MF": trained(_mf, _TRAINING),
    "FM": trained(_fm, _TRAINING),
}

"""Table: expected watch time against the simulator's truth, weighted against unweighted training.

Covington et al. (2016), §4.2 and table 1.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfrec_zoo import recipes
from tfrec_zoo.data import Log
from tfrec_zoo.evaluation import Result, pointwise_metrics, predict
from tfrec_zoo.models import YouTubeRanking
from tfrec_zoo.training import Training, fit

TEST_FRACTION = 0.15


def youtube(
    hidden_units: tuple[int, ...] = (128, 64), weighted: bool = True, exact_odds: bool = False
) -> Callable[[Log, int], Result]:
    """YouTubeRanking on simulated impressions; predictions against labels and against truth."""

    def run(log: Log, seed: int) -> Result:
        task = recipes.ranking_task(log, TEST_FRACTION)
        spec = recipes.ranking_spec(log, embedding_dim=32)
        training = Training(epochs=2, learning_rate=0.001, seed=seed, verbose=2)
        arguments: dict[str, Any] = {
            "hidden_units": hidden_units,
            "weighted": weighted,
            "exact_odds": exact_odds,
            "dropout": 0.2,
            "seed": seed,
        }
        model = YouTubeRanking(task.train.fit_features(spec), **arguments)
        fit(model, task.train, training)
        predictions = predict(model, task.test)
        metrics = pointwise_metrics(predictions, task.test.label, task.test.groups)
        if weighted:
            metrics.update(calibration(predictions, test_truth(log)))
        else:
            # Probabilities of a click, not watch times.
            del metrics["bias"]
        return Result.of(
            log,
            model="YouTubeRanking",
            metrics=metrics,
            protocol=task.protocol,
            seed=seed,
            config={**arguments, **dataclasses.asdict(training)},
        )

    return run


def truth(log: Log, seed: int) -> Result:
    """The bound: the true expected watch time as the prediction.

    `bias_of_odds` is that of the paper's odds, E[T] / (1 − P), were they learned perfectly.
    """
    task = recipes.ranking_task(log, TEST_FRACTION)
    true = test_truth(log)
    metrics = pointwise_metrics(true, task.test.label, task.test.groups)
    odds = true / (1 - test_truth(log, "true_click_probability"))
    metrics["bias_of_odds"] = float(odds.sum() / true.sum() - 1)
    return Result.of(log, model="truth", metrics=metrics, protocol=task.protocol, seed=seed)


def test_truth(log: Log, column: str = "true_watch_time") -> np.ndarray:
    """The true expected watch times of the test impressions (or click probabilities)."""
    if log.impressions is None or "true_watch_time" not in log.impressions:
        raise ValueError(f"This table needs a simulated log. Received: {log.name!r}")
    time = log.impressions[log.roles.time].to_numpy()
    is_test = time >= np.quantile(time, 1 - TEST_FRACTION)
    return log.impressions[column].to_numpy()[is_test]


def calibration(predictions: np.ndarray, truth: np.ndarray, buckets: int = 10) -> dict[str, float]:
    """Predictions against truth, overall and by tenths of the predictions, lowest first."""
    order = np.argsort(predictions)
    result = {"bias_to_truth": float(predictions.sum() / truth.sum() - 1)}
    for i, part in enumerate(np.array_split(order, buckets)):
        result[f"predicted_{i}"] = float(predictions[part].mean())
        result[f"true_{i}"] = float(truth[part].mean())
    return result


ROWS: dict[str, Callable[[Log, int], Result]] = {
    "truth": truth,
    "weighted": youtube(),
    "weighted-exact-odds": youtube(exact_odds=True),
    "unweighted": youtube(weighted=False),
    "no-hidden-layers": youtube(hidden_units=()),
}

"""Rankers of impressions: what the experiments on ranking have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import tfrec_zoo as zoo
from tfrec_zoo.data import Examples, Log, SimulatedLog
from tfrec_zoo.evaluation import pointwise_metrics
from tfrec_zoo.experiments.experiment import Experiment
from tfrec_zoo.metrics import WeightedPerUserLoss
from tfrec_zoo.tasks import WatchTime
from tfrec_zoo.training.runs import Run

_DAY = 86_400.0

#: What a ranker is and how it is trained, by the size of the experiment.
_SIZES: dict[str, dict[str, Any]] = {
    "toy": {
        "world": {"num_users": 60, "num_items": 100, "num_days": 3},
        "arguments": {"hidden_units": (16,), "dropout": 0.0},
        "training": {"epochs": 1, "batch_size": 256, "learning_rate": 0.005},
    },
    "small": {
        "arguments": {"hidden_units": (128, 64), "dropout": 0.2},
        "training": {"epochs": 2, "batch_size": 512, "learning_rate": 0.001},
    },
    "full": {
        "arguments": {"hidden_units": (256, 128), "dropout": 0.2},
        "training": {"epochs": 2, "batch_size": 512, "learning_rate": 0.001},
    },
}


def ranker_sizes(**own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The `sizes` of a ranking experiment.

    Args:
        **own: By size, what the experiment has besides, or in place of what rankers have.
    """
    return {size: {**shared, **own.get(size, {})} for size, shared in _SIZES.items()}


class RankingExperiment(Experiment):
    """An experiment with rankers that are tested on the last day of the impressions.

    Its `sizes` are made by `ranker_sizes`.

    Args:
        size: As in `Experiment`.
        log: A log with impressions in place of simulated ones.

    Raises:
        ValueError: If the log has no impressions.
    """

    #: Whether the simulator's truth is needed.
    needs_truth = False

    def __init__(self, size: str = "small", log: Log | None = None) -> None:
        super().__init__(size, log)
        if log is None:
            return
        if log.impressions is None:
            raise ValueError(
                f"The experiment {self.name!r} needs impressions: choose the data set simulated or "
                f"a log with impressions. Received: {log.name!r}"
            )
        if self.needs_truth and not isinstance(log, SimulatedLog):
            raise ValueError(
                f"The experiment {self.name!r} needs the simulator's truth: choose the data set "
                f"simulated. Received: {log.name!r}"
            )

    def task(self, seed: int, **options: Any) -> WatchTime:
        """The task of a seed: all but the last day to train on.

        Args:
            seed: The seed.
            **options: Arguments of the task.
        """
        log = self.log(seed)
        return WatchTime(log, test_from=last_day(log), **options)

    def train(
        self,
        seed: int,
        task: WatchTime,
        learning_rate: float | None = None,
        **arguments: Any,
    ) -> Run:
        """Trains a ranker as the parameters say.

        Args:
            seed: The seed.
            task: The task.
            learning_rate: The learning rate, if it is not the one of the parameters.
            **arguments: Arguments of the model, besides those among the parameters.
        """
        given = {} if learning_rate is None else {"learning_rate": learning_rate}
        arguments = {**self.parameters["arguments"], **arguments}
        return zoo.train("YouTubeRanking", task, self.training(seed, **given), **arguments)


def last_day(log: Log) -> float:
    """The time from which the last day of a log's impressions begins."""
    assert log.impressions is not None
    return float(log.impressions[log.roles.time].max()) - _DAY


def scored_test(run: Run) -> tuple[Examples, np.ndarray]:
    """The test examples of a run, as they are served, and their [examples] logits.

    Logits order examples as predictions do, and don't overflow where those may.
    """
    test = run.task.examples(type(run.model), run.arguments).test
    parts = test.dataset(4096, run.model.preprocessor)
    return test, np.concatenate([run.model(features).numpy() for features, *_ in parts])


def losses(examples: Examples, scores: np.ndarray, pairs_seed: int = 0) -> dict[str, float]:
    """Weighted per-user loss over all pairs of a page, and over one pair of each.

    Args:
        examples: The examples.
        scores: [examples] scores.
        pairs_seed: Seed by which the one pair is drawn.
    """
    metrics = pointwise_metrics(scores, examples.label, examples.groups)
    one = WeightedPerUserLoss(pairs="one", seed=pairs_seed)
    one.update_state(examples.label > 0, scores, examples.label, groups=examples.groups)
    return {
        **{name: metrics[name] for name in ("weighted_per_user_loss", "auc", "gauc")},
        "loss_of_one_pair": float(one.result()),
    }

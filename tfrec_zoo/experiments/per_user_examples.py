"""How many training examples a user has: a fixed number, or as many as there are watches.

Covington et al. (2016), §3.4: a fixed number of examples per user weights all users equally in the
loss, which prevents a small cohort of highly active users from dominating it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import tfrec_zoo as zoo
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.experiments.experiment import UNTIL_ENOUGH, Experiment
from tfrec_zoo.experiments.findings import Finding, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.plots.figures import COLOURS, new_figure
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.tasks.specs import longest_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAP = "mean_average_precision"


class PerUserExamples(Experiment):
    """The last watch of each user is predicted, so that every user counts once, and the mean
    average precision is told apart by quartile of the number of training watches. "Equal weights"
    keeps every watch and gives each user the same weight in the loss; a fixed number draws so many
    of each user's watches once, and users with fewer keep all, with the same weight in all. All are
    trained until the watch before the last one is predicted no better for two epochs.

    What is not drawn is missing: of users with some twenty watches each, five per user leave a
    quarter of the examples. The paper's users have so many that there are enough either way.
    """

    name = "per-user-examples"
    title = "Examples per user"
    source = "§3.4"
    claim = (
        "A fixed number of training examples per user, which weights users equally in the loss, "
        "improves on training on all watches, where a small cohort of active users dominates."
    )
    columns = {
        "MAP": _MAP,
        "least active quartile": "map_quartile_1",
        "second": "map_quartile_2",
        "third": "map_quartile_3",
        "most active": "map_quartile_4",
        "examples": "examples",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "hidden_units": (16,),
            "training": {"epochs": 1},
            "numbers": (3,),
        },
        "small": {
            "world": {"num_items": 500},
            "hidden_units": (128, 64),
            "training": UNTIL_ENOUGH,
            "numbers": (5, 20),
        },
        "full": {
            "world": {"num_users": 6000, "num_items": 2000, "num_days": 28},
            "hidden_units": (256, 128),
            "training": UNTIL_ENOUGH,
            "numbers": (5, 20, 50),
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """All watches as they are, with equal weights of the users, and fixed numbers."""
        return {
            "all watches": {"number": None},
            "all watches, equal weights": {"number": 0},
            **{f"{n} per user": {"number": n} for n in self.parameters["numbers"]},
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The last watch, by quartile of activity."""
        log, number = self.log(seed), setting["number"]
        number = longest_history(log) if number == 0 else number
        task = NextWatch(log, order=False, examples_per_user=number, seed=seed)
        units = self.parameters["hidden_units"]
        run = zoo.train("YouTubeRetrieval", task, self.training(seed), hidden_units=units)
        examples = task.examples(type(run.model), run.arguments)
        counts = np.bincount(log.user_codes[task.train_rows], minlength=len(log.users))
        quartile = quartiles(counts[log.user_codes[np.sort(task.test_rows)]])
        metrics = {_MAP: run.metrics[_MAP], "examples": float(len(examples.train))}
        for each in range(4):
            found = full_ranking(run.model, examples.test.take(np.flatnonzero(quartile == each)))
            metrics[f"map_quartile_{each + 1}"] = found[_MAP]
        return Measured(metrics)

    def figure(self, results: Results) -> Figure:
        """A group of bars for each quartile."""
        figure, axes = new_figure(width=6.5)
        names = list(results.metrics["setting"].unique())
        width = 0.8 / len(names)
        for i, name in enumerate(names):
            columns = [f"map_quartile_{q}" for q in range(1, 5)]
            own = results.metrics.loc[results.metrics["setting"] == name, columns]
            at = np.arange(4) + (i - (len(names) - 1) / 2) * width
            spread = own.std().fillna(0.0)
            axes.bar(at, own.mean(), width, yerr=spread, label=name, color=COLOURS[i],
                     error_kw={"linewidth": 1})  # fmt: skip
        axes.set_xticks(range(4), ["least active", "second", "third", "most active"])
        axes.set_xlabel("quartile of users by number of watches")
        axes.set_ylabel("MAP of the next watch")
        figure.legend(loc="outside upper center", ncols=3, fontsize="small")
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Fixed numbers and equal weights against all watches."""
        others = [n for n in results.metrics["setting"].unique() if n != "all watches"]
        return [
            is_above(results, metric, other, "all watches", f"{other}: better {what}.")
            for other in others
            for metric, what in (
                (_MAP, "for users on average"),
                ("map_quartile_1", "for the least active quartile"),
            )
        ] + [
            is_above(
                results,
                "map_quartile_4",
                "all watches",
                "all watches, equal weights",
                "All watches as they are favour the most active quartile.",
            )
        ]


def quartiles(activity: np.ndarray) -> np.ndarray:
    """The quartile of each user, 0 to 3, of as many users each as can be; ties go as they come.

    >>> quartiles(np.array([7, 1, 9, 3, 5, 2, 8, 4])).tolist()
    [2, 0, 3, 1, 2, 0, 3, 1]
    """
    rank = np.argsort(np.argsort(activity, kind="stable"), kind="stable")
    return np.asarray(4 * rank // max(len(activity), 1))

"""What is predicted: a future watch, or a random one that is held out.

Covington et al. (2016), §3.4 and figure 5: (a) a held-out watch is predicted from those before and
after it; (b) a watch is predicted from what came before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import Log
from tfrec_zoo.data.derived import LAST_WATCHED
from tfrec_zoo.evaluation.nominations import nominate
from tfrec_zoo.experiments.experiment import Experiment
from tfrec_zoo.experiments.findings import Finding, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LabelChoice(Experiment):
    """Both are trained on the same watches with the same number of steps, and tested on the last
    watch of each user, predicted from what came before it. The history is one unordered bag of 50,
    as in the paper; "ordered" adds bags of the last 1, 3 and 10, which a held-out label fills with
    what came after it as well. Where items have a series and an episode, the requests after an
    episode whose next one is online and was not seen say how often that one is in the list of ten,
    and how often the list holds another episode of the series instead.
    """

    name = "label-choice"
    title = "The label: a future watch or a held-out one"
    source = "§3.4, figure 5"
    claim = (
        "Predicting the user's next watch performs much better than predicting a randomly held-out "
        "watch, which leaks future information and ignores asymmetric consumption patterns."
    )
    columns = {
        "HR@10": "hit_rate_at_10",
        "NDCG@10": "ndcg_at_10",
        "MAP": "mean_average_precision",
        "next episode in list": "next_episode",
        "another episode instead": "other_episode",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "hidden_units": (16,),
            "training": {"epochs": 1},
        },
        "small": {
            "world": {"num_users": 3000, "num_items": 500},
            "hidden_units": (256, 64),
            "training": {"epochs": 4, "batch_size": 256, "learning_rate": 0.005},
        },
        "full": {
            "world": {"num_users": 6000, "num_items": 2000, "num_days": 28},
            "hidden_units": (512, 128),
            "training": {"epochs": 6, "batch_size": 256, "learning_rate": 0.005},
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Figures 5b and 5a, from an unordered bag and with the order of the history."""
        return {
            "future": {"label": "future", "order": False},
            "held-out": {"label": "held-out", "order": False},
            "future, ordered": {"label": "future"},
            "held-out, ordered": {"label": "held-out"},
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The next watch, and what follows an episode."""
        log = self.log(seed)
        task = NextWatch(log, **setting)
        units = self.parameters["hidden_units"]
        run = zoo.train("YouTubeRetrieval", task, self.training(seed), hidden_units=units)
        metrics = dict(run.metrics)
        if {"series", "episode", "upload_time"} <= set(log.items.columns):
            test = task.examples(type(run.model), run.arguments).test
            last = test.raw([LAST_WATCHED])[LAST_WATCHED]
            wanted = next_episodes(log, last, np.sort(task.test_rows))
            lists = nominate(run.model, test, 10)
            metrics.update(after_episodes(log.items, log.roles.item, wanted, lists))
        return Measured(metrics)

    def figure(self, results: Results) -> Figure:
        """Bars of the mean average precision, and of what follows an episode."""
        has_series = "next_episode" in results.metrics
        figure, axes = new_figure(columns=2 if has_series else 1, height=2.2)
        left, *rest = np.ravel(axes)
        bars(left, results.metrics, "mean_average_precision", "MAP of the next watch")
        if has_series:
            label = "lists of ten with the next episode (share)"
            bars(rest[0], results.metrics, "next_episode", label)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """The next watch, and the next episode."""
        claims = {"mean_average_precision": "Next watches are found better by the future label."}
        if "next_episode" in results.metrics:
            claims["next_episode"] = (
                "After an episode the next one is found more often by the future label."
            )
        return [
            is_above(results, k, f"future{how}", f"held-out{how}", claim + words)
            for how, words in (("", ""), (", ordered", " The history is ordered."))
            for k, claim in claims.items()
        ]


def next_episodes(log: Log, last: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The next episode after each request's last watch, or "" where there is none to be found.

    It is there if the last watch is an episode of a series, the next one is online at the moment of
    the request, and the user has not watched it before.

    Args:
        log: The log, with `series`, `episode` and `upload_time`.
        last: [requests] last item of each history.
        rows: [requests] interactions that the requests were followed by.
    """
    item = log.roles.item
    items = log.items.set_index(item)
    by_place = pd.Series(
        log.items[item].to_numpy(),
        index=pd.MultiIndex.from_frame(log.items[["series", "episode"]]),
    )
    by_place = by_place[by_place.index.get_level_values("series") != ""]
    place = items.reindex(last)
    following = pd.MultiIndex.from_arrays([place["series"], place["episode"] + 1])
    found = by_place.reindex(following).fillna("").to_numpy(object)
    online = items["upload_time"].reindex(found).to_numpy()
    now = log.interactions[log.roles.time].to_numpy()[rows]
    users = log.interactions[log.roles.user].to_numpy()[rows]
    pairs = log.interactions.reset_index().groupby([log.roles.user, item], observed=True)["index"]
    first = pairs.min().reindex(pd.MultiIndex.from_arrays([users, found])).to_numpy()
    is_there = (online <= now) & ~(first < rows)
    return np.where(is_there, found, "")


def after_episodes(
    items: pd.DataFrame, item: str, wanted: np.ndarray, lists: np.ndarray
) -> dict[str, float]:
    """How often lists hold the wanted episode, and how often another one of its series instead.

    Args:
        items: The items, with `series`.
        item: Column of their ids.
        wanted: [requests] items; the requests whose item is "" are left out.
        lists: [requests, k] lists of items.
    """
    rows = wanted != ""
    wanted, lists = wanted[rows], lists[rows]
    series = items.set_index(item)["series"]
    holds = (lists == wanted[:, None]).any(axis=1)
    of_lists = series.reindex(lists.ravel()).to_numpy().reshape(lists.shape)
    of_series = (of_lists == series.reindex(wanted).to_numpy()[:, None]).any(axis=1)
    if not len(wanted):
        return {"next_episode": float("nan"), "other_episode": float("nan")}
    return {
        "next_episode": float(holds.mean()),
        "other_episode": float((of_series & ~holds).mean()),
    }

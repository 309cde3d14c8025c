"""Churn: what was shown and not watched is demoted when the page is loaded again.

Covington et al. (2016), §4.1: "If a user was recently recommended a video but did not watch it then
the model will naturally demote this impression on the next page load."
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import SimulatedLog, impression_examples
from tfrec_zoo.data.derived import RECENT_IMPRESSIONS
from tfrec_zoo.data.roles import UPLOAD_TIME
from tfrec_zoo.data.simulated_site import SHOWN_BEFORE
from tfrec_zoo.data.simulated_truth import TrueValues
from tfrec_zoo.evaluation import evenly_spaced
from tfrec_zoo.experiments.findings import Finding, is_above, is_below
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.ranking import RankingExperiment, losses, ranker_sizes, scored_test
from tfrec_zoo.plots.figures import line, new_figure
from tfrec_zoo.tasks.specs import impression_spec
from tfrec_zoo.training.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COUNTS, _WITHOUT = "with impression counts", "without"
_LOADS = 3
_K = 10


class Churn(RankingExperiment):
    """A ranker that is fed how often the candidate was shown before, and one that is not.

    At the moments of pages of the last day each recommends ten of all videos, three times in a row;
    nothing of what is shown gets clicked. "kept" is the share of a list that was in the one
    before. "seconds" is the true expected watch time of the lists, which falls with each time that
    a video was shown and not clicked: the simulator's users lose interest in it.
    """

    name = "churn"
    title = "Churn by impression counts"
    source = "§4.1"
    claim = (
        "Features of past impressions are critical for introducing churn: successive requests do "
        "not return identical lists."
    )
    needs_truth = True
    columns = {
        "kept": "kept",
        "seconds, first load": "seconds_of_load_1",
        "second": "seconds_of_load_2",
        "third": "seconds_of_load_3",
        "weighted per-user loss": "weighted_per_user_loss",
        "GAUC": "gauc",
    }
    sizes = ranker_sizes(
        toy={"pages": 20},
        small={"world": {"num_users": 1500, "num_items": 500}, "pages": 300},
        full={"world": {"num_users": 6000, "num_items": 1500, "num_days": 28}, "pages": 1000},
    )

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """With the counts and without."""
        settings = {_COUNTS: {"counts": True}, _WITHOUT: {"counts": False}}
        return {_COUNTS: settings[_COUNTS]} if self.size == "toy" else settings

    def measure(self, seed: int, **setting: Any) -> Measured:
        """What three loads in a row show, and what it is worth."""
        log = self.log(seed)
        assert isinstance(log, SimulatedLog) and log.impressions is not None
        spec = impression_spec(log, previous_impressions=setting["counts"], embedding_dim=32)
        task = self.task(seed, spec=spec)
        run = self.train(seed, task)
        metrics = losses(*scored_test(run), pairs_seed=seed)
        shown = log.impressions.iloc[task.rows[1]]
        pages, at = np.unique(shown[log.roles.page], return_index=True)
        some = evenly_spaced(len(pages), self.parameters["pages"])
        rows = task.rows[1][at[some]]
        raw = impression_examples(log, rows).raw(spec.raw_query)
        lists = self._loads(run, log, rows, raw)
        worth = seconds_of_loads(log.true_values(pages[some]), lists)
        kept = [float(kept_share(*pair)) for pair in zip(lists[:-1], lists[1:], strict=True)]
        metrics["kept"] = float(np.mean(kept))
        points = []
        for load, seconds in enumerate(worth, start=1):
            metrics[f"seconds_of_load_{load}"] = float(seconds.mean())
            points.append({"load": load, "seconds": float(seconds.mean())})
            if load > 1:
                points[-1]["kept"] = kept[load - 2]
        metrics["seconds_of_later_loads"] = float(np.mean([s.mean() for s in worth[1:]]))
        return Measured(metrics, {"loads": points})

    def _loads(
        self, run: Run, log: SimulatedLog, rows: np.ndarray, raw: dict[str, Any]
    ) -> list[np.ndarray]:
        """The [pages, 10] videos of each load, at the moments of impressions."""
        assert log.impressions is not None
        now = log.impressions[log.roles.time].to_numpy()[rows]
        raw["time"] = now.astype(np.int64)
        items = log.items[log.roles.item].to_numpy()
        to_come = log.items[UPLOAD_TIME].to_numpy() > now[:, None]
        raw["exclude"] = [items[row].tolist() for row in to_come]
        found = []
        for _ in range(_LOADS):
            frame = run.recommend(raw, k=_K)
            lists = frame.pivot(index="row", columns="rank", values="id").to_numpy()
            found.append(lists)
            if RECENT_IMPRESSIONS in raw:
                raw[RECENT_IMPRESSIONS] = np.concatenate([raw[RECENT_IMPRESSIONS], lists], axis=1)
        return found

    def figure(self, results: Results) -> Figure:
        """What is kept and what it is worth, by load."""
        figure, (left, right) = new_figure(2)
        curve = results.curve("loads")
        for setting in results.metrics["setting"].unique():
            own = curve[curve["setting"] == setting]
            line(left, own.dropna(subset="kept"), "load", "kept", setting, marker="o")
            line(right, own, "load", "seconds", setting, marker="o")
        left.set_ylabel("share of the list that was in the one before")
        right.set_ylabel("true expected watch time of the list, s")
        for axes in (left, right):
            axes.set_xlabel("load of the page")
            axes.set_xticks(range(1, _LOADS + 1))
            axes.set_ylim(bottom=0)
            axes.legend(frameon=False)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Whether lists change, and whether that is worth anything."""
        later = "Later loads are worth more with impression counts."
        first = "The first load is worth more with impression counts."
        return [
            is_below(results, "kept", _COUNTS, _WITHOUT, "Impression counts bring churn."),
            is_above(results, "seconds_of_later_loads", _COUNTS, _WITHOUT, later),
            is_above(results, "seconds_of_load_1", _COUNTS, _WITHOUT, first),
        ]


def kept_share(before: np.ndarray, after: np.ndarray) -> float:
    """The share of the items of lists, [pages, k], that are in the lists before."""
    return float((after[:, :, None] == before[:, None, :]).any(axis=2).mean())


def seconds_of_loads(values: TrueValues, lists: list[np.ndarray]) -> list[np.ndarray]:
    """The [pages] true expected seconds of each of successive lists of which nothing is clicked.

    Args:
        values: What every video is worth on the pages before.
        lists: The [pages, k] videos of each load.
    """
    logit, worth = values.click_logit.astype(np.float64), []
    rows = np.arange(len(logit))[:, None]
    for shown in lists:
        now = dataclasses.replace(values, click_logit=logit)
        worth.append(now.watch_time(shown, k=shown.shape[1]))
        at = pd.Index(values.items).get_indexer(shown.ravel()).reshape(shown.shape)
        logit = logit.copy()
        logit[rows, at] -= SHOWN_BEFORE
    return worth

"""How negatives are drawn: in the batch, uniformly, by popularity, both, or hard ones.

A claim of later articles on the paper: uniform negatives are hard to beat for retrieval, and hard
ones, which the current model puts first, need careful tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.experiments.experiment import UNTIL_ENOUGH
from tfrec_zoo.experiments.findings import Finding, by_differences, is_above
from tfrec_zoo.experiments.live import WATCH_SECONDS, LiveExperiment, live_metrics
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.policies import Recommending
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.serving import serve
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAP = "mean_average_precision"


class NegativeStrategies(LiveExperiment):
    """The next watch is predicted with the same number of drawn negatives for each batch; in-batch
    ones are the items of the batch of 256, mixed ones both together, and the full softmax, which
    takes all items, is the reference. Each is trained until validation examples get no better.
    Scores of negatives that are drawn are corrected for their odds, but not those of hard ones,
    whose odds are not known: a share of the uniform ones is replaced by items that the model lately
    put first, the very first at the temperature 0, and any of those that it thinks likely at 1.

    On the simulator, models are trained on the warm days but the last, which is for validation, and
    measured on the next watches of the first live day; then they serve the users of all live days,
    as a first stage alone.
    """

    name = "negatives"
    title = "How negatives are drawn"
    source = "Later articles on the paper"
    claim = "Uniform negatives are hard to beat for retrieval; hard negatives need careful tuning."
    is_live_only = False
    columns = {
        "HR@10": "hit_rate_at_10",
        "NDCG@10": "ndcg_at_10",
        "MAP": _MAP,
        "coverage@10": "coverage_at_10",
        "watched live, s/user/day": WATCH_SECONDS,
        "± 95 % over users": f"{WATCH_SECONDS}_ci",
    }
    sizes = {
        "toy": {
            "world": {
                "num_users": 60,
                "num_items": 80,
                "warm_days": 3,
                "live_days": 1,
                "num_topics": 5,
            },
            "hidden_units": (16,),
            "training": {"epochs": 1},
            "number": 20,
            "kinds": (),
            "shares": (0.5,),
            "temperatures": (1.0,),
        },
        "small": {
            "world": {"num_users": 800, "num_items": 2000, "warm_days": 12, "live_days": 3},
            "hidden_units": (128, 64),
            "training": UNTIL_ENOUGH,
            "number": 512,
            "kinds": ("popularity", "in-batch", "mixed"),
            "shares": (0.5, 1.0),  # Of 512: one and two for each of a batch of 256.
            "temperatures": (1.0, 0.0),
        },
        "full": {
            "world": {"num_users": 3000, "num_items": 4000, "warm_days": 21, "live_days": 7},
            "hidden_units": (256, 128),
            "training": UNTIL_ENOUGH,
            "number": 1024,
            "kinds": ("popularity", "in-batch", "mixed"),
            "shares": (0.25, 0.5, 1.0),
            "temperatures": (1.0, 0.3, 0.0),
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The strategies, hard ones at several shares and temperatures."""
        number = self.parameters["number"]
        reference = {"all (full softmax)": {"negatives": None}} if self.size != "toy" else {}
        return {
            **reference,
            "uniform": {"negatives": {"kind": "uniform", "number": number}},
            **{
                kind: {
                    "negatives": {
                        "kind": kind,
                        **({"number": number} if zoo.Negatives(kind).draws else {}),
                    }
                }
                for kind in self.parameters["kinds"]
            },
            **{
                f"hard, {share:.0%}, T = {temperature:g}": {
                    "negatives": {
                        "kind": "hard",
                        "number": number,
                        "share": share,
                        "temperature": temperature,
                    }
                }
                for share in self.parameters["shares"]
                for temperature in self.parameters["temperatures"]
            },
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The next watch, and what users watch live."""
        if self.given is None:
            log, split = self.validated_split(seed)
            task = NextWatch(log, split=split)
        else:
            task = NextWatch(self.given)
        run = zoo.train(
            "YouTubeRetrieval",
            task,
            self.training(seed),
            hidden_units=self.parameters["hidden_units"],
            negatives=setting["negatives"],
        )
        if self.given is not None:
            return Measured(run.metrics)
        k = min(20, run.model.num_items)
        policy = Recommending(serve(run.model, self.log(seed), k=k), k)
        outcome = self.site(seed).serve(policy)
        return Measured({**run.metrics, **live_metrics(outcome)})

    def figure(self, results: Results) -> Figure:
        """Bars of the mean average precision, and of what is watched live."""
        is_live = WATCH_SECONDS in results.metrics
        figure, axes = new_figure(columns=1 + is_live, width=6.0)
        first, *others = np.atleast_1d(axes)
        bars(first, results.metrics, _MAP, "MAP of the next watch")
        for second in others:
            bars(second, results.metrics, WATCH_SECONDS, "watched on pages live [s/user/day]")
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Uniform negatives against the others, and the spread of hard ones over their shares."""
        names = list(results.metrics["setting"].unique())
        others = self.parameters["kinds"]
        hard = [n for n in names if n.startswith("hard")]
        found = [
            is_above(results, _MAP, "uniform", other, f"Uniform negatives are better than {other}.")
            for other in (*others, *hard)
        ]
        if WATCH_SECONDS in results.metrics:
            claim = "Users watch more live with uniform negatives than with {}."
            found += [
                is_above(results, WATCH_SECONDS, "uniform", other, claim.format(other))
                for other in (*others, *hard)
            ]
        values = pd.DataFrame({name: results.values(name, _MAP) for name in hard})
        spread = values.max(axis=1) - values.min(axis=1)
        tolerated = 0.05 * values.max(axis=1)
        words = ", ".join(f"{name} {values[name].mean():.4g}" for name in hard)
        found.append(
            by_differences(
                (spread - tolerated).to_numpy(),
                f"MAP: {words}; spread beyond 5 % of the best",
                "Hard negatives need tuning: the worst are more than 5 % worse than the best.",
            )
        )
        return found

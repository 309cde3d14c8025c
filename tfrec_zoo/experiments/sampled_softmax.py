"""The softmax over all items, sampled or in a tree: what a training step costs and what it loses.

Covington et al. (2016), §3.1: negative classes are sampled and corrected for by importance
weighting, several thousand of millions; a hierarchical softmax was not as accurate.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

import tfrec_zoo as zoo
from tfrec_zoo.experiments.experiment import UNTIL_ENOUGH, Experiment
from tfrec_zoo.experiments.findings import Finding, by_differences, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    Vocabulary,
    VocabularyColumn,
)
from tfrec_zoo.models import YouTubeRetrieval
from tfrec_zoo.plots.figures import bars, line, new_figure
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAP = "mean_average_precision"
#: Of a training step that is timed.
_BATCH, _HISTORY, _DIM = 128, 50, 64


class SampledSoftmax(Experiment):
    """Quality is the mean average precision of the next watch after the same number of epochs, on a
    catalogue small enough for the full softmax. Without importance weighting, log-uniform
    negatives are taken as if they were all items. The time of a training step is measured apart, on
    drawn ids: bags of 50 watches, vectors of 64, batches of 128, and 2,000 negatives at any number
    of classes. It is the median of the steps, in milliseconds on the machine that the result file
    is of; sampled and hierarchical steps update the rows they read, full ones all.
    """

    name = "sampled-softmax"
    title = "Sampled and hierarchical softmax"
    source = "§3.1"
    claim = (
        "Sampling several thousand negatives, corrected by importance weighting, is more than 100 "
        "times faster than the softmax over all classes; a hierarchical softmax is not as accurate."
    )
    columns = {
        "HR@10": "hit_rate_at_10",
        "MAP": _MAP,
        "ms per step, most classes": "ms_at_most",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "hidden_units": (16,),
            "training": {"epochs": 1},
            "numbers": (20,),
            "classes": (100,),
            "steps": 2,
        },
        "small": {
            "world": {"num_users": 3000},
            "hidden_units": (128, 64),
            "training": UNTIL_ENOUGH,
            "numbers": (10, 100),
            "classes": (10_000, 100_000, 1_000_000),
            "steps": 5,
        },
        "full": {
            "world": {"num_users": 6000, "num_items": 10_000, "num_days": 28},
            "hidden_units": (256, 128),
            "training": UNTIL_ENOUGH,
            "numbers": (10, 100, 1000),
            "classes": (10_000, 100_000, 1_000_000),
            "steps": 10,
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Full, sampled with and without the correction, and hierarchical."""
        return {
            "full": {},
            **{
                f"sampled {number}{words}": {
                    "negatives": {
                        "kind": "log-uniform",
                        "number": number,
                        "correction": correction,
                    }
                }
                for number in self.parameters["numbers"]
                for correction, words in (("negatives", ""), ("none", ", uncorrected"))
            },
            "hierarchical": {"output": "hierarchical"},
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The next watch, and the time of a step where the setting stands for a kind of softmax."""
        units = self.parameters["hidden_units"]
        task = NextWatch(self.log(seed))
        run = zoo.train(
            "YouTubeRetrieval", task, self.training(seed), hidden_units=units, **setting
        )
        metrics, points = dict(run.metrics), []
        largest = {"number": max(self.parameters["numbers"]), "correction": "negatives"}
        negatives = setting.get("negatives")
        if negatives is None or negatives == {"kind": "log-uniform", **largest}:
            if negatives is not None:
                setting = {"negatives": {"kind": "log-uniform", "number": 2000}}
            points = [
                {"classes": n, "ms": step_time(n, self.parameters["steps"], seed, **setting)}
                for n in self.parameters["classes"]
            ]
            metrics["ms_at_most"] = points[-1]["ms"]
        return Measured(metrics, {"steps": points})

    def figure(self, results: Results) -> Figure:
        """Time of a step by number of classes, and the mean average precision."""
        figure, (left, right) = new_figure(columns=2)
        steps = results.curve("steps")
        for name in steps["setting"].unique():
            label = "sampled 2000" if name.startswith("sampled") else name
            line(left, steps[steps["setting"] == name], "classes", "ms", label, marker="o")
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_xlabel("number of classes")
        left.set_ylabel("time of a training step (ms)")
        left.legend()
        bars(right, results.metrics, _MAP, "MAP of the next watch")
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Speed at the largest number of classes, and quality."""
        numbers = self.parameters["numbers"]
        sampled, most = f"sampled {numbers[-1]}", max(self.parameters["classes"])
        times = {name: results.values(name, "ms_at_most") for name in ("full", sampled)}
        speedup = times["full"] / times[sampled]
        lost = results.values("full", _MAP) * 0.95
        faster = by_differences(
            (speedup - 100).dropna().to_numpy(),
            f"{speedup.mean():.0f} times at {most:,} classes; speed-up beyond 100",
            "At a million classes, sampling 2,000 negatives is more than 100 times faster.",
        )
        return [
            faster if most >= 1_000_000 else dataclasses.replace(faster, verdict="can't be told"),
            by_differences(
                (results.values(sampled, _MAP) - lost).dropna().to_numpy(),
                f"MAP: {sampled} {results.values(sampled, _MAP).mean():.4g}, full "
                f"{results.values('full', _MAP).mean():.4g}",
                "Sampling loses less than 5 % of the full softmax's MAP.",
            ),
            *(
                is_above(
                    results,
                    _MAP,
                    f"sampled {number}",
                    f"sampled {number}, uncorrected",
                    f"With {number} negatives, importance weighting is better than none.",
                )
                for number in numbers
            ),
            is_above(
                results, _MAP, sampled, "hierarchical",
                "The hierarchical softmax is not as accurate as the sampled one.",
            ),
        ]  # fmt: skip


def step_time(classes: int, steps: int, seed: int, **arguments: Any) -> float:
    """The median of milliseconds that a training step of `YouTubeRetrieval` takes, on drawn ids.

    Args:
        classes: Number of items.
        steps: Least number of steps that are timed, after three that are not; steps that are short
            are timed for a second in all.
        seed: Seed of the ids.
        **arguments: Arguments of the model.
    """
    column = VocabularyColumn("history", dtype="int64", space="item")
    bag = BagColumn(column, _HISTORY)
    item = VocabularyColumn("item", dtype="int64", space="item")
    spec = FeatureSpec((EmbeddingColumn(bag, _DIM),), (item,))
    features = Features(spec, {"item": Vocabulary(tuple(range(classes)), "int64")}, {})
    model = YouTubeRetrieval(features, hidden_units=(256, _DIM), seed=seed, **arguments)
    model.compile("lazy_adam" if arguments else "fused_adam")
    rng = np.random.default_rng(seed)
    # Popular in proportion to one over the rank, about.
    ids = np.exp(rng.random([8, _BATCH, _HISTORY + 1]) * np.log(classes)).astype(np.int32)
    data = ({"ids": {bag.name: ids[..., :-1]}, "values": {}}, ids[..., -1])
    batches = iter(tf.data.Dataset.from_tensor_slices(data).repeat().prefetch(4))
    train = model.make_train_function()
    seconds: list[float] = []
    while len(seconds) < 3 + steps or sum(seconds[3:]) < 1:
        begin = time.perf_counter()
        train(batches)["loss"].numpy()
        seconds.append(time.perf_counter() - begin)
    return float(1000 * np.median(seconds[3:]))

"""Features and depth of the retrieval model, and what a factorization does.

Covington et al. (2016), §3.5 and figure 6: depth 0 is a linear layer on the concatenated features;
deeper towers begin twice as wide with each layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import Log, simulate
from tfrec_zoo.data.derived import EXAMPLE_AGE, HISTORY, SEARCH_TOKENS
from tfrec_zoo.experiments.example_age import but_last_day
from tfrec_zoo.experiments.experiment import Experiment
from tfrec_zoo.experiments.findings import Finding, by_differences, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.plots.figures import line, new_figure
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.tasks.specs import next_watch_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAP = "mean_average_precision"
#: The features that are fed, each with those before it; None is all that there are.
FEATURES: dict[str, tuple[str, ...] | None] = {
    "watches": (HISTORY,),
    "+ searches": (HISTORY, SEARCH_TOKENS),
    "+ example age": (HISTORY, SEARCH_TOKENS, EXAMPLE_AGE),
    "all": None,
}
_FACTORIZATION = "MF, WARP"
_CONTROL = "all, a quarter of the users"


class FeaturesDepth(Experiment):
    """The last day is predicted, after training on the days before with the same number of steps,
    which are many: a linear layer is ahead of deeper towers after a few epochs. Depth 0 is a
    linear layer to the width of the softmax, depth 1 a layer of that width, and each further depth
    begins with one twice as wide: in the paper 256, to 2048-1024-512-256; here the width is a
    parameter of the size. "All" adds country, device, age, gender and whether the user is logged
    in. A matrix factorization trained under the WARP loss stands for the predecessor; it knows
    users and items alone, so that it can recommend to nobody who came later.

    The simulated users are many and watch little, as those of a large site do, so that what is
    known of them besides matters and has to be put together. The control has as many sessions by a
    quarter of the users: their histories say nearly all that there is to say, which a linear layer
    can express. A search is mostly followed by the watch of what it found, so that the history has
    it already.
    """

    name = "features-depth"
    title = "Features and depth"
    source = "§3.5, figure 6"
    claim = (
        "Features beyond video embeddings improve holdout mean average precision, and layers of "
        "depth add expressiveness to use them; depth 0 performs like the predecessor system."
    )
    columns = {"HR@10": "hit_rate_at_10", "MAP": _MAP, "parameters": "parameters"}
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "width": 8,
            "features": ("watches", "all"),
            "depths": (0,),
            "training": {"epochs": 1},
            "dropout": 0.0,
        },
        "small": {
            "world": {"num_users": 8000, "num_items": 400, "sessions_per_day": 0.2},
            "control": {"num_users": 2000, "num_items": 400, "sessions_per_day": 0.8},
            "width": 64,
            "features": tuple(FEATURES),
            "depths": (0, 1, 2),
            "training": {"epochs": 12, "batch_size": 256, "learning_rate": 0.005},
            "dropout": 0.2,
        },
        "full": {
            "world": {
                "num_users": 20_000,
                "num_items": 1000,
                "num_days": 28,
                "sessions_per_day": 0.2,
            },
            "control": {
                "num_users": 5000,
                "num_items": 1000,
                "num_days": 28,
                "sessions_per_day": 0.8,
            },
            "width": 64,
            "features": tuple(FEATURES),
            "depths": (0, 1, 2, 3, 4),
            "training": {"epochs": 20, "batch_size": 256, "learning_rate": 0.005},
            "dropout": 0.2,
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Every set of features at every depth, the factorization, and the control."""
        depths = self.parameters["depths"]
        has_control = self.given is None and "control" in self.parameters
        return {
            **{
                f"{features}, depth {depth}": {"features": features, "depth": depth}
                for features in self.parameters["features"]
                for depth in depths
            },
            _FACTORIZATION: {"features": None},
            **{
                f"{_CONTROL}, depth {depth}": {"features": "all", "depth": depth, "control": True}
                for depth in depths
                if has_control
            },
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The watches of the last day."""
        control = setting.get("control", False)
        log = simulate(**self.parameters["control"], seed=seed) if control else self.log(seed)
        width, training = self.parameters["width"], self.training(seed)
        split, _, _ = but_last_day(log)
        if setting["features"] is None:
            task = NextWatch(log, split=split)
            run = zoo.train("MatrixFactorization", task, training, loss="warp", embedding_dim=width)
            point = []
        else:
            spec = with_features(log, FEATURES[setting["features"]], width)
            linear = {} if setting["depth"] else {"embedding_dim": width}
            task = NextWatch(log, split=split, spec=spec, order=False)
            run = zoo.train(
                "YouTubeRetrieval",
                task,
                training,
                hidden_units=units(setting["depth"], width),
                dropout=self.parameters["dropout"],
                **linear,
            )
            name = _CONTROL if control else setting["features"]
            point = [{"features": name, "depth": setting["depth"], "map": run.metrics[_MAP]}]
        parameters = float(run.statistics["parameters"])
        return Measured({**run.metrics, "parameters": parameters}, {"depths": point})

    def figure(self, results: Results) -> Figure:
        """A line for each set of features over the depths."""
        figure, axes = new_figure(width=7.5)
        frame = results.curve("depths")
        for name, own in frame.groupby("features", sort=False):
            style = ":" if name == _CONTROL else "-"
            line(axes, own, "depth", "map", str(name), marker="o", linestyle=style)
        reference = results.values(_FACTORIZATION, _MAP)
        if len(reference):
            axes.axhline(reference.mean(), color="black", linestyle="--", label=_FACTORIZATION)
        axes.set_xticks(sorted(frame["depth"].unique()))
        axes.set_xlabel("depth of the network (layers)")
        axes.set_ylabel("MAP of the watches of the last day")
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Each set of features against the one before, depths against none, and the predecessor."""
        depths = self.parameters["depths"]
        first, deepest = depths[0], depths[-1]
        names = list(self.parameters["features"])
        pairs = dict.fromkeys([*zip(names, names[1:], strict=False), (names[0], names[-1])])
        more = [
            is_above(
                results,
                _MAP,
                f"{name}, depth {deepest}",
                f"{before}, depth {deepest}",
                f"At depth {deepest}, {name} is better than {before}.",
            )
            for before, name in pairs
        ]
        deeper = [
            is_above(
                results,
                _MAP,
                f"{name}, depth {depth}",
                f"{name}, depth {first}",
                f"Depth {depth} is better than depth {first}, with {name}.",
            )
            for name in (names[0], names[-1])
            for depth in depths[1:]
        ]
        predecessor = is_above(
            results,
            _MAP,
            f"{names[-1]}, depth {deepest}",
            _FACTORIZATION,
            f"Depth {deepest} with all features is better than {_FACTORIZATION}.",
        )
        return [*more, *deeper, predecessor, *self._attributed(results)]

    def _attributed(self, results: Results) -> list[Finding]:
        """Whether it is many users who watch little that depth is for, if there is a control."""
        first, deepest = self.parameters["depths"][0], self.parameters["depths"][-1]
        if f"{_CONTROL}, depth {deepest}" not in self.settings():
            return []

        def added(features: str) -> pd.Series:
            deep = results.values(f"{features}, depth {deepest}", _MAP)
            return deep - results.values(f"{features}, depth {first}", _MAP)

        own, control = added("all"), added(_CONTROL)
        words = f"MAP added by depth {deepest}: {own.mean():+.4f}, control {control.mean():+.4f}"
        claim = f"Depth {deepest} adds more than it does for fewer users who watch more."
        return [by_differences((own - control).dropna().to_numpy(), words, claim)]


def with_features(log: Log, keys: tuple[str, ...] | None, width: int) -> FeatureSpec:
    """The features of the next watch without order; only those of some keys, if any are given."""
    spec = next_watch_spec(log, bags=(50,), example_age=True, order=False, embedding_dim=width)
    if keys is None:
        return spec
    kept = [column for column in spec.query if _key(column) in keys]
    return dataclasses.replace(spec, query=tuple(kept))


def _key(column: Any) -> str:
    """The raw feature that a column of this spec reads."""
    return str(getattr(column, "categorical", column).key)


def units(depth: int, width: int) -> tuple[int, ...]:
    """The paper's tower of a depth, scaled so that the last layer has a width.

    >>> units(4, 256), units(0, 256)
    ((2048, 1024, 512, 256), ())
    """
    return tuple(width * 2**layer for layer in reversed(range(depth)))

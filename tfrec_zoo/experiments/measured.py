"""What an experiment has measured: numbers and curves, by setting and seed."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of one setting with one seed.

    Args:
        metrics: Numbers by name.
        curves: Points by the name of a curve, each point a number (or a word) by the name of a
            column.
        files: Text of further files by name, which are left beside the result.
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = dataclasses.field(default_factory=dict)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Results:
    """What was measured of all settings with all seeds.

    Args:
        runs: The contents of the result files.
    """

    runs: Sequence[Mapping[str, Any]]

    @functools.cached_property
    def metrics(self) -> pd.DataFrame:
        """A row a run: `setting`, `seed`, and its metrics."""
        return pd.DataFrame(
            [{"setting": r["setting"], "seed": r["seed"], **r["metrics"]} for r in self.runs]
        )

    def curve(self, name: str) -> pd.DataFrame:
        """A row a point of the curves of one name: `setting`, `seed`, and the point's columns."""
        return pd.DataFrame(
            [
                {"setting": run["setting"], "seed": run["seed"], **point}
                for run in self.runs
                for point in run["curves"].get(name, ())
            ]
        )

    def values(self, setting: str, metric: str) -> pd.Series:
        """A metric of one setting, indexed by seed."""
        own = self.metrics[self.metrics["setting"] == setting]
        return own.set_index("seed")[metric].astype(float).dropna()

"""Experiment: one claim, what is measured of it, and what that says."""

from __future__ import annotations

import abc
import dataclasses
import functools
import io
import json
import logging
import pathlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import tensorflow as tf

from tfrec_zoo.artifacts import atomic_write, versions
from tfrec_zoo.data import Log, simulate
from tfrec_zoo.evaluation.result import command, without_nan
from tfrec_zoo.experiments.findings import NOT_MEASURED, Finding
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.result_cells import mean_and_deviation
from tfrec_zoo.training import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

#: Training for as long as validation examples get better, where settings learn at their own pace.
UNTIL_ENOUGH = {"epochs": 20, "batch_size": 256, "patience": 2, "decay": False}

#: How large an experiment may be made.
SIZES = ("toy", "small", "full")


class Experiment(abc.ABC):
    """A claim of the paper, re-run at a size and on a data set.

    A subclass names its settings, such as "mean" and "sum"; each is measured for each seed, on data
    of that seed where they are simulated. What is measured are numbers, of which the table is made,
    and curves.

    Args:
        size: `"toy"` shows that it runs, `"small"` is published, with three seeds 1 to 13 minutes
            of a core, and `"full"` has more data and epochs.
        log: The data in place of simulated ones.
    """

    #: Name on the command line.
    name: ClassVar[str]
    title: ClassVar[str]
    #: Where the claim is made, such as `"§3.2"`.
    source: ClassVar[str]
    #: What the paper says, in a sentence or two.
    claim: ClassVar[str]
    #: What is shown, by heading: the keys of `Measured.metrics`.
    columns: ClassVar[Mapping[str, str]]
    #: Parameters by size; `world` are arguments of `simulate`, `training` of `Training`.
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]]

    def __init__(self, size: str = "small", log: Log | None = None) -> None:
        if size not in SIZES:
            raise ValueError(f"`size` must be one of {SIZES}. Received: {size!r}")
        self.size, self.given = size, log
        self.parameters = dict(self.sizes[size])

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return "simulated" if self.given is None else self.given.name

    @functools.lru_cache(maxsize=1)  # noqa: B019 (an experiment lives as long as the process)
    def log(self, seed: int) -> Log:
        """The data that a seed is measured on."""
        if self.given is not None:
            return self.given
        return simulate(**self.parameters.get("world", {}), seed=seed)

    def training(self, seed: int, **fields: Any) -> Training:
        """How a model is trained: as the size says in `training`, without a word.

        Args:
            seed: The seed.
            **fields: Fields of `Training` in place of those.
        """
        return Training(**{**self.parameters["training"], "seed": seed, "verbose": 0, **fields})

    @abc.abstractmethod
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings by name, each with the keyword arguments of `measure`."""

    @abc.abstractmethod
    def measure(self, seed: int, **setting: Any) -> Measured:
        """Measures one setting with one seed."""

    @abc.abstractmethod
    def figure(self, results: Results) -> Figure:
        """Draws what was measured."""

    @abc.abstractmethod
    def findings(self, results: Results) -> list[Finding]:
        """What agrees with the claim, what does not, and what can't be told."""

    def conclusions(self, results: Results) -> list[Finding]:
        """The findings on the settings that were measured."""
        return [found for found in self.findings(results) if found.evidence != NOT_MEASURED]

    def run(
        self,
        output: str | pathlib.Path,
        seeds: Sequence[int] = (0, 1, 2),
        settings: Sequence[str] | None = None,
    ) -> Results:
        """Measures every setting with every seed, and writes table, figure and findings.

        What has a result file in the folder is not measured again, so that an experiment can be
        resumed and seeds added.

        Args:
            output: Folder for `runs/<setting>-<seed>.json`, `result.json` and `figure.png`, and for
                further files of the runs in `files/<setting>-<seed>`.
            seeds: Seeds to run.
            settings: Names of the settings to run; None for all.

        Raises:
            ValueError: If there is no such setting, or a result file is of another experiment.
        """
        output, known = pathlib.Path(output), self.settings()
        wanted = list(known if settings is None else settings)
        if set(wanted) - set(known):
            raise ValueError(f"`settings` must be of {list(known)}. Received: {wanted}")
        runs = []
        for seed in seeds:
            for setting in wanted:
                path = output / "runs" / f"{_slug(setting)}-{seed}.json"
                if not path.exists():
                    logger.info("%s, %s, seed %d", self.name, setting, seed)
                    run, files = self._run(seed, setting, known[setting])
                    for name, text in files.items():
                        atomic_write(output / "files" / path.stem / name, text)
                    atomic_write(path, json.dumps(run, indent=1) + "\n")
                    tf.keras.backend.clear_session()
                run = json.loads(path.read_text(encoding="utf-8"))
                same = {key: run.get(key) for key in self._identity()}
                if same != self._identity():
                    raise ValueError(
                        f"{path} is of another experiment: choose another --output. "
                        f"Received: {same}, not {self._identity()}"
                    )
                runs.append(run)
        results = Results(runs)
        contents = {
            **self._identity(),
            "seeds": list(seeds),
            "command": command(),
            "findings": [dataclasses.asdict(found) for found in self.conclusions(results)],
            "runs": runs,
        }
        picture = io.BytesIO()
        self.figure(results).savefig(picture, dpi=120, format="png")
        atomic_write(output / "figure.png", picture.getvalue())
        atomic_write(output / "result.json", json.dumps(without_nan(contents), indent=1) + "\n")
        return results

    def _identity(self) -> dict[str, Any]:
        return {
            "experiment": self.name,
            "size": self.size,
            "dataset": self.dataset,
            "parameters": json.loads(json.dumps(self.parameters)),
        }

    def _run(
        self, seed: int, setting: str, arguments: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """What the result file of one run says, and the run's further files."""
        begin = time.process_time()
        measured = self.measure(seed, **arguments)
        contents = without_nan(
            {
                **self._identity(),
                "data_checksum": self.log(seed).checksum,
                "setting": setting,
                "seed": seed,
                "metrics": dict(measured.metrics),
                "curves": {name: list(points) for name, points in measured.curves.items()},
                "cpu_seconds": round(time.process_time() - begin, 1),
                "versions": versions(),
            }
        )
        return contents, measured.files


def require_columns(
    experiment: str, table: str, frame: pd.DataFrame | None, columns: Sequence[str]
) -> None:
    """Checks that a data set has what an experiment needs.

    Args:
        experiment: Name of the experiment.
        table: Name of the log's table.
        frame: The table, if there is one.
        columns: Names of the columns that are needed.

    Raises:
        ValueError: If there is no such table, or a column is missing.
    """
    received = [] if frame is None else list(frame.columns)
    if set(columns) - set(received):
        raise ValueError(
            f"The experiment {experiment!r} needs a log whose {table} have {list(columns)}, as the "
            f"simulated one does. Received columns: {received}"
        )


def _slug(setting: str) -> str:
    """A setting's name as part of a file's name."""
    return re.sub(r"[^a-z0-9.]+", "-", setting.lower()).strip("-")


def table(results: Results, columns: Mapping[str, str]) -> pd.DataFrame:
    """Means and standard deviations over the seeds: a row a setting, as text.

    Args:
        results: What was measured.
        columns: Keys of the metrics by heading.
    """
    metrics = results.metrics
    rows = []
    for setting in metrics["setting"].unique():
        own = metrics[metrics["setting"] == setting]
        cells = {
            h: mean_and_deviation(own[key].dropna().tolist())
            for h, key in columns.items()
            if key in own
        }
        rows.append({"setting": setting, **cells})
    return pd.DataFrame(rows)

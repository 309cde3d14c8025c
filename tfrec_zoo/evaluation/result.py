"""Result files: numbers with everything needed to reproduce them."""

import dataclasses
import json
import math
import pathlib
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from tfrec_zoo.artifacts import versions, write_whole


class Dataset(Protocol):
    """What a result was measured on: a log, or something derived from one."""

    @property
    def name(self) -> str:
        """Name of the data set."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the contents of the data set."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Records what one run measured, and how.

    Args:
        model: Name of the architecture.
        metrics: Measured values by the name of the metric.
        dataset: Name of the data set.
        checksum: SHA-256 of the contents of the data set.
        protocol: Description of how the data were split and what was ranked.
        seed: Seed of the run.
        config: Arguments of the model and of training.
    """

    model: str
    metrics: Mapping[str, Any]
    dataset: str
    checksum: str
    protocol: str
    seed: int
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, **kwargs: Any) -> "Result":
        """Makes a result for a data set, from which it takes name and checksum."""
        return cls(dataset=dataset.name, checksum=dataset.checksum, **kwargs)

    def to_config(self) -> dict[str, Any]:
        """Returns the result as a JSON-serializable dict, in which NaN is None.

        The dict includes the command and the versions that made the result.
        """
        contents = {**dataclasses.asdict(self), "command": command(), "versions": versions()}
        return _without_nan(contents)

    def write(self, path: str | pathlib.Path) -> None:
        """Writes the result to a JSON file, atomically."""
        write_whole(path, json.dumps(self.to_config(), indent=1) + "\n")


def _without_nan(value: Any) -> Any:
    """Replaces NaN with None, because JSON has no NaN and some readers reject it."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def command() -> str:
    """Returns the command that started this process."""
    path = pathlib.Path(sys.argv[0])
    program = ["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name]
    return shlex.join([*program, *sys.argv[1:]])

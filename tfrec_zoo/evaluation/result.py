"""Result files: a number with everything needed to make it again."""

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
    """What a result is on: a log, or something made from one."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def checksum(self) -> str:
        """Sha256 of its contents."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What one run measured, and how.

    Args:
        model: Name of the architecture.
        metrics: What was measured.
        dataset: Its name.
        checksum: Sha256 of its contents.
        protocol: How it was split and what was ranked, in words.
        seed: Of the run.
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
        """Makes a result on a data set."""
        return cls(dataset=dataset.name, checksum=dataset.checksum, **kwargs)

    def to_config(self) -> dict[str, Any]:
        """The result, with the command and versions that made it, JSON-able; NaN is None."""
        contents = {**dataclasses.asdict(self), "command": command(), "versions": versions()}
        return _without_nan(contents)

    def write(self, path: str | pathlib.Path) -> None:
        """Writes a JSON file, whole or not at all."""
        write_whole(path, json.dumps(self.to_config(), indent=1) + "\n")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN, and some readers choke on it."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def command() -> str:
    """The command this process was started with."""
    path = pathlib.Path(sys.argv[0])
    program = ["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name]
    return shlex.join([*program, *sys.argv[1:]])

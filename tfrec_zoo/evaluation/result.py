"""Result files: numbers with everything needed to reproduce them."""

import dataclasses
import json
import math
import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tfrec_zoo.artifacts import atomic_write, versions


@dataclasses.dataclass(frozen=True)
class Result:
    """Records what one run measured, and how.

    Args:
        model: Name of the architecture.
        task: Name of the task.
        metrics: What was measured.
        dataset: Name of the data set.
        data_checksum: Sha256 of the data.
        checksum: Sha256 of the task: the data, its options and the protocol.
        protocol: How the examples were made and split, and what was measured, in words.
        seed: Seed of the run.
        statistics: Numbers about the model itself, such as its number of parameters.
        config: Options of the task, arguments of the model and of training.
        history: What was reported after each epoch.
        generation: What the saved model and checkpoint of the run are told by, if there are any.
    """

    model: str
    task: str
    metrics: Mapping[str, Any]
    dataset: str
    data_checksum: str
    checksum: str
    protocol: str
    seed: int
    statistics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    generation: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as a JSON-serializable dict, in which NaN is None.

        The dict includes the command and the versions that made the result.
        """
        contents = {**dataclasses.asdict(self), "command": command(), "versions": versions()}
        for name in ("history", "generation"):
            if not contents[name]:
                del contents[name]
        return without_nan(contents)

    def write(self, path: str | pathlib.Path) -> None:
        """Writes the result to a JSON file, atomically."""
        atomic_write(path, json.dumps(self.to_dict(), indent=1) + "\n")


def without_nan(value: Any) -> Any:
    """Replaces NaN with None, because JSON has no NaN and some readers reject it."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def command() -> str:
    """Returns the command that started this process."""
    path = pathlib.Path(sys.argv[0])
    program = ["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name]
    return shlex.join([*program, *sys.argv[1:]])

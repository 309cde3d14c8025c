"""What `tfrec-zoo train` left, read again."""

import json
import pathlib
from typing import Any

from tfrec_zoo.artifacts import MANIFEST, read_manifest
from tfrec_zoo.generations import finish, generation_of


def read_result(directory: pathlib.Path) -> dict[str, Any]:
    """What `train` wrote of itself.

    Raises:
        ValueError: If it is damaged.
    """
    path = directory / "result.json"
    finish(directory)
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        is_known = {"task", "dataset", "checksum"} <= set(result)
        if is_known and {"dataset", "data_dir"} <= set(result["config"]["given"]):
            _require_one_generation(directory, result.get("generation"))
            return result
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        pass
    raise ValueError(f"{path} is damaged, or not of `train`: train the model again.")


def _require_one_generation(directory: pathlib.Path, generation: str | None) -> None:
    found = {"result.json": generation}
    if (directory / "checkpoint" / MANIFEST).is_file():
        found["checkpoint"] = generation_of(directory / "checkpoint")
    if (directory / "model" / MANIFEST).is_file():
        found["model"] = read_manifest(directory / "model").get("generation")
    if generation is not None and len(set(found.values())) > 1:
        others = sorted(name for name, value in found.items() if value != generation)
        raise ValueError(
            f"The parts of {directory} are of different trainings: train the model again. "
            f"Received: {', '.join(others)} of another than result.json"
        )

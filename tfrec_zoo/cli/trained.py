"""What `tfrec-zoo train` left, read again."""

import argparse
import json
import logging
import pathlib
from collections.abc import Mapping
from typing import Any

from tfrec_zoo.cli.datasets import load_again

logger = logging.getLogger(__name__)


def read_result(directory: pathlib.Path) -> dict[str, Any]:
    """What `train` wrote of itself.

    Raises:
        ValueError: If it is damaged.
    """
    from tfrec_zoo.generations import finish

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


def log_of_training(result: Mapping[str, Any], arguments: argparse.Namespace) -> Any:
    """The log that a model was trained on, on whose users an index is measured.

    Args:
        result: What `train` wrote of itself.
        arguments: Arguments of `add_dataset`, which may name another.

    Returns:
        The log; or None and a note, if it is not where it was.
    """
    try:
        found = load_again(result["config"]["given"], arguments)
    except (OSError, ValueError) as error:
        if arguments.dataset is not None:
            raise
        logger.warning(
            "The index is measured on items' own vectors, which say little of users': the data set "
            "of the training can't be read; give its place by --dataset. %s",
            error,
        )
        return None
    return getattr(found, "log", found)


def _require_one_generation(directory: pathlib.Path, generation: str | None) -> None:
    from tfrec_zoo.artifacts import MANIFEST, read_manifest
    from tfrec_zoo.generations import generation_of

    found = {}
    if (directory / "model" / MANIFEST).is_file():
        found["model"] = read_manifest(directory / "model").get("generation")
    # A result that does not say is older than generations, or of a baseline, which has no parts.
    if generation is not None and (directory / "checkpoint" / MANIFEST).is_file():
        found["checkpoint"] = generation_of(directory / "checkpoint")
    others = sorted(name for name, value in found.items() if value != generation)
    if others:
        raise ValueError(
            f"The parts of {directory} are of different trainings: train the model again. "
            f"Received: {', '.join(others)} of another than result.json"
        )

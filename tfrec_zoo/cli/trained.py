"""What `tfrec-zoo train` left, read again."""

import json
import pathlib
from typing import Any


def read_result(directory: pathlib.Path) -> dict[str, Any]:
    """What `train` wrote of itself.

    Raises:
        ValueError: If it is damaged.
    """
    path = directory / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        is_known = {"task", "dataset", "checksum"} <= set(result)
        if is_known and {"dataset", "data_dir"} <= set(result["config"]["given"]):
            return result
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        pass
    raise ValueError(f"{path} is damaged, or not of `train`: train the model again.")

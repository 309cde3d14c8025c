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


def make_task_again(result: dict[str, Any], log: Any) -> Any:
    """The task that a model was trained on, of a log."""
    from tfrec_zoo import tasks
    from tfrec_zoo.features import FeatureSpec

    options = {
        name: value
        for name, value in result["config"]["options"].items()
        # Splits and negatives that come with the data are there again.
        if not (isinstance(value, dict) and "sha256" in value)
    }
    if options.get("spec") is not None:
        options["spec"] = FeatureSpec.from_json(json.dumps(options["spec"]))
    return tasks.make(result["task"], log, **options)

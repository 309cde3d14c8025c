"""Pretrained models: those that come with the package, by name, and those in folders."""

import json
import os
import pathlib
from typing import Any

from tfrec_zoo import checkpoints
from tfrec_zoo.artifacts import MANIFEST
from tfrec_zoo.features import RawFeature
from tfrec_zoo.serving import Served
from tfrec_zoo.serving import load as load_export
from tfrec_zoo.serving.items import ItemTable

#: Where pretrained models are looked for first: folders `<model>/<data set>`.
ENVIRONMENT = "TFREC_ZOO_MODELS"
_PACKAGE = pathlib.Path(__file__).parent


def _folders() -> list[pathlib.Path]:
    """Where pretrained models may be: as the user says, installed, or in a checkout."""
    given = os.environ.get(ENVIRONMENT)
    found = [pathlib.Path(given)] if given else []
    return [*found, _PACKAGE / "saved_models", _PACKAGE.parent / "saved_models"]


def names() -> list[str]:
    """Names of the pretrained models, such as `"neumf/movielens-100k"`."""
    paths = [path for folder in _folders() for path in folder.glob("*/*/result.json")]
    return sorted({f"{path.parts[-3]}/{path.parts[-2]}" for path in paths})


def find(name: str) -> pathlib.Path:
    """The folder of a pretrained model, with `model`, `checkpoint` and `result.json`.

    Args:
        name: Name of the model, such as `"neumf/movielens-100k"`.

    Raises:
        FileNotFoundError: If there is none of that name; names those there are.
    """
    for folder in _folders():
        if (folder / name / "result.json").is_file():
            return folder / name
    raise FileNotFoundError(
        f"There is no pretrained model of that name, only {names()}, and no such folder. "
        f"Received: {name!r}"
    )


def load(name: str | pathlib.Path, verify: bool = True) -> Served:
    """Loads an export, to be asked: a folder, or a pretrained model by name.

    Args:
        name: A folder that `export` or `train` wrote, or a name such as `"neumf/movielens-100k"`.
        verify: Whether to compare every file with its checksum first, as `serving.load` does.

    Raises:
        FileNotFoundError: If there is no such folder and no such name.
        ValueError: If a file is damaged or missing, or not of the export.

    Example:

    >>> import tfrec_zoo as zoo
    >>> served = zoo.load("ease/movielens-100k")
    >>> served.recommend({"history": [["50", "172"]]}, k=2)["rank"].tolist()
    [1, 2]
    """
    folder = pathlib.Path(name)
    if not folder.is_dir():
        folder = find(str(name))
    if not (folder / MANIFEST).is_file() and (folder / "model").is_dir():
        folder = folder / "model"
    served = load_export(folder, verify)
    checkpoint = folder.parent / "checkpoint"
    if checkpoint.is_dir() and folder.name == "model":
        served.directory = folder.parent
    if "item" not in served.manifest and served.is_ranking and checkpoint.is_dir():
        _add_items(served, checkpoint)
    return served


def _add_items(served: Served, checkpoint: pathlib.Path) -> None:
    """Tells a ranking model whose export doesn't say so which items it knows."""
    features = checkpoints.read_features(checkpoint)
    column = features.spec.item
    served.item = RawFeature(column.key, column.dtype)
    if served.candidate == {column.key}:
        vocabulary = features.vocabularies[column.space]
        served.items = ItemTable.of_vocabulary(column.key, vocabulary)


def from_preset(name: str) -> Any:
    """A pretrained model with its weights, to be trained further; to be compiled first.

    Args:
        name: Name of the model, such as `"neumf/movielens-100k"`.

    Raises:
        FileNotFoundError: If there is none of that name.
        ValueError: If a file is damaged.
    """
    return checkpoints.restore(find(name) / "checkpoint")


def result(name: str) -> dict[str, Any]:
    """What is known of a pretrained model: its metrics, command, seed, data and versions.

    Args:
        name: Name of the model.
    """
    return json.loads((find(name) / "result.json").read_text(encoding="utf-8"))

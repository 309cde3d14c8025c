"""Pretrained models: those that come with the package, by name, and those in other places."""

import pathlib
from typing import Any

from tfrec_zoo import checkpoints
from tfrec_zoo.features import RawFeature
from tfrec_zoo.model_folders import ENVIRONMENT, export_within, find, names, result, summary
from tfrec_zoo.serving import Served
from tfrec_zoo.serving import load as load_export
from tfrec_zoo.serving.items import ItemTable

__all__ = ["ENVIRONMENT", "find", "from_preset", "load", "names", "result", "summary"]


def load(
    name: str | pathlib.Path,
    verify: bool = True,
    *,
    sha256: str | None = None,
    cache: str | pathlib.Path | None = None,
) -> Served:
    """Loads an export, to be asked: a folder, a pretrained model by name, or an archive.

    Args:
        name: A folder that `export` or `train` wrote; a name such as `"neumf/movielens-100k"`; or
            an archive of such a folder (`.zip`, `.tar`, `.tar.gz` or `.tgz`), a file or its http(s)
            URL. `#sha256=…` after the name says what `sha256` does.
        verify: Whether to compare every file with its checksum first, as `serving.load` does.
        sha256: The SHA-256 of the archive, which is compared before it is opened. An archive needs
            one, since a model is a program: it may read and write files as TensorFlow can.
        cache: Folder that archives are unpacked into, once; by default `$TFREC_ZOO_CACHE`, or
            `~/.cache/tfrec_zoo`.

    Raises:
        FileNotFoundError: If there is no such folder, file or name.
        ConnectionError: If the URL can't be read.
        ValueError: If the checksum of an archive is missing or wrong, or it is one of something
            else; if a file is damaged or missing, or not of the export.

    Example:

    >>> import tfrec_zoo as zoo
    >>> served = zoo.load("ease/movielens-100k")
    >>> served.recommend({"history": [["50", "172"]]}, k=2)["rank"].tolist()
    [1, 2]
    """
    folder = export_within(find(name, sha256, cache))
    served = load_export(folder, verify)
    checkpoint = folder.parent / "checkpoint"
    if checkpoint.is_dir() and folder.name == "model":
        served.directory = folder.parent
    says_items = "item" in served.manifest and served.item is not None
    if served.is_ranking and checkpoint.is_dir() and not says_items:
        # An early export, or one that was made without a log: candidates are told by their ids, and
        # ranked if there is no more to know of them.
        features = checkpoints.read_features(checkpoint)
        column = features.spec.item
        served.item = RawFeature(column.key, column.dtype)
        if served.items is None and served.candidate == {column.key}:
            served.items = ItemTable.of_vocabulary(column.key, features.vocabularies[column.space])
    return served


def from_preset(
    name: str | pathlib.Path,
    *,
    sha256: str | None = None,
    cache: str | pathlib.Path | None = None,
) -> Any:
    """A pretrained model with its weights, to be trained further; to be compiled first.

    Args:
        name: Name of the model, such as `"neumf/movielens-100k"`; or a folder that `train` wrote,
            or an archive of one, as for `load`.
        sha256: The SHA-256 of the archive.
        cache: Folder that archives are unpacked into, as for `load`.

    Raises:
        FileNotFoundError: If there is none of that name, or no checkpoint.
        ConnectionError: If the URL can't be read.
        ValueError: If the checksum of an archive is missing or wrong, or a file is damaged.
    """
    return checkpoints.restore(find(name, sha256, cache) / "checkpoint")

"""Model folders: where trained models are found, by name, folder, archive or URL.

Such a folder has `model` (the SavedModel), `checkpoint`, `result.json` and the card, `README.md`.
Nothing here needs TensorFlow.
"""

import json
import os
import pathlib
from typing import Any

from tfrec_zoo import archives
from tfrec_zoo.artifacts import MANIFEST, read_manifest

#: Where pretrained models are looked for first: folders `<model>/<data set>`.
ENVIRONMENT = "TFREC_ZOO_MODELS"
_PACKAGE = pathlib.Path(__file__).parent
_RESULT = "result.json"


def _folders() -> list[pathlib.Path]:
    """Where pretrained models may be: as the user says, installed, or in a checkout."""
    given = os.environ.get(ENVIRONMENT)
    found = [pathlib.Path(given)] if given else []
    return [*found, _PACKAGE / "saved_models", _PACKAGE.parent / "saved_models"]


def names() -> list[str]:
    """Names of the pretrained models, such as `"neumf/movielens-100k"`."""
    paths = [path for folder in _folders() for path in folder.glob(f"*/*/{_RESULT}")]
    return sorted({f"{path.parts[-3]}/{path.parts[-2]}" for path in paths})


def find(
    name: str | pathlib.Path,
    sha256: str | None = None,
    cache: str | pathlib.Path | None = None,
) -> pathlib.Path:
    """The folder of a model.

    Args:
        name: A folder that `train` or `export` wrote, the name of a pretrained model, such as
            `"neumf/movielens-100k"`, or an archive of such a folder: a `.zip`, `.tar`, `.tar.gz` or
            `.tgz` file, or its http(s) URL. `#sha256=…` after the name says what `sha256` does.
        sha256: The SHA-256 of the archive, without which none is opened.
        cache: Folder that archives are unpacked into, once; by default `$TFREC_ZOO_CACHE`, or
            `~/.cache/tfrec_zoo`.

    Raises:
        FileNotFoundError: If there is none of that name; names those there are.
        ConnectionError: If the URL can't be read.
        ValueError: If the checksum is missing or wrong, or the archive is one of something else.
    """
    source, _, said = str(name).partition("#sha256=")
    checksum = sha256 or said or None
    is_folder = pathlib.Path(source).is_dir()
    if not is_folder and archives.is_archive(source):
        return _model_within(archives.unpacked(source, checksum, cache), source)
    if checksum is not None:
        raise ValueError(
            "`sha256` is that of an archive; the manifest of a folder has one of each file. "
            f"Received: {source!r}"
        )
    if is_folder:
        return pathlib.Path(source)
    for folder in _folders():
        if (folder / source / _RESULT).is_file():
            return folder / source
    raise FileNotFoundError(
        f"There is no pretrained model of that name, only {names()}, and no such folder. "
        f"Received: {source!r}"
    )


def _model_within(folder: pathlib.Path, source: str) -> pathlib.Path:
    """The folder of the model in what was unpacked, which may be a folder within folders."""
    while not any((folder / name).is_file() for name in (_RESULT, MANIFEST)):
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            raise ValueError(
                f"An archive of a model must hold a folder that `train` or `export` wrote. "
                f"Received: {source!r} with {sorted(path.name for path in inside)[:10]}"
            )
        (folder,) = inside
    return folder


def export_within(folder: pathlib.Path) -> pathlib.Path:
    """The export in a folder: the folder itself, or its `model`."""
    if not (folder / MANIFEST).is_file() and (folder / "model").is_dir():
        return folder / "model"
    return folder


def result(name: str | pathlib.Path) -> dict[str, Any]:
    """What is known of a trained model: its metrics, command, seed, data and versions.

    Args:
        name: Name or folder of the model.
    """
    return json.loads((find(name) / _RESULT).read_text(encoding="utf-8"))


def summary(name: str | pathlib.Path) -> dict[str, Any]:
    """A trained model in a line: its size, what it is asked with, and its first metric.

    Args:
        name: Name or folder of the model.
    """
    folder, contents = find(name), result(name)
    manifest = read_manifest(folder / "model")
    metric, value = next(iter(contents["metrics"].items()))
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "name": str(name),
        "model": contents["model"],
        "task": contents["task"],
        "bytes": sum(path.stat().st_size for path in files),
        "request": [feature["key"] for feature in manifest["request"]],
        "metric": metric,
        "value": value,
    }

"""Version folders: the versions of a model in numbered folders, as TensorFlow Serving has them."""

import pathlib
from typing import Literal

#: The file that makes a folder a SavedModel.
SAVED_MODEL = "saved_model.pb"


def version_folders(base: str | pathlib.Path) -> dict[int, pathlib.Path]:
    """The folders of the versions that there are, by number.

    Args:
        base: Folder of the versions.
    """
    base = pathlib.Path(base)
    if not base.is_dir():
        return {}
    return {
        int(path.name): path
        for path in sorted(base.iterdir())
        if path.name.isascii() and path.name.isdigit() and path.is_dir()
    }


def new_version_folder(
    base: str | pathlib.Path, version: int | Literal["next"] = "next"
) -> pathlib.Path:
    """The folder that a new version is to be written into.

    Args:
        base: Folder of the versions.
        version: Number of the version; `"next"` is one more than the latest, or 1.

    Raises:
        ValueError: If it is no number from 1 up.
        FileExistsError: If there is such a version, or the folder is itself an export.

    Example:

    >>> new_version_folder("folder_that_is_not_there").name
    '1'
    """
    base = pathlib.Path(base)
    if (base / SAVED_MODEL).exists():
        raise FileExistsError(
            f"Versions need a folder of their own. Received one that is an export: {base}"
        )
    found = version_folders(base)
    if version == "next":
        return base / str(max(found, default=0) + 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(
            f'`version` must be a whole number from 1 up, or "next". Received: {version!r}'
        )
    if version in found:
        raise FileExistsError(
            f"A version is written once. There are {sorted(found)}. Received: version={version}"
        )
    return base / str(version)

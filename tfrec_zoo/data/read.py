"""Reading the frames of a log from files, and finding them in a folder."""

import json
import lzma
import pathlib
import zipfile
import zlib
from collections.abc import Sequence

import pandas as pd

_DAMAGE = (
    *(OSError, ValueError, EOFError, NotImplementedError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)


def read_frame(path: str | pathlib.Path) -> pd.DataFrame:
    """Reads a Parquet or CSV file, compressed or not.

    Args:
        path: The file; its suffixes say what it is, such as `.csv.gz`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or of another kind; the message names it.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "users.csv"
    >>> _ = path.write_text("user_id,age\\nann,30\\n")
    >>> read_frame(path).values.tolist()
    [['ann', 30]]
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no such file. Received: {path}")
    kind = _kind(path)
    if kind is None:
        raise ValueError(f"Expected a .parquet or .csv file. Received: {path}")
    try:
        if kind == "parquet":
            return pd.read_parquet(path)
        # A column's type is decided by all of its values, not chunk by chunk.
        return pd.read_csv(path, low_memory=False)
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged or no {kind} file: {error}") from error


def _kind(path: pathlib.Path) -> str | None:
    return next((kind for kind in ("parquet", "csv") if f".{kind}" in path.suffixes), None)


def name_of(path: pathlib.Path) -> str:
    """What the data in a file or folder are called: its name without suffixes.

    >>> name_of(pathlib.Path("shop/purchases.csv.gz"))
    'purchases'
    """
    if path.is_dir():
        return path.resolve().name
    return path.name.split(f".{_kind(path)}")[0]


def frame_files(folder: pathlib.Path, frames: Sequence[str]) -> dict[str, pathlib.Path]:
    """Finds the files of frames in a folder, such as `items.csv.gz`, by frame.

    Args:
        folder: Folder of the files.
        frames: Names of the frames, first the one that must be there.

    Raises:
        FileNotFoundError: If there is no file of the first frame.
        ValueError: If there are two files of one frame.
    """
    files: dict[str, pathlib.Path] = {}
    for path in sorted(folder.iterdir()):
        frame = path.name.split(".")[0]
        if frame not in frames or _kind(path) is None:
            continue
        if frame in files:
            raise ValueError(
                f"A folder must have one file of {frame}. Received: {files[frame]} and {path}"
            )
        files[frame] = path
    if frames[0] not in files:
        raise FileNotFoundError(
            f"There is no {frames[0]}.parquet or {frames[0]}.csv in {folder}. "
            f"Received: {sorted(path.name for path in folder.iterdir())[:20]}"
        )
    return files


def read_roles(path: pathlib.Path, roles: Sequence[str]) -> dict[str, str]:
    """Reads columns by role from a JSON file; nothing if there is none.

    Args:
        path: The file.
        roles: The roles there are.

    Raises:
        ValueError: If the file is damaged, or says something else.
    """
    if not path.exists():
        return {}
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged or no JSON file: {error}") from error
    if not (
        isinstance(columns, dict)
        and columns.keys() <= set(roles)
        and all(isinstance(column, str) for column in columns.values())
    ):
        raise ValueError(f"{path} must map roles, of {roles}, to columns. Received: {columns}")
    return columns

"""Reading frames from files."""

import lzma
import pathlib
import zipfile
import zlib

import pandas as pd

_DAMAGE = (
    *(OSError, ValueError, EOFError, NotImplementedError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)


def read_frame(path: str | pathlib.Path) -> pd.DataFrame:
    """Reads a Parquet or CSV file; a clear error says which file was wrong, and how."""
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no such file. Received: {path}")
    kind = next((k for k in ("parquet", "csv") if f".{k}" in path.suffixes), None)
    if kind is None:
        raise ValueError(f"Expected a .parquet or .csv file. Received: {path}")
    try:
        if kind == "parquet":
            return pd.read_parquet(path)
        # A column's type is decided by all of its values, not chunk by chunk.
        return pd.read_csv(path, low_memory=False)
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged or no {kind} file: {error}") from error

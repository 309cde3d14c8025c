"""Reading the frames of a log from files, and finding them in a folder."""

import ast
import json
import logging
import lzma
import pathlib
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from tfrec_zoo.data.columns import is_list
from tfrec_zoo.data.delimited import BadRows, Delimited, read_delimited, stream_delimited
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.needs import Need, refuse_idle

logger = logging.getLogger(__name__)

#: What reading a damaged file raises.
DAMAGE = (
    *(OSError, ValueError, EOFError, NotImplementedError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
_KINDS = {
    "parquet": ("parquet", "pq"),
    "csv": ("csv", "tsv", "tab", "txt", "dat", "data"),
    "json": ("jsonl", "ndjson"),
}
#: Rows of a Parquet file that are read at a time.
_PIECE = 1 << 19
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_CODE = re.compile(r"[+-]?0\d+")
#: Words that stand for a missing value in a column of numbers.
_MISSING = {"na", "n/a", "nan", "null", "none", "-", "\\n", "?"}


def text_columns(roles: Roles) -> tuple[str, ...]:
    """The columns that are text in a text file, whatever they look like: ids, words and titles."""
    return (roles.user, roles.item, roles.page, roles.query, roles.title)


def read_frame(
    path: str | pathlib.Path,
    *,
    ids: Collection[str] = text_columns(Roles()),
    bags: Mapping[str, str] | Sequence[str] = (),
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    bad_rows: BadRows = "error",
) -> pd.DataFrame:
    """Reads a Parquet file, a delimited text file (CSV, TSV) or JSON lines, compressed or not.

    In a text file ids stay text, exactly as they are written, and so do other columns unless every
    value is a number without a leading zero, or true or false. What the reader finds out about the
    file is logged.

    Args:
        path: The file; its suffixes say what it is, such as `.csv.gz`.
        ids: Columns that stay text.
        bags: Columns that hold several values, as JSON or cut at a separator: `{"genres": "|"}`, or
            the names alone for bars.
        separator: Separator of the cells; None finds it.
        encoding: Encoding of the text; None finds it.
        names: Names of the columns, where the first line is no header.
        bad_rows: Whether rows that can't be read are an error, or left out (`"skip"`).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or of another kind; the message names it.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "users.csv"
    >>> _ = path.write_text("user_id;age\\n007;30\\n")
    >>> read_frame(path).values.tolist()
    [['007', 30]]
    """
    path = pathlib.Path(path)
    kind = _required_kind(path)
    require_text([path], separator=separator, encoding=encoding, names=names)
    try:
        if kind == "parquet":
            frame = pd.read_parquet(path)
        elif kind == "json":
            frame = _read_json(path)
        else:
            text = read_delimited(path, separator, encoding, names, bad_rows)
            _log_found(path, text)
            frame = typed(text.table, ids)
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged or no {kind} file: {error}") from error
    cut_at = dict(bags) if isinstance(bags, Mapping) else dict.fromkeys(bags, "|")
    for name in cut_at.keys() & set(frame.columns):
        frame[name] = _as_bags(frame[name], cut_at[name], name)
    return frame


def read_pieces(
    path: str | pathlib.Path,
    columns: Collection[str],
    *,
    ids: Collection[str] = text_columns(Roles()),
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    bad_rows: BadRows = "error",
) -> Iterator[pd.DataFrame]:
    """Reads a file as `read_frame` does, a piece at a time, so that it may be of any size.

    Args:
        path: The file; its suffixes say what it is, such as `.csv.gz`.
        columns: Columns to read, as far as the file has them.
        ids: Columns that stay text, if the file is text.
        separator: Separator of the cells; None finds it.
        encoding: Encoding of the text; None is UTF-8, or UTF-16 if the file says so.
        names: Names of the columns, where the first line is no header.
        bad_rows: Whether rows that can't be read are an error, or left out (`"skip"`).

    Yields:
        Frames of some hundred thousand rows each, at least one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or of another kind; the message names it.
    """
    path = pathlib.Path(path)
    kind = _required_kind(path)
    try:
        if kind == "parquet":
            with pyarrow.parquet.ParquetFile(path) as file:
                wanted = [name for name in file.schema_arrow.names if name in columns]
                yield file.schema_arrow.empty_table().select(wanted).to_pandas()
                for batch in file.iter_batches(_PIECE, columns=wanted):
                    yield pa.Table.from_batches([batch]).to_pandas()
        elif kind == "json":
            with (
                pa.input_stream(str(path), compression="detect") as stream,
                pyarrow.json.open_json(stream) as reader,
            ):
                for batch in reader:
                    frame = pa.Table.from_batches([batch]).to_pandas()
                    yield frame[[name for name in frame if name in columns]]
        else:
            for text in stream_delimited(path, separator, encoding, names, bad_rows):
                _log_found(path, text)
                wanted = [name for name in text.table.column_names if name in columns]
                yield typed(text.table.select(wanted), ids)
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged or no {kind} file: {error}") from error


def require_text(files: Sequence[pathlib.Path], **options: Any) -> None:
    """Refuses options of delimited text where no file is such.

    Args:
        files: The files.
        **options: `separator`, `encoding` and `names`, None where they were not given.

    Raises:
        ValueError: If one was given in vain.
    """
    given = {name: value for name, value in options.items() if value is not None}
    of_text = Need(
        ("separator", "encoding", "names"),
        lambda kinds: "csv" in kinds,
        f"is for delimited text, such as CSV, which {files[0].name} is not: leave it out",
    )
    refuse_idle([of_text], given, {kind_of(path) for path in files})


def kind_of(path: pathlib.Path) -> str | None:
    """The kind of a file by its suffixes, `"parquet"`, `"csv"` or `"json"`; None of others."""
    for suffix in reversed(path.suffixes):
        for kind, endings in _KINDS.items():
            if suffix.lower().removeprefix(".") in endings:
                return kind
    return None


def _read_json(path: pathlib.Path) -> pd.DataFrame:
    with pa.input_stream(str(path), compression="detect") as stream:
        return pyarrow.json.read_json(stream).to_pandas()


def _required_kind(path: pathlib.Path) -> str:
    """The kind of a file that must be there."""
    if not path.exists():
        raise FileNotFoundError(f"There is no such file. Received: {path}")
    kind = kind_of(path)
    if kind is None:
        raise ValueError(
            "Expected a .parquet or .csv file, or one of "
            f"{[f'.{s}' for endings in _KINDS.values() for s in endings]}. Received: {path}"
        )
    return kind


def _log_found(path: pathlib.Path, text: Delimited) -> None:
    """Logs how a text file is read."""
    for words in text.found:
        log = logger.warning if words.startswith("left out") else logger.info
        log("%s: %s", path.name, words)


def typed(table: pa.Table, ids: Collection[str]) -> pd.DataFrame:
    """A table of text as a frame: numbers where all of a column are, ids as they are written."""
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        words = column.dictionary_encode().combine_chunks()
        if isinstance(words, pa.ChunkedArray):  # Of a table without rows.
            words = pa.array([], pa.string()).dictionary_encode()
        texts = words.dictionary.to_numpy(zero_copy_only=False).astype(object)
        codes = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values = texts if name in ids else _numbers(texts)
        has_gaps = bool((codes < 0).any())
        if has_gaps and values.dtype == np.int64 and abs(values).max() >= 2**53:
            values = texts  # Floats, which can be missing, would not keep the digits.
        if values.dtype != object and not has_gaps:
            columns.append(pd.Series(values[codes]))
        else:
            dtype = np.float64 if values.dtype != object else object
            missing: Any = np.nan if values.dtype != object else None
            columns.append(pd.Series(np.append(values.astype(dtype), missing)[codes], dtype=dtype))
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    frame.columns = pd.Index(table.column_names, dtype=object)
    return frame


def _numbers(texts: np.ndarray) -> np.ndarray:
    """Distinct values of a column as numbers or booleans if all are, else as they are."""
    lower = [text.strip().lower() for text in texts]
    if texts.size and set(lower) <= {"true", "false"}:
        return np.array([text == "true" for text in lower])
    is_number = np.array([_NUMBER.fullmatch(text) is not None for text in lower], bool)
    words = {text for text, is_one in zip(lower, is_number, strict=True) if not is_one}
    if not is_number.any() or not words <= _MISSING or any(map(_CODE.fullmatch, lower)):
        return texts
    if not words and all(re.fullmatch(r"[+-]?\d+", text) for text in lower):
        whole = [int(text) for text in lower]
        # Numbers with more digits than int64 keeps are codes.
        return np.array(whole, np.int64) if max(map(abs, whole)) < 2**63 else texts
    return np.array([float(t) if n else np.nan for t, n in zip(lower, is_number, strict=True)])


def _as_bags(values: pd.Series, separator: str, name: str) -> pd.Series:
    """Text as lists of values: JSON, Python's lists, or cut at a separator."""

    def bag(text: Any) -> Any:
        if is_list(text):
            return text
        if not isinstance(text, str):
            return [] if pd.isna(text) else [text]
        if not text.lstrip().startswith("["):
            return [part.strip() for part in text.split(separator) if part.strip()]
        for read in (json.loads, ast.literal_eval):
            try:
                return list(read(text))
            except (ValueError, SyntaxError, TypeError):
                continue
        raise ValueError(f"Column {name!r} must hold lists. Received: {text!r:.80}")

    return pd.Series([bag(value) for value in values], values.index, dtype=object)


def name_of(path: pathlib.Path) -> str:
    """What the data in a file or folder are called: its name without suffixes.

    >>> name_of(pathlib.Path("shop/purchases.csv.gz"))
    'purchases'
    """
    if path.is_dir():
        return path.resolve().name
    endings = "|".join(ending for endings in _KINDS.values() for ending in endings)
    return re.sub(rf"\.({endings})(\.\w+)?$", "", path.name, flags=re.IGNORECASE)


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
        is_note = ".txt" in map(str.lower, path.suffixes)
        if frame not in frames or kind_of(path) is None or is_note:
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

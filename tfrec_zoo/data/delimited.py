"""Delimited text files: CSV, TSV and their kin, as tables of text."""

import bz2
import codecs
import csv
import dataclasses
import gzip
import io
import lzma
import pathlib
import zipfile
from collections.abc import Sequence
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.csv

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
BadRows = Literal["error", "skip"]

#: Bytes that the separator and the encoding are looked for in.
_SAMPLE = 1 << 16
#: Bytes that are parsed at a time; no row may be longer.
_BLOCK = 1 << 24


@dataclasses.dataclass(frozen=True)
class Delimited:
    """The rows of a file, as text.

    Args:
        table: A column of text each, null where a cell is empty.
        found: How the file was read, and what was left out, in words.
    """

    table: pa.Table
    found: list[str]


def read_delimited(
    path: pathlib.Path,
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    bad_rows: BadRows = "error",
) -> Delimited:
    """Reads a delimited text file, compressed or not; every cell stays as it is written.

    Only an empty cell is missing. A quoted cell may hold separators and line ends; in a file that
    is separated by tabs and quotes nothing in its first lines, quotes are text.

    Args:
        path: The file.
        separator: A character; None finds it in the first lines.
        encoding: Encoding of the text; None takes UTF-16 if the file says so, else UTF-8, and
            latin-1 for a file that is not in UTF-8.
        names: Names of the columns of a file whose first line is data already.
        bad_rows: Whether rows with more or fewer cells than columns are an error, or left out.

    Raises:
        ValueError: If the file is empty, damaged, or has bad rows; says which.
    """
    if separator is not None and len(separator) != 1:
        raise ValueError(f"`separator` must be one character. Received: {separator!r}")
    with _opened(path) as file:
        sample = file.read(_SAMPLE)
    if not sample:
        raise ValueError("the file is empty")
    found = []
    given, encoding = encoding, encoding or _encoding(sample)
    try:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(sample)
    except UnicodeError as error:
        raise ValueError(f"it is in another encoding. Received: {encoding!r}") from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise ValueError("it holds bytes that are no text")
    lines = text.splitlines(keepends=True)[:200]
    separator = separator or _separator(lines)
    quotes = separator != "\t" or any(f'"{separator}' in line or line[:1] == '"' for line in lines)
    quoting: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    first = next(filter(None, csv.reader(lines, delimiter=separator, quoting=quoting)), [])
    header = [name.strip() for name in (first if names is None else names)]
    if len(header) != len(first):
        raise ValueError(
            f"`names` must have a name for each of the {len(first)} columns. Received: {header}"
        )
    if names is None and len(lines) == 1:
        return Delimited(pa.table([pa.array([], pa.string())] * len(header), names=header), [])
    if separator != ",":
        found.append(f"separated by {SEPARATORS.get(separator, repr(separator))}")
    parser = _Parser(path, len(header), separator, quotes, skip_rows=0 if names is not None else 1)
    try:
        table = parser.parse(encoding)
    except (pa.ArrowInvalid, UnicodeError) as error:
        if given is not None and ("UTF8" in str(error) or isinstance(error, UnicodeError)):
            raise ValueError(f"it is in another encoding. Received: {given!r}") from error
        if "UTF8" not in str(error):
            raise
        encoding = "latin-1"
        table = parser.parse(encoding)
    if encoding not in ("utf8", "utf-8"):
        found.append(f"in {encoding}")
    if parser.bad:
        lost = sum(text.count("\n") + 1 for _, text in parser.bad)
        numbers = ", ".join(str(number) for number, _ in parser.bad[:5])
        words = (
            f"{len(parser.bad)} rows ({lost} lines) that are no {len(header)} cells: row {numbers}"
            f"{', …' if len(parser.bad) > 5 else ''} (the first row of the file is 1)"
        )
        if bad_rows == "error":
            example = parser.bad[0][1]
            raise ValueError(f"{words}, such as {example!r:.80}; bad_rows='skip' leaves them out")
        found.append(f"left out {words}")
    return Delimited(table.rename_columns(header), found)


@dataclasses.dataclass
class _Parser:
    """Parses a file with pyarrow, and collects the number and text of rows that don't fit."""

    path: pathlib.Path
    width: int
    separator: str
    quotes: bool
    skip_rows: int
    bad: list[tuple[int, str]] = dataclasses.field(default_factory=list)

    def parse(self, encoding: str) -> pa.Table:
        self.bad.clear()
        columns = [str(i) for i in range(self.width)]
        with _opened(self.path) as file:
            table = pyarrow.csv.read_csv(
                pa.PythonFile(file, mode="r"),
                pyarrow.csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK,
                    column_names=columns,
                    skip_rows=self.skip_rows,
                    encoding=encoding,
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=self.separator,
                    quote_char='"' if self.quotes else False,
                    newlines_in_values=self.quotes,
                    invalid_row_handler=self._skip,
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        # A quote that is never closed takes all that follows for one cell.
        last = table.column(-1)[-1].as_py() if len(table) else None
        if last is not None and "\n" in last and not self._ends_in_a_quote(encoding):
            self.bad.append((self.skip_rows + len(table) + len(self.bad), last.rstrip("\n")))
            table = table.slice(0, len(table) - 1)
        return table

    def _skip(self, row: Any) -> str:
        self.bad.append((row.number, row.text))
        return "skip"

    def _ends_in_a_quote(self, encoding: str) -> bool:
        with _opened(self.path) as file:
            end = b""
            while chunk := file.read(_BLOCK):
                end = (end + chunk)[-_SAMPLE:]
        return end.decode(encoding, errors="replace").rstrip().endswith('"')


def _opened(path: pathlib.Path) -> Any:
    """The bytes of a file, decompressed as its suffix says."""
    suffix = path.suffix.lower()
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if suffix in openers:
        return openers[suffix](path, "rb")
    if suffix == ".zip":
        return _only_member(path)
    return open(path, "rb")


def _only_member(path: pathlib.Path) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if len(members) != 1:
            raise ValueError(f"the archive must hold one file. Received: {members}")
        return io.BytesIO(archive.read(members[0]))


def _encoding(sample: bytes) -> str:
    is_utf16 = sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf16 else "utf-8"


def _separator(lines: Sequence[str]) -> str:
    """The separator that cuts most lines into the same, largest number of cells."""

    def cells(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines[:50], delimiter=separator) if row]
        same = sum(width == widths[0] for width in widths) / len(widths)
        return (round(same, 1) if widths[0] > 1 else 0.0, widths[0])

    return max(SEPARATORS, key=cells) if any(line.strip() for line in lines) else ","

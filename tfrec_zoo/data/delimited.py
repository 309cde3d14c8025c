"""Delimited text files: CSV, TSV and their kin, as tables of text."""

import bz2
import codecs
import csv
import dataclasses
import gzip
import io
import lzma
import pathlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.csv

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
BadRows = Literal["error", "skip"]

#: A first line by which Excel is told the separator.
_TOLD = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
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

    Only an empty cell is missing. A first line such as `sep=;`, which Excel reads, tells the
    separator and is no row. A quoted cell may hold separators and line ends; in a file that
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
    look = _look(path, separator, encoding, names)
    if look.is_empty:
        return Delimited(look.nothing(), [])
    parser, found = look.parser, look.found
    try:
        table = parser.parse(look.encoding)
    except (pa.ArrowInvalid, UnicodeError) as error:
        if not _is_of_encoding(error):
            raise
        if encoding is not None:
            raise _other_encoding(encoding) from error
        look = _look(path, separator, "latin-1", names)  # Names of columns, too.
        parser, found = look.parser, look.found
        table = parser.parse(look.encoding)
    if look.encoding not in ("utf8", "utf-8"):
        found.append(f"in {look.encoding}")
    if parser.bad:
        words = parser.bad_in_words(bad_rows)
        found.append(f"left out {words}")
    return Delimited(table.rename_columns(look.header), found)


def stream_delimited(
    path: pathlib.Path,
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    bad_rows: BadRows = "error",
) -> Iterator[Delimited]:
    """Reads a file as `read_delimited` does, a block at a time, so that it may be of any size.

    A file that is not in UTF-8 is refused unless its encoding is given. An error names the first of
    the bad rows: those after it are not looked for.

    Args:
        path: The file.
        separator: A character; None finds it in the first lines.
        encoding: Encoding of the text; None takes UTF-16 if the file says so, else UTF-8.
        names: Names of the columns of a file whose first line is data already.
        bad_rows: Whether rows with more or fewer cells than columns are an error, or left out.

    Yields:
        The rows of each block; the last block also says how the file was read.

    Raises:
        ValueError: If the file is empty, damaged, or has bad rows; says which.
    """
    look = _look(path, separator, encoding, names)
    if look.is_empty:
        yield Delimited(look.nothing(), [])
        return
    parser = look.parser
    # How far the parser reads ahead is a matter of timing.
    parser.first_only = bad_rows == "error"
    try:
        for table in parser.stream(look.encoding):
            if parser.bad and bad_rows == "error":
                break
            yield Delimited(table.rename_columns(look.header), [])
    except (pa.ArrowInvalid, UnicodeError) as error:
        if not _is_of_encoding(error):
            raise
        raise _other_encoding(look.encoding) from error
    if parser.bad:
        look.found.append(f"left out {parser.bad_in_words(bad_rows)}")
    yield Delimited(look.nothing(), look.found)


@dataclasses.dataclass
class _Look:
    """What the first lines of a file say of it.

    Args:
        header: Names of the columns.
        encoding: Encoding of the text.
        is_empty: Whether there is a header and nothing else.
        parser: Parser of the rows.
        found: How the file is read, in words.
    """

    header: list[str]
    encoding: str
    is_empty: bool
    parser: "_Parser"
    found: list[str]

    def nothing(self) -> pa.Table:
        """A table of the columns without rows."""
        return pa.table([pa.array([], pa.string())] * len(self.header), names=self.header)


def _look(
    path: pathlib.Path, separator: str | None, encoding: str | None, names: Sequence[str] | None
) -> _Look:
    if separator is not None and len(separator) != 1:
        raise ValueError(f"`separator` must be one character. Received: {separator!r}")
    with _opened(path) as file:
        sample = file.read(_SAMPLE)
    if not sample:
        raise ValueError("the file is empty")
    found = []
    encoding = encoding or _encoding(sample)
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(
            f"`encoding` must be one that Python knows, such as utf-8. Received: {encoding!r}"
        ) from None
    try:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(sample)
    except UnicodeError as error:
        raise _other_encoding(encoding) from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise ValueError("it holds bytes that are no text")
    lines = list(io.StringIO(text, newline=""))
    told = _TOLD.fullmatch(lines[0]) if lines else None
    if told:
        separator, lines = separator or told[1], lines[1:]
    if not any(line.strip() for line in lines):
        raise ValueError("the file is empty")
    separator = separator or _separator(lines)
    some = lines[:200]
    quotes = separator != "\t" or any(f'"{separator}' in line or line[:1] == '"' for line in some)
    quoting: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    rows = csv.reader(lines, delimiter=separator, quoting=quoting)
    first = next((row for row in rows if len(row) > 1 or "".join(row).strip()), [])
    begin = rows.line_num if names is None else 0
    header = [name.strip() for name in (first if names is None else names)]
    if len(header) != len(first):
        raise ValueError(
            f"`names` must have a name for each of the {len(first)} columns. Received: {header}"
        )
    if separator != ",":
        found.append(f"separated by {SEPARATORS.get(separator, repr(separator))}")
    is_empty = len(sample) < _SAMPLE and not any(line.strip() for line in lines[begin:])
    parser = _Parser(path, len(header), separator, quotes, skip_rows=begin + bool(told))
    return _Look(header, encoding, is_empty, parser, found)


def _is_of_encoding(error: Exception) -> bool:
    return "UTF8" in str(error) or isinstance(error, UnicodeError)


def _other_encoding(encoding: str) -> ValueError:
    return ValueError(
        f"it is in another encoding, which may be given, such as latin-1. Received: {encoding!r}"
    )


@dataclasses.dataclass
class _Parser:
    """Parses a file with pyarrow, and collects the number and text of rows that don't fit."""

    path: pathlib.Path
    width: int
    separator: str
    quotes: bool
    skip_rows: int
    bad: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    first_only: bool = False

    def parse(self, encoding: str) -> pa.Table:
        self.bad.clear()
        with _opened(self.path) as file:
            table = pyarrow.csv.read_csv(
                pa.PythonFile(file, mode="r"), *self._options(encoding, use_threads=False)
            )
        return self._without_open_quote(table, len(table), encoding)

    def stream(self, encoding: str) -> Iterator[pa.Table]:
        """Yields the rows block by block."""
        self.bad.clear()
        rows, held = 0, None
        with _opened(self.path) as file:
            with pyarrow.csv.open_csv(
                pa.PythonFile(file, mode="r"), *self._options(encoding, use_threads=False)
            ) as reader:
                for batch in reader:
                    if held is not None:
                        yield held
                    held = pa.Table.from_batches([batch])
                    rows += len(held)
        if held is not None:
            yield self._without_open_quote(held, rows, encoding)

    def _options(self, encoding: str, **reading: Any) -> tuple[Any, Any, Any]:
        columns = [str(i) for i in range(self.width)]
        return (
            pyarrow.csv.ReadOptions(
                block_size=_BLOCK,
                column_names=columns,
                skip_rows=self.skip_rows,
                encoding=encoding,
                **reading,
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

    def _without_open_quote(self, table: pa.Table, rows: int, encoding: str) -> pa.Table:
        """The last rows of a file; a quote that is never closed takes the rest for one cell."""
        last = table.column(-1)[-1].as_py() if len(table) else None
        if last is None or "\n" not in last or self._ends_in_a_quote(encoding):
            return table
        self._collect(self.skip_rows + rows + len(self.bad), last.rstrip("\n"))
        return table.slice(0, len(table) - 1)

    def bad_in_words(self, bad_rows: BadRows) -> str:
        """Which rows don't fit, in words.

        Raises:
            ValueError: If that is an error.
        """
        lost = sum(text.count("\n") + 1 for _, text in self.bad)
        numbers = ", ".join(str(number) for number, _ in self.bad[:5])
        words = (
            f"{len(self.bad)} rows ({lost} lines) that are no {self.width} cells: row {numbers}"
            f"{', …' if len(self.bad) > 5 else ''} (the first row of the file is 1)"
        )
        if bad_rows == "error":
            example = self.bad[0][1]
            raise ValueError(f"{words}, such as {example!r:.80}; bad_rows='skip' leaves them out")
        return words

    def _skip(self, row: Any) -> str:
        self._collect(row.number, row.text)
        return "skip"

    def _collect(self, number: int, text: str) -> None:
        if not (self.first_only and self.bad):
            self.bad.append((number, text))

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

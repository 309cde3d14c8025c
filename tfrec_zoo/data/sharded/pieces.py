"""Pieces: the interactions of many files, cleaned as a log's are, a piece at a time."""

import dataclasses
import logging
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet

from tfrec_zoo.data.frames import Frame, read_columns
from tfrec_zoo.data.ids import Ids
from tfrec_zoo.data.read import kind_of, read_pieces, require_text, text_columns
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.times import TimeUnit

logger = logging.getLogger(__name__)

#: Bytes of a text file that a row takes, about.
_BYTES_PER_ROW = 32


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some interactions, in the order they were given in.

    Args:
        users: Ids of the users; all rows have one.
        items: Ids of the items; all rows have one.
        time: [rows] seconds.
        weight: [rows] weights, or None.
    """

    users: Ids
    items: Ids
    time: np.ndarray
    weight: np.ndarray | None


@dataclasses.dataclass
class Kinds:
    """What the columns of all pieces so far hold.

    Args:
        are_text: Whether ids are text, by their part, `"user"` or `"item"`.
        fit_int64: Whether ids that are no text are whole numbers from 0 to 2**63 - 1.
        are_whole: Whether times and weights are whole numbers, by their part.
        times: What times were recognized as, in words.
        first: The file that the first rows came from.
    """

    are_text: dict[str, bool] = dataclasses.field(default_factory=dict)
    fit_int64: dict[str, bool] = dataclasses.field(default_factory=dict)
    are_whole: dict[str, bool] = dataclasses.field(default_factory=dict)
    times: str = ""
    first: pathlib.Path | None = None


class Pieces:
    """Reads files of interactions one after another, each column as one type in all of them.

    Args:
        files: The files.
        roles: The columns' parts; others are not read.
        time_unit: Unit of times that are numbers; None recognizes it.
        time_format: Format of times that are text; None is ISO 8601.
        bad_rows: Whether rows that can't be used are an error, or left out.
        **text: `separator`, `encoding` and `names` of text files; see `read_pieces`.

    Attributes:
        kinds: What the columns hold, once all has been read.
        left_out: Number of rows that were left out, by what is wrong with them.
    """

    def __init__(
        self,
        files: Sequence[pathlib.Path],
        roles: Roles,
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
        bad_rows: Any = "error",
        **text: Any,
    ) -> None:
        require_text(files, **text)
        self._files, self._roles = files, roles
        self._time_unit, self._time_format = time_unit, time_format
        self._bad_rows, self._text = bad_rows, text
        self.kinds = Kinds()
        self.left_out: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Piece]:
        """Yields the pieces that have rows."""
        r = self._roles
        for path in self._files:
            begin = 0
            for frame in read_pieces(
                path,
                {r.user, r.item, r.time, r.weight},
                ids=text_columns(r),
                bad_rows=self._bad_rows,
                **self._text,
            ):
                where = f"{path}, rows from {begin} on"
                begin += len(frame)
                try:
                    made = read_columns(
                        frame,
                        "interactions",
                        r,
                        self._time_unit,
                        self._time_format,
                        tells=False,
                    )
                    if self._bad_rows == "error":
                        made.refuse()
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from None
                piece = self._piece(made)
                if len(piece.time):
                    self._compare(made, piece, path)
                    yield piece

    def _piece(self, made: Frame) -> Piece:
        """The rows of a frame that can be used."""
        r = self._roles
        is_bad = np.zeros(len(made.data), bool)
        for fault in made.faults:
            words = f"whose {fault.column!r} is {fault.what}"
            self.left_out[words] += int((fault.rows & ~is_bad).sum())
            is_bad |= fault.rows
        kept = np.flatnonzero(~is_bad)
        users, items = made.ids[r.user], made.ids[r.item]
        if is_bad.any():
            users, items = _of_rows(users, kept), _of_rows(items, kept)
        weight = _numbers(made.data[r.weight])[kept] if r.weight in made.data else None
        return Piece(users, items, _numbers(made.data[r.time])[kept], weight)

    def _compare(self, made: Frame, piece: Piece, path: pathlib.Path) -> None:
        """Checks that a piece holds what those before it do.

        Raises:
            ValueError: If not; names both files.
        """
        known, r = self.kinds, self._roles
        times = made.times.get(r.time, "")
        is_first = known.first is None
        if is_first:
            known.first, known.times = path, times
            if times:
                logger.warning("interactions: times in %r are %s", r.time, times)
        if times != known.times:
            raise ValueError(
                f"{r.time!r} must hold times of one kind in all files: give `time_unit`, or write "
                f"them alike. Received: {known.times or 'seconds'} in {known.first}, "
                f"{times or 'seconds'} in {path}"
            )
        if np.abs(piece.time.astype(np.float64)).max() >= 2**53:
            raise ValueError(f"{r.time!r} must be below 2**53 seconds: give `time_unit`. "
                             f"Received: {piece.time.max()} in {path}")  # fmt: skip
        for part, ids in (("user", piece.users), ("item", piece.items)):
            if known.are_text.setdefault(part, ids.are_text) != ids.are_text:
                kinds = ["text" if text else "whole numbers"
                         for text in (known.are_text[part], ids.are_text)]  # fmt: skip
                raise ValueError(
                    f"{getattr(r, part)!r} must have one type in all files: ids in a text file "
                    "are text; write numbers out with `.astype(str)`. "
                    f"Received: {kinds[0]} in {known.first}, {kinds[1]} in {path}"
                )
            fits = known.fit_int64.get(part, True) and (ids.are_text or ids.fit_int64)
            known.fit_int64[part] = fits
        if not is_first and ("weight" in known.are_whole) != (piece.weight is not None):
            raise ValueError(
                f"Either all files must have a column {r.weight!r}, or none. "
                f"Received: {known.first} and {path}"
            )
        for part, values in (("time", piece.time), ("weight", piece.weight)):
            if values is not None:
                is_whole = values.dtype.kind == "i"
                known.are_whole[part] = known.are_whole.get(part, True) and is_whole


def _of_rows(ids: Ids, rows: np.ndarray) -> Ids:
    """The ids of some rows, and no others."""
    codes, found = pd.factorize(ids.codes[rows])
    return Ids(codes, ids.distinct[found], {})


def _numbers(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        return values.to_numpy(np.int64)
    return values.to_numpy(np.float64, na_value=np.nan)


def files_of(paths: Sequence[str | pathlib.Path]) -> list[pathlib.Path]:
    """The data files among paths, in their order, those in a folder in the order of their names.

    Args:
        paths: Files, and folders of files at any depth; what begins with a dot or an underscore
            in a folder is no data.

    Raises:
        FileNotFoundError: If a path is not there, or a folder has no data files.
    """
    found: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        own = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and kind_of(file) is not None
            and not any(part[0] in "._" for part in file.relative_to(path).parts)
        ]
        if not own:
            raise FileNotFoundError(f"There are no data files in the folder. Received: {path}")
        found += own
    return found


def rows_of(path: pathlib.Path) -> int:
    """The number of rows of a file: of Parquet as it says, of another by its size, about."""
    if kind_of(path) != "parquet":
        return path.stat().st_size // _BYTES_PER_ROW
    try:
        return pyarrow.parquet.read_metadata(path).num_rows
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no parquet file: {error}") from error

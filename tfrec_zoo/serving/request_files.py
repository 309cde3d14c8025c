"""Request files: rows of requests in Parquet, CSV or JSON lines, read a shard at a time."""

import contextlib
import gzip
import json
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tfrec_zoo.artifacts import sha256
from tfrec_zoo.features import RawFeature
from tfrec_zoo.serving.requests import typed_request

#: The formats of request and answer files by the ends of their names.
FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_WORDS = ".parquet, .csv, .jsonl or .ndjson; but for Parquet, perhaps with .gz"


def format_of(path: str | pathlib.Path) -> tuple[str, bool]:
    """The format of a file by the end of its name, and whether it is compressed by gzip.

    Raises:
        ValueError: If the name ends in something else.
    """
    suffixes = ["", *(suffix.lower() for suffix in pathlib.Path(path).suffixes)]
    is_compressed = suffixes[-1] == ".gz"
    found = FORMATS.get(suffixes[-2] if is_compressed else suffixes[-1])
    if not found or (is_compressed and found == "parquet"):
        raise ValueError(f"The name of the file must end in {_WORDS}. Received: {path}")
    return found, is_compressed


class RequestFile:
    """A file with a request per row, whose columns are features and whatever else it has.

    Bags are lists, JSON text (`["a", "b"]`) or text with bars (`a|b`). An empty cell is missing.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If its name says nothing of its format.
    """

    def __init__(self, path: str | pathlib.Path) -> None:
        self.path = pathlib.Path(path)
        self._format, self._is_compressed = format_of(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no such file of requests. Received: {path}")

    @property
    def fingerprint(self) -> str:
        """Sha256 of the contents."""
        return sha256(self.path)

    @property
    def num_rows(self) -> int | None:
        """The number of requests, where the file says so by itself."""
        if self._format != "parquet":
            return None
        with self._reading():
            return pq.ParquetFile(self.path).metadata.num_rows

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Names the file in errors of those who read it."""
        try:
            yield
        except (pa.ArrowException, OSError, EOFError, pd.errors.ParserError, ValueError) as error:
            if str(self.path) in str(error):
                raise
            raise ValueError(f"{self.path} can't be read as requests: {error}") from error

    def shards(self, size: int) -> Iterator[pd.DataFrame]:
        """Yields the rows, `size` at a time; a file without rows is one shard without.

        Raises:
            ValueError: If the file can't be read.
        """
        read: Callable[[int], Iterator[pd.DataFrame]] = getattr(self, f"_{self._format}")
        shards = read(size)
        count = 0
        while True:
            with self._reading():
                shard = next(shards, None)
            if shard is None:
                break
            count += 1
            yield shard
        if not count:
            yield pd.DataFrame()

    def _parquet(self, size: int) -> Iterator[pd.DataFrame]:
        for batch in pq.ParquetFile(self.path).iter_batches(size):
            yield batch.to_pandas(integer_object_nulls=True)

    def _csv(self, size: int) -> Iterator[pd.DataFrame]:
        compression: Any = "gzip" if self._is_compressed else None
        shards = pd.read_csv(
            self.path,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            compression=compression,
            chunksize=size,
        )
        for shard in shards:
            if not isinstance(shard.index, pd.RangeIndex):
                raise ValueError("its rows have more cells than its header")
            yield shard

    def _jsonl(self, size: int) -> Iterator[pd.DataFrame]:
        opener: Any = gzip.open if self._is_compressed else open
        with opener(self.path, "rt", encoding="utf-8-sig") as lines:
            rows: list[dict[str, Any]] = []
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                rows.append(self._row(line, number))
                if len(rows) == size:
                    yield _frame(rows)
                    rows = []
            if rows:
                yield _frame(rows)

    def _row(self, line: str, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{self.path}, line {number}, is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{self.path}, line {number}, must be a JSON object. Received: {line:.80}"
            )
        return row

    def request_of(
        self, shard: pd.DataFrame, first: int, features: Mapping[str, RawFeature]
    ) -> dict[str, list[Any]]:
        """The features of a shard, checked cell by cell where something is wrong.

        Args:
            shard: Rows of the file.
            first: The number of its first row, from 0.
            features: The features that requests may have, by key.

        Raises:
            TypeError: If a cell holds something else; the message names file, row and column.
        """
        request = {
            str(key): [_value(cell, features[str(key)]) for cell in shard[key].tolist()]
            for key in shard.columns
            if str(key) in features
        }
        for key, values in request.items():
            one = {key: features[key]}
            try:
                typed_request(one, {key: values})
            except (TypeError, ValueError):
                for row, value in enumerate(values):
                    try:
                        typed_request(one, {key: [value]})
                    except (TypeError, ValueError) as error:
                        raise TypeError(
                            f"{self.path}, row {first + row} (the first is 0), column {key!r}: "
                            f"{str(error).partition(': ')[2] or error}"
                        ) from None
                raise
        return request


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a frame whose numbers stay as they are where other rows have none."""
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: pd.Series([row.get(key) for row in rows], dtype=object) for key in keys}
    return pd.DataFrame(columns)


def _value(cell: Any, feature: RawFeature) -> Any:
    """A cell as the value of a feature; what can't be one stays as it is."""
    if not isinstance(cell, str):
        return cell
    if feature.is_bag:
        return [_number(value, feature) for value in _bag(cell)]
    return _number(cell, feature)


def _bag(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            found = None
        if isinstance(found, list):
            return found
    return text.split("|") if text else []


def _number(value: Any, feature: RawFeature) -> Any:
    if feature.dtype == "string" or not isinstance(value, str):
        return value
    if value == "":
        return None
    if feature.dtype == "float32" and re.fullmatch(r"\s*[-+]?(\d|\.\d|nan|inf).*", value, re.I):
        try:
            return float(value)
        except ValueError:
            return value
    return value

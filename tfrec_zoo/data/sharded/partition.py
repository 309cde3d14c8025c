"""Partition: rows of interactions, put by user into files of their own on disk."""

import contextlib
import pathlib
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tfrec_zoo.data.ids import written_out

#: The most shards there may be; each is an open file while rows are put into them.
MAX_SHARDS = 512


def shard_of(users: np.ndarray, shards: int) -> np.ndarray:
    """[n] the shard of each user, whoever else there is: that of a number is that of its digits.

    Args:
        users: [n] ids: int64 from 0 up, or text.
        shards: Number of shards.

    Example:

    >>> shard_of(np.array(["u1", "24", "u1"], object), 7).tolist()
    [6, 2, 6]
    >>> shard_of(np.array([24]), 7).tolist()
    [2]
    """
    if users.dtype == np.int64:
        hashes = pd.util.hash_array(users)
    else:
        hashes = pd.util.hash_array(users, categorize=False)
        text = pa.array(users, pa.string())
        is_whole = pc.match_substring_regex(text, "^(0|[1-9][0-9]{0,18})$")
        numbers = text.filter(is_whole).cast(pa.uint64()).to_numpy(zero_copy_only=False)
        hashes[is_whole.to_numpy(zero_copy_only=False)] = pd.util.hash_array(numbers)
    return (hashes % np.uint64(shards)).astype(np.uint16)


class Partition:
    """Puts rows into one file for each shard, in the order they come in, and gives them back.

    Ids are kept as they are given: as numbers until the first that are text, from there on as text.

    Args:
        folder: Folder of the files.
        shards: Number of shards.
    """

    def __init__(self, folder: pathlib.Path, shards: int) -> None:
        self._folder, self._shards = folder, shards
        self._files = contextlib.ExitStack()
        self._writers: list[pa.ipc.RecordBatchFileWriter] = []
        self._kind: pa.DataType | None = None

    def __enter__(self) -> "Partition":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._files.close()
            return
        with contextlib.suppress(OSError, pa.ArrowException):  # What went wrong first is told.
            self._files.close()

    def add(self, users: np.ndarray, codes: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Adds rows.

        Args:
            users: [distinct] ids of users: int64 from 0 up, or text.
            codes: [rows] which of them each row has.
            columns: [rows] numbers by name, the same names at each call.
        """
        if self._kind == pa.string():
            users = written_out(users)
        shard = shard_of(users, self._shards)[codes]
        order = np.argsort(shard, kind="stable")
        bounds = np.searchsorted(shard[order], np.arange(self._shards + 1))
        kind = pa.int64() if users.dtype == np.int64 else pa.string()
        ids = pa.array(users, kind).take(pa.array(codes[order]))
        rows = {"user": ids, **{name: pa.array(v[order]) for name, v in columns.items()}}
        batch = pa.RecordBatch.from_pydict(rows)
        if kind != self._kind:
            self._open(batch.schema)
        for number, writer in enumerate(self._writers):
            start, stop = bounds[number : number + 2]
            if start < stop:
                writer.write_batch(batch.slice(start, stop - start))

    def rows(self, shard: int) -> pa.Table:
        """The rows of a shard, once all are there; its files are removed."""
        tables = []
        for kind in (pa.int64(), pa.string()):
            path = self._path(shard, kind)
            if path.exists():
                with pa.ipc.open_file(path) as reader:
                    table = reader.read_all()
                path.unlink()
                ids = table["user"].cast(self._kind)
                tables.append(table.set_column(0, "user", ids))
        return pa.concat_tables(tables)

    def _open(self, schema: pa.Schema) -> None:
        self._files.close()
        self._writers, self._kind = [], schema.field("user").type
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for shard in range(self._shards):
            path = self._path(shard, self._kind)
            file = self._files.enter_context(pa.OSFile(str(path), "wb"))
            writer = pa.ipc.new_file(file, schema, options=options)
            self._writers.append(self._files.enter_context(writer))

    def _path(self, shard: int, kind: pa.DataType) -> pathlib.Path:
        return self._folder / f"{shard:05d}-{kind}.arrow"

"""Partition: rows of interactions, put by user into files of their own on disk."""

import contextlib
import pathlib
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa

#: The most shards there may be; each is an open file while rows are put into them.
MAX_SHARDS = 512


def shard_of(users: np.ndarray, shards: int) -> np.ndarray:
    """[n] the shard of each user, whoever else there is.

    Args:
        users: [n] ids as text.
        shards: Number of shards.

    Example:

    >>> shard_of(np.array(["u1", "u2", "u1"], object), 1).tolist()
    [0, 0, 0]
    """
    hashes = pd.util.hash_array(users, categorize=False)
    return (hashes % np.uint64(shards)).astype(np.uint16)


class Partition:
    """Puts rows into one file for each shard, in the order they come in, and gives them back.

    Args:
        folder: Folder of the files.
        shards: Number of shards.
    """

    def __init__(self, folder: pathlib.Path, shards: int) -> None:
        self._folder, self._shards = folder, shards
        self._files = contextlib.ExitStack()
        self._writers: list[pa.ipc.RecordBatchFileWriter] = []

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
            users: [distinct] ids of users as text.
            codes: [rows] which of them each row has.
            columns: [rows] numbers by name, the same names at each call.
        """
        shard = shard_of(users, self._shards)[codes]
        order = np.argsort(shard, kind="stable")
        bounds = np.searchsorted(shard[order], np.arange(self._shards + 1))
        ids = pa.array(users, pa.string()).take(pa.array(codes[order]))
        rows = {"user": ids, **{name: pa.array(v[order]) for name, v in columns.items()}}
        batch = pa.RecordBatch.from_pydict(rows)
        if not self._writers:
            self._open(batch.schema)
        for number, writer in enumerate(self._writers):
            start, stop = bounds[number : number + 2]
            if start < stop:
                writer.write_batch(batch.slice(start, stop - start))

    def rows(self, shard: int) -> pa.Table:
        """The rows of a shard, once all are there; its file is removed."""
        path = self._path(shard)
        with pa.ipc.open_file(path) as reader:
            table = reader.read_all()
        path.unlink()
        return table

    def _open(self, schema: pa.Schema) -> None:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for shard in range(self._shards):
            file = self._files.enter_context(pa.OSFile(str(self._path(shard)), "wb"))
            writer = pa.ipc.new_file(file, schema, options=options)
            self._writers.append(self._files.enter_context(writer))

    def _path(self, shard: int) -> pathlib.Path:
        return self._folder / f"{shard:05d}.arrow"

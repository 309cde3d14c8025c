"""Answer files: recommendations in Parquet, CSV or JSON lines, written in parts that are kept."""

import contextlib
import gzip
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tfrec_zoo.artifacts import atomic_write
from tfrec_zoo.serving.request_files import format_of

_PLAN = "plan.json"


class AnswerFile:
    """A file that is assembled of parts, which outlive a process that is killed.

    Parts are in the folder `<file>.parts` until the file is whole. Those of another plan are of no
    use and are removed.

    Args:
        path: The file to write.
        plan: What the parts are made of, JSON-able: of equal plans, parts are equal.

    Raises:
        ValueError: If the name of the file says nothing of its format.
    """

    def __init__(self, path: str | pathlib.Path, plan: Mapping[str, Any]) -> None:
        self.path = pathlib.Path(path)
        self._format, self._is_compressed = format_of(path)
        self.folder = self.path.with_name(f"{self.path.name}.parts")
        text = json.dumps(dict(plan), indent=1, sort_keys=True)
        earlier = self.folder / _PLAN
        if self.folder.exists() and not (
            earlier.is_file() and earlier.read_text(encoding="utf-8") == text
        ):
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_write(earlier, text)

    def part(self, number: int) -> pathlib.Path:
        """The file of a part."""
        return self.folder / f"{number:08d}"

    def has(self, number: int) -> bool:
        """Whether a part is there, which it is whole or not at all."""
        return self.part(number).exists()

    def write(self, number: int, frame: pd.DataFrame) -> None:
        """Writes a part.

        Args:
            number: Number of the part, from 0.
            frame: Rows of the part; all parts have the same columns.
        """
        with _replacing(self.part(number)) as file:
            if self._format == "parquet":
                pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)
                return
            if self._format == "csv":
                text = frame.to_csv(index=False, header=number == 0, lineterminator="\n")
            else:
                text = frame.to_json(orient="records", lines=True, force_ascii=False)
                text = text if len(frame) else ""
            data = text.encode("utf-8")
            # Without a time, equal rows are equal bytes. Compressed parts in a row are one file.
            file.write(gzip.compress(data, mtime=0) if self._is_compressed else data)

    def assemble(self, parts: int) -> None:
        """Makes the file of its parts, and removes them.

        Args:
            parts: Number of parts, all of which are there.
        """
        paths = [self.part(number) for number in range(parts)]
        with _replacing(self.path) as file:
            if self._format == "parquet":
                schemas = [pq.read_schema(path) for path in paths]
                schema = pa.unify_schemas(schemas, promote_options="permissive")
                with pq.ParquetWriter(file, schema) as writer:
                    for path in paths:
                        writer.write_table(pq.read_table(path).cast(schema))
            else:
                for path in paths:
                    with path.open("rb") as part:
                        shutil.copyfileobj(part, file)
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def _replacing(path: pathlib.Path) -> Iterator[BinaryIO]:
    """A file to write, which becomes `path` if all goes well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise

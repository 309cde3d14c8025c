"""Prepare: a log of any size becomes a folder of shards by user, in bounded memory."""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from tfrec_zoo.artifacts import MANIFEST, atomic_folder, read_manifest, write_manifest
from tfrec_zoo.data.delimited import BadRows
from tfrec_zoo.data.ids import written_out
from tfrec_zoo.data.read import name_of, read_roles
from tfrec_zoo.data.roles import ROLES, Roles
from tfrec_zoo.data.sharded.entities import (
    EntityTable,
    are_numbers,
    completed,
    final_ids,
    of_ids,
    read_table,
)
from tfrec_zoo.data.sharded.partition import MAX_SHARDS, Partition
from tfrec_zoo.data.sharded.pieces import Pieces, files_of, rows_of
from tfrec_zoo.data.sharded.shard_writer import ShardWriter
from tfrec_zoo.data.sharded.sharded_log import KIND, ShardedLog
from tfrec_zoo.data.times import TimeUnit, check_unit
from tfrec_zoo.generations import require_own

logger = logging.getLogger(__name__)

#: Interactions of a shard, about, where the number of shards is not given.
ROWS_PER_SHARD = 500_000


def prepare(
    interactions: str | pathlib.Path | Sequence[str | pathlib.Path],
    output: str | pathlib.Path,
    *,
    name: str | None = None,
    users: str | pathlib.Path | None = None,
    items: str | pathlib.Path | None = None,
    shards: int | None = None,
    roles: Roles | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    bags: Mapping[str, str] | Sequence[str] = (),
    time_unit: TimeUnit | None = None,
    time_format: str | None = None,
    bad_rows: BadRows = "error",
    progress: bool = False,
    **columns: str,
) -> ShardedLog:
    """Writes a log that is larger than memory as shards by user, which training reads one by one.

    Interactions are read a piece at a time and cleaned as `Log.read` does: ids, times and weights
    of any kind, missing values, ties in the order they were given in. Each user is in one shard,
    sorted by user and time. Other columns of the interactions are not kept. The tables of users and
    items are read whole. Besides them, memory holds the ids of the items, a piece and a shard; the
    disk of `output` holds the interactions twice for a time.

    Args:
        interactions: Files of interactions, and folders of such files at any depth: Parquet, CSV
            and its kin, or JSON lines.
        output: Folder to write, which is replaced if it holds shards already.
        name: Name of the data set; by default, that of the first file or folder.
        users: The file of the users, if there is more to know of them than their ids.
        items: The file of the items, likewise.
        shards: Number of shards; by default one for each half million interactions. One shard, and
            in training a few at once, must fit into memory.
        roles: The columns' parts, instead of those in a `roles.json` beside the first file.
        separator: Separator of the cells of text files of interactions; None finds it.
        encoding: Encoding of those files; None is UTF-8, or UTF-16 where a file says so.
        names: Names of their columns, where the first line is no header.
        bags: Columns of users and items that hold several values; see `Log.read`.
        time_unit: Unit of times that are numbers; None recognizes it, the same in all files.
        time_format: Format of times that are text; None is ISO 8601.
        bad_rows: `"error"` refuses rows that can't be used; `"skip"` leaves them out, counted in
            the log, and adds rows without features for users and items that have events only.
        progress: Whether to show progress bars.
        **columns: Columns by the part they play, such as `user="customer"`; see `Roles`.

    Returns:
        The log.

    Raises:
        FileNotFoundError: If a file is not there.
        FileExistsError: If something else is in the output folder.
        ValueError: If a file can't be read, columns hold something else in one file than in
            another, or there are no interactions.

    Example:

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name, rows in {"may": "b,x,5\\na,x,4", "june": "a,y,9"}.items():
    ...     _ = (folder / f"{name}.csv").write_text(f"user_id,item_id,time\\n{rows}\\n")
    >>> log = prepare([folder / "may.csv", folder / "june.csv"], folder / "log", shards=2)
    >>> log.num_interactions, log.items["item_id"].tolist()
    (3, ['x', 'y'])
    """
    paths = [interactions] if isinstance(interactions, str | pathlib.Path) else [*interactions]
    files, output = files_of(paths), pathlib.Path(output)
    if not columns.keys() <= set(ROLES):
        raise ValueError(
            f"Columns are named by their roles, {list(ROLES)}. "
            f"Received: {sorted(columns.keys() - set(ROLES))}"
        )
    if bad_rows not in ("error", "skip"):
        raise ValueError(f'`bad_rows` must be "error" or "skip". Received: {bad_rows!r}')
    check_unit(time_unit, time_format)
    if roles is None and files:
        columns = {**read_roles(files[0].parent / "roles.json", ROLES), **columns}
    chosen = dataclasses.replace(roles or Roles(), **columns)
    if not chosen.time:
        raise ValueError("A log in shards needs the times of its events. Received: time=''")
    expected = sum(rows_of(file) for file in files if file.exists())
    if shards is None:
        shards = min(max(math.ceil(expected / ROWS_PER_SHARD), 1), MAX_SHARDS)
    if not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"`shards` must be from 1 to {MAX_SHARDS}. Received: {shards!r}")
    _require_own(output)  # Better now than after reading.
    reading: dict[str, Any] = {
        "time_unit": time_unit,
        "time_format": time_format,
        "bad_rows": bad_rows,
    }
    tables = {
        table: read_table(path, table, chosen, bags, **reading)
        for table, path in (("users", users), ("items", items))
        if path is not None
    }
    text: dict[str, Any] = {"separator": separator, "encoding": encoding, "names": names}
    pieces = Pieces(files, chosen, **reading, **text)
    with atomic_folder(output) as folder:
        codes: dict[str, int] = {}
        known_users = pd.Index(tables["users"].ids) if "users" in tables else None
        are_added = False
        with (
            Partition(folder, shards) as partition,
            tqdm(total=expected, unit=" rows", disable=not progress, dynamic_ncols=True) as bar,
        ):
            for piece in pieces:
                rows = {"item": _coded(piece.items, codes), "time": piece.time.astype(np.float64)}
                if piece.weight is not None:
                    rows["weight"] = piece.weight.astype(np.float64)
                users_of_piece = piece.users if piece.users.fit_int64 else piece.users.as_text()
                partition.add(users_of_piece.distinct, users_of_piece.codes, rows)
                if known_users is not None:
                    text = pd.Index(written_out(users_of_piece.distinct))
                    are_added |= bool((known_users.get_indexer(text) < 0).any())
                bar.update(len(piece.time))
        for words, number in pieces.left_out.items():
            logger.warning("interactions: left out %d rows %s", number, words)
        if not codes:
            raise ValueError(
                f"There must be interactions. Received: none in {len(files)} files, "
                f"{[str(file) for file in files[:3]]}"
            )
        if "weight" in columns and "weight" not in pieces.kinds.are_whole:
            raise ValueError(
                "The weight must be a column of the interactions. "
                f"Received: weight={chosen.weight!r}"
            )
        if are_added and bad_rows == "skip":
            tables["users"] = tables["users"].with_missing_rows()
        writer = _writer(folder, chosen, pieces, codes, tables, shards, bad_rows == "skip")
        every = range(shards)
        for number in tqdm(every, unit=" shards", disable=not progress, dynamic_ncols=True):
            writer.write(number, partition.rows(number))
        contents = writer.contents()
        if contents["repeats"]:
            logger.info(
                "%d of %d interactions repeat another",
                contents["repeats"],
                sum(contents["interactions"]),
            )
        named = {"kind": KIND, "name": name or name_of(pathlib.Path(paths[0]))}
        write_manifest(folder, {**named, "roles": dataclasses.asdict(chosen), **contents})
    return ShardedLog.read(output, verify=False)


def _require_own(output: pathlib.Path) -> None:
    """Checks that nothing but a log in shards would be replaced."""
    require_own(output.parent, [output.name])
    if (output / MANIFEST).is_file() and read_manifest(output).get("kind") != KIND:
        raise FileExistsError(
            f"{output} would be replaced, but is no log in shards: choose another folder, or "
            "remove it."
        )


def _coded(items: Any, codes: dict[str, int]) -> np.ndarray:
    """[rows] numbers of items, those that are new numbered on."""
    distinct = written_out(items.distinct).tolist()
    numbers = [codes.setdefault(item, len(codes)) for item in distinct]
    return np.array(numbers, np.int32)[items.codes]


def _writer(
    folder: pathlib.Path,
    roles: Roles,
    pieces: Pieces,
    codes: dict[str, int],
    tables: Mapping[str, EntityTable],
    shards: int,
    fill: bool,
) -> ShardWriter:
    """The writer of shards, once it is known which items there are, and which types ids have."""
    kinds = pieces.kinds
    numbers = {
        part: are_numbers(kinds.are_text[part], kinds.fit_int64[part], tables.get(f"{part}s"))
        for part in ("user", "item")
    }
    for part, key in (("user", roles.user), ("item", roles.item)):
        if not numbers[part] and not kinds.are_text[part] and not kinds.fit_int64[part]:
            logger.info("%s: the numbers are kept as text, as not all are in 0 … 2**63 - 1", key)
    found = final_ids(np.array([*codes], object), numbers["item"], roles.item)
    table = tables.get("items")
    if table is None:
        frame = of_ids(np.unique(found)).to_frame(roles.item)
    else:
        given = final_ids(table.ids, numbers["item"], roles.item)
        frame = completed("items", roles.item, given, table.frame, found, fill)
    of_codes = pd.Index(frame[roles.item]).get_indexer(pd.Index(of_ids(found)))
    return ShardWriter(
        folder,
        roles,
        frame,
        of_codes.astype(np.int32),
        tables.get("users"),
        numbers["user"],
        kinds.are_whole,
        shards,
        fill,
    )

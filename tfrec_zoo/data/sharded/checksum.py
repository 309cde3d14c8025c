"""Checksums of logs that don't depend on the order of the users: whole or in shards, they agree."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from tfrec_zoo.data.log import Log, hashes_of
from tfrec_zoo.data.splits import user_bounds


class UnorderedChecksum:
    """Adds up hashes of rows, in whatever order and parts they come.

    Example:

    >>> whole, parts = UnorderedChecksum(), UnorderedChecksum()
    >>> whole.add("users", {"id": np.array([3, 5], np.uint64)})
    >>> for one in (5, 3):
    ...     parts.add("users", {"id": np.array([one], np.uint64)})
    >>> whole.hexdigest() == parts.hexdigest()
    True
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[list[str], int, np.ndarray]] = {}

    def add(self, frame: str, columns: Mapping[str, np.ndarray]) -> None:
        """Adds rows of a frame.

        Args:
            frame: Name of the frame.
            columns: [rows] hashes of the values, uint64, by column.
        """
        names = [*columns]
        known, rows, sums = self._sums.get(frame, (names, 0, np.zeros(2, np.uint64)))
        if known != names:
            raise ValueError(f"`columns` must be {known} for {frame!r}. Received: {names}")
        hashes = np.zeros(len(next(iter(columns.values()))), np.uint64)
        for values in columns.values():
            hashes = _mixed(hashes + values)
        added = np.array([hashes.sum(dtype=np.uint64), _mixed(hashes).sum(dtype=np.uint64)])
        self._sums[frame] = (known, rows + len(hashes), sums + added)

    def hexdigest(self) -> str:
        """Sha256 of the sums, in the order of the frames' names."""
        contents = [
            (frame, columns, rows, sums.tolist())
            for frame, (columns, rows, sums) in sorted(self._sums.items())
        ]
        return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def unordered_checksum(log: Log) -> str:
    """The checksum of a log that its shards have, too: `ShardedLog.checksum`.

    It is of the users, the items, and of who interacted with what, when, in which order and with
    which weight. Other columns of interactions, and other frames, have no part in it.

    Args:
        log: A log in memory, with times.
    """
    r = log.roles
    checksum = UnorderedChecksum()
    checksum.add("users", {c: hashes_of(log.users[c]) for c in log.users})
    checksum.add("items", {c: hashes_of(log.items[c]) for c in log.items})
    events = log.interactions
    columns = {c: hashes_of(events[c]) for c in (r.user, r.item, r.time, r.weight) if c in events}
    first, _ = user_bounds(log)
    columns["position"] = (np.arange(len(events)) - first).astype(np.uint64)
    checksum.add("interactions", columns)
    return checksum.hexdigest()


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """[rows] numbers whose every bit depends on every bit: the last steps of SplitMix64."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))

"""The data files of the NCF paper: ratings, the last of each user, and 99 fixed negatives.

He et al. (2017) published their splits of MovieLens-1M and Pinterest as text files,
`*.train.rating`, `*.test.rating` and `*.test.negative`; with them anyone ranks the same items among
the same others.
"""

import dataclasses
import functools
import hashlib
import pathlib
import zlib

import numpy as np
import pandas as pd

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.splits import Split, user_bounds

_COLUMNS = ["user_id", "item_id", "weight", "time"]
_DTYPES = {"user_id": np.int64, "item_id": np.int64, "weight": np.float32}


@dataclasses.dataclass(frozen=True)
class SampledTest:
    """A log whose test part comes with the negatives to rank it among.

    Args:
        log: All interactions.
        split: Split of the log; it validates on each user's latest interaction but the test one.
        negatives: [test rows, n] rows of `log.items`, in the order of `split.test`.
    """

    log: Log
    split: Split
    negatives: np.ndarray

    @property
    def name(self) -> str:
        """That of the log."""
        return self.log.name

    @functools.cached_property
    def checksum(self) -> str:
        """Sha256 of the log and the negatives."""
        negatives = np.ascontiguousarray(self.negatives, np.int64).tobytes()
        return hashlib.sha256(self.log.checksum.encode() + negatives).hexdigest()


def read_ncf(directory: str | pathlib.Path, name: str | None = None) -> SampledTest:
    """Reads the three files of the NCF paper's format, plain or gzipped.

    Args:
        directory: Folder of the files, such as `ml-1m.train.rating`, `ml-1m.test.rating` and
            `ml-1m.test.negative` (or `….gz`) of
            https://github.com/hexiangnan/neural_collaborative_filtering.
        name: What their names start with; by default, the only one there is.

    Raises:
        FileNotFoundError: If one of them is missing.
        ValueError: If one is damaged, or they don't belong together.
    """
    folder = pathlib.Path(directory)
    train = _read(_find(folder, name, "train.rating"))
    test = _read(_find(folder, name, "test.rating"))
    path = _find(folder, name, "test.negative")
    try:
        lines = pd.read_csv(path, sep="\t", header=None, dtype={0: str})
        keys = lines[0].str.strip("()").str.split(",", expand=True).astype(np.int64)
        if len(keys.columns) != 2 or any(dtype.kind != "i" for dtype in lines.dtypes.iloc[1:]):
            raise ValueError("every line must have (user,item) and the same number of negatives")
        negatives = lines.iloc[:, 1:].to_numpy(np.int64)
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    pairs = test[["user_id", "item_id"]].to_numpy()
    if len(keys) != len(test) or not (keys.to_numpy() == pairs).all():
        raise ValueError(f"{path} must have a line (user,item) for each line of the test ratings.")
    if test["user_id"].duplicated().any():
        twice = test["user_id"][test["user_id"].duplicated()].iloc[0]
        raise ValueError(
            f"Each user must have one line of test ratings. Twice: {twice} in {folder}"
        )
    # What was rated in the same second stays in the order of the file, the test item last.
    frame = pd.concat([train.assign(is_test=False), test.assign(is_test=True)])
    frame = frame.sort_values(["user_id", "is_test", "time"], kind="stable")
    # The test item is the latest, by some ties only: the log's own order has to agree.
    frame["time"] = frame.groupby("user_id")["time"].cummax()
    items = pd.DataFrame({"item_id": np.unique(np.append(frame["item_id"], negatives))})
    log = Log(
        name=f"ncf/{path.name.split('.')[0]}",
        interactions=frame.drop(columns="is_test").reset_index(drop=True),
        items=items,
        roles=Roles(),
    )
    first, _ = user_bounds(log)
    row = np.arange(len(first))
    is_test = frame["is_test"].to_numpy()
    # Followed by the test row, or by another user's.
    is_latest = ~is_test & np.append(is_test[1:] | (first[1:] != first[:-1]), True)
    split = Split(
        train=row[~is_test & ~is_latest],
        validation=row[is_latest],
        test=row[is_test],
        protocol="latest item of each user",
    )
    order = np.argsort(keys[0].to_numpy(), kind="stable")
    rows = pd.Index(items["item_id"]).get_indexer(negatives[order].ravel())
    return SampledTest(log, split, rows.reshape(negatives.shape))


_DAMAGE = (ValueError, TypeError, EOFError, OSError, KeyError, zlib.error)


def _find(folder: pathlib.Path, name: str | None, end: str) -> pathlib.Path:
    start = "*" if name is None else name
    found = sorted({*folder.glob(f"{start}.{end}"), *folder.glob(f"{start}.{end}.gz")})
    if len(found) != 1:
        raise FileNotFoundError(
            f"Expected one file {start}.{end} or {start}.{end}.gz in {folder}. "
            f"Received: {[path.name for path in found]}"
        )
    return found[0]


def _read(path: pathlib.Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path, sep="\t", header=None, names=_COLUMNS, index_col=False, dtype=_DTYPES
        )
        frame["time"] = pd.to_numeric(frame["time"])
        if (
            frame.empty
            or frame.isna().any(axis=None)
            or (frame[["user_id", "item_id"]] < 0).any(axis=None)
        ):
            raise ValueError("every line must have a user, an item, a rating and a time")
        return frame
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged: {error}") from error

"""Files of a small log to be read whole and to be prepared as shards."""

import pathlib
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import Log, ShardedLog, prepare


def events(rows: int = 600, seed: int = 0, users: int = 40, items: int = 25) -> pd.DataFrame:
    """Interactions in no order, with ties and repeats, whose users have 1 to some 40 of them."""
    rng = np.random.default_rng(seed)
    user = np.minimum(rng.geometric(0.06, rows), users)
    return pd.DataFrame(
        {
            "user_id": [f"u{u:02}" for u in user],
            "item_id": [f"i{i}" for i in np.minimum(rng.geometric(0.1, rows), items)],
            "time": rng.integers(1_700_000_000, 1_700_000_000 + 3_000, rows),
            "weight": rng.integers(1, 6, rows).astype(float),
        }
    )


def user_table(users: int = 40) -> pd.DataFrame:
    """Users with a category, numbers, bags of up to three words and vectors, some missing."""
    tags = [[], ["a"], ["a", "b"], ["c", "a", "b"], None]
    return pd.DataFrame(
        {
            "user_id": [f"u{u:02}" for u in range(users, 0, -1)],
            "country": [["nl", "ee", None, "fr"][u % 4] for u in range(users)],
            "age": [20.0 + u if u % 7 else np.nan for u in range(users)],
            "tags": [tags[u % 5] for u in range(users)],
            "taste": [[0.5, u / 8.0] for u in range(users)],
            "is_new": [bool(u % 3) for u in range(users)],
        }
    )


def item_table(items: int = 25) -> pd.DataFrame:
    """Items with a title, a category and bags, one of which nobody took."""
    return pd.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(items + 1, 0, -1)],
            "title": [f"title {i}" for i in range(items + 1)],
            "genre": [f"g{i % 4}" for i in range(items + 1)],
            "words": [["x"] * (i % 3) for i in range(items + 1)],
        }
    )


def both(folder: pathlib.Path, shards: int = 3, **more: Any) -> tuple[Log, ShardedLog]:
    """The same files as a log in memory and as one in shards."""
    paths = {"users": user_table(), "items": item_table()}
    for name, frame in paths.items():
        frame.to_parquet(folder / f"{name}.parquet")
    events().to_parquet(folder / "events.parquet")
    tables = {name: folder / f"{name}.parquet" for name in paths}
    path, given = folder / "events.parquet", {**tables, **more}
    return Log.read(path, **given), prepare(path, folder / "log", shards=shards, **given)

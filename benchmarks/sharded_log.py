"""A log of any size, written in pieces as Parquet files: for `benchmarks/sharded.py`.

    python benchmarks/sharded_log.py DIR --interactions 100000000 --items 100000

Watches are drawn: users mostly stay in a group of items, under a popularity that falls off as
Zipf's law has it. A file holds a million, in the order of time, whichever users they are of.
"""

import argparse
import pathlib

import numpy as np
import pandas as pd

#: Watches per user, groups of items, and watches per file.
PER_USER, GROUPS, PER_FILE = 100, 1000, 1_000_000
SPAN = 30 * 86_400


def write_log(
    folder: pathlib.Path, interactions: int, items: int, per_file: int = PER_FILE, seed: int = 0
) -> None:
    """Writes the files of a log into a folder, which takes the memory of one of them.

    Args:
        folder: Folder of the files.
        interactions: Number of watches.
        items: Number of items.
        per_file: Watches of a file.
        seed: Seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    users = max(interactions // PER_USER, 2)
    groups = min(GROUPS, items)
    for number, begin in enumerate(range(0, interactions, per_file)):
        rows = min(per_file, interactions - begin)
        rng = np.random.default_rng([seed, number])
        user = rng.integers(users, size=rows)
        # What each user likes follows from the user, in whichever file.
        favourite = (user * 2_654_435_761 + seed) % groups
        group = np.where(rng.random(rows) < 0.7, favourite, rng.integers(groups, size=rows))
        size = items // groups
        # Ranks within a group, popular in proportion to one over the rank, about.
        rank = (np.exp(rng.random(rows) * np.log(size + 1)) - 1).astype(np.int64)
        moment = (begin + np.sort(rng.random(rows)) * rows) / interactions
        frame = pd.DataFrame(
            {
                "user_id": user,
                "item_id": np.minimum(rank, size - 1) * groups + group,
                "time": 1.7e9 + moment * SPAN,
            }
        )
        # Half written files would be taken for whole ones.
        path = folder / f"watches-{number:05d}.parquet"
        frame.to_parquet(path.with_suffix(".part"), index=False)
        path.with_suffix(".part").rename(path)


def main() -> None:
    """Writes a log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--interactions", type=int, default=10**6)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_log(arguments.folder, arguments.interactions, arguments.items, seed=arguments.seed)


if __name__ == "__main__":
    main()

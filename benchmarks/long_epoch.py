"""An epoch over ten million watches of a hundred thousand items, by `tfrec-zoo train`.

    python benchmarks/long_epoch.py --output runs/long-epoch.json

Watches are drawn: users mostly stay in a group of items, under a popularity that falls off as
Zipf's law has it. A Parquet file of them is read by the command line as any other, in a process of
its own: reading, features, the epoch, measuring on the last watch of each user, and
saving are all in the seconds, and the most memory is that of the whole process. Sizes run one after
the other, the smaller to see how both grow.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import about, report, say

#: Watches per user and groups of items.
PER_USER, GROUPS = 50, 1000
ARGUMENTS = ("hidden_units=(256,64)", "tied=True", "dropout=0.1")


def watches(rows: int, items: int, seed: int = 0) -> pd.DataFrame:
    """Users, items and times, in the order of time."""
    rng = np.random.default_rng(seed)
    user = rng.integers(rows // PER_USER, size=rows)
    favourite = rng.integers(GROUPS, size=rows // PER_USER)
    group = np.where(rng.random(rows) < 0.7, favourite[user], rng.integers(GROUPS, size=rows))
    # Ranks within a group, popular in proportion to one over the rank, about.
    size = items // GROUPS
    rank = (np.exp(rng.random(rows) * np.log(size + 1)) - 1).astype(np.int64)
    time_ = 1.7e9 + np.sort(rng.random(rows)) * 30 * 86_400
    item = (np.minimum(rank, size - 1) * GROUPS + group).astype(np.int64)
    return pd.DataFrame({"user_id": user, "item_id": item, "time": time_})


def trained(rows: int, items: int, folder: pathlib.Path) -> dict[str, Any]:
    """Trains in a process of its own."""
    path = folder / f"{rows}.parquet"
    watches(rows, items).to_parquet(path)
    sets = [word for argument in ARGUMENTS for word in ("--set", argument)]
    command = [sys.executable, "-m", "tfrec_zoo", "train", "YouTubeRetrieval", "--json", "--epochs"]
    command += ["1", *sets, "--dataset", str(path), "--output", str(folder / f"run-{rows}")]
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    result = json.loads((folder / f"run-{rows}" / "result.json").read_text(encoding="utf-8"))
    say(f"{rows} watches: {seconds:.0f} s, {peak:.0f} MB; {done.stdout[:200]}")
    return {
        "watches": rows,
        "items": items,
        "seconds": seconds,
        "peak MB": peak,
        "HR@10": result["metrics"]["hit_rate_at_10"],
        "loss": result.get("history", [{}])[-1].get("loss", float("nan")),
    }


def main() -> None:
    """Trains on each size, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--watches", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    arguments = parser.parse_args()
    head = about()
    with tempfile.TemporaryDirectory() as folder:
        rows = [trained(n, arguments.items, pathlib.Path(folder)) for n in arguments.watches]
    report(head, {"One epoch, the whole process": rows}, 4, arguments.output)


if __name__ == "__main__":
    main()

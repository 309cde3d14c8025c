"""What the quick start exports, and what its stages are worth, on four kinds of log.

    python benchmarks/quickstart_funnels.py --data-dir DATA --output runs/quickstart-funnels.json

The simulator, MovieLens-100k (left out without DATA, where tensorflow-datasets keeps it), and two
generated logs without impressions: repeat purchases with short histories, and one to three events
per user.
"""

import argparse
import pathlib
import tempfile
from typing import Any

from generated_logs import purchases, sparse
from side_by_side import about, report, say

from tfrec_zoo.data import movielens, simulate
from tfrec_zoo.quickstart import quickstart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps MovieLens-100k")
    parser.add_argument("--only", nargs="*", help="names of logs, to leave out the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    logs = {"simulated": simulate, "purchases": purchases, "sparse": sparse}
    if arguments.data_dir:
        logs["movielens-100k"] = lambda: movielens("100k", arguments.data_dir)
    head, found = about(), {}
    for name, make in logs.items():
        if arguments.only and name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = quickstart(make(), folder, arguments.seed, quiet=True)
        found[name] = result
        say(f"{name}: {result['exported']} is exported")
    tables = {f"Stages of {name}": stages(result) for name, result in found.items()}
    exported = {name: result["exported"] for name, result in found.items()}
    report(head, tables, 4, arguments.output, exported=exported, results=found)


def stages(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each stage of a quick start."""
    found = {stage: values for stage, values in result["metrics"].items() if stage != "ranking"}
    metrics = ["hit_rate_at_10", "ndcg_at_10", "weight_at_10", "true_watch_time_at_10"]
    metrics = [m for m in metrics if any(m in values for values in found.values())]
    return [
        {"stage": stage, **{m: values.get(m, "") for m in metrics}}
        for stage, values in found.items()
    ]


if __name__ == "__main__":
    main()

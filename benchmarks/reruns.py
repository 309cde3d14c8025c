"""Rows of the tables of results, drawn at random and run again: do they agree with what is written?

    python benchmarks/reruns.py docs/results --folder ncf/ml-1m=DIR --runs runs/reruns \\
        --output runs/reruns.json

Draws rows that have a spread, and one seed of each, and runs `tfrec-zoo benchmark` for them, each
in a process of its own. A metric agrees that differs from the written one by no more than the
standard deviation of the row's seeds. Goes on where it was ended, if the folder of the runs is the
same; ends with 1 if one doesn't agree.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
from collections import defaultdict
from typing import Any

from side_by_side import about, report, say

#: Metrics that are compared, as far as a row has them.
_METRICS = ("hit_rate_at_10", "sampled_hit_rate_at_10", "auc", "logloss", "rmse", "mae", "xauc")


def written(folder: pathlib.Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The results of each row that has more than one seed, by its table and name."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*/*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        found[tuple(result["config"]["preset"].split("/"))].append(result)
    return {row: results for row, results in found.items() if len(results) > 1}


def again(result: dict[str, Any], datasets: dict[str, str], runs: pathlib.Path) -> dict[str, Any]:
    """Runs a row with a seed; returns the metrics."""
    table, row = result["config"]["preset"].split("/")
    seed, dataset = result["seed"], result["dataset"]
    command = ["tfrec-zoo", "benchmark", table, "--rows", row, "--seeds", str(seed)]
    command += ["--dataset", datasets.get(dataset, dataset), "--output", str(runs / table)]
    subprocess.run(command, stdout=sys.stderr, check=True)
    file = runs / table / f"{row}-{seed}.json"
    return json.loads(file.read_text(encoding="utf-8"))["metrics"]


def compared(results: list[dict[str, Any]], drawn: int, found: dict[str, Any]) -> list[dict]:
    """A line for each metric of a row: what is written of a seed, what was found, the spread."""
    one = results[drawn]
    table, row = one["config"]["preset"].split("/")
    lines = []
    for metric in _METRICS:
        if metric not in found:
            continue
        spread = statistics.stdev(result["metrics"][metric] for result in results)
        difference = found[metric] - one["metrics"][metric]
        who = {"table": table, "row": row, "seed": one["seed"], "metric": metric}
        numbers = {"written": one["metrics"][metric], "again": found[metric]}
        agrees = abs(difference) <= spread
        lines.append(
            {**who, **numbers, "difference": difference, "spread": spread, "agrees": agrees}
        )
    return lines


def main() -> None:
    """Draws rows, runs them, and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=pathlib.Path, help="folder of the tables' result files")
    parser.add_argument("--number", type=int, default=3, help="rows that are drawn (default: 3)")
    parser.add_argument("--draw", type=int, default=0, help="seed of the draw (default: 0)")
    parser.add_argument("--folder", action="append", default=[], metavar="DATASET=DIR")
    parser.add_argument("--runs", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    arguments = parser.parse_args()
    head, rows = about(), written(arguments.results)
    draw, lines = random.Random(arguments.draw), []
    for row in draw.sample(sorted(rows), arguments.number):
        drawn = draw.randrange(len(rows[row]))
        say(f"{'/'.join(row)}, seed {rows[row][drawn]['seed']}")
        datasets = dict(pair.split("=", 1) for pair in arguments.folder)
        found = again(rows[row][drawn], datasets, arguments.runs)
        lines += compared(rows[row], drawn, found)
    tables = {f"{arguments.number} rows drawn from {len(rows)}": lines}
    report(head, tables, 5, arguments.output)
    if not all(line["agrees"] for line in lines):
        sys.exit("Not all agree.")


if __name__ == "__main__":
    main()

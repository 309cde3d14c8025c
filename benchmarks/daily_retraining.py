"""Retraining every day by a warm start, beside training from scratch, on a simulated week.

    python benchmarks/daily_retraining.py --output runs/daily-retraining.json

Each day `YouTubeRetrieval` is measured on the watches of that day, after it was trained on all that
came before: from scratch; from the model of the day before, for fewer epochs; or not at all since
the first of these days. Videos are uploaded every day, and a model knows those that were watched by
the time it was last trained.
"""

import argparse
import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from side_by_side import about, report

import tfrec_zoo as zoo
from tfrec_zoo.data import Log, Split, simulate
from tfrec_zoo.tasks import NextWatch

DAY = 86_400
METRICS = ("hit_rate_at_10", "hit_rate_at_50")


def task_of(log: Log, day: int) -> NextWatch:
    """Trains on the watches before a day, tests on those of the day."""
    times = log.interactions["time"].to_numpy()
    train = np.flatnonzero(times < day * DAY)
    test = np.flatnonzero((times >= day * DAY) & (times < (day + 1) * DAY))
    return NextWatch(log, split=Split(train, np.empty(0, np.int64), test, f"day {day}"))


def measured(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a function returns, and the seconds it took on the clock and on the processors."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = function()
    return found, time.perf_counter() - clock, time.process_time() - cpu


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each day and way."""
    log = simulate(arguments.users, arguments.items, arguments.days, seed=arguments.seed)
    epochs = {"scratch": arguments.epochs, "warm": arguments.warm_epochs}
    training = {
        way: zoo.Training(epochs=number, seed=arguments.seed, verbose=0)
        for way, number in epochs.items()
    }
    days = range(arguments.days - arguments.week, arguments.days)
    first: Any = None
    warm: Any = None
    rows = []
    for day in days:
        task = task_of(log, day)
        scratch, *took = measured(
            lambda task=task: zoo.train(
                "YouTubeRetrieval", task, training["scratch"], hidden_units=(128, 64)
            )
        )
        found = {"from scratch": (scratch.metrics, took)}
        if first is None:
            first = warm = scratch
        else:
            warm, *took = measured(
                lambda task=task, warm=warm: zoo.retrain(warm, task, training["warm"])
            )
            found["warm start"] = (warm.metrics, took)
            found["not retrained"] = (task.evaluate(first.model), [0.0, 0.0])
        for way, (metrics, (seconds, cpu)) in found.items():
            values = {name: metrics[name] for name in METRICS}
            rows.append({"day": day, "way": way, **values, "seconds": seconds, "cpu": cpu})
            print(rows[-1], flush=True)
    return rows


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mean of each way over the days on which there are all of them."""
    first = min(row["day"] for row in rows)
    found = []
    for way in ("from scratch", "warm start", "not retrained"):
        own = [row for row in rows if row["way"] == way and row["day"] > first]
        names = (*METRICS, "seconds", "cpu")
        found.append({"way": way, **{n: float(np.mean([row[n] for row in own])) for n in names}})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--week", type=int, default=7, help="days at the end that are measured")
    parser.add_argument("--epochs", type=int, default=20, help="epochs from scratch")
    parser.add_argument("--warm-epochs", type=int, default=5, help="epochs after a warm start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    head, rows = about(), run(arguments)
    tables = {"Means over the days after the first": means(rows)}
    report(head, tables, 4, arguments.output, days=rows)


if __name__ == "__main__":
    main()

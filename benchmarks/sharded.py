"""Logs that are larger than memory: seconds and memory of preparing them, and of an epoch.

    python benchmarks/sharded.py --output runs/sharded --scratch DIR

Logs of 10⁶, 10⁷ and 10⁸ interactions with 10⁵ items are written (`sharded_log.py`), prepared as
shards, and trained on: an epoch of `YouTubeRetrieval` with a bag of the last 20 watches, a small
tower and the sampled softmax.
Each stage of each size is a process of its own. Printed are, measured once:

- its seconds per million interactions, and `cpu`, those of the processors;
- how many times those of the smallest size they are, where 1 is linear;
- the most memory that the process ever took, TensorFlow's 600 MB included.

The smallest log is also read into memory: its vocabularies, statistics and examples must be those
of the shards. Each stage leaves a file in the output, and is not run again if that is there.
"""

import argparse
import contextlib
import pathlib
import sys
import time
from typing import Any

import numpy as np
from sharded_log import write_log
from side_by_side import Peer, about, answer, kept, peak_mb, report, say

import tfrec_zoo
from tfrec_zoo.data import Examples, Log
from tfrec_zoo.data.sharded import ShardedLog, prepare, unordered_checksum
from tfrec_zoo.data.sharded.checksum import UnorderedChecksum
from tfrec_zoo.features import Preprocessor
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.training import Training, compile_

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

BAGS = (20,)
ARGUMENTS: dict[str, Any] = {
    "hidden_units": (32,),
    "negatives": {"kind": "log-uniform", "number": 1000},
}
TRAINING = Training(batch_size=8192, verbose=0)
STAGES = ("write", "prepare", "epoch", "same")
WARM_UP = 16


class Clock:
    """Seconds, and those of the processors, since it was made."""

    def __init__(self) -> None:
        self._begin, self._cpu = time.perf_counter(), time.process_time()

    def __call__(self) -> dict[str, float]:
        """Both by name."""
        return {
            "seconds": time.perf_counter() - self._begin,
            "cpu": time.process_time() - self._cpu,
        }


def written(folder: pathlib.Path, rows: int, items: int, **_: Any) -> dict[str, Any]:
    """Writes the files of a log."""
    clock = Clock()
    write_log(folder / "files", rows, items)
    return {**clock(), "rows": rows}


def prepared(folder: pathlib.Path, rows: int, **_: Any) -> dict[str, Any]:
    """Writes the shards of a log."""
    clock = Clock()
    log = prepare(folder / "files", folder / "shards")
    assert log.num_interactions == rows
    return {**clock(), "rows": rows, "shards": log.num_shards}


def epoch(folder: pathlib.Path, steps: int | None, **_: Any) -> dict[str, Any]:
    """Trains for an epoch, or for some steps of it, after some that trace the graph."""
    clock = Clock()
    examples = NextWatch(ShardedLog.read(folder / "shards"), bags=BAGS).examples(
        tfrec_zoo.YouTubeRetrieval, ARGUMENTS
    )
    features = examples.fit_features()
    learned = clock()
    model = tfrec_zoo.YouTubeRetrieval(features, seed=0, **ARGUMENTS)
    dataset = examples.train.dataset(
        TRAINING.batch_size, model.preprocessor, shuffle=True, epochs=1
    )
    compile_(model, TRAINING, len(dataset))
    model.fit(dataset.take(WARM_UP), verbose=0)
    steps = min(steps or len(dataset), len(dataset))
    clock = Clock()
    history = model.fit(dataset.take(steps), verbose=0)
    found = {**clock(), "rows": min(steps * TRAINING.batch_size, len(examples.train))}
    found |= {"steps": steps, "loss": history.history["loss"][-1]}
    found |= {"features seconds": learned["seconds"], "features cpu": learned["cpu"]}
    return {**found, "examples": len(examples.train)}


def same(folder: pathlib.Path, **_: Any) -> dict[str, Any]:
    """Compares the shards with the log in memory."""
    clock = Clock()
    files = sorted((folder / "files").glob("*.parquet"))
    assert len(files) == 1, "The smallest log must be one file."
    logs = (Log.read(files[0]), ShardedLog.read(folder / "shards"))
    whole, sharded = (
        NextWatch(log, bags=BAGS).examples(tfrec_zoo.YouTubeRetrieval, ARGUMENTS) for log in logs
    )
    features = [examples.fit_features() for examples in (whole, sharded)]
    found = {
        "checksum": unordered_checksum(logs[0]) == logs[1].checksum,
        "spec": features[0].spec == features[1].spec,
        "vocabularies": features[0].vocabularies == features[1].vocabularies,
        "statistics": features[0].statistics == features[1].statistics,
    }
    preprocessor = Preprocessor(features[0])
    for part in ("train", "test"):
        sums = [contents(getattr(of, part), preprocessor) for of in (whole, sharded)]
        found[part] = sums[0] == sums[1]
    assert all(found.values()), found
    return {**clock(), "rows": len(whole.train), **found}


def contents(examples: Examples, preprocessor: Preprocessor) -> str:
    """A checksum of encoded examples, in whatever order they come."""
    checksum = UnorderedChecksum()
    for batch in examples.dataset(8192, preprocessor):
        columns = {}
        for number, part in enumerate(tf.nest.flatten(batch)):
            values = part.numpy().reshape(len(part), -1)
            kind = np.float64 if values.dtype.kind == "f" else np.int64
            for at, column in enumerate(values.astype(kind).T):
                columns[f"{number}.{at}"] = np.ascontiguousarray(column).view(np.uint64)
        checksum.add("examples", columns)
    return checksum.hexdigest()


WORK = {"write": written, "prepare": prepared, "epoch": epoch, "same": same}


def measured(stage: str, folder: str, **asked: Any) -> dict[str, Any]:
    """Does the work of a stage in this process."""
    found = WORK[stage](pathlib.Path(folder), **asked)
    return {**found, "peak MB": peak_mb()}


def run(stage: str, rows: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a stage took, from its file if it is there."""
    path = arguments.output / f"{rows}-{stage}.json"
    settings = {"stage": stage, "rows": rows, "items": arguments.items, "steps": arguments.steps}

    def work() -> dict[str, Any]:
        head = about(interactions=rows, stage=stage, items=arguments.items)
        with contextlib.closing(Peer(sys.executable, __file__, "--answer")) as peer:
            return {**head, **peer.ask(folder=str(arguments.scratch / str(rows)), **settings)}

    return kept(path, settings, work)


def rows_of_table(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each stage and size."""
    first: dict[str, float] = {}
    found = []
    for one in results:
        parts = {one["stage"]: one["seconds"], "features": one.get("features seconds")}
        cpus = {one["stage"]: one["cpu"], "features": one.get("features cpu")}
        for stage, seconds in parts.items():
            if seconds is None:
                continue
            rows = one["examples"] if stage == "features" else one["rows"]
            rate = seconds / rows * 1e6
            row = {"stage": stage, "interactions": one["interactions"], "s per million": rate}
            row["cpu per million"] = cpus[stage] / rows * 1e6
            row["times the smallest"] = rate / first.setdefault(stage, rate)
            found.append({**row, "peak MB": one["peak MB"]})
    return sorted(found, key=lambda row: [*STAGES, "features"].index(row["stage"]))


def main() -> None:
    """Runs what has not been run, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interactions", type=int, nargs="+", default=[10**6, 10**7, 10**8])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--steps", type=int, help="training steps (default: those of an epoch)")
    parser.add_argument("--output", type=pathlib.Path, help="folder of result files")
    parser.add_argument("--scratch", type=pathlib.Path, help="folder for logs and shards")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer(measured)
        return
    if arguments.output is None or arguments.scratch is None:
        parser.error("--output and --scratch say where results and logs go")
    head, results = about(), []
    for rows in sorted(arguments.interactions):
        for stage in STAGES:
            if stage not in arguments.stages:
                continue
            if stage == "same" and rows > min(arguments.interactions):
                continue
            results.append(run(stage, rows, arguments))
            say(f"{rows}, {stage}: {results[-1]['seconds']:.1f} s")
    tables = {"Each stage, as logs grow": rows_of_table(results)}
    report(head, tables, 2, arguments.output / "table.json")


if __name__ == "__main__":
    main()

"""Every model that learns by gradients, alone, on two workers, and beside two parameter servers.

    python benchmarks/strategies.py --output runs/strategies

Each is trained by the command line on a drawn log: in one process, under
`tfrec-zoo cluster --workers 2`, and under `tfrec-zoo cluster --workers 2 --ps 2`; all without
dropout. The loss on the training examples afterwards is computed in the same way for all.

With --rates longer trainings of two lengths are timed, and what goes over the loopback device
meanwhile is counted; the difference leaves out what starting takes. With --kills a worker, a
parameter server and the chief are killed by SIGKILL, and where the training does not survive that
the command is run again with --resume. What has a result file in the output folder is not run
again.
"""

import argparse
import inspect
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import about, kept, report, say

import tfrec_zoo as zoo
from tfrec_zoo import checkpoints, registry, tasks

#: What is put before a command of training, by the name of the way.
WAYS: dict[str, tuple[str, ...]] = {
    "one process": (),
    "2 workers": ("cluster", "--workers", "2", "--"),
    "2 workers, 2 ps": ("cluster", "--workers", "2", "--ps", "2", "--"),
}
#: Who is killed under which way, as TF_CONFIG names it.
KILLS = (
    ("2 workers", "worker", 1),
    ("2 workers, 2 ps", "worker", 1),
    ("2 workers, 2 ps", "ps", 1),
    ("2 workers, 2 ps", "chief", 0),
)
#: Arguments without which a model would draw, so that no two trainings were alike.
WITHOUT_DRAWS: dict[str, Any] = {"dropout": 0.0, "negatives": None}
#: The same of single models.
WITHOUT_DRAWS_OF: dict[str, dict[str, Any]] = {"LightGCN": {"loss": "softmax"}}

LOSSES, RATES, ENDS = "Losses", "Examples per second", "What comes of killed processes"


def names() -> list[str]:
    """The models that learn by gradients."""
    classes = {name: registry.get(name).load() for name in registry.MODELS}
    return [n for n, cls in classes.items() if cls.is_iterative and not cls.takes_all_at_once]


def drawn(folder: pathlib.Path, rows: int) -> pathlib.Path:
    """A folder with a drawn log."""
    folder = folder / f"drawn-{rows}"
    if not folder.is_dir():
        rng = np.random.default_rng(0)
        users, items = max(rows // 40, 50), max(rows // 100, 40)
        frame = pd.DataFrame(
            {
                "user_id": rng.integers(users, size=rows),
                "item_id": (items * rng.random(rows) ** 2).astype(int),
                "time": np.arange(rows),
            }
        )
        folder.mkdir(parents=True)
        frame.to_parquet(folder / "interactions.parquet")
    return folder


def command(
    way: str, model: str, log: pathlib.Path, output: pathlib.Path, epochs: int, *more: str
) -> list[str]:
    """A training from the command line."""
    cls = registry.get(model).load()
    arguments = {**cls.quick_arguments, **WITHOUT_DRAWS, **WITHOUT_DRAWS_OF.get(model, {})}
    known = inspect.signature(cls).parameters
    given = [f"--set={name}={value}" for name, value in arguments.items() if name in known]
    # Losses differ by less than metrics do between equal trainings.
    given.append("--task-set=monitor=val_loss")
    where = ["--dataset", str(log), "--output", str(output), "--epochs", str(epochs), "--json"]
    return [sys.executable, "-m", "tfrec_zoo", *WAYS[way], "train", model, *given, *where, *more]


def run(arguments: Sequence[str]) -> Any:
    """Runs a command to its end; returns what it printed."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def loss(output: pathlib.Path, log: pathlib.Path) -> tuple[float, int]:
    """The loss on the training examples of a model that was saved, and their number."""
    result = json.loads((output / "result.json").read_text())
    model = checkpoints.restore(output / "checkpoint")
    frame = pd.read_parquet(log / "interactions.parquet")
    task = tasks.make_again(result, zoo.Log(log.name, frame))
    arguments = {k: v for k, v in model.get_config().items() if k not in ("features", "name")}
    examples = task.examples(type(model), arguments)
    model.compile(zoo.optimizers.make("sgd"))
    batches = examples.train.dataset(1024, model.preprocessor, negatives=examples.negatives)
    found = model.evaluate(batches, verbose=0, return_dict=True)["loss"]
    return float(found), len(examples.train)


def trained(model: str, log: pathlib.Path, epochs: int) -> dict[str, Any]:
    """The losses of a model after a training each way."""
    row: dict[str, Any] = {"model": model}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            output = pathlib.Path(folder) / way.replace(" ", "-")
            begin = time.perf_counter()
            run(command(way, model, log, output, epochs))
            row[f"{way}: loss"] = loss(output, log)[0]
            row[f"{way}: s in all"] = time.perf_counter() - begin
            say(f"{model}, {way}: loss {row[f'{way}: loss']:.5f}")
    return row


def loopback() -> int:
    """The bytes that processes of this machine have sent each other so far."""
    lines = pathlib.Path("/proc/net/dev").read_text().splitlines()
    [counts] = [line.partition(":")[2] for line in lines if line.strip().startswith("lo:")]
    return int(counts.split()[0])


def timed(model: str, log: pathlib.Path, epochs: int) -> dict[str, Any]:
    """Thousands of examples a second each way, of the epochs after the first, and what is sent.

    What else uses the loopback device meanwhile is counted too.
    """
    row: dict[str, Any] = {"model": model}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            seconds, sent = [], []
            for number in (1, 1 + epochs):
                output = pathlib.Path(folder) / f"{way.replace(' ', '-')}-{number}"
                before = loopback()
                result = run(command(way, model, log, output, number))
                seconds.append(result["statistics"]["seconds"])
                sent.append(loopback() - before)
            examples = loss(output, log)[1] * epochs
            row[f"{way}: thousand/s"] = examples / (seconds[1] - seconds[0]) / 1000
            row[f"{way}: kB an example"] = (sent[1] - sent[0]) / examples / 1000
            say(f"{model}, {way}: {row[f'{way}: thousand/s']:.1f} thousand/s")
    return row


def processes(parent: int) -> dict[tuple[str, int], int]:
    """The processes of a cluster: their ids by job and number, as Linux tells them."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) != parent:
                continue
            environment = (folder / "environ").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        for line in environment:
            if line.startswith("TF_CONFIG="):
                task = json.loads(line.partition("=")[2])["task"]
                found[task["type"], task["index"]] = int(folder.name)
    return found


def killed(way: str, job: str, index: int, model: str, log: pathlib.Path) -> dict[str, Any]:
    """A training in which a process is killed once its first state was written."""
    row: dict[str, Any] = {"way": way, "killed": f"{job} {index}"}
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "killed"
        given = command(way, model, log, output, 6, "--training=checkpoint_minutes=0.01")
        begin = time.perf_counter()
        process = subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not list(output.glob(".unfinished/*/at-*")) and process.poll() is None:
            time.sleep(0.05)
        os.kill(processes(process.pid)[job, index], signal.SIGKILL)
        since = time.perf_counter()
        _, error = process.communicate(timeout=900)
        row["exit code"] = process.returncode
        row["s until its end"] = time.perf_counter() - since
        row["said"] = error.decode().strip().split("\n")[-1][:300]
        row["again"] = int(process.returncode != 0)
        if process.returncode:
            run([*given, "--resume"])
        row["s in all"] = time.perf_counter() - begin
        row["loss"] = loss(output, log)[0]
        whole = pathlib.Path(folder) / "whole"
        run(command(way, model, log, whole, 6))
        row["loss of one that lived"] = loss(whole, log)[0]
    say(row)
    return row


def main() -> None:
    """Trains what has no result file yet, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names(), default=names())
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=4000, help="interactions of the drawn log")
    parser.add_argument("--rates", nargs="*", choices=names(), help="models to time")
    parser.add_argument("--rate-rows", type=int, default=200_000)
    parser.add_argument("--kills", action="store_true", help="also kill processes")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of result files")
    arguments = parser.parse_args()
    head = about()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        small = drawn(folder, arguments.rows)
        jobs: list[tuple[str, str, Any]] = [
            (LOSSES, f"loss-{m}", lambda m=m: trained(m, small, arguments.epochs))
            for m in arguments.models
        ]
        jobs += [
            (
                RATES,
                f"rate-{m}",
                lambda m=m: timed(m, drawn(folder, arguments.rate_rows), 2),
            )
            for m in arguments.rates or ()
        ]
        jobs += [
            (ENDS, f"kill-{way}-{job}".replace(" ", "-").replace(",", ""),
             lambda w=way, j=job, i=i: killed(w, j, i, "DeepFM", drawn(folder, 20_000)))
            for way, job, i in (KILLS if arguments.kills else ())
        ]  # fmt: skip
        settings = {
            LOSSES: {"rows": arguments.rows, "epochs": arguments.epochs},
            RATES: {"rows": arguments.rate_rows},
            ENDS: {},
        }
        tables: dict[str, list[dict[str, Any]]] = {}
        for title, name, work in jobs:
            path = arguments.output / f"{name}.json"
            found = kept(path, settings[title], lambda w=work: {**head, "row": w()})
            tables.setdefault(title, []).append(found["row"])
        shutil.rmtree(folder, ignore_errors=True)
    report(head, tables, 5, arguments.output / "table.json")


if __name__ == "__main__":
    main()

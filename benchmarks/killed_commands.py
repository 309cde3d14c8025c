"""Commands that are killed while they write over an older output: is it whole, and of one run?

    python benchmarks/killed_commands.py --kills 100 --output runs/killed-commands.json

`train`, `retrain`, `export`, `recommend`, `benchmark` and `quickstart` are run by their command
lines on a drawn log and killed by SIGKILL, half of them at any moment of the time they take, the
others soon after the target begins to change. After each kill the target is read as the next
command would read it: every file that a manifest names has its hash, and what lies beside each
other is of one run, the older or the new one. Files of somebody else's lie in every target, and
must stay as they are. At the end each command is run to its end, after which nothing must be left
over.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import about, report, say

from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.cli.trained import read_result
from tfrec_zoo.generations import finish

FOREIGN = {"notes.txt": "of somebody else\n", ".env": "SECRET=1\n", "old/model.bin": "\x00"}


def drawn_log(rows: int = 4000) -> pd.DataFrame:
    """Interactions of 100 users with 120 items."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user_id": rng.integers(100, size=rows),
            "item_id": rng.integers(60, size=rows) * rng.integers(1, 3, size=rows),
            "time": np.arange(rows),
        }
    )


def read_training(target: pathlib.Path) -> str:
    """The generation of what `train` wrote; raises if its parts are of several."""
    result = read_result(target)
    for part in ("model", "checkpoint"):
        read_manifest(target / part, verify=True)
    return str(result["generation"])


def read_export(target: pathlib.Path) -> str:
    """What tells an export from others."""
    files = read_manifest(target / "export", verify=True)["files"]
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def read_answers(target: pathlib.Path) -> str:
    """What tells answers from others; all users have theirs."""
    frame = pd.read_parquet(target / "answers.parquet")
    if frame["user_id"].nunique() != 100:
        raise ValueError(f"answers to {frame['user_id'].nunique()} of 100 users")
    return hashlib.sha256(frame.to_json().encode()).hexdigest()


def read_table(target: pathlib.Path) -> str:
    """The results of a table."""
    found = {path.name: json.loads(path.read_text()) for path in sorted(target.glob("*.json"))}
    if not all("metrics" in result for result in found.values()):
        raise ValueError("a result without metrics")
    return ",".join(found)


def read_quickstart(target: pathlib.Path) -> str:
    """What the quick start exported; raises if the parts are of several runs."""
    finish(target)
    funnel = read_manifest(target / "funnel", verify=True)
    result = json.loads((target / "result.json").read_text())
    for key in ("metrics", "exported", "seed"):
        if funnel[key] != result[key]:
            raise ValueError(f"{key} of the funnel is not that of result.json")
    compile((target / "recommend.py").read_text(), "recommend.py", "exec")
    json.loads((target / "titles.json").read_text())
    return f"{result['seed']}"


def commands(work: pathlib.Path) -> dict[str, tuple[Callable[[int], list[str]], Any]]:
    """By name what is run, given a seed and with a target of its name, and what reads it."""
    data = ["--dataset", str(work / "log.parquet")]
    trained = str(work / "trained")
    small = ["--set", "hidden_units=16,8", "--epochs", "1"]

    def train(seed: int) -> list[str]:
        return ["train", "YouTubeRetrieval", *data, *small, "--seed", str(seed)]

    def retrain(seed: int) -> list[str]:
        return ["retrain", trained, *data, "--epochs", "1", "--seed", str(seed)]

    def export(seed: int) -> list[str]:
        return ["export", trained, "--k", str(10 + seed)]

    def recommend(seed: int) -> list[str]:
        return ["recommend", f"{trained}/model", "--all-users", *data, "--k", str(1 + seed),
                "--shard-size", "10"]  # fmt: skip

    def benchmark(seed: int) -> list[str]:
        return ["benchmark", "next-watch", *data, "--rows", "popularity", "ItemKNN", "--seeds",
                str(seed)]  # fmt: skip

    def quickstart(seed: int) -> list[str]:
        return ["quickstart", *data, "--seed", str(seed)]

    return {
        "train": (train, read_training),
        "retrain": (retrain, read_training),
        "export": (export, read_export),
        "recommend": (recommend, read_answers),
        "benchmark": (benchmark, read_table),
        "quickstart": (quickstart, read_quickstart),
    }


def foreign(target: pathlib.Path) -> dict[str, str | None]:
    """The contents of the files that are somebody else's."""
    paths = {name: target / name for name in FOREIGN}
    return {name: p.read_text() if p.is_file() else None for name, p in paths.items()}


def names(target: pathlib.Path) -> set[str]:
    """What lies in a folder, but for files that are somebody else's."""
    own = {path.relative_to(target).parts[0] for path in target.rglob("*")}
    return own - {pathlib.PurePath(name).parts[0] for name in FOREIGN}


def state_of(target: pathlib.Path) -> dict[str, int]:
    """What lies in a folder, but for the state of unfinished trainings, and when it changed."""
    found = {}
    # `os.walk` passes over what vanishes meanwhile.
    for folder, inner, files in os.walk(target):
        inner[:] = [name for name in inner if name != ".unfinished"]
        for path in (os.path.join(folder, name) for name in (*inner, *files)):
            with contextlib.suppress(FileNotFoundError):
                found[path] = os.stat(path).st_mtime_ns
    return found


def killed(name: str, work: pathlib.Path, kills: int, rng: np.random.Generator) -> dict[str, Any]:
    """Runs one command over an older output, kills it, and looks at what is there."""
    make, read = commands(work)[name]
    target = work / name
    suffix = {"export": "/export", "recommend": "/answers.parquet"}.get(name, "")

    def start(seed: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tfrec_zoo", *make(seed), "--output", f"{target}{suffix}"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finished(seed: int) -> float:
        begin = time.perf_counter()
        process = start(seed)
        _, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{name} failed: {errors.decode()[-2000:]}")
        return time.perf_counter() - begin

    target.mkdir()
    for file, text in FOREIGN.items():
        (target / file).parent.mkdir(exist_ok=True)
        (target / file).write_text(text)
    seconds = finished(0)
    expected, older = names(target), read(target)
    row: dict[str, Any] = {"command": name, "seconds": seconds, "kills": 0, "older": 0, "new": 0}
    faults: list[str] = []
    number = 0
    while row["kills"] < kills:
        number += 1
        process = start(number)
        if number % 2 == 0:
            before = state_of(target)
            while process.poll() is None and state_of(target) == before:
                time.sleep(0.005)
        delay = rng.uniform(0, seconds) if number % 2 else rng.exponential(0.5)
        try:
            process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            row["kills"] += 1
        process.communicate()
        try:
            found = read(target)
            row["older" if found == older else "new"] += 1
            older = found
        except Exception as error:
            faults.append(f"after kill {number}, {delay:.2f} s: {type(error).__name__}: {error}")
        if foreign(target) != FOREIGN:
            faults.append(f"after kill {number}: files of somebody else's are touched")
    finished(number + 1)
    left = names(target) - expected
    if name == "benchmark":  # Results of seeds that were finished before a kill are kept.
        left = {n for n in left if not n.endswith(".json")}
    if left:
        faults.append(f"left over: {sorted(left)}")
    read(target)
    say({**row, "faults": faults})
    return {**row, "faulty": len(faults), "faults": faults}


def main() -> None:
    """Kills and looks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="kills in all, at least")
    parser.add_argument("--commands", nargs="+", help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    arguments = parser.parse_args()
    rng, head = np.random.default_rng(arguments.seed), about()
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        drawn_log().to_parquet(work / "log.parquet")
        make, _ = commands(work)["train"]
        first = [sys.executable, "-m", "tfrec_zoo", *make(0), "--output", str(work / "trained")]
        subprocess.run(first, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = arguments.commands or list(commands(work))
        each = -(-arguments.kills // len(wanted))
        rows = [killed(name, work, each, rng) for name in wanted]
    report(head, {"Commands that were killed over an older output": rows}, 1, arguments.output)
    faults = [f"{row['command']}: {fault}" for row in rows for fault in row["faults"]]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()

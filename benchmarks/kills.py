"""Trainings that are killed at random moments and go on: are the weights the same, to the bit?

    python benchmarks/kills.py --kills 100 --output runs/kills.json

Each contender is trained by a process of its own on a drawn log, once to the end. Then the same
training is killed by SIGKILL at moments that are drawn from the time it took, and started again
until it ends. Its state is kept after every execution of some steps, so that it goes on from the
middle of epochs too. Weights are compared bit by bit, under TensorFlow's op determinism.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import about, report, say

#: Model, arguments, and fields of `Training`.
CONTENDERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "YouTubeRetrieval, sampled": (
        "YouTubeRetrieval",
        {"negatives": {"kind": "log-uniform", "number": 20}, "dropout": 0.2},
        {"optimizer": "lazy_adam"},
    ),
    "YouTubeRetrieval, hard": ("YouTubeRetrieval", {"negatives": "hard", "dropout": 0.2}, {}),
    "TwoTower, mixed": ("TwoTower", {"negatives": "mixed"}, {"optimizer": "adam"}),
    "SASRec, binary": ("SASRec", {"loss": "binary"}, {"optimizer": "fused_adam"}),
    "MatrixFactorization, WARP": ("MatrixFactorization", {"loss": "warp"}, {"optimizer": "sgd"}),
    "WideDeep, two optimizers": ("WideDeep", {}, {"optimizer": "ftrl+adagrad"}),
    "DeepFM, plateau": ("DeepFM", {}, {"plateau": 0.5, "patience": 2}),
    "YouTubeRanking, RMSprop": ("YouTubeRanking", {"dropout": 0.2}, {"optimizer": "rmsprop"}),
    "NeuMF, negatives": ("NeuMF", {}, {}),
}


def trained(contender: str, folder: str, output: str) -> None:
    """A process that trains one, with its state in a folder, and writes its weights."""
    import tfrec_zoo as zoo

    import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

    tf.config.experimental.enable_op_determinism()
    rng, rows = np.random.default_rng(0), 6000
    events = pd.DataFrame(
        {
            "user_id": rng.integers(100, size=rows),
            "item_id": rng.integers(60, size=rows) * rng.integers(1, 3, size=rows),
            "time": np.arange(rows),
        }
    )
    name, arguments, fields = CONTENDERS[contender]
    training = zoo.Training(
        **{"epochs": 6, "batch_size": 32, "verbose": 0, **fields},
        checkpoint_dir=folder,
        checkpoint_minutes=1e-9,
    )
    run = zoo.train(name, zoo.Log("drawn", events), training, **arguments)
    np.savez(output, *run.model.get_weights())


def weights(path: pathlib.Path) -> list[np.ndarray]:
    """What a process wrote."""
    with np.load(path) as arrays:
        return [arrays[key] for key in arrays.files]


def killed(contender: str, kills: int, rng: np.random.Generator) -> dict[str, Any]:
    """Trains one to the end, and again with kills."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)

        def command(name: str) -> list[str]:
            own = [str(folder / name), str(folder / f"{name}.npz")]
            return [sys.executable, str(pathlib.Path(__file__)), "--one", contender, *own]

        begin = time.perf_counter()
        subprocess.run(command("whole"), check=True, stderr=subprocess.DEVNULL)
        seconds, expected = time.perf_counter() - begin, weights(folder / "whole.npz")
        done, ended, equal = 0, 0, 0
        while done < kills:
            name, before = f"killed-{ended}", done
            while True:
                begin = time.perf_counter()
                process = subprocess.Popen(command(name), stderr=subprocess.DEVNULL)
                try:
                    code = process.wait(timeout=seconds * rng.uniform(0.3, 1.1))
                    if done == before:  # A whole training, which other load may slow less.
                        seconds = min(seconds, time.perf_counter() - begin)
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    done += 1
            if code:
                raise RuntimeError(f"{contender} ended with {code}")
            found = weights(folder / f"{name}.npz")
            ended += 1
            equal += all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    row = {"training": contender, "seconds": seconds, "kills": done, "ended": ended, "equal": equal}
    say(f"{contender}: {done} kills, {equal} of {ended} trainings equal")
    return row


def main() -> None:
    """Trains, kills and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="kills in all, at least")
    parser.add_argument(
        "--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS)
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        trained(*arguments.one)
        return
    rng, head = np.random.default_rng(arguments.seed), about()
    each = -(-arguments.kills // len(arguments.contenders))
    rows = [killed(contender, each, rng) for contender in arguments.contenders]
    report(head, {"Trainings that were killed and went on": rows}, 1, arguments.output)
    if any(row["equal"] < row["ended"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()

"""NeuMF: pairs trained on per second, here, in plain Keras, and in a hand-written PyTorch loop.

    python benchmarks/ncf_throughput.py --data DIR --torch-python ENVIRONMENT/bin/python \
        --output runs/ncf-throughput.json
    python benchmarks/ncf_throughput.py --table-growth --output runs/ncf-growth.json

All train the same model (8 factors) on the same positives, each with four negatives drawn anew each
epoch, one after the other in every round. DIR holds the NCF files of MovieLens-1M (see `read_ncf`);
without it positives of the same shape are drawn. PyTorch runs in an environment of its own, with
nothing but PyTorch and NumPy. What is timed is an epoch, with its shuffling, its negatives and
`fit`'s own start; the first isn't. "Plain Keras" is what one writes first. Prints thousands of
pairs (positives and negatives) per second, and by how much ours are faster: medians of the ratios
within rounds.

`--table-growth` prints, instead, what a step costs and a process takes with ten times the users and
items, by optimizer; all else is the same.
"""

import argparse
import datetime
import gc
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo import recipes
from tfrec_zoo.artifacts import versions, write_whole
from tfrec_zoo.data import Examples, NegativeSampling, Rows, interaction_examples, read_ncf
from tfrec_zoo.features import Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import NeuMF

USERS, ITEMS, POSITIVES = 6040, 3706, 994_169
NEGATIVES = 4

#: Who chose what, "user" and "item" of one length, numbers from 0 up; "num_users" and "num_items".
Positives = dict[str, Any]
#: Trains an epoch; returns seconds and the loss.
Epoch = Callable[[], tuple[float, float]]


def read(directory: pathlib.Path) -> Positives:
    """The training pairs of the NCF files, in random order."""
    data = read_ncf(directory)
    rows = np.union1d(data.split.train, data.split.validation)
    train = interaction_examples(data.log, rows)
    assert train.groups is not None and train.candidates is not None
    order = np.random.default_rng(0).permutation(len(train))
    return {
        "user": train.groups.astype(np.int64)[order],
        "item": train.candidates.index.astype(np.int64)[order],
        "num_users": len(data.log.users),
        "num_items": len(data.log.items),
    }


def drawn(num_users: int = USERS, num_items: int = ITEMS) -> Positives:
    """As many pairs, of Zipf's popular items and rare ones; all users and items come early."""
    rng = np.random.default_rng(0)
    popularity = 1 / (50 + np.arange(num_items))
    item = rng.choice(num_items, POSITIVES, p=popularity / popularity.sum())
    user = rng.integers(num_users, size=POSITIVES)
    item[:num_items] = rng.permutation(num_items)
    user[:num_users] = rng.permutation(num_users)
    return {"user": user, "item": item, "num_users": num_users, "num_items": num_items}


def head(positives: Positives, pairs: int) -> Positives:
    """The first of the positives: those of so many pairs, negatives counted."""
    number = max(pairs // (1 + NEGATIVES), 1)
    return {**positives, **{key: positives[key][:number] for key in ("user", "item")}}


def timed(train: Callable[[], tf.keras.callbacks.History]) -> tuple[float, float]:
    """Seconds that training took, and its loss."""
    gc.collect()
    begin = time.perf_counter()
    history = train()
    return time.perf_counter() - begin, history.history["loss"][-1]


def ours(optimizer: str) -> Callable[[Positives, int], Epoch]:
    """This library: `fit` on whole batches, for which TensorFlow draws (and rejects) negatives."""

    def make(positives: Positives, batch_size: int) -> Epoch:
        ids = {
            "user_id": np.arange(positives["num_users"]),
            "item_id": np.arange(positives["num_items"]),
        }
        user, item = (VocabularyColumn(key, dtype="int64") for key in ids)
        model = NeuMF(Features.fit(FeatureSpec((user,), (item,)), ids), seed=0)
        model.compile(optimizer, steps_per_execution=recipes.STEPS_PER_EXECUTION)
        examples = Examples(
            (Rows({"user_id": ids["user_id"]}, positives["user"]),),
            label=np.ones(len(positives["user"]), np.float32),
            groups=positives["user"],
            candidates=Rows({"item_id": ids["item_id"]}, positives["item"]),
        )
        dataset = examples.dataset(
            batch_size, model.preprocessor, shuffle=True, negatives=NegativeSampling(NEGATIVES)
        )
        return lambda: timed(lambda: model.fit(dataset, verbose=0))

    return make


def plain_model(positives: Positives) -> tf.keras.Model:
    """NeuMF as one writes it in Keras."""
    layers = tf.keras.layers

    def embedding(rows: int, width: int, ids: tf.Tensor) -> tf.Tensor:
        initializer = tf.keras.initializers.RandomNormal(stddev=0.01)
        return layers.Flatten()(layers.Embedding(rows, width, initializer)(ids))

    user, item = (layers.Input([1], dtype="int64") for _ in range(2))
    num_users, num_items = positives["num_users"], positives["num_items"]
    gmf = layers.Multiply()([embedding(num_users, 8, user), embedding(num_items, 8, item)])
    mlp = layers.Concatenate()([embedding(num_users, 16, user), embedding(num_items, 16, item)])
    for units in (32, 16, 8):
        mlp = layers.Dense(units, activation="relu")(mlp)
    output = layers.Dense(1, activation="sigmoid")(layers.Concatenate()([gmf, mlp]))
    model = tf.keras.Model([user, item], output)
    model.compile("adam", tf.keras.losses.BinaryCrossentropy())
    return model


def plain(arrays: bool) -> Callable[[Positives, int], Epoch]:
    """Plain Keras: NumPy draws the negatives of an epoch, tf.data or `fit` shuffles the pairs."""

    def make(positives: Positives, batch_size: int) -> Epoch:
        model = plain_model(positives)
        rng = np.random.default_rng(0)
        number = len(positives["user"])

        def train() -> tf.keras.callbacks.History:
            negatives = rng.integers(positives["num_items"], size=[number, NEGATIVES])
            user = np.repeat(positives["user"], 1 + NEGATIVES)
            item = np.concatenate([positives["item"][:, None], negatives], axis=1).ravel()
            label = np.tile(np.array([1] + NEGATIVES * [0], np.float32), number)
            if arrays:
                return model.fit([user, item], label, batch_size, verbose=0)
            dataset = tf.data.Dataset.from_tensor_slices(((user, item), label))
            dataset = dataset.shuffle(len(label)).batch(batch_size).prefetch(tf.data.AUTOTUNE)
            return model.fit(dataset, verbose=0)

        return lambda: timed(train)

    return make


class Torch:
    """PyTorch in a process of its own, which trains when asked to."""

    def __init__(self, python: str, positives: Positives, folder: str) -> None:
        path = pathlib.Path(folder) / "positives.npz"
        np.savez(path, **positives)
        script = pathlib.Path(__file__).with_name("ncf_throughput_torch.py")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([python, script, path], stdin=pipe, stdout=pipe, text=True)
        self.versions = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The PyTorch process ended with {self.process.wait()}.")
        return json.loads(line)

    def optimizer(self, optimizer: str) -> Callable[[Positives, int], Epoch]:
        """Contenders as the others are; the positives it has already."""

        def make(_: Positives, batch_size: int) -> Epoch:
            request = json.dumps({"optimizer": optimizer, "batch_size": batch_size})

            def epoch() -> tuple[float, float]:
                assert self.process.stdin is not None
                print(request, file=self.process.stdin, flush=True)
                answer = self._answer()
                return answer["seconds"], answer["loss"]

            return epoch

        return make

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def rates(
    contenders: dict[str, Callable[[Positives, int], Epoch]],
    positives: Positives,
    batch_size: int,
    rounds: int,
) -> list[dict[str, Any]]:
    """Thousands of pairs per second of each contender in each round."""
    epochs = {name: make(positives, batch_size) for name, make in contenders.items()}
    pairs = len(positives["user"]) * (1 + NEGATIVES)
    found: dict[str, list[float]] = {name: [] for name in epochs}
    losses = {}
    for turn in range(rounds + 1):
        # Each round begins with another.
        names = list(epochs)[turn % len(epochs) :] + list(epochs)[: turn % len(epochs)]
        for name in names:
            seconds, losses[name] = epochs[name]()
            rate = pairs / seconds / 1000
            what = f"round {turn}" if turn else "warm-up"
            say(f"{batch_size} {what}: {name} {rate:.1f} thousand/s, loss {losses[name]:.4f}")
            if turn:
                found[name].append(rate)
    return [
        {
            "batch_size": batch_size,
            "contender": name,
            "min": min(values),
            "median": statistics.median(values),
            "max": max(values),
            "rounds": values,
            "loss": losses[name],
        }
        for name, values in found.items()
    ]


def ratios(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By how much ours are faster than the others: the median of the rounds' ratios."""
    found = []
    for our in results:
        for other in results:
            is_other = our["contender"].startswith("ours") > other["contender"].startswith("ours")
            if is_other and our["batch_size"] == other["batch_size"]:
                values = [a / b for a, b in zip(our["rounds"], other["rounds"], strict=True)]
                found.append(
                    {
                        "batch_size": our["batch_size"],
                        "ours": our["contender"],
                        "to": other["contender"],
                        "min": min(values),
                        "median": statistics.median(values),
                        "max": max(values),
                    }
                )
    return found


GROWTH = {name: ours(name) for name in ("lazy_adam", "fused_adam", "adam")}


def grown(optimizer: str, scale: int, pairs: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """What an epoch costs with `scale` times the users and items, in this process."""
    positives = head(drawn(scale * USERS, scale * ITEMS), pairs)
    epoch = GROWTH[optimizer](positives, batch_size)
    epoch()
    seconds = statistics.median(epoch()[0] for _ in range(rounds))
    # Not `ru_maxrss`, which begins with that of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak is not None
    steps = -(-len(positives["user"]) // (batch_size // (1 + NEGATIVES)))
    return {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "users": positives["num_users"],
        "items": positives["num_items"],
        "ms_per_step": 1000 * seconds / steps,
        "seconds": seconds,
        "peak_mb": int(peak[1]) / 1024,
    }


def growth(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """`grown`, each in a process of its own."""
    found = []
    for batch_size in arguments.batch_sizes:
        for optimizer in GROWTH:
            for scale in (1, 10):
                what = [optimizer, scale, arguments.examples, batch_size, arguments.rounds]
                command = [sys.executable, __file__, "--grown", json.dumps(what)]
                run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.append(json.loads(run.stdout.splitlines()[-1]))
                say(found[-1])
    return found


def say(what: Any) -> None:
    """Progress."""
    print(what, file=sys.stderr, flush=True)


def markdown(results: list[dict[str, Any]], digits: int) -> str:
    """A table of rows of the same keys; lists are left out."""
    keys = [key for key, value in results[0].items() if not isinstance(value, list)]
    lines = [f"| {' | '.join(keys)} |", "|---" * len(keys) + "|"]
    for row in results:
        cells = (f"{v:.{digits}f}" if isinstance(v := row[k], float) else str(v) for k in keys)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, help="folder of the NCF files")
    parser.add_argument("--torch-python", help="python of an environment with PyTorch")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[256, 4096])
    parser.add_argument("--examples", type=int, default=1_000_000, help="pairs in an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table-growth", action="store_true")
    parser.add_argument("--grown", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.grown:
        print(json.dumps(grown(*arguments.grown)))
        return
    cores = len(os.sched_getaffinity(0))
    about: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cores": cores,
        "load_at_start": os.getloadavg()[0],
        "examples": arguments.examples,
        "rounds": arguments.rounds,
        "versions": versions(),
    }
    if arguments.table_growth:
        about["results"] = growth(arguments)
        print(markdown(about["results"], 2))
    else:
        about["data"] = "drawn" if arguments.data is None else arguments.data.name
        positives = drawn() if arguments.data is None else read(arguments.data)
        positives = head(positives, arguments.examples)
        contenders = {
            "ours, lazy_adam": ours("lazy_adam"),
            "ours, fused_adam": ours("fused_adam"),
            "plain Keras, tf.data": plain(arrays=False),
            "plain Keras, arrays": plain(arrays=True),
        }
        with tempfile.TemporaryDirectory() as folder:
            torch = None
            if arguments.torch_python:
                torch = Torch(arguments.torch_python, positives, folder)
                about["versions"] |= torch.versions
                contenders["PyTorch, Adam(fused=True)"] = torch.optimizer("adam")
                contenders["PyTorch, SparseAdam"] = torch.optimizer("sparse_adam")
            results = []
            for batch_size in arguments.batch_sizes:
                results += rates(contenders, positives, batch_size, arguments.rounds)
            if torch is not None:
                torch.close()
        about |= {"results": results, "ratios": ratios(results)}
        print(f"Thousand pairs per second, {cores} cores, {arguments.rounds} rounds:\n")
        print(markdown([{k: v for k, v in r.items() if k != "loss"} for r in results], 1))
        print(f"\nOurs to others:\n\n{markdown(about['ratios'], 2)}")
        if not arguments.torch_python:
            print("\nWithout PyTorch: no --torch-python given.")
    if arguments.output:
        write_whole(arguments.output, json.dumps(about, indent=1))


if __name__ == "__main__":
    main()

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
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from side_by_side import (
    Peer,
    Turn,
    about,
    peak_mb,
    peer_with,
    rates,
    ratios,
    report,
    say,
    timed,
)

from tfrec_zoo.data import Examples, NegativeSampling, Rows, interaction_examples, read_ncf
from tfrec_zoo.features import Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import NeuMF
from tfrec_zoo.training.training import STEPS_PER_EXECUTION

USERS, ITEMS, POSITIVES = 6040, 3706, 994_169
NEGATIVES = 4

#: Who chose what, "user" and "item" of one length, numbers from 0 up; "num_users" and "num_items".
Positives = dict[str, Any]
#: Makes what trains an epoch, given positives and a batch size.
Contender = Callable[[Positives, int], Turn]


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


def ours(optimizer: str) -> Contender:
    """This library: `fit` on whole batches, for which TensorFlow draws (and rejects) negatives."""

    def make(positives: Positives, batch_size: int) -> Turn:
        ids = {
            "user_id": np.arange(positives["num_users"]),
            "item_id": np.arange(positives["num_items"]),
        }
        user, item = (VocabularyColumn(key, dtype="int64") for key in ids)
        model = NeuMF(Features.fit(FeatureSpec((user,), (item,)), ids), seed=0)
        model.compile(optimizer, steps_per_execution=STEPS_PER_EXECUTION)
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


def plain(arrays: bool) -> Contender:
    """Plain Keras: NumPy draws the negatives of an epoch, tf.data or `fit` shuffles the pairs."""

    def make(positives: Positives, batch_size: int) -> Turn:
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


def torch(peer: Peer, optimizer: str) -> Contender:
    """PyTorch, in a process that has the positives already."""
    return lambda _, batch_size: lambda: peer.ask(optimizer=optimizer, batch_size=batch_size)


GROWTH = {name: ours(name) for name in ("lazy_adam", "fused_adam", "adam")}


def grown(optimizer: str, scale: int, pairs: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """What an epoch costs with `scale` times the users and items, in this process."""
    positives = head(drawn(scale * USERS, scale * ITEMS), pairs)
    epoch = GROWTH[optimizer](positives, batch_size)
    epoch()
    seconds = statistics.median(epoch()["seconds"] for _ in range(rounds))
    steps = -(-len(positives["user"]) // (batch_size // (1 + NEGATIVES)))
    return {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "users": positives["num_users"],
        "items": positives["num_items"],
        "ms_per_step": 1000 * seconds / steps,
        "seconds": seconds,
        "peak_mb": peak_mb(),
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
    found = about(examples=arguments.examples, rounds=arguments.rounds)
    if arguments.table_growth:
        tables = {"A training step, as tables grow": growth(arguments)}
    else:
        found["data"] = "drawn" if arguments.data is None else arguments.data.name
        positives = drawn() if arguments.data is None else read(arguments.data)
        positives = head(positives, arguments.examples)
        contenders = {
            "ours, lazy_adam": ours("lazy_adam"),
            "ours, fused_adam": ours("fused_adam"),
            "plain Keras, tf.data": plain(arrays=False),
            "plain Keras, arrays": plain(arrays=True),
        }
        with contextlib.ExitStack() as stack:
            if arguments.torch_python:
                script = pathlib.Path(__file__).with_name("ncf_throughput_torch.py")
                peer = stack.enter_context(peer_with(positives, arguments.torch_python, script))
                found["versions"] |= peer.about
                contenders["PyTorch, Adam(fused=True)"] = torch(peer, "adam")
                contenders["PyTorch, SparseAdam"] = torch(peer, "sparse_adam")
            results = []
            for batch_size in arguments.batch_sizes:
                turns = [
                    ({"batch_size": batch_size, "contender": name}, make(positives, batch_size))
                    for name, make in contenders.items()
                ]
                pairs = len(positives["user"]) * (1 + NEGATIVES)
                results += rates(turns, pairs, arguments.rounds)
        tables = {
            "Training, thousand pairs per second": results,
            "Training, ours to others": ratios(results, "batch_size"),
        }
    report(found, tables, 2, arguments.output)


if __name__ == "__main__":
    main()

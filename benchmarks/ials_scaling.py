"""iALS on ever more interactions: what a sweep costs, and what a process takes.

    python benchmarks/ials_scaling.py --output runs/ials-scaling.json

Interactions are drawn, with about 50 per user and 100 per item; some users take many, and some
items are popular. The plain way is a loop over users and items in NumPy, each with a system of
equations of its own that SciPy solves. Each contender is a process of its own for each size, and
they take turns, a sweep each, the first not counted. Prints seconds per sweep, how many times those
of the smallest size they are for each of the times that there are more interactions (1 is linear),
the most memory the process took, how many bytes that is for each interaction more than the smallest
size has, and the objective, which both report after the same number of sweeps.
"""

import argparse
import contextlib
import pathlib
import sys
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from side_by_side import (
    Turn,
    about,
    answer,
    peak_mb,
    peer_with,
    rates,
    ratios,
    report,
    spread,
    timed,
)

from tfrec_zoo.features import BagColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import iALS
from tfrec_zoo.models.user_item_matrix import UserItemMatrix

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

PER_USER, PER_ITEM = 50, 100


def draw(interactions: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The items of all users, user after user, how many each has, and how many items there are."""
    rng = np.random.default_rng(0)
    users, items = interactions // PER_USER, interactions // PER_ITEM
    lengths = 1 + rng.lognormal(np.log(PER_USER) - 0.5, 1, users).astype(np.int64)
    lengths = np.minimum(lengths, items // 4)
    user = np.repeat(np.arange(users), lengths)
    item = (items * rng.random(len(user)) ** 2).astype(np.int64)
    pairs = np.unique(user * items + item)
    return (pairs % items).astype(np.int32), np.bincount(pairs // items, minlength=users), items


class Ours:
    """The model of the zoo.

    Args:
        items: Items of all users, user after user.
        lengths: How many each user has.
        num_items: Number of items.
        dim: Width of the vectors.
    """

    def __init__(self, items: np.ndarray, lengths: np.ndarray, num_items: int, dim: int) -> None:
        video = VocabularyColumn("video", dtype="int64")
        history = BagColumn(VocabularyColumn("history", space="video", dtype="int64"))
        spec = FeatureSpec((history,), (video,))
        features = Features.fit(spec, {"video": np.arange(num_items)})
        self.model = iALS(features, embedding_dim=dim, seed=0)
        self.matrix = UserItemMatrix.of(
            tf.constant(items), tf.constant(lengths, tf.int32), tf.ones(len(lengths)), num_items
        )
        self.step = tf.function(self.model.train_step)

    def sweep(self) -> float:
        """Takes one; returns the objective per interaction."""
        self.model.reset_metrics()
        return float(self.step(self.matrix)["loss"])


class Plain:
    """A loop over rows.

    Args:
        items: Items of all users, user after user.
        lengths: How many each user has.
        model: The model that it starts like, and that it has the settings of.
    """

    def __init__(self, items: np.ndarray, lengths: np.ndarray, model: iALS) -> None:
        splits = np.concatenate([[0], np.cumsum(lengths)])
        ones = np.ones(len(items), np.float32)
        self.by_user = scipy.sparse.csr_matrix(
            (ones, items, splits), shape=(len(lengths), model.num_items)
        )
        self.by_item = self.by_user.T.tocsr()
        self.model, self.items = model, model.candidates().numpy()

    def sweep(self) -> float:
        """Takes one; returns the objective per interaction."""
        users, _, of_users = self._solved(self.by_user, self.items)
        self.items, gain, _ = self._solved(self.by_item, users)
        return (self.by_user.nnz - gain + of_users) / self.by_user.nnz

    def _solved(self, matrix: Any, vectors: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The vectors of the rows, by how much they make the loss smaller, and their penalty."""
        alpha, dim = self.model.unobserved_weight, vectors.shape[1]
        gramian, identity = alpha * vectors.T @ vectors, np.eye(dim, dtype=np.float32)
        found = np.empty([matrix.shape[0], dim], np.float32)
        gain = penalties = 0.0
        for row in range(len(found)):
            v = vectors[matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]]
            penalty = self.model.l2 * (len(v) + alpha * len(vectors)) ** self.model.l2_exponent
            left, right = v.T @ v + gramian + np.float32(penalty) * identity, v.sum(axis=0)
            found[row] = x = scipy.linalg.solve(left, right, assume_a="pos", check_finite=False)
            gain += float(x @ right)
            penalties += penalty * float(x @ x)
        return found, gain, penalties


def take_turns(contender: str, dim: int, path: str) -> None:
    """Answers with a sweep and what memory the process took so far, as often as it is asked."""
    with np.load(path) as arrays:
        items, lengths, num_items = (arrays[key] for key in ("items", "lengths", "num_items"))
    ours = Ours(items, lengths, int(num_items), dim)
    sweep = ours.sweep if contender == "ours" else Plain(items, lengths, ours.model).sweep
    answer(lambda: {**timed(sweep), "peak_mb": peak_mb()})


def scaling(sizes: list[int], dim: int, rounds: int) -> tuple[list[Any], list[Any]]:
    """What each size takes, and how many times as fast ours is."""
    found, faster = [], []
    for size in sizes:
        items, lengths, num_items = draw(size)
        arrays = {"items": items, "lengths": lengths, "num_items": num_items}
        with contextlib.ExitStack() as stack:
            turns: list[tuple[dict[str, Any], Turn]] = []
            for name in ("ours", "plain"):
                command = (sys.executable, __file__, "--contender", name, "--dim", dim, "--arrays")
                peer = stack.enter_context(peer_with(arrays, *command))
                who = {"interactions": len(items), "dim": dim, "contender": name}
                turns.append((who, peer.ask))
            found += rates(turns, len(items), rounds)
            faster += ratios(found[-2:], "interactions")
    for row, least in zip(found, found[:2] * len(sizes), strict=True):
        more = row["interactions"] - least["interactions"]
        row["seconds"] = spread([row["interactions"] / 1000 / rate for rate in row["rounds"]])
        # Thousands of interactions per second are alike where it is linear.
        row["to_linear"] = least["median"] / row["median"]
        row["bytes"] = 2**20 * (row["peak_mb"] - least["peak_mb"]) / more if more else ""
    return found, faster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, nargs="+", default=[10**n for n in (5, 6, 7)])
    parser.add_argument("--dim", type=int, default=64, help="width of the vectors")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--arrays", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.contender:
        take_turns(arguments.contender, arguments.dim, arguments.arrays)
        return
    found = about(dim=arguments.dim, rounds=arguments.rounds)
    results, ratios = scaling(sorted(arguments.interactions), arguments.dim, arguments.rounds)
    keys = ("interactions", "contender", "seconds", "to_linear", "peak_mb", "bytes", "loss")
    rows = [{k: row[k] for k in keys} | {"seconds": row["seconds"]["median"]} for row in results]
    tables = {"A sweep, as interactions grow": rows, "Ours to the plain loop": ratios}
    report(found, tables, 3, arguments.output, results=results)


if __name__ == "__main__":
    main()

"""Wide & Deep with ever larger crosses: what a training step costs, and what a process takes.

    python benchmarks/wide_growth.py --output runs/wide-growth.json

Users and items are crossed and hashed into 10^4 to 10^7 buckets; all else is the same, and drawn.
FTRL and AdaGrad, `WideDeep`'s own, move the rows of a batch; Keras's Adam sweeps the table. Each
size is a process of its own, and the sizes take turns: an epoch each round, the first not counted.
Prints milliseconds per step of 2,048, how many times those of the smallest size they are (medians
of the rounds), the most memory the process took, and bytes per bucket: `counted` are those of its
weight and what the optimizer keeps beside it, `measured` is what a process takes more than the
smallest's, temporary copies included.
"""

import argparse
import contextlib
import json
import pathlib
import sys
from typing import Any

import numpy as np
from side_by_side import Peer, Turn, about, answer, peak_mb, rates, report, spread, timed

from tfrec_zoo.data import Examples, Rows
from tfrec_zoo.features import (
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    VocabularyColumn,
)
from tfrec_zoo.models import WideDeep
from tfrec_zoo.training.training import STEPS_PER_EXECUTION

USERS, ITEMS = 6040, 3706
BATCH_SIZE = 2048
OPTIMIZERS = {"ftrl + adagrad": ("ftrl", "adagrad"), "adam": "adam"}
#: Growth that is worth measuring.
MANY = 100


class Contender:
    """A model of one size that is trained epoch by epoch.

    Args:
        sides: Of the model.
        optimizer: By the name it has in the table.
        buckets: Of the cross.
        examples: In an epoch.
    """

    def __init__(self, sides: Any, optimizer: str, buckets: int, examples: int) -> None:
        rng = np.random.default_rng(0)
        user = rng.integers(USERS, size=examples)
        item = (ITEMS * rng.random(examples) ** 3).astype(np.int64)  # Some are popular.
        ids = {"user_id": np.arange(USERS), "item_id": np.arange(ITEMS)}
        users, items = (VocabularyColumn(key, dtype="int64") for key in ids)
        cross = CrossedColumn((users, items), num_buckets=buckets)
        spec = FeatureSpec((EmbeddingColumn(users),), (EmbeddingColumn(items), cross))
        self.model = WideDeep(Features.fit(spec, ids), sides=sides, seed=0)
        self.model.compile(OPTIMIZERS[optimizer], steps_per_execution=STEPS_PER_EXECUTION)
        self.dataset = Examples(
            (Rows({"user_id": ids["user_id"]}, user), Rows({"item_id": ids["item_id"]}, item)),
            label=(rng.random(examples) < item / ITEMS).astype(np.float32),
        ).dataset(BATCH_SIZE, self.model.preprocessor, shuffle=True)
        self.buckets = buckets

    def epoch(self) -> dict[str, Any]:
        """Trains one; says what memory it took so far."""
        found = timed(lambda: self.model.fit(self.dataset, verbose=0))
        variables = {v.ref(): v for v in self.model.variables}
        variables |= {v.ref(): v for v in self.model.optimizer.variables()}
        rows = [v for v in variables.values() if v.shape[:1] == [self.buckets]]
        size = sum(int(np.prod(v.shape)) * v.dtype.size for v in rows)
        return {**found, "peak_mb": peak_mb(), "counted": size / self.buckets}


def growth(
    sides: str, optimizer: str, sizes: list[int], examples: int, rounds: int
) -> list[dict[str, Any]]:
    """What each size takes."""
    with contextlib.ExitStack() as stack:
        contenders: list[tuple[dict[str, Any], Turn]] = []
        for buckets in sizes:
            who = {"sides": sides, "optimizer": optimizer, "buckets": buckets}
            words = json.dumps({**who, "examples": examples})
            peer = Peer(sys.executable, __file__, "--contender", words)
            stack.enter_context(contextlib.closing(peer))
            contenders.append((who, peer.ask))
        steps = -(-examples // BATCH_SIZE)
        found = rates(contenders, steps, rounds)
    least, rows = found[0], []
    for (who, _), one in zip(contenders, found, strict=True):
        # Thousands of steps per second are steps per millisecond.
        times = [a / b for a, b in zip(least["rounds"], one["rounds"], strict=True)]
        more = who["buckets"] - least["buckets"]
        measured = 2**20 * (one["peak_mb"] - least["peak_mb"]) / more if more else 0.0
        rows.append(
            {
                **who,
                "ms_per_step": 1 / one["median"],
                "times": spread(times)["median"],
                "peak_mb": one["peak_mb"],
                "counted": one["counted"],
                "measured": measured if who["buckets"] >= MANY * least["buckets"] else "",
                "loss": one["loss"],
                "rounds_ms": [1 / rate for rate in one["rounds"]],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buckets", type=int, nargs="+", default=[10**n for n in (4, 5, 6, 7)])
    parser.add_argument("--examples", type=int, default=100_000, help="in an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contender", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.contender:
        answer(Contender(**arguments.contender).epoch)
        return
    given = {key: getattr(arguments, key) for key in ("examples", "rounds")}
    found = about(**given, batch_size=BATCH_SIZE)
    rows = [
        row
        for sides in ("both", "wide")
        for optimizer in OPTIMIZERS
        for row in growth(sides, optimizer, sorted(arguments.buckets), **given)
    ]
    report(found, {"A training step, as a cross grows": rows}, 2, arguments.output)


if __name__ == "__main__":
    main()

"""A training step of `YouTubeRetrieval` as the catalogue grows: full, sampled, hierarchical.

    python benchmarks/softmax_scaling.py --torch-python ENV/bin/python --output runs/softmax.json

Bags of 50 watches, item vectors of 64, a tower of 256-64, batches of 512 on drawn ids that are
encoded already; 2,000 log-uniform negatives. Sampled and hierarchical softmax are trained with
`lazy_adam`, PyTorch's with `SparseAdam`; the full ones with Adam in one kernel per weight. The full
softmax is left out where its scores and tables would not fit. With `--before CHECKOUT` the sampled
softmax of version 0.1.0 (62b2931) stands beside ours. Each contender of each size is a process of
its own, one at a time, and rounds take turns in reverse order. Prints the median of milliseconds
per step, the most memory the process took, and bytes per item beyond the smallest catalogue.
"""

import argparse
import inspect
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

import numpy as np
from side_by_side import about, peak_mb, report, say, spread, versions_in

BATCH_SIZE, HISTORY, DIM, HIDDEN, NEGATIVES = 512, 50, 64, 256, 2000
#: The largest catalogue of each contender: beyond it a step takes many seconds, or too much memory.
CONTENDERS = {
    "ours sampled": 10**7,
    "ours hierarchical": 10**7,
    "ours full": 10**6,
    "0.1.0 sampled": 10**7,
    "torch sampled": 10**7,
    "torch full": 10**5,
}
#: With it the C library asks the kernel for huge pages.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def batches(items: int, number: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Ids of histories, [number, batch, length], and of labels, [number, batch], from 1 up."""
    rng = np.random.default_rng(0)
    # Popular in proportion to one over the rank, about.
    size = [number, BATCH_SIZE, HISTORY + 1]
    ids = np.exp(rng.random(size) * np.log(items)).astype(np.int64)
    return ids[..., :-1], ids[..., -1]


def measured(step: Any, steps: int) -> dict[str, Any]:
    """Median milliseconds of a step, and memory."""
    for _ in range(5):
        step()
    found = []
    for _ in range(steps):
        begin = time.perf_counter()
        loss = step()
        found.append(1000 * (time.perf_counter() - begin))
    return {"ms": float(np.median(found)), "peak_mb": peak_mb(), "loss": float(loss)}


def ours(kind: str, items: int, steps: int) -> dict[str, Any]:
    """A process that trains ours."""
    from tfrec_zoo.features import (
        BagColumn,
        EmbeddingColumn,
        Features,
        FeatureSpec,
        Vocabulary,
        VocabularyColumn,
    )
    from tfrec_zoo.models import YouTubeRetrieval

    import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

    column = VocabularyColumn("history", dtype="int64", space="item")
    bag = BagColumn(column, HISTORY)
    spec = FeatureSpec(
        (EmbeddingColumn(bag, DIM),), (VocabularyColumn("item", dtype="int64", space="item"),)
    )
    features = Features(spec, {"item": Vocabulary(tuple(range(items)), "int64")}, {})
    negatives: dict[str, Any] = {"negatives": {"kind": "log-uniform", "number": NEGATIVES}}
    if "num_sampled" in inspect.signature(YouTubeRetrieval).parameters:  # As 0.1.0 has it.
        negatives = {"num_sampled": NEGATIVES}
    arguments: dict[str, Any] = {
        "sampled": {**negatives, "tied": True},
        "hierarchical": {"output": "hierarchical"},
        "full": {"tied": True},
    }[kind]
    model = YouTubeRetrieval(features, hidden_units=(HIDDEN, DIM), seed=0, **arguments)
    model.compile("fused_adam" if kind == "full" else "lazy_adam")
    history, label = batches(items)
    data = ({"ids": {bag.name: history.astype(np.int32)}, "values": {}}, label.astype(np.int32))
    steps_of = iter(tf.data.Dataset.from_tensor_slices(data).repeat().prefetch(4))
    train = model.make_train_function()
    return measured(lambda: train(steps_of)["loss"].numpy(), steps)


def table(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each contender and size."""
    rows = []
    for contender in CONTENDERS:
        own = [r for r in results if r["contender"] == contender]
        for items in sorted({r["items"] for r in own}):
            runs = [r for r in own if r["items"] == items]
            first = min(r["items"] for r in own)
            least = min(r["peak_mb"] for r in own if r["items"] == first)
            more = (max(r["peak_mb"] for r in runs) - least) * 2**20 / max(items - first, 1)
            rows.append(
                {
                    "contender": contender,
                    "items": items,
                    **{f"ms {k}": v for k, v in spread([r["ms"] for r in runs]).items()},
                    "peak MB": max(r["peak_mb"] for r in runs),
                    "bytes per item": more if items > first else float("nan"),
                }
            )
    return rows


def main() -> None:
    """Runs the processes, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])
    parser.add_argument(
        "--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS)
    )
    parser.add_argument("--steps", type=int, default=40, help="steps counted in each process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", help="Python of an environment with torch and numpy")
    parser.add_argument("--before", type=pathlib.Path, help="a checkout of version 0.1.0")
    parser.add_argument(
        "--huge-pages",
        action="store_true",
        help="keep all tables, PyTorch's too, on huge pages, which Linux has",
    )
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, items = arguments.one[0], int(arguments.one[1])
        print(json.dumps(ours(kind, items, arguments.steps)))
        return
    settings = {name: vars(arguments)[name] for name in ("steps", "rounds", "huge_pages")}
    head, results = about(**settings), []
    head["versions"] |= versions_in(arguments.torch_python, "torch", "numpy")
    jobs = [
        (contender, items)
        for items in arguments.items
        for contender in arguments.contenders
        if items <= CONTENDERS[contender]
        if contender.startswith("ours")
        or (arguments.before if contender.startswith("0.1.0") else arguments.torch_python)
    ]
    here = pathlib.Path(__file__)
    for turn in range(arguments.rounds):
        for contender, items in jobs if turn % 2 == 0 else reversed(jobs):
            side, kind = contender.split()
            steps = arguments.steps if items < 10**6 or kind != "full" else 5
            environment = {**os.environ, **(HUGE_PAGES if arguments.huge_pages else {})}
            if side == "torch":
                peer = here.with_name("softmax_scaling_torch.py")
                command = [arguments.torch_python, str(peer), kind, str(items)]
            else:
                command = [sys.executable, str(here), "--one", kind, str(items)]
            if side == "0.1.0":
                environment["PYTHONPATH"] = str(arguments.before.resolve())
            done = subprocess.run(
                [*command, "--steps", str(steps)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=environment,
            )
            found = json.loads(done.stdout.splitlines()[-1])
            say(f"round {turn}: {contender}, {items} items: {found['ms']:.1f} ms")
            results.append({"contender": contender, "items": items, "round": turn, **found})
    report(head, {"A training step": table(results)}, 1, arguments.output, runs=results)


if __name__ == "__main__":
    main()

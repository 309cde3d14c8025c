"""What the negatives of a retrieval model are worth, and what they cost.

    python benchmarks/negatives.py --dataset movielens/1m --data-dir DATA --output runs/negatives

Trains `YouTubeRetrieval` once for each kind of negatives and seed, all else equal, and measures it
on the test items. A run is a result file, and runs that have one are not made again. Beside hit
rate and NDCG the table has milliseconds of CPU time per training step (mining included, in a run of
its own on the trained model), and what becomes of the recommended lists of 20: their overlap with
those of the full softmax (seed by seed), the share of the catalogue in them, and how popular their
items are, from 0 for the rarest to 1.
"""

import argparse
import pathlib
import time
from typing import Any

import numpy as np
from side_by_side import about, kept, report, say

import tfrec_zoo as zoo
from tfrec_zoo.artifacts import versions
from tfrec_zoo.evaluation.nominations import nominate
from tfrec_zoo.result_cells import mean_and_deviation
from tfrec_zoo.training import fit

Negatives = zoo.Negatives
KINDS: dict[str, Negatives | None] = {
    "full": None,
    "log-uniform, all corrected": Negatives("log-uniform", correction="all"),
    "log-uniform": Negatives("log-uniform"),
    "log-uniform, known masked": Negatives("log-uniform", mask_known=True),
    "uniform": Negatives("uniform"),
    "popularity": Negatives("popularity"),
    "in-batch": Negatives("in-batch"),
    "in-batch, all corrected": Negatives("in-batch", correction="all"),
    "in-batch, uncorrected": Negatives("in-batch", correction="none"),
    "mixed": Negatives("mixed"),
    "hard": Negatives("hard"),
    "hard, the very first": Negatives("hard", temperature=0.0),
}
ARGUMENTS = {"hidden_units": (512, 128), "dropout": 0.1, "tied": True}
LIST = 20


def run(task: Any, kind: str, seed: int, epochs: int, steps: int) -> dict[str, Any]:
    """Trains, measures and times one model."""
    training = zoo.Training(epochs=epochs, seed=seed, verbose=2)
    begin = time.process_time()
    done = zoo.train("YouTubeRetrieval", task, training, negatives=KINDS[kind], **ARGUMENTS)
    seconds = time.process_time() - begin
    examples = task.examples(type(done.model), done.arguments)
    lists = nominate(done.model, examples.test, LIST)
    few = examples.train.take(np.arange(min(steps * training.batch_size, len(examples.train))))
    fit(done.model, few, zoo.Training(epochs=1, seed=seed, verbose=0))  # Traces.
    begin = time.process_time()
    fit(done.model, few, zoo.Training(epochs=1, seed=seed, verbose=0))
    milliseconds = 1000 * (time.process_time() - begin) / -(-len(few) // training.batch_size)
    return {
        "kind": kind,
        "seed": seed,
        "metrics": dict(done.metrics),
        "seconds": seconds,
        "ms": milliseconds,
        "lists": lists.tolist(),
        "protocol": done.protocol,
        "data_checksum": task.log.checksum,
        "optimizer": done.training.optimizer,
        "versions": versions(),
    }


def table(results: list[dict[str, Any]], popularity: dict[Any, float]) -> list[dict[str, Any]]:
    """A row for each kind, means over seeds and deviations."""
    lists = {(r["kind"], r["seed"]): np.array(r["lists"]) for r in results}
    rows = []
    for kind in KINDS:
        own = [r for r in results if r["kind"] == kind]
        if not own:
            continue
        row: dict[str, Any] = {"negatives": kind, "seeds": len(own)}
        for short, metric in (("HR@10", "hit_rate_at_10"), ("NDCG@10", "ndcg_at_10")):
            values = [r["metrics"][metric] for r in own]
            row[short] = mean_and_deviation(values)
        row["CPU ms per step"] = f"{np.median([r['ms'] for r in own]):.1f}"
        row["CPU seconds"] = f"{np.mean([r['seconds'] for r in own]):.0f}"
        found = [lists[kind, r["seed"]] for r in own]
        full = [lists.get(("full", r["seed"])) for r in own]
        shared = [
            np.mean([len(set(a) & set(b)) / LIST for a, b in zip(one, other, strict=True)])
            for one, other in zip(found, full, strict=True)
            if other is not None
        ]
        row["overlap with full"] = f"{np.mean(shared):.3f}" if shared else ""
        row["catalogue"] = f"{np.mean([len(np.unique(f)) for f in found]) / len(popularity):.3f}"
        of_items = [np.mean([popularity.get(i, np.nan) for i in f.ravel().tolist()]) for f in found]
        row["popularity"] = f"{np.mean(of_items):.3f}"
        rows.append(row)
    return rows


def popularity_of(task: Any) -> dict[Any, float]:
    """From 0 for the rarest item of the training rows to 1, by id."""
    items = task.log.interactions[task.log.roles.item].iloc[task.train_rows]
    ranks = items.value_counts().rank(pct=True)
    return dict(zip(ranks.index.tolist(), ranks.tolist(), strict=True))


def main() -> None:
    """Makes the runs that are missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="simulated", help="simulated, movielens/1m, …")
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200, help="steps that are timed")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the runs")
    arguments = parser.parse_args()
    name, _, version = arguments.dataset.partition("/")
    log = zoo.movielens(version, arguments.data_dir) if name == "movielens" else zoo.simulate()
    task = zoo.tasks.NextWatch(log, profile=False, example_age=False)
    head, results = about(), []
    for seed in arguments.seeds:
        for kind in arguments.kinds:
            slug = f"{arguments.dataset}-{kind}-{seed}".replace("/", "-").replace(", ", "-")
            path = arguments.output / f"{slug.replace(' ', '-')}.json"
            settings = {"kind": kind, "seed": seed, "epochs": arguments.epochs}
            settings["steps"] = arguments.steps
            say(f"{arguments.dataset}: {kind}, seed {seed}")
            found = kept(path, settings, lambda s=settings: {**head, **run(task, **s)})
            results.append(found)
    tables = {f"Negatives on {arguments.dataset}": table(results, popularity_of(task))}
    report(head, tables, 4, arguments.output / f"table-{name}.json")


if __name__ == "__main__":
    main()

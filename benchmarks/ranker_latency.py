"""Latency of the rankers: one request with a list of candidates, in one `tf.function`.

    python benchmarks/ranker_latency.py --before CHECKOUT --output runs/rankers.json

What a funnel does between retrieval and its answer: encoded features of one query and of a list of
candidates go through the model. The features are those of the clicks task on the simulator, and
the models have their defaults and the weights that they start from. Each model of each round is a
process of its own, and rounds take turns in reverse order. Prints the medians over rounds of p50
and p99, the ratio of p50 to the checkout's, and the largest difference of the scores to those of
the same pairs given as rows, of which nothing can be shared, relative to their spread.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
from typing import Any

import numpy as np
from side_by_side import about, milliseconds, report, say

MODELS = ("DeepFM", "DCNV2", "AutoInt", "FiBiNET", "xDeepFM", "DCN", "WideDeep", "DLRM",
          "DeepCrossing", "FactorizationMachine", "YouTubeRanking")  # fmt: skip


def measured(name: str, candidates: int, calls: int) -> dict[str, Any]:
    """Milliseconds of a request in this process, and how far scores are from those by row."""
    import tfrec_zoo as zoo
    from tfrec_zoo.features import raw_signature, request_arrays

    import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

    cls = zoo.registry.get(name).load()
    task = zoo.tasks.Clicks(zoo.simulate(num_users=300, num_items=1000, num_days=7))
    examples = task.examples(cls, {})
    model = cls(examples.fit_features(), seed=0)
    spec = model.features.spec
    raw = examples.train.take(np.arange(candidates)).raw(spec.raw)
    types = raw_signature(spec.raw)
    arrays = request_arrays(spec.raw, raw)
    rows = {key: tf.constant(array, types[key].dtype) for key, array in arrays.items()}
    of_query = {key: tf.repeat(rows[key][:1], candidates, axis=0) for key in spec.raw_query}
    by_row = model(model.preprocessor({**rows, **of_query})).numpy()
    lists = {key: rows[key][None] for key in spec.raw_candidate}
    encoded = model.preprocessor({**lists, **{key: rows[key][:1] for key in spec.raw_query}})
    score = tf.function(model)
    by_list = score(encoded).numpy()[0]
    times = milliseconds(lambda: score(encoded).numpy(), calls, warm_up=20)
    return {
        "fields": [len(spec.query), len(spec.candidate)],
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "difference": float(np.abs(by_list - by_row).max() / np.ptp(by_row)),
    }


def main() -> None:
    """Runs the processes, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=pathlib.Path, help="a checkout to compare with")
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one, arguments.candidates, arguments.calls)))
        return
    head = about(**{name: vars(arguments)[name] for name in ("candidates", "calls", "rounds")})
    sides = {"here": None, **({"before": arguments.before} if arguments.before else {})}
    jobs = [(model, side) for model in arguments.models for side in sides]
    results: dict[tuple[str, str], list[dict[str, Any]]] = {job: [] for job in jobs}
    for turn in range(arguments.rounds):
        for model, side in jobs if turn % 2 == 0 else reversed(jobs):
            folder = sides[side]
            path = {} if folder is None else {"PYTHONPATH": str(folder.resolve())}
            done = subprocess.run(
                [sys.executable, __file__, "--one", model,
                 "--candidates", str(arguments.candidates), "--calls", str(arguments.calls)],
                stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **path},
            )  # fmt: skip
            results[model, side].append(json.loads(done.stdout.splitlines()[-1]))
            say(f"round {turn}: {model}, {side}: {results[model, side][-1]}")
    rows = []
    for model in arguments.models:
        own = results[model, "here"]
        row: dict[str, Any] = {"model": model, "query and candidate columns": own[0]["fields"]}
        for key in ("p50_ms", "p99_ms"):
            row[key] = statistics.median(found[key] for found in own)
        if arguments.before:
            before = statistics.median(found["p50_ms"] for found in results[model, "before"])
            row.update({"before, p50_ms": before, "ratio": before / row["p50_ms"]})
        row["difference"] = max(found["difference"] for found in own)
        rows.append(row)
    runs = [{"model": m, "side": s, "runs": found} for (m, s), found in results.items()]
    tables = {f"One request with {arguments.candidates} candidates": rows}
    report(head, tables, 6, arguments.output, runs=runs)


if __name__ == "__main__":
    main()

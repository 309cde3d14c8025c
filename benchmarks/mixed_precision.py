"""Training in half precision beside single precision: seconds, and what the models are worth.

    python benchmarks/mixed_precision.py --data-dir DATA --output runs/mixed-precision

Four trainings on MovieLens-1M by `Training(mixed_precision=True)` and without, all else equal, in
turns, each in a process of its own: rankers on the task clicks (AUC), retrieval models on the task
next-watch (HR@10). On a processor with AVX512-BF16 or AMX half precision is bfloat16. A run is a
result file, and runs that have one are not made again. Prints CPU seconds and seconds of training,
the metric as mean and deviation over seeds, and the ratio of CPU seconds.
"""

import argparse
import functools
import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
from side_by_side import about, kept, report, say

#: Model, task, metric, arguments, and fields of `Training`.
CONTENDERS: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    "DeepFM": ("DeepFM", "Clicks", "auc", {}, {"epochs": 2, "batch_size": 2048}),
    "DCNV2": ("DCNV2", "Clicks", "auc", {}, {"epochs": 2, "batch_size": 2048}),
    "YouTubeRetrieval": (
        "YouTubeRetrieval",
        "NextWatch",
        "hit_rate_at_10",
        {"hidden_units": (512, 128), "dropout": 0.1, "tied": True},
        {"epochs": 2},
    ),
    "SASRec": (
        "SASRec",
        "NextWatch",
        "hit_rate_at_10",
        {"embedding_dim": 64, "max_history": 100, "dropout": 0.2},
        {"epochs": 6, "batch_size": 64},
    ),
}


def trained(contender: str, half: bool, seed: int, data_dir: str | None) -> dict[str, Any]:
    """Trains and measures one, in this process."""
    import tfrec_zoo as zoo
    from tfrec_zoo.artifacts import versions
    from tfrec_zoo.training.precision import half_precision

    model, task_name, metric, arguments, fields = CONTENDERS[contender]
    log = zoo.movielens("1m", data_dir)
    options = {"profile": False, "example_age": False} if task_name == "NextWatch" else {}
    task = getattr(zoo.tasks, task_name)(log, **options)
    training = zoo.Training(mixed_precision=half, seed=seed, verbose=2, **fields)
    with half_precision(half) as policy:
        pass
    run = zoo.train(model, task, training, **arguments)
    return {
        "policy": policy,
        "metric": metric,
        "value": run.metrics[metric],
        "statistics": dict(run.statistics),
        "protocol": run.protocol,
        "data_checksum": log.checksum,
        "versions": versions(),
    }


def table(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each training and precision."""
    from tfrec_zoo.result_cells import mean_and_deviation

    rows = []
    for contender in CONTENDERS:
        single: float | None = None
        for half in (False, True):
            own = [r for r in results if (r["contender"], r["half"]) == (contender, half)]
            if not own:
                continue
            values = [r["value"] for r in own]
            seconds = float(np.mean([r["statistics"]["cpu_seconds"] for r in own]))
            single = seconds if not half else single
            rows.append(
                {
                    "training": contender,
                    "policy": own[0]["policy"],
                    "metric": own[0]["metric"],
                    "seeds": len(own),
                    "value": mean_and_deviation(values),
                    "CPU s": seconds,
                    "s": float(np.mean([r["statistics"]["seconds"] for r in own])),
                    "ratio of CPU s": float("nan") if single is None else single / seconds,
                }
            )
    return rows


def in_a_process(
    head: dict[str, Any], contender: str, half: bool, command: list[str]
) -> dict[str, Any]:
    """Trains and measures one, in a process of its own."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    say(f"{contender}, {found['policy']}: {found['value']:.4f}")
    return {**head, **found, "contender": contender, "half": half}


def main() -> None:
    """Makes the runs that are missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument(
        "--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS)
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        contender, half, seed = arguments.one
        found = trained(contender, half == "True", int(seed), arguments.data_dir)
        print(json.dumps(found))
        return
    head, results = about(), []
    data = ["--data-dir", arguments.data_dir] if arguments.data_dir else []
    for turn, seed in enumerate(arguments.seeds):
        jobs = [(c, half) for c in arguments.contenders for half in (False, True)]
        for contender, half in jobs if turn % 2 == 0 else reversed(jobs):
            path = arguments.output / f"{contender}-{'half' if half else 'single'}-{seed}.json"
            command = [sys.executable, __file__, "--output", str(arguments.output), *data]
            command += ["--one", contender, str(half), str(seed)]
            settings = {"training": CONTENDERS[contender], "half": half, "seed": seed}
            run = functools.partial(in_a_process, head, contender, half, command)
            results.append(kept(path, settings, run))
    tables = {"Half and single precision": table(results)}
    head |= {key: results[0][key] for key in ("date", "load_at_start")}  # When it was timed.
    report(head, tables, 2, arguments.output / "table.json")


if __name__ == "__main__":
    main()

"""What the quick start exports, and what its stages are worth, on four kinds of log.

    python benchmarks/quickstart_funnels.py --data-dir DATA --output runs/quickstart-funnels.json

The simulator, MovieLens-100k (left out without DATA, where tensorflow-datasets keeps it), and two
generated logs without impressions: repeat purchases with short histories, and one to three events
per user.
"""

import argparse
import json
import pathlib
import tempfile

from generated_logs import purchases, sparse

from tfrec_zoo.artifacts import atomic_write
from tfrec_zoo.data import movielens, simulate
from tfrec_zoo.quickstart import quickstart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps MovieLens-100k")
    parser.add_argument("--only", nargs="*", help="names of logs, to leave out the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    logs = {"simulated": simulate, "purchases": purchases, "sparse": sparse}
    if arguments.data_dir:
        logs["movielens-100k"] = lambda: movielens("100k", arguments.data_dir)
    found = {}
    for name, make in logs.items():
        if arguments.only and name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = quickstart(make(), folder, arguments.seed, quiet=True)
        found[name] = result
        show(name, result)
    if arguments.output:
        atomic_write(arguments.output, json.dumps(found, indent=1) + "\n")


def show(name: str, result: dict) -> None:
    """Prints the stages side by side; a version without `shown` is measured by hit rate."""
    stages = {stage: values for stage, values in result["metrics"].items() if stage != "ranking"}
    metrics = ["hit_rate_at_10", "ndcg_at_10", "weight_at_10", "true_watch_time_at_10"]
    metrics = [m for m in metrics if any(m in values for values in stages.values())]
    print(f"\n{name}, {result.get('seconds', 0):.0f} s")
    print(f"{'':12s}" + "".join(f"{metric:>23s}" for metric in metrics))
    for stage, values in stages.items():
        cells = [f"{values[m]:23.4f}" if m in values else f"{'':23s}" for m in metrics]
        print(f"{stage:12s}" + "".join(cells))
    print(f"exported: {result.get('exported', 'funnel')}; {result.get('reason', '')}", flush=True)


if __name__ == "__main__":
    main()

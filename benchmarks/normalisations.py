"""What normalizations and vocabularies of what was clicked change for YouTubeRanking.

    python benchmarks/normalisations.py --output runs/normalisations
    python benchmarks/normalisations.py --kuairand DIR --output runs/normalisations

The same ranker is trained on the features that `impression_spec` guesses, one choice changed at a
time: numbers and counts by their plain ranks; counts and numbers with a mass at one value that is
set apart; flags of 0 and 1 kept; vocabularies of clicked impressions in place of shown ones; and
all of them. Without `--kuairand` the log is simulated; DIR is as `kuairand.py` describes it. Each
run leaves a result file in `--output`; one that is there is not run again.
"""

import argparse
import dataclasses
import json
import pathlib
from typing import Any

from kuairand import TEST_FROM

import tfrec_zoo as zoo
from tfrec_zoo.data import Log, read_kuairand, simulate
from tfrec_zoo.features import Column, FeatureSpec, InteractionColumn, NumericColumn
from tfrec_zoo.tables import markdown
from tfrec_zoo.tasks import WatchTime
from tfrec_zoo.tasks.specs import impression_spec


def _changed(spec: FeatureSpec, mass: bool, flags: bool) -> FeatureSpec:
    """A guessed spec in which masses are set apart and flags kept, or neither."""

    def column_of(column: Column) -> Column:
        if isinstance(column, InteractionColumn):
            return dataclasses.replace(column, mass=mass)
        if not isinstance(column, NumericColumn):
            return column
        if column.normalization == "min-max" and not flags:
            return NumericColumn(column.key, serving=column.serving)
        return dataclasses.replace(column, mass=column.mass and mass)

    return FeatureSpec(
        tuple(column_of(c) for c in spec.query), tuple(column_of(c) for c in spec.candidate)
    )


#: Whether masses are set apart, whether flags are kept, and what counts for vocabularies.
ROWS: dict[str, tuple[bool, bool, Any]] = {
    "plain quantiles": (False, False, "shown"),
    "mass set apart": (True, False, "shown"),
    "flags kept": (False, True, "shown"),
    "clicked vocabulary": (False, False, "clicked"),
    "all three": (True, True, "clicked"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kuairand", type=pathlib.Path, help="folder of KuaiRand-Pure")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--users", type=int, default=4000, help="of the simulated log")
    parser.add_argument("--items", type=int, default=3000, help="of the simulated log")
    arguments = parser.parse_args()
    log, test_from = _log(arguments)
    guessed = impression_spec(log, embedding_dim=16)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = []
    for row, (mass, flags, count) in ROWS.items():
        spec = _changed(guessed, mass, flags)
        task = WatchTime(log, test_from=test_from, spec=spec, count=count)
        for seed in arguments.seeds:
            name = f"{log.name}-{row.replace(' ', '-')}-{seed}.json"
            results.append({"row": row, **_result(arguments, task, row, seed, name)})
    columns = {
        "AUC": "auc",
        "GAUC": "gauc",
        "weighted per-user loss": "weighted_per_user_loss",
    }
    print(markdown(results, columns))


def _log(arguments: argparse.Namespace) -> tuple[Log, float | None]:
    if arguments.kuairand is not None:
        return read_kuairand(arguments.kuairand), TEST_FROM
    return simulate(num_users=arguments.users, num_items=arguments.items), None


def _result(
    arguments: argparse.Namespace, task: WatchTime, row: str, seed: int, name: str
) -> dict[str, Any]:
    """The result of one run, from its file if there is one."""
    path = arguments.output / name
    if not path.exists():
        training = zoo.Training(
            epochs=arguments.epochs, batch_size=512, learning_rate=0.001, seed=seed, verbose=2
        )
        run = zoo.train("YouTubeRanking", task, training, hidden_units=(128, 64), dropout=0.2)
        run.result(row=row).write(path)
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

"""What a ranking model makes of knowing who nominated a candidate, at which rank and score.

    python benchmarks/nominators.py --output runs/nominators
    python benchmarks/nominators.py --dataset movielens/1m --data-dir DATA --output runs/nominators

The two stages of the quick start, with four sources: YouTubeRetrieval, EASE, iALS and Popularity.
All nominate, and the same candidates are ranked, by ranking models that differ in what they read:
the scores and reciprocal ranks of all sources and their names ("all"), the score of the first
source ("first score"), or nothing of nominations ("none"). What they learn from is scored out of
fold. The table has what they are worth on the test impressions (AUC, and AUC within pages), what
the lists of both stages are worth at the test moments, and beside them the first source alone
("first source, not ranked"). A run is a result file, and runs that have one are not made again.
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import time
from typing import Any

import numpy as np
from side_by_side import about, markdown, say

import tfrec_zoo as zoo
from tfrec_zoo import registry
from tfrec_zoo.artifacts import atomic_write, versions
from tfrec_zoo.data.nominated import NOMINATED, is_nomination_key, score_key
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.folds import train_folds
from tfrec_zoo.quickstart import ranking_task, retrieval_settings, retrieval_task
from tfrec_zoo.serving import Funnel
from tfrec_zoo.stages import measure_stages
from tfrec_zoo.trainer import Trainer
from tfrec_zoo.training import fit

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

#: The first is trained as in the quick start, the others as they are by default.
SOURCES = {
    "retrieval": "YouTubeRetrieval",
    "ease": "EASE",
    "ials": "iALS",
    "popularity": "Popularity",
}
VARIANTS = ("all", "first score", "none", "first source, not ranked")
METRICS = {
    "AUC": ("ranking", "auc"),
    "GAUC": ("ranking", "gauc"),
    "HR@10": ("lists", "hit_rate_at_10"),
    "NDCG@10": ("lists", "ndcg_at_10"),
    "weight@10": ("lists", "weight_at_10"),
    "true watch time@10": ("lists", "true_watch_time_at_10"),
}


class Trained:
    """What all variants of a seed have in common, trained when it is asked for.

    Args:
        log: The log.
        seed: The seed.
        ranker: Class of the ranking model.
    """

    def __init__(self, log: Any, seed: int, ranker: Any) -> None:
        self.log, self.seed, self.ranker = log, seed, ranker
        self.task, self.rows = retrieval_task(log, seed)

    def _settings(self, name: str) -> tuple[Any, dict[str, Any]]:
        training = zoo.Training(seed=self.seed, verbose=0)
        if name == "retrieval":
            return retrieval_settings(self.log, self.rows, training)
        return training, {}

    @functools.cached_property
    def sources(self) -> dict[str, Any]:
        """The sources by name."""
        found = {}
        for name, model in SOURCES.items():
            say(f"  {model}")
            training, arguments = self._settings(name)
            cls = registry.get(model).load()
            found[name] = Trainer().fit(cls, self.task, training, arguments).model
        return found

    @functools.cached_property
    def ranking(self) -> Any:
        """What the ranking models learn."""
        folds = {}
        for name, source in self.sources.items():
            say(f"  {SOURCES[name]}, out of fold")
            folds[name] = train_folds(source, self.task, self._settings(name)[0])
        return ranking_task(self.log, self.rows, self.sources, folds)

    @functools.cached_property
    def examples(self) -> Any:
        """The impressions that they learn from and are measured on."""
        say("  nominations")
        return self.ranking.examples(self.ranker, self.ranker.quick_arguments)

    def parts(self) -> list[Any]:
        """The moments to validate and to test lists at."""
        first = self.sources["retrieval"]
        tasks = (self.task.validating(), self.task)
        return [task.examples(type(first), first.get_config()).test for task in tasks]


def spec_of(spec: FeatureSpec, variant: str) -> FeatureSpec:
    """The features of a variant."""
    first = score_key(next(iter(SOURCES)))

    def is_kept(column: Any) -> bool:
        keys = FeatureSpec((), (column,)).raw
        told = [key for key in keys if is_nomination_key(key)]
        return variant == "all" or not told or (variant == "first score" and told == [first])

    return FeatureSpec(spec.query, tuple(c for c in spec.candidate if is_kept(c)))


def run(trained: Trained, variant: str, epochs: int) -> dict[str, Any]:
    """Trains and measures one ranking model."""
    sources, ranking, metrics = trained.sources, None, {}
    begin = time.perf_counter()
    protocol = trained.task.protocol
    if variant in VARIANTS[:3]:
        task, given = trained.ranking, trained.examples
        given = dataclasses.replace(given, spec=spec_of(given.spec, variant))
        arguments = {**task.arguments(trained.ranker), **trained.ranker.quick_arguments}
        begin = time.perf_counter()
        tf.keras.utils.set_random_seed(trained.seed)
        ranking = trained.ranker(given.fit_features(), **arguments)
        fit(ranking, given.train, zoo.Training(epochs=epochs, seed=trained.seed, verbose=0))
        metrics["ranking"] = dict(task.measure(ranking, given.test))
        protocol += f"; ranking: {task.protocol}"
    else:
        sources = {"retrieval": sources["retrieval"]}
    seconds = time.perf_counter() - begin
    funnel = Funnel(sources, ranking, trained.log, num_candidates=NOMINATED, k=20)
    measured = measure_stages({variant: funnel}, trained.log, trained.rows, *trained.parts())
    metrics["lists"] = measured.test[variant]
    return {
        "variant": variant,
        "seed": trained.seed,
        "metrics": metrics,
        "seconds": seconds,
        "protocol": protocol,
        "ranker": trained.ranker.__name__,
        "data_checksum": trained.log.checksum,
        "versions": versions(),
    }


def table(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each variant, means over seeds and deviations."""
    rows = []
    for variant in VARIANTS:
        own = [r for r in results if r["variant"] == variant]
        if not own:
            continue
        row: dict[str, Any] = {"ranked by": variant, "seeds": len(own)}
        for short, (part, metric) in METRICS.items():
            of_all = [r["metrics"].get(part, {}).get(metric) for r in results]
            if not any(of_all):
                continue
            values = [r["metrics"].get(part, {}).get(metric) for r in own]
            digits = 2 if max(value or 0 for value in of_all) > 10 else 4
            row[short] = ""
            if None not in values:
                row[short] = f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"
        rows.append(row)
    return rows


def main() -> None:
    """Makes the runs that are missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="simulated", help="simulated, movielens/1m, …")
    parser.add_argument("--users", type=int, help="of the simulated log, in place of its own")
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2, help="of the ranking model")
    parser.add_argument("--ranker", default="YouTubeRanking", help="any that reads features")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the runs")
    arguments = parser.parse_args()
    name, _, version = arguments.dataset.partition("/")
    if name == "movielens":
        log = zoo.movielens(version, arguments.data_dir)
    else:
        log = zoo.simulate(**({"num_users": arguments.users} if arguments.users else {}))
    ranker = registry.get(arguments.ranker).load()
    arguments.output.mkdir(parents=True, exist_ok=True)
    head, results = about(), []
    for seed in arguments.seeds:
        trained = Trained(log, seed, ranker)
        for variant in arguments.variants:
            size = arguments.users or ""
            slug = f"{arguments.dataset}{size}-{arguments.ranker}-{variant}-{seed}"
            slug = slug.replace("/", "-").replace(", ", "-").replace(" ", "-")
            path = arguments.output / f"{slug}.json"
            if not path.is_file():
                say(f"{arguments.dataset}: {variant}, seed {seed}")
                found = run(trained, variant, arguments.epochs)
                atomic_write(path, json.dumps({**head, **found}, indent=1) + "\n")
            results.append(json.loads(path.read_text(encoding="utf-8")))
    print(markdown(table(results), 4))


if __name__ == "__main__":
    main()

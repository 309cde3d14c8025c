"""Quick start: both stages trained, measured, exported as one funnel, and asked."""

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfrec_zoo import registry
from tfrec_zoo.artifacts import atomic_write
from tfrec_zoo.data import Catalogue, Examples, Log
from tfrec_zoo.evaluation import Result, evaluate_funnel, funnel_request
from tfrec_zoo.runs import train
from tfrec_zoo.serving import Funnel, export
from tfrec_zoo.tasks import NextWatch, WatchTime
from tfrec_zoo.training import Training

#: A program that needs TensorFlow alone; quickstart runs it and leaves it beside the funnel.
RECOMMEND = '''"""Asks the exported funnel for recommendations; needs TensorFlow, not tfrec_zoo."""

import json
import pathlib

import tensorflow as tf

here = pathlib.Path(__file__).parent
funnel = tf.saved_model.load(str(here / "funnel"))
recommend = funnel.signatures["serving_default"]
specs = recommend.structured_input_signature[1]
titles = json.loads((here / "titles.json").read_text())

for request in json.loads((here / "requests.json").read_text()):
    answer = recommend(**{key: tf.constant([value], specs[key].dtype, [1, len(value)] if
                          isinstance(value, list) else [1]) for key, value in request.items()})
    watched = [title for title in map(titles.get, request["history"][-3:]) if title]
    print("\\nlast watched:", "; ".join(watched) or "nothing yet")
    for item, score in list(zip(answer["ids"][0].numpy(), answer["scores"][0].numpy()))[:5]:
        item = item.decode() if isinstance(item, bytes) else str(item)
        print(f"  {score:9.3f}  {titles[item]}")
'''


def quickstart(
    log: Log,
    output: str | pathlib.Path,
    seed: int = 0,
    quiet: bool = False,
    ranker: str = "YouTubeRanking",
) -> dict[str, Any]:
    """Trains retrieval and ranking on a log, and leaves a funnel that answers requests.

    Args:
        log: The log. Without impressions, each interaction is shown beside sampled items.
        output: Folder for `funnel` (the SavedModel), `result.json`, and a program that asks it.
        seed: Seed of all random numbers.
        quiet: Whether to print nothing.
        ranker: Name of the ranking model; any that reads features.

    Returns:
        The contents of `result.json`.
    """
    begin = time.perf_counter()
    ranker_class = registry.get(ranker).load()
    if (ranker_class.family, ranker_class.reads) != ("ranking", "features"):
        raise ValueError(
            f"`ranker` must be a ranking model of features; see: tfrec-zoo list. Received: {ranker}"
        )
    output = pathlib.Path(output)
    # An unusable folder is found now, not after the training.
    output.mkdir(parents=True, exist_ok=True)
    verbose = 0 if quiet else 1 if sys.stdout.isatty() else 2

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    has_impressions = log.impressions is not None
    by_time: Any = {"split": "time", "validation_fraction": 0.0, "test_fraction": 0.15}
    next_watch = NextWatch(log, example_age=has_impressions, **(by_time if has_impressions else {}))
    say(f"{log.name}: {len(log.users)} users, {len(log.items)} items, "
        f"{len(log.interactions)} interactions; {next_watch.rows.protocol}")  # fmt: skip

    say("\nCandidate generation")
    popularity = train("Popularity", next_watch, Training(seed=seed, verbose=0))
    retrieval = train(
        "YouTubeRetrieval",
        next_watch,
        Training(epochs=6, seed=seed, verbose=verbose),
        hidden_units=(256, 64),
        tied=True,
        dropout=0.2,
    )

    say("\nRanking")
    watch_time = _ranking_task(next_watch, retrieval.model)
    ranking = train(
        ranker,
        watch_time,
        Training(epochs=2, seed=seed, verbose=verbose),
        **ranker_class.quick_arguments,
    )

    say("\nExporting the funnel")
    sources = {"retrieval": retrieval.model, "popularity": popularity.model}
    funnel = Funnel(sources, ranking.model, log, num_candidates=100, k=20)
    test = next_watch.examples(type(retrieval.model)).test
    metrics = {
        "popularity": popularity.metrics,
        "retrieval": retrieval.metrics,
        "funnel": evaluate_funnel(funnel, test),
        "ranking": ranking.metrics,
    }
    result = Result(
        model="Funnel",
        task=next_watch.name,
        metrics=metrics,
        dataset=log.name,
        data_checksum=log.checksum,
        checksum=next_watch.checksum,
        protocol=f"{next_watch.protocol}; ranking: {watch_time.protocol}",
        seed=seed,
        config={"ranker": ranker},
    ).to_dict()
    export(funnel, output / "funnel", result)
    requests = _requests(funnel, test, 3)
    result["seconds"] = round(time.perf_counter() - begin, 1)
    atomic_write(output / "result.json", json.dumps(result, indent=1) + "\n")
    atomic_write(output / "requests.json", json.dumps(requests, indent=1) + "\n")
    atomic_write(output / "titles.json", json.dumps(_titles(log), indent=1) + "\n")
    atomic_write(output / "recommend.py", RECOMMEND)
    say(f"\n{_table(metrics)}")

    say("\nAsking the exported funnel in a process of its own")
    answer = subprocess.run(
        [sys.executable, str(output / "recommend.py")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if answer.returncode:
        raise RuntimeError(f"{output / 'recommend.py'} failed: {answer.stderr.strip()}")
    say(answer.stdout)
    say(f"{result['seconds']:.0f} s. Written to {output}: funnel (a SavedModel), result.json, and "
        f"recommend.py, which asks the funnel with TensorFlow alone.\n"
        f"Next: tfrec-zoo recommend {output}/funnel --request '{{\"history\": []}}'\n"
        f"      tfrec-zoo train YouTubeRetrieval --dataset FOLDER --output DIR   "
        f"(a folder with your own interactions.parquet)")  # fmt: skip
    return result


def _ranking_task(next_watch: NextWatch, retrieval: Any) -> WatchTime:
    """What the ranker learns: impressions before the test watches, scored by retrieval."""
    log, split = next_watch.log, next_watch.rows
    if log.impressions is None:
        return WatchTime(log, split=split, retrieval=retrieval)
    test_from = log.interactions[log.roles.time].to_numpy()[split.test].min()
    return WatchTime(log, test_from=float(test_from), retrieval=retrieval)


def _requests(funnel: Funnel, test: Examples, number: int) -> list[dict[str, Any]]:
    """Requests of the users of some test examples, and of a new user, as JSON values."""
    part = test.take(np.linspace(0, len(test) - 1, number).astype(np.int64))
    arrays = {key: value.numpy() for key, value in funnel_request(funnel, part).items()}
    requests = []
    for row in range(number):
        request: dict[str, Any] = {}
        for key, values in arrays.items():
            value = values[row]
            if funnel.request[key].is_bag:
                kept = [v for v in value.tolist() if v not in (b"", -1)]
                request[key] = [v.decode() if isinstance(v, bytes) else v for v in kept]
            else:
                value = value.item() if isinstance(value, np.generic) else value
                request[key] = value.decode() if isinstance(value, bytes) else value
        requests.append(request)
    new = {key: [] if funnel.request[key].is_bag else value for key, value in requests[0].items()}
    return [*requests, new]


def _titles(log: Log) -> dict[str, str]:
    catalogue = Catalogue.of(log)
    titles = catalogue.ids if catalogue.titles is None else catalogue.titles
    return dict(zip(map(str, catalogue.ids), map(str, titles), strict=True))


def _table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    names = ("hit_rate_at_10", "hit_rate_at_50", "ndcg_at_10")
    lines = [f"{'':12s}" + "".join(f"{name:>16s}" for name in names)]
    for row in ("popularity", "retrieval", "funnel"):
        cells = [f"{metrics[row][n]:16.4f}" if n in metrics[row] else f"{'':16s}" for n in names]
        lines.append(f"{row:12s}" + "".join(cells))
    ranking = "  ".join(f"{name} {value:.4f}" for name, value in metrics["ranking"].items())
    return "\n".join([*lines, f"{'ranking':12s}{ranking}"])

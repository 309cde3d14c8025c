"""Quick start: both stages trained, measured, exported as one funnel, and asked."""

import dataclasses
import inspect
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo import recipes, registry
from tfrec_zoo.artifacts import write_whole
from tfrec_zoo.data import (
    Examples,
    Log,
    Split,
    by_time,
    impression_examples,
    leave_last_out,
    next_watch_examples,
    sampled_impressions,
)
from tfrec_zoo.evaluation import Result, full_ranking, pointwise
from tfrec_zoo.features import raw_signature, request_arrays
from tfrec_zoo.metrics import NDCG, HitRate
from tfrec_zoo.models import Popularity, RankingModel, RetrievalModel, YouTubeRetrieval
from tfrec_zoo.serving import Funnel, export
from tfrec_zoo.training import Training, fit

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
        seed: Of everything.
        quiet: Whether to print nothing.
        ranker: Name of the ranking model; any that reads features.

    Returns:
        The contents of `result.json`.
    """
    begin = time.perf_counter()
    entry = registry.get(ranker)
    if (entry.family, entry.reads) != ("ranking", "features"):
        raise ValueError(
            f"`ranker` must be a ranking model of features; see: tfrec-zoo list. Received: {ranker}"
        )
    output = pathlib.Path(output)
    # An unusable folder is found now, not after the training.
    output.mkdir(parents=True, exist_ok=True)
    tf.keras.utils.set_random_seed(seed)
    verbose = 0 if quiet else 1 if sys.stdout.isatty() else 2

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    has_impressions = log.impressions is not None
    split = by_time(log, 0.0, 0.15) if has_impressions else leave_last_out(log)
    say(f"{log.name}: {len(log.users)} users, {len(log.items)} items, "
        f"{len(log.interactions)} interactions; {split.protocol}")  # fmt: skip

    say("\nCandidate generation")
    train = next_watch_examples(log, split.train)
    test = next_watch_examples(log, split.test, serving=True)
    features = train.fit_features(
        recipes.retrieval_spec(log, example_age=has_impressions, embedding_dim=64)
    )
    popularity = Popularity(features, name="popularity")
    fit(popularity, train, Training(seed=seed, verbose=0))
    retrieval = YouTubeRetrieval(features, hidden_units=(256, 64), tied=True, dropout=0.2,
                                 seed=seed)  # fmt: skip
    fit(retrieval, train, Training(epochs=6, seed=seed, verbose=verbose))

    say("\nRanking")
    ranking, ranking_metrics = _train_ranking(ranker, log, split, retrieval, seed, verbose)

    say("\nExporting the funnel")
    sources = {"retrieval": retrieval, "popularity": popularity}
    funnel = Funnel(sources, ranking, log, num_candidates=100, k=20)
    metrics = {
        "popularity": full_ranking(popularity, test),
        "retrieval": full_ranking(retrieval, test),
        "funnel": _evaluate_funnel(funnel, test, log),
        "ranking": ranking_metrics,
    }
    result = Result.of(
        log,
        model="Funnel",
        metrics=metrics,
        protocol=f"{split.protocol}, full ranking, seen items masked",
        seed=seed,
        config={"ranker": ranker},
    ).to_config()
    export(funnel, output / "funnel", result)
    requests = _requests(funnel, test, 3)
    result["seconds"] = round(time.perf_counter() - begin, 1)
    write_whole(output / "result.json", json.dumps(result, indent=1) + "\n")
    write_whole(output / "requests.json", json.dumps(requests, indent=1) + "\n")
    write_whole(output / "titles.json", json.dumps(_titles(log), indent=1) + "\n")
    write_whole(output / "recommend.py", RECOMMEND)
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


def _train_ranking(
    name: str, log: Log, split: Split, retrieval: RetrievalModel, seed: int, verbose: int
) -> tuple[RankingModel, dict[str, float]]:
    """Trains the ranker on impressions before the test, each with its score from retrieval."""
    shown = log
    if log.impressions is None:
        nominated = _nominate(retrieval, next_watch_examples(log, np.arange(len(log.interactions))))
        sampled = sampled_impressions(log, seed=seed, nominated=nominated)
        shown = dataclasses.replace(log, impressions=sampled)
        # Pages are rows of the interactions.
        page = sampled[log.roles.page].to_numpy()
        is_train, is_test = np.isin(page, split.train), np.isin(page, split.test)
    else:
        time = log.impressions[log.roles.time].to_numpy()
        is_test = time >= log.interactions[log.roles.time].to_numpy()[split.test].min()
        is_train = ~is_test
    spec = recipes.ranking_spec(
        shown, candidate_score=True, previous_impressions=log.impressions is not None,
        embedding_dim=recipes.declared_width(name),
    )  # fmt: skip
    train, test = (
        _scored(impression_examples(shown, np.flatnonzero(part)), retrieval)
        for part in (is_train, is_test)
    )
    item = retrieval.item_column.space
    features = train.fit_features(spec, {item: retrieval.features.vocabularies[item]})
    cls = registry.get(name).load()
    small = {"hidden_units": (128, 64), "dropout": 0.1}
    taken = {key: small[key] for key in small if key in inspect.signature(cls).parameters}
    model = cls(features, seed=seed, **taken)
    fit(model, train, Training(epochs=2, seed=seed, verbose=verbose))
    return model, pointwise(model, test)


def _nominate(retrieval: RetrievalModel, examples: Examples, k: int = 100) -> np.ndarray:
    """The [examples, k] items that retrieval puts first."""
    dataset = examples.dataset(4096, retrieval.preprocessor)
    tokens = retrieval.features.vocabularies[retrieval.item_column.space].array()

    @tf.function(input_signature=[dataset.element_spec[0]])
    def best(features: Any) -> tf.Tensor:
        return tf.math.top_k(retrieval.scores(features), min(k, len(tokens))).indices

    return tokens[np.concatenate([best(features).numpy() for features, *_ in dataset])]


def _scored(examples: Examples, retrieval: RetrievalModel) -> Examples:
    """Adds `candidate_score`, the retrieval score of each impression's item."""
    key = retrieval.item_column.key
    candidates = tf.pad(retrieval.candidates(), [[1, 0], [0, 0]])
    dataset = examples.dataset(4096, retrieval.preprocessor)

    @tf.function(input_signature=[dataset.element_spec[0]])
    def score(features: Any) -> tf.Tensor:
        ids = features["ids"][key]
        scores = tf.reduce_sum(retrieval(features) * tf.gather(candidates, ids), axis=-1)
        # An item that retrieval doesn't know has no score.
        return tf.where(ids > 0, scores, float("nan"))

    scores = np.concatenate([score(features).numpy() for features, *_ in dataset])
    return examples.with_features({"candidate_score": scores})


def _evaluate_funnel(funnel: Funnel, test: Examples, log: Log) -> dict[str, float]:
    """Hit rate and NDCG of what the funnel returns, on at most 2,000 test examples."""
    part = test.take(np.linspace(0, len(test) - 1, min(len(test), 2000)).astype(np.int64))
    metrics = [HitRate(10), NDCG(10)]
    serve = tf.function(funnel.serve, reduce_retracing=True)
    for rows in np.array_split(np.arange(len(part)), -(-len(part) // 200)):
        batch = part.take(rows)
        ids = serve(**_tensors(funnel, batch))["ids"].numpy()
        if ids.dtype == object:
            ids = np.char.decode(ids.astype("S"), "utf-8")
        is_hit = ids == batch.label[:, None]
        ranks = np.where(is_hit.any(axis=1), is_hit.argmax(axis=1), 10**6)
        for metric in metrics:
            metric.update_ranks(tf.constant(ranks, tf.int32))
    return {metric.name: float(metric.result()) for metric in metrics}


def _tensors(funnel: Funnel, examples: Examples) -> dict[str, tf.Tensor]:
    """Examples as a request to the funnel."""
    raw = examples.raw(funnel.request)
    if "history" in raw and examples.seen is not None:
        # The whole history, so that nothing seen is recommended.
        longest = max(int((examples.seen.stop - examples.seen.start).max(initial=1)), 1)
        whole = dataclasses.replace(examples.seen, length=longest)
        exclude = Examples((whole,), examples.label).raw()["history"]
        raw["exclude"] = exclude
    specs = raw_signature(funnel.request)
    arrays = request_arrays(funnel.request, raw)
    return {key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}


def _requests(funnel: Funnel, test: Examples, number: int) -> list[dict[str, Any]]:
    """Requests of the users of some test examples, and of a new user, as JSON values."""
    part = test.take(np.linspace(0, len(test) - 1, number).astype(np.int64))
    arrays = {key: value.numpy() for key, value in _tensors(funnel, part).items()}
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
    ids = log.items[log.roles.item].astype(str)
    names = log.items["title"] if "title" in log.items else ids
    return dict(zip(ids, pd.Series(names).astype(str), strict=True))


def _table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    names = ("hit_rate_at_10", "hit_rate_at_50", "ndcg_at_10")
    lines = [f"{'':12s}" + "".join(f"{name:>16s}" for name in names)]
    for row in ("popularity", "retrieval", "funnel"):
        cells = [f"{metrics[row][n]:16.4f}" if n in metrics[row] else f"{'':16s}" for n in names]
        lines.append(f"{row:12s}" + "".join(cells))
    ranking = "  ".join(f"{name} {value:.4f}" for name, value in metrics["ranking"].items())
    return "\n".join([*lines, f"{'ranking':12s}{ranking}"])

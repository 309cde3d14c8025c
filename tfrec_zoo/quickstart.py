"""Quick start: stages trained, measured side by side, and the best exported and asked."""

import dataclasses
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
from tfrec_zoo.client_program import write_client
from tfrec_zoo.data import Log, Split, by_time, leave_last_out, leave_random_out
from tfrec_zoo.evaluation import Result, choose_stage, evenly_spaced
from tfrec_zoo.folds import train_folds
from tfrec_zoo.generations import next_generation, require_own
from tfrec_zoo.models import RetrievalModel
from tfrec_zoo.plots import require_matplotlib
from tfrec_zoo.reports import FIGURES, quickstart_report
from tfrec_zoo.serving import Funnel, export
from tfrec_zoo.stages import (
    TEST_EXAMPLES,
    TRUE_WATCH_TIME,
    Measured,
    measure_stages,
    with_validation_users,
)
from tfrec_zoo.tasks import Choice, ItemTask, NextWatch, WatchTime
from tfrec_zoo.training import Training
from tfrec_zoo.training.large_tables import suited_negatives
from tfrec_zoo.training.resuming import unfinished
from tfrec_zoo.training.runs import Run, train
from tfrec_zoo.training.trainer import Trainer

#: Interactions to train on from which on batches are large.
_LONG = 250_000
#: Interactions that are passed over in all, at most, when retrieval is trained.
_PASSES = 2_000_000
#: What is replaced together.
_PARTS = (
    "funnel",
    "recommend.py",
    "report.html",
    "requests.json",
    "result.json",
    "titles.json",
)
#: Scores that are worked out, at most, to nominate what the ranker is trained on.
_NOMINATION_SCORES = 10**10


def quickstart(
    log: Log,
    output: str | pathlib.Path,
    seed: int = 0,
    quiet: bool = False,
    ranker: str = "YouTubeRanking",
    resume: bool = False,
    plot: bool = False,
) -> dict[str, Any]:
    """Trains retrieval and ranking on a log, and leaves the better of them, ready to be asked.

    Popularity, retrieval and both stages together are measured on the same examples. Retrieval is
    exported, unless on the validation users another is better by more than chance, and the result
    says why.

    Args:
        log: The log. Without impressions, each interaction is shown beside sampled items; without
            times, nothing is ranked, because that needs the order of events.
        output: Folder for `funnel` (the SavedModel), `result.json`, `report.html`, and a program
            that asks it.
        seed: Seed of all random numbers.
        quiet: Whether to print nothing.
        ranker: Name of the ranking model; any that reads features.
        resume: Whether to go on from what one that was killed left in `output`.
        plot: Whether to write the figures of the report as PNG files as well, in `figures`.

    Returns:
        The contents of `result.json`. `exported` names the stage, `reason` says why it is, `shown`
        names the metric by which it is, and `validation` holds that of each stage.
    """
    if plot:
        require_matplotlib()
    ranker_class = registry.get(ranker).load()
    if ranker != "YouTubeRanking" and not log.has_times:
        raise ValueError(
            "`ranker` ranks what the order of events is known of, and nothing is ranked of a log "
            f"without times: leave it out, or name the column of the times. Received: {ranker!r}"
        )
    if (ranker_class.family, ranker_class.reads) != ("ranking", "features"):
        raise ValueError(
            f"`ranker` must be a ranking model of features; see: tfrec-zoo list. Received: {ranker}"
        )
    output = pathlib.Path(output)
    # An unusable folder is found now, not after the training.
    require_own(output, (*_PARTS, FIGURES) if plot else _PARTS)
    with unfinished(output, resume) as state:
        return _quickstart(log, output, seed, quiet, ranker_class, state, plot)


def _quickstart(
    log: Log,
    output: pathlib.Path,
    seed: int,
    quiet: bool,
    ranker_class: Any,
    state: str,
    plot: bool,
) -> dict[str, Any]:
    begin = time.perf_counter()
    verbose = 0 if quiet else 1 if sys.stdout.isatty() else 2

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    task, rows = retrieval_task(log, seed)
    say(f"{log.name}: {len(log.users)} users, {len(log.items)} items, "
        f"{len(log.interactions)} interactions; {rows.protocol}")  # fmt: skip

    say("\nCandidate generation")
    popularity = Trainer().fit(
        registry.get("Popularity").load(), task, Training(seed=seed, verbose=0), {}
    )
    given = Training(seed=seed, verbose=verbose, checkpoint_dir=state)
    training, arguments = retrieval_settings(log, rows, given)
    retrieval_class = registry.get("YouTubeRetrieval").load()
    arguments = suited_negatives(retrieval_class, arguments, task.num_items)
    fitted = Trainer().fit(retrieval_class, task, training, arguments)
    retrieval, histories = fitted.model, {"retrieval": fitted.history}
    stages = {
        name: Funnel({name: model}, None, log, num_candidates=100, k=20)
        for name, model in (("popularity", popularity.model), ("retrieval", retrieval))
    }

    ranking: Run | None = None
    if isinstance(task, NextWatch):
        say(
            "\nCandidate generation without half of the users, twice: what the ranker is trained on"
        )
        sources = {"retrieval": retrieval, "popularity": popularity.model}
        folds = {
            "retrieval": train_folds(retrieval, task, training),
            "popularity": train_folds(popularity.model, task, Training(seed=seed, verbose=0)),
        }
        say("\nRanking")
        ranking = train(
            ranker_class,
            ranking_task(log, rows, sources, folds),
            dataclasses.replace(given, epochs=2),
            **ranker_class.quick_arguments,
        )
        histories["ranking"] = ranking.history
        stages["funnel"] = Funnel(sources, ranking.model, log, num_candidates=100, k=20)
    else:
        say("\nNothing is ranked: ranking needs the order of events, and this log has no times.")

    say("\nMeasuring")
    test = task.examples(type(retrieval), arguments).test
    validation = task.validating().examples(type(retrieval), arguments).test
    measured = measure_stages(stages, log, rows, validation, test)
    metric = _shown_metric(measured, ranking)
    choice = choose_stage(measured.validation[metric], metric, first="retrieval")
    result = _result(task, log, measured, ranking, seed, ranker_class.__name__)
    result.update(shown=metric, exported=choice.name, reason=choice.reason)
    result["validation"] = {
        name: float(value.mean()) for name, value in measured.validation[metric].items()
    }

    exported = stages[choice.name]
    with next_generation(output, optional=[FIGURES]) as folder:
        export(exported, folder / "funnel", result)
        write_client(folder, exported, log, test)
        result["seconds"] = round(time.perf_counter() - begin, 1)
        atomic_write(folder / "result.json", json.dumps(result, indent=1) + "\n")
        judged = () if ranking is None else (ranking.outcomes, ranking.model.predicts)
        quickstart_report(result, histories, *judged).write(folder, plot)
    say(f"\n{_table(result['metrics'])}\n\nExported: {choice.name}, by {choice.reason}")

    say("\nAsking the exported model in a process of its own")
    say(_ask(output / "recommend.py"))
    say(f"{result['seconds']:.0f} s. Written to {output}: funnel (a SavedModel), result.json, "
        f"report.html, to be opened in a browser, and recommend.py, which asks the funnel with "
        f"TensorFlow alone.\n"
        f"Next: tfrec-zoo recommend {output}/funnel --request '{{\"history\": []}}'\n"
        f"      tfrec-zoo train YouTubeRetrieval --dataset FOLDER --output DIR   "
        f"(a folder with your own interactions.parquet)")  # fmt: skip
    return result


def retrieval_task(log: Log, seed: int) -> tuple[ItemTask, Split]:
    """What candidate generation learns, and the rows that it is trained and measured on."""
    if not log.has_times:
        rows = with_validation_users(log, leave_random_out(log, seed))
        return Choice(log, split=rows), rows
    has_impressions = log.impressions is not None
    split = by_time(log, 0.0, 0.15) if has_impressions else leave_last_out(log)
    rows = with_validation_users(log, split)
    return NextWatch(log, split=rows, example_age=has_impressions), rows


def retrieval_settings(
    log: Log, rows: Split, training: Training
) -> tuple[Training, dict[str, Any]]:
    """How retrieval is trained: in minutes, however many items and interactions there are."""
    arguments: dict[str, Any] = {"hidden_units": (256, 64), "tied": True, "dropout": 0.2}
    epochs = int(np.clip(_PASSES // max(len(rows.train), 1), 1, 6))
    # A short log makes too few steps of large batches.
    batch_size = 256 if len(rows.train) < _LONG else training.batch_size
    training = dataclasses.replace(training, epochs=epochs, batch_size=batch_size)
    return training, arguments


def ranking_task(
    log: Log,
    rows: Split,
    sources: dict[str, RetrievalModel],
    folds: dict[str, tuple[RetrievalModel, ...]],
) -> WatchTime:
    """What the ranker learns: what was chosen of what was shown, or nominated, before the test."""
    if log.impressions is not None:
        tested = np.union1d(rows.validation, rows.test)
        test_from = float(log.interactions[log.roles.time].to_numpy()[tested].min())
        return WatchTime(log, test_from=test_from, sources=sources, fold_models=folds)
    scores = sum(source.num_items for source in sources.values())
    limit = int(np.clip(_NOMINATION_SCORES // scores, 5_000, 200_000))

    def some(part: np.ndarray, size: int) -> np.ndarray:
        return part[evenly_spaced(len(part), size)]

    split = Split(
        some(rows.train, limit),
        some(rows.validation, TEST_EXAMPLES),
        some(rows.test, TEST_EXAMPLES),
        rows.protocol,
    )
    return WatchTime(log, split=split, sources=sources, fold_models=folds)


def _shown_metric(measured: Measured, ranking: Run | None) -> str:
    """What the stages are compared by: watch time where that is what the ranker predicts."""
    if ranking is not None and ranking.model.predicts == "watch time":
        for metric in (TRUE_WATCH_TIME, "weight_at_10"):
            if metric in measured.validation:
                return metric
    return "hit_rate_at_10"


def _result(
    task: ItemTask, log: Log, measured: Measured, ranking: Run | None, seed: int, ranker: str
) -> dict[str, Any]:
    metrics = dict(measured.test)
    protocol = f"{task.protocol}; at most {TEST_EXAMPLES} test examples, evenly spaced"
    if ranking is not None:
        metrics["ranking"] = dict(ranking.metrics)
        protocol += f"; ranking: {ranking.task.protocol}"
    return Result(
        model="Funnel",
        task=task.name,
        metrics=metrics,
        dataset=log.name,
        data_checksum=log.checksum,
        checksum=task.checksum,
        protocol=protocol,
        seed=seed,
        config={"ranker": ranker},
    ).to_dict()


def _ask(program: pathlib.Path) -> str:
    answer = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if answer.returncode:
        raise RuntimeError(f"{program} failed: {answer.stderr.strip()}")
    return answer.stdout


def _table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    stages = [name for name in ("popularity", "retrieval", "funnel") if name in metrics]
    names = [name for name in metrics["popularity"] if name != "evaluated_examples"]
    width = max(16, 2 + max(map(len, names)))
    lines = [f"{'':12s}" + "".join(f"{name:>{width}s}" for name in names)]
    for row in stages:
        lines.append(f"{row:12s}" + "".join(f"{metrics[row][n]:{width}.4f}" for n in names))
    if "ranking" in metrics:
        shown = [n for n in metrics["ranking"] if not n.startswith(("predicted_", "true_"))]
        values = "  ".join(f"{name} {metrics['ranking'][name]:.4f}" for name in shown)
        lines.append(f"{'ranking':12s}{values}")
    return "\n".join(lines)

"""Tables of results: presets times seeds, resumed from result files, rendered as Markdown.

Each run leaves a result file; a run whose file is there already is not run again, so that a table
can be resumed and rows added.
"""

import itertools
import json
import logging
import math
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo import presets, registry
from tfrec_zoo.evaluation import Result
from tfrec_zoo.presets import Preset
from tfrec_zoo.result_cells import markdown_table, provenance, table_cells, values_of
from tfrec_zoo.table_layouts import TABLES
from tfrec_zoo.tasks import Task, is_error
from tfrec_zoo.training.resuming import unfinished

logger = logging.getLogger(__name__)


def select(
    table: str,
    rows: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    factors: Sequence[int] | None = None,
) -> list[Preset]:
    """The presets of a table whose rows are called `<model>` or `<model>-<factors>`; None for any.

    Raises:
        ValueError: If there are none, or one of the names or sizes is not in the table.
    """
    known = presets.of_table(table)
    found = _matching(known, rows, models, factors)
    if not found or not _are_known(known, rows, models, factors):
        raise ValueError(
            f"The table {table!r} has the rows {[preset.row for preset in known]}. "
            f"Received: rows={rows}, models={models}, factors={factors}"
        )
    return found


def select_of_all(
    rows: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    factors: Sequence[int] | None = None,
) -> dict[str, list[Preset]]:
    """The presets of all tables, by table, whose rows are called so; see `select`.

    Raises:
        ValueError: If there are none, or a name or size is in no table.
    """
    known = {name: presets.of_table(name) for name in TABLES}
    every = {preset.row for table in known.values() for preset in table}
    found = {name: _matching(table, rows, models, factors) for name, table in known.items()}
    every_preset = itertools.chain(*known.values())
    if not any(found.values()) or not _are_known(every_preset, rows, models, factors):
        raise ValueError(
            f"The tables have the rows {sorted(every)}. "
            f"Received: rows={rows}, models={models}, factors={factors}"
        )
    return {name: table for name, table in found.items() if table}


def _matching(
    known: Sequence[Preset],
    rows: Sequence[str] | None,
    models: Sequence[str] | None,
    factors: Sequence[int] | None,
) -> list[Preset]:
    """Those of some presets whose rows are called `<model>` or `<model>-<factors>`."""

    def is_wanted(row: str) -> bool:
        model, size = _model_and_size(row)
        return (
            (rows is None or row in rows)
            and (models is None or model in models)
            and (factors is None or size in map(str, factors))
        )

    return [preset for preset in known if is_wanted(preset.row)]


def _model_and_size(row: str) -> tuple[str, str]:
    """The parts of a row's name `<model>-<factors>`, or the name and nothing."""
    model, _, size = row.rpartition("-")
    return (model, size) if size.isdigit() else (row, "")


def _are_known(
    known: Iterable[Preset],
    rows: Sequence[str] | None,
    models: Sequence[str] | None,
    factors: Sequence[int] | None,
) -> bool:
    """Whether some preset has each of the names and sizes."""
    names = [preset.row for preset in known]
    parts = [_model_and_size(name) for name in names]
    return (
        set(rows or ()) <= set(names)
        and set(models or ()) <= {model for model, _ in parts}
        and set(map(str, factors or ())) <= {size for _, size in parts}
    )


def run(
    wanted: Sequence[Preset],
    log: Any,
    output: str | pathlib.Path,
    seeds: Sequence[int] | None = None,
    verbose: int = 0,
    **options: Any,
) -> list[dict[str, Any]]:
    """Runs presets for every seed; what draws no random numbers is run for the first alone.

    A table that was killed goes on where it was, within a training too.

    Args:
        wanted: The presets.
        log: The log, or what `read_ncf` read.
        output: Folder for `<row>-<seed>.json`.
        seeds: Seeds to run; None for those of the presets' table.
        verbose: As in `model.fit`.
        **options: Options of the task in place of the presets'.

    Returns:
        The contents of the result files, each with its `row`.

    Raises:
        ValueError: If a result file is of other data, of another protocol, or was made with other
            settings than the preset's.
    """
    made: dict[str, Task] = {}
    results = []
    for preset in wanted:
        own = TABLES[preset.table].seeds if seeds is None else seeds
        for seed in own if _draws(preset) else own[:1]:
            key = repr((preset.task, sorted(preset.options_of(seed, options).items())))
            if key not in made:
                made[key] = preset.make_task(log, seed, **options)
            task = made[key]
            path = pathlib.Path(output) / f"{preset.row}-{seed}.json"
            if not path.exists():
                logger.info("%s, seed %d", preset.row, seed)
                with unfinished(output, True, path.stem) as state:
                    result_of(preset, task, seed, verbose, state).write(path)
                tf.keras.backend.clear_session()
            contents = json.loads(path.read_text(encoding="utf-8"))
            if contents["checksum"] != task.checksum:
                raise ValueError(
                    f"{path} is of other data or of another protocol ({contents['dataset']}, "
                    f"{contents['protocol']}): choose another --output."
                )
            if changes := preset.changes_of(contents["config"]):
                raise ValueError(
                    f"{path} was made with other settings ({_in_words(changes)}): choose another "
                    "--output, or move the file away to make it anew."
                )
            results.append({"row": preset.row, **contents})
    return results


def _in_words(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """How settings of a result differ from those of its row."""
    return ", ".join(f"{name} {was!r}, now {now!r}" for name, (was, now) in changes.items())


def _draws(preset: Preset) -> bool:
    """Whether another seed gives a row another number."""
    if preset.moves_split:
        return True
    return preset.model in registry.MODELS and registry.get(preset.model).load().is_iterative


def result_of(
    preset: Preset, task: Task, seed: int = 0, verbose: int = 0, state: str | None = None
) -> Result:
    """Trains the model of a preset, or measures its baseline.

    Args:
        preset: The preset.
        task: The task that it made.
        seed: Seed of the training.
        verbose: As in `model.fit`.
        state: Folder for the state of training, with which it goes on if it was killed.
    """
    if not preset.is_baseline(task):
        run = preset.train(task, seed=seed, verbose=verbose, checkpoint_dir=state)
        return run.result(preset=preset.name)
    return Result(
        model=preset.model,
        task=task.name,
        metrics=task.baselines[preset.model](),
        dataset=task.dataset,
        data_checksum=task.log.checksum,
        checksum=task.checksum,
        protocol=task.protocol,
        seed=seed,
        config={"options": task.options, "preset": preset.name},
    )


def markdown(results: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> str:
    """A table of mean ± standard deviation over seeds, with what it was made from.

    Args:
        results: What `run` returned.
        columns: The metrics wanted by their headings; None for all there are.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        rows.setdefault(result["row"], []).append(result)
    found = [values_of(result) for result in results]
    names = list(dict.fromkeys(name for values in found for name in values))
    unknown = sorted(set((columns or {}).values()) - set(names))
    if unknown and columns is not None and not set(columns.values()) & set(names):
        raise ValueError(f"The results have the metrics {names}. Received: {unknown}")
    wanted = {name: name for name in names} if columns is None else columns
    return "\n".join([*markdown_table(table_cells(rows, wanted)), "", provenance(results)])


def published_words(preset: Preset) -> str:
    """The published numbers that a row stands beside, and whose they are."""
    numbers = " / ".join(f"{value:.4g}" for value in preset.published.values())
    return f"{numbers} ({preset.source})" if numbers else ""


def differences(results: Sequence[Mapping[str, Any]], preset: Preset) -> str:
    """How far the means over seeds are from the published numbers, and whether these are reached.

    A number is reached by a mean that is at least as good, or worse by no more than its standard
    error. One seed has no standard error, and no verdict.

    Args:
        results: The contents of the result files of a row.
        preset: The row.
    """
    words = []
    for name, number in preset.published.items():
        found = [values_of(result).get(name) for result in results]
        values = [value for value in found if value is not None]
        if not values:
            continue
        difference = statistics.mean(values) - number
        word = f"{difference:+.4f}"
        if len(values) > 1:
            error = statistics.stdev(values) / math.sqrt(len(values))
            gain = -difference if is_error(name) else difference
            word += " (reached)" if gain >= -error else " (not reached)"
        words.append(word)
    return " / ".join(words)


def page(folder: str | pathlib.Path) -> str:
    """Renders the result files of a folder, `<table>/<row>-<seed>.json`, as one page.

    A row of a table without a result file is marked.
    """
    folder = pathlib.Path(folder)
    parts = [_HEAD]
    for name, table in TABLES.items():
        known = presets.of_table(name)
        rows = {preset.row: runs_of(folder / name, preset) for preset in known}
        beside = {
            "published": {preset.row: published_words(preset) for preset in known},
            "difference": {preset.row: differences(rows[preset.row], preset) for preset in known},
        }
        dataset = "DIR" if known[0].reads_folder else known[0].dataset
        command = f"tfrec-zoo benchmark {name} --dataset {dataset} --output runs/{name}"
        parts += [f"## {table.title}", "", *([table.about, ""] if table.about else [])]
        parts += [
            "```bash",
            command,
            "```",
            "",
            *markdown_table(table_cells(rows, table.columns, beside)),
            "",
        ]
        results = [run for runs in rows.values() for run in runs]
        parts += [provenance(results), ""] if results else []
    return "\n".join(parts)


def runs_of(folder: pathlib.Path, preset: Preset) -> list[Mapping[str, Any]]:
    """The result files of a preset in a folder, by seed; those of other settings are left out."""
    runs = []
    for path in folder.glob(f"{preset.row}-[0-9]*.json"):
        run = json.loads(path.read_text(encoding="utf-8"))
        if run["config"].get("preset") != preset.name:
            continue
        if changes := preset.changes_of(run["config"]):
            logger.warning("%s left out: it has other settings (%s)", path, _in_words(changes))
            continue
        runs.append(run)
    return sorted(runs, key=lambda run: run["seed"])


_HEAD = """# Results

Every number on this page is rendered from a result file in [`docs/results`](results), which holds
the command, the seed, the configuration, the versions and the checksum of the data;
`tfrec-zoo results docs/results --output docs/results.md` renders the page again. Numbers are
means ± standard deviations over the seeds named; closed forms and baselines draw nothing and have
one seed. A row marked † has no result file yet: the command above its table makes one.
`tfrec-zoo benchmark --all --output runs` makes all tables, and goes on with them where it was
stopped.

"Published" stands for the same data and protocol, as far as there is one. MovieLens is read through
tensorflow-datasets, which loses the order of ratings within a second. That touches the last rating
of 40 % of the users of MovieLens-1M, so that next-watch numbers compare with those of other
libraries only up to that. A published number is reached by a mean over seeds that is at least as
good, or worse by no more than its standard error; one seed has no verdict.
"""

"""Tables of results: every row a model and its features, every number a mean over seeds.

Each run leaves a result file; a run whose file is there already is not run again, so that a table
can be resumed and rows added.
"""

import json
import logging
import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.data import Log, SampledTest
from tfrec_zoo.evaluation import Result
from tfrec_zoo.experiments import clicks, ncf, next_watch, ratings, watch_time

logger = logging.getLogger(__name__)

#: By name of the table, its rows: functions from (log, seed) to a result.
TABLES: dict[str, Mapping[str, Callable[[Any, int], Result]]] = {
    "ctr": clicks.WITH_IDS,
    "ctr-without-ids": clicks.WITHOUT_IDS,
    "ncf": ncf.ROWS,
    "ncf-ablations": ncf.ABLATIONS,
    "next-watch": next_watch.ROWS,
    "ratings": ratings.ROWS,
    "watch-time": watch_time.ROWS,
    "wide-deep": clicks.WIDE_DEEP,
}


def _log(found: Log | SampledTest) -> Log:
    return found.log if isinstance(found, SampledTest) else found


def prepare(table: str, found: Log | SampledTest, **options: Any) -> Any:
    """What the rows of a table are run on, made from a data set.

    Args:
        table: Name of the table.
        found: The data set.
        **options: `label`, `threshold` and `spec` of the tables of click prediction; see
            `clicks.ClickData`.

    Raises:
        ValueError: If the table takes no such options.
    """
    made: Callable[..., Any] = _log
    if table in ("ncf", "ncf-ablations"):
        made = ncf.sampled_test
    elif table in ("ctr", "ctr-without-ids", "wide-deep"):
        made, found = clicks.ClickData, _log(found)
    try:
        return made(found, **options)
    except TypeError:
        if not options:
            raise
        raise ValueError(
            f"The table {table!r} has no options. Received: {sorted(options)}"
        ) from None


def select(
    table: str,
    rows: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    factors: Sequence[int] | None = None,
) -> list[str]:
    """The rows of a table that are called `<model>` or `<model>-<factors>`; None for any.

    Raises:
        ValueError: If there are none.
    """
    known = TABLES[table]

    def is_wanted(row: str) -> bool:
        model, _, size = row.rpartition("-")
        model = model if size.isdigit() else row
        return (
            (rows is None or row in rows)
            and (models is None or model in models)
            and (factors is None or size in map(str, factors))
        )

    found = [row for row in known if is_wanted(row)]
    if not found or set(rows or ()) - set(known):
        raise ValueError(
            f"The table {table!r} has the rows {list(known)}. "
            f"Received: rows={rows}, models={models}, factors={factors}"
        )
    return found


def run(
    table: str,
    log: Any,
    output: str | pathlib.Path,
    seeds: Sequence[int] = (0, 1, 2),
    rows: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Runs the rows of a table for every seed.

    Args:
        table: Name of the table.
        log: What its rows are run on, as `prepare` makes it.
        output: Folder for `<row>-<seed>.json`.
        seeds: Seeds to run.
        rows: Names of the rows wanted; None for all.

    Returns:
        The contents of the result files, each with its `row`.
    """
    known = TABLES[table]
    results = []
    for row in select(table, rows):
        for seed in seeds:
            path = pathlib.Path(output) / f"{row}-{seed}.json"
            if not path.exists():
                logger.info("%s, seed %d", row, seed)
                tf.keras.utils.set_random_seed(seed)
                known[row](log, seed).write(path)
                tf.keras.backend.clear_session()
            contents = json.loads(path.read_text(encoding="utf-8"))
            if contents["checksum"] != log.checksum:
                raise ValueError(
                    f"{path} is of other data ({contents['dataset']}): choose another --output."
                )
            results.append({"row": row, **contents})
    return results


def markdown(results: Sequence[Mapping[str, Any]], metrics: Sequence[str] | None = None) -> str:
    """A table of mean ± standard deviation over seeds, with what it was made from.

    Args:
        results: What `run` returned.
        metrics: The columns wanted; None for all there are.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        rows.setdefault(result["row"], []).append(result)
    names = list(dict.fromkeys(name for result in results for name in result["metrics"]))
    unknown = sorted(set(metrics or ()) - set(names))
    if unknown:
        raise ValueError(f"The results have the metrics {names}. Received: {unknown}")
    names = list(metrics or names)
    lines = [f"| row | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row, runs in rows.items():
        values = ([run["metrics"].get(name) for run in runs] for name in names)
        cells = [_cell([v for v in column if v is not None]) for column in values]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    first = results[0]
    seeds = sorted({result["seed"] for result in results})
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    lines += [
        "",
        f"{first['dataset']} (sha256 {first['checksum'][:16]}…), {first['protocol']}, "
        f"seeds {seeds}, {versions}",
    ]
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"

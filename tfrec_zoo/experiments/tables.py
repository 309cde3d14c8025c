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

from tfrec_zoo.data import Log
from tfrec_zoo.evaluation import Result
from tfrec_zoo.experiments import next_watch, watch_time

logger = logging.getLogger(__name__)

#: By name of the table, its rows: functions from (log, seed) to a result.
TABLES: dict[str, Mapping[str, Callable[[Log, int], Result]]] = {
    "next-watch": next_watch.ROWS,
    "watch-time": watch_time.ROWS,
}


def run(
    table: str,
    log: Log,
    output: str | pathlib.Path,
    seeds: Sequence[int] = (0, 1, 2),
    rows: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Runs the rows of a table for every seed.

    Args:
        table: Name of the table.
        log: The data.
        output: Folder for `<row>-<seed>.json`.
        seeds: Seeds to run.
        rows: Names of the rows wanted; None for all.

    Returns:
        The contents of the result files, each with its `row`.
    """
    known = TABLES[table]
    unknown = sorted(set(rows or ()) - set(known))
    if unknown:
        raise ValueError(f"The table {table!r} has the rows {sorted(known)}. Received: {unknown}")
    results = []
    for row in rows or known:
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

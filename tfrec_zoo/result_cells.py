"""Cells of a table of results: means and standard deviations over seeds, as text."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

#: Statistics whose first decimal already differs from run to run.
_COARSE = ("seconds", "cpu_seconds")


def table_cells(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    columns: Mapping[str, str],
    further: Mapping[str, Mapping[str, str]] | None = None,
) -> list[list[str]]:
    """The headings of a table, and its rows.

    Args:
        rows: The results by row.
        columns: Metrics and statistics by their headings.
        further: Text by heading and row, for columns behind those; an empty one is left out.
    """
    behind = {heading: text for heading, text in (further or {}).items() if any(text.values())}
    lines = [["row", "seeds", *columns, *behind]]
    for row, runs in rows.items():
        cells = [row, ", ".join(str(run["seed"]) for run in runs) or "†"]
        values = [values_of(run) for run in runs]
        for key in columns.values():
            known = [value[key] for value in values if value.get(key) is not None]
            cells.append(cell(known, 1 if key in _COARSE else 4))
        lines.append([*cells, *(text.get(row, "") for text in behind.values())])
    return lines


def markdown_table(cells: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown, of its headings and rows.

    Example:

    >>> print("\\n".join(markdown_table([["row", "AUC"], ["mine", "0.75"]])))
    | row | AUC |
    |---|---|
    | mine | 0.75 |
    """
    rows = [[text.replace("|", r"\|") for text in line] for line in cells]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def values_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a result file, and the numbers about the model itself."""
    return {**result.get("statistics", {}), **result["metrics"]}


def cell(values: Sequence[float], decimals: int = 4) -> str:
    """The mean of values and their deviation; of whole numbers, the least and the most.

    Args:
        values: Numbers of several runs.
        decimals: Decimals at most.

    Example:

    >>> cell([1200, 1200]), cell([24, 18, 23]), cell([0.5])
    ('1,200', '18 to 24', '0.5000')
    """
    if values and all(isinstance(value, int) for value in values):
        return " to ".join(f"{value:,}" for value in sorted({min(values), max(values)}))
    return mean_and_deviation(values, decimals)


def number(value: float | None) -> str:
    """A number as tables show it, which may be undefined.

    Example:

    >>> number(0.12345), number(1234567), number(1234.5), number(None)
    ('0.1235', '1,234,567', '1,234', 'undefined')
    """
    return "undefined" if value is None or math.isnan(value) else cell([value])


def mean_and_deviation(values: Sequence[float], decimals: int = 4) -> str:
    """The mean of values and, of several, their sample standard deviation, as text.

    Args:
        values: Numbers of several runs.
        decimals: Decimals at most.

    Example:

    >>> mean_and_deviation([0.25, 0.75]), mean_and_deviation([54.25]), mean_and_deviation([1234.5])
    ('0.5000 ± 0.3536', '54.2', '1,234')
    >>> mean_and_deviation([7.25, 8.5], decimals=1)
    '7.9 ± 0.9'
    """
    if not values:
        return ""
    # Metrics have four digits; tens and hundreds of anything else, such as seconds, need fewer.
    largest = max(map(abs, values))
    digits = min(decimals, 4 if largest < 10 else 1 if largest < 100 else 0)
    mean = f"{statistics.mean(values):,.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):,.{digits}f}"


def provenance(results: Sequence[Mapping[str, Any]]) -> str:
    """The data, the protocols and the versions that results were made with, each once.

    Protocols that differ by the seed of their split alone are one.
    """
    parts = []
    for name in ("dataset", "protocol", "versions"):
        words = (_words(result, name) for result in results)
        parts.append(", or ".join(dict.fromkeys(words)))
    return "; ".join(parts)


def _words(result: Mapping[str, Any], name: str) -> str:
    if name == "dataset":
        return f"{result['dataset']} (sha256 {result['data_checksum'][:16]}…)"
    if name == "versions":
        return ", ".join(f"{package} {version}" for package, version in result[name].items())
    return re.sub(r"\bof seed \d+", "of each seed", result[name])

"""The report of a table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfrec_zoo.plots import bars, new_figure
from tfrec_zoo.reports.page import Page
from tfrec_zoo.reports.parts import add_figure, add_note_on_figures
from tfrec_zoo.result_cells import table_cells, values_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table_report(
    title: str,
    about: str,
    command: str,
    results: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    published: Mapping[str, Mapping[str, float]],
) -> Page:
    """What `benchmark` measured, as a page.

    Args:
        title: Title of the table.
        about: What it shows, in a sentence or two.
        command: The command that made it.
        results: The contents of the result files, each with its `row`.
        columns: Metrics and statistics by their headings; the first is drawn.
        published: Published metrics by row.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        rows.setdefault(result["row"], []).append(result)
    page = Page(title, about or ", or ".join(_each(results, "protocol")))
    add_note_on_figures(page)
    headings, *cells = table_cells(rows, columns)
    page.table(headings, cells)
    heading, key = next(iter(columns.items()))
    add_figure(
        page,
        lambda: metric_by_row(results, key, heading, published),
        "metric-by-row",
        f"{heading}: means over the seeds, with standard deviations. A diamond is the number that "
        "was published.",
    )
    page.heading("What was run")
    page.command(command)
    data = [f"{r['dataset']}, sha256 {r['data_checksum']}" for r in results]
    versions = [", ".join(f"{k} {v}" for k, v in r["versions"].items()) for r in results]
    page.facts(
        {
            "data": "; ".join(dict.fromkeys(data)),
            "protocol": ", or ".join(_each(results, "protocol")),
            "versions": "; ".join(dict.fromkeys(versions)),
        }
    )
    for row, runs in rows.items():
        config = runs[0]["config"]
        page.facts({**config.get("arguments", {}), **config.get("training", {})}, f"How: {row}")
    return page


def metric_by_row(
    results: Sequence[Mapping[str, Any]],
    key: str,
    heading: str,
    published: Mapping[str, Mapping[str, float]],
) -> Figure:
    """A bar for each row of a table, and a diamond at the number that was published.

    Args:
        results: The contents of the result files, each with its `row`.
        key: The metric.
        heading: What the axis says.
        published: Published metrics by row.
    """
    frame = pd.DataFrame([{"row": r["row"], "value": values_of(r).get(key)} for r in results])
    names = list(frame["row"].unique())
    figure, axes = new_figure(width=6.5, height=0.9 + 0.3 * len(names))
    bars(axes, frame, "value", heading, by="row")
    for place, name in enumerate(names):
        if key in published.get(name, {}):
            axes.plot(published[name][key], place, "D", color="black", markersize=5)
    return figure


def _each(results: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(result[name] for result in results))

"""The report of the quick start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfrec_zoo.evaluation import Outcomes
from tfrec_zoo.plots import bars, new_figure
from tfrec_zoo.reports.page import Page
from tfrec_zoo.reports.parts import (
    add_figure,
    add_metrics,
    add_note_on_figures,
    add_outcomes,
    add_training,
    add_what_was_run,
    words,
)
from tfrec_zoo.result_cells import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is not compared between stages.
_COUNT = "evaluated_examples"


def quickstart_report(
    result: Mapping[str, Any],
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    outcomes: Outcomes | None = None,
    predicts: str = "value",
) -> Page:
    """What the quick start did, as a page.

    Args:
        result: The contents of its `result.json`.
        histories: What was reported after each epoch, by stage.
        outcomes: What became of each impression that the ranker was tested on.
        predicts: What the ranker predicts, in words.
    """
    stages = {name: m for name, m in result["metrics"].items() if name != "ranking"}
    page = Page(f"Quick start on {result['dataset']}", f"Exported: {result['exported']}")
    shown, best = result["shown"], stages[result["exported"]]
    page.numbers({f"{name}: {words(shown)}": number(m[shown]) for name, m in stages.items()})
    add_note_on_figures(page)
    page.heading("The stages side by side")
    metrics = [name for name in best if name != _COUNT]
    cells = [(name, *(number(m[k]) for k in metrics)) for name, m in stages.items()]
    exported = list(stages).index(result["exported"])
    page.table(["stage", *map(words, metrics)], cells, best=exported)
    page.note(f"On {best[_COUNT]:,} test examples.")
    drawn = list(dict.fromkeys([shown, "hit_rate_at_10"]))
    add_figure(page, lambda: stages_by(stages, drawn), "stages", "The same, drawn.")
    page.heading(f"Why {result['exported']} is exported")
    for reason in result["reason"].split("; "):
        page.paragraph(reason)
    for stage, history in histories.items():
        if history:
            page.heading(f"Training of {stage}")
            add_training(page, history, None, f"{stage}-")
        if stage == "ranking":
            add_metrics(page, result["metrics"]["ranking"])
            add_outcomes(page, stage, outcomes, None, predicts, f"{stage}-")
    add_what_was_run(page, result)
    return page


def stages_by(stages: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> Figure:
    """A bar for each stage, side by side for several metrics.

    Args:
        stages: Metrics by stage.
        metrics: The metrics that are drawn.
    """
    frame = pd.DataFrame([{"stage": name, **values} for name, values in stages.items()])
    figure, _ = new_figure(columns=len(metrics), width=4.2, height=1.0 + 0.35 * len(stages))
    for each, metric in zip(figure.axes, metrics, strict=True):
        bars(each, frame, metric, words(metric), by="stage")
    return figure

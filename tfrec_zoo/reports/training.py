"""The report of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfrec_zoo.evaluation import Outcomes
from tfrec_zoo.reports.page import Page
from tfrec_zoo.reports.parts import (
    add_metrics,
    add_note_on_figures,
    add_outcomes,
    add_training,
    add_what_was_run,
    words,
)
from tfrec_zoo.result_cells import number


def training_report(
    result: Mapping[str, Any],
    metric: str,
    outcomes: Outcomes | None = None,
    frequencies: tuple[np.ndarray, np.ndarray] | None = None,
    predicts: str = "value",
) -> Page:
    """What `train` did, as a page.

    Args:
        result: The contents of its `result.json`.
        metric: The metric that tells which of two models is better.
        outcomes: What became of each test example.
        frequencies: How often the user and the item of each test example are among the training
            examples.
        predicts: What the model predicts, in words.
    """
    name, statistics = result["model"], result["statistics"]
    page = Page(f"{name} on {result['dataset']}", result["protocol"])
    shown = {words(metric): result["metrics"].get(metric)}
    shown |= {words(k): statistics[k] for k in ("parameters", "epochs") if k in statistics}
    first = {k: number(v) for k, v in shown.items()}
    if "seconds" in statistics:
        first["seconds of training"] = f"{statistics['seconds']:,.1f}"
    page.numbers(first)
    add_note_on_figures(page)
    history: Sequence[Mapping[str, Any]] = result.get("history", ())
    page.heading("How good it is")
    add_metrics(page, result["metrics"])
    add_outcomes(page, name, outcomes, frequencies, predicts)
    if len(history) > 1:
        page.heading("Training")
        add_training(page, history, statistics.get("epochs"))
    add_what_was_run(page, result)
    config = result["config"]
    for summary, part in (
        ("Arguments of the model", config.get("arguments")),
        ("How it was trained", config.get("training")),
        ("Options of the task", config.get("options")),
        ("Parameters and time", {words(k): number(v) for k, v in statistics.items()}),
    ):
        if part:
            page.facts(part, summary)
    return page

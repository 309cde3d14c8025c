"""Parts of reports: what was run, numbers, and figures of single trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec_zoo.evaluation import Outcomes
from tfrec_zoo.metrics import MISS
from tfrec_zoo.plots import activity_and_popularity, calibration, metric_at_k, training_curves
from tfrec_zoo.reports.page import Page
from tfrec_zoo.result_cells import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is said where figures are left out.
NO_FIGURES = 'Figures are left out, because there is no matplotlib: pip install "tfrec_zoo[plots]"'

_ABBREVIATIONS = ("auc", "cpu", "gauc", "mae", "map", "ndcg", "rmse")
_WORDS = {name: name.upper() for name in _ABBREVIATIONS} | {"logloss": "log loss"}


def add_figure(page: Page, draw: Callable[[], Figure], name: str, caption: str) -> None:
    """Adds a figure, unless there is no matplotlib."""
    try:
        figure = draw()
    except ImportError:
        return
    page.figure(figure, name, caption)


def add_note_on_figures(page: Page) -> None:
    """Says how to get figures, where they are left out."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        page.note(NO_FIGURES)


def words(name: str) -> str:
    """The name of a metric, to be read.

    Example:

    >>> words("ndcg_at_10"), words("cpu_seconds")
    ('NDCG at 10', 'CPU seconds')
    """
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def add_what_was_run(page: Page, result: Mapping[str, Any]) -> None:
    """Adds command, data, protocol and versions of a result file."""
    page.heading("What was run")
    page.command(result["command"])
    page.facts(
        {
            "data": f"{result['dataset']}, sha256 {result['data_checksum']}",
            "protocol": result["protocol"],
            "task": f"{result['task']}, sha256 {result['checksum']}",
            "seed": result["seed"],
            "versions": ", ".join(f"{k} {v}" for k, v in result["versions"].items()),
        }
    )


def add_metrics(page: Page, metrics: Mapping[str, Any]) -> None:
    """Adds a table of metrics; those of other masks stand beside each other."""
    kept = "_seen_kept"
    shown = {k: v for k, v in metrics.items() if not k.startswith(("predicted_", "true_"))}
    plain = [name for name in shown if not name.endswith(kept)]
    if any(name.endswith(kept) for name in shown):
        cells = [
            (words(name), number(shown[name]), number(shown[name + kept]))
            for name in plain
            if name + kept in shown
        ]
        page.table(["metric", "items seen before left out", "kept"], cells)
        return
    page.table(["metric", "on test examples"], [(words(n), number(shown[n])) for n in plain])


def add_training(
    page: Page, history: Sequence[Mapping[str, Any]], epochs: int | None, prefix: str = ""
) -> None:
    """Adds the curves of a training of several epochs.

    Args:
        page: The page.
        history: What was reported after each epoch.
        epochs: The epoch whose weights were kept.
        prefix: What the name of the figure begins with, where there are several trainings.
    """
    if len(history) > 1:
        caption = "After each epoch."
        if epochs is not None and epochs < len(history):
            caption += f" Dotted: epoch {epochs}, whose weights were kept."
        add_figure(
            page, lambda: training_curves(history, epochs), f"{prefix}training-curves", caption
        )


def add_outcomes(
    page: Page,
    name: str,
    outcomes: Outcomes | None,
    frequencies: tuple[np.ndarray, np.ndarray] | None,
    predicts: str = "value",
    prefix: str = "",
) -> None:
    """Adds figures of what became of the test examples.

    Args:
        page: The page.
        name: Name of the model.
        outcomes: What became of each test example, if it was kept.
        frequencies: How often the user and the item of each test example are among the training
            examples, if that is known.
        predicts: What the model predicts, in words.
        prefix: What the names of the figures begin with, where there are several models.
    """
    if outcomes is None:
        return
    if outcomes.ranks:
        ranks = np.concatenate(outcomes.ranks)
        found = int((ranks < MISS).sum())
        caption = f"{len(ranks):,} test examples, seen items left out"
        if found < len(ranks):
            caption += f"; the items of {len(ranks) - found:,} can't be found"
        add_figure(
            page,
            lambda: metric_at_k({name: ranks}, outcomes.num_items),
            f"{prefix}metric-at-k",
            f"{caption}.",
        )
        if frequencies is not None and len(frequencies[0]) == len(ranks):
            hits = {name: ranks < 10}
            add_figure(
                page,
                lambda: activity_and_popularity(hits, *frequencies, "hit rate at 10"),
                f"{prefix}activity-and-popularity",
                "By how often the user, and the item that was held out, are in the training "
                "examples; bars are standard errors.",
            )
    predictions, labels = outcomes.predictions, outcomes.labels
    if predictions is not None and labels is not None:
        add_figure(
            page,
            lambda: calibration(predictions, labels, of=predicts),
            f"{prefix}calibration",
            f"Calibration: {len(predictions):,} test examples in tenths of their predictions.",
        )

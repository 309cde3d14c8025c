"""The report of a search."""

from __future__ import annotations

from collections.abc import Sequence

from tfrec_zoo.plots import trial_curves
from tfrec_zoo.reports.page import Page
from tfrec_zoo.reports.parts import add_figure, add_note_on_figures, words
from tfrec_zoo.result_cells import number
from tfrec_zoo.searching.trials import Trial, best_of, trial_cells


def search_report(
    preset: str, metric: str, trials: Sequence[Trial], command: str, next_command: str
) -> Page:
    """What `search` tried, as a page.

    Args:
        preset: Name of the preset that it went out from.
        metric: The metric that it searched by.
        trials: What came of each trial, of which one is complete.
        command: The command that searched.
        next_command: The command that trains with the best settings.
    """
    best = best_of(trials, metric)
    page = Page(f"Search from {preset}", "Measured on the validation examples alone.")
    first, found = trials[0].metrics.get(metric), best.metrics[metric]
    page.numbers(
        {
            f"{words(metric)}, trial {best.number}": number(found),
            f"{words(metric)}, the preset": number(first),
            "trials": str(len(trials)),
        }
    )
    add_note_on_figures(page)
    epochs = {trial.number: trial.epochs for trial in trials if len(trial.epochs)}
    if any(len(values) > 1 for values in epochs.values()):
        add_figure(
            page,
            lambda: trial_curves(epochs, best.number, metric),
            "trial-curves",
            "After each epoch; the number is that of the trial.",
        )
    headings, *cells = trial_cells(trials, metric)
    page.table(headings, cells, best=trials.index(best))
    page.heading("What to run next")
    page.command(next_command)
    page.note("The best of many trials looks better than it is: tell what this measures.")
    page.heading("What was run")
    page.command(command)
    return page

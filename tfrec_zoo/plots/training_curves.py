"""Training curves: what was reported after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfrec_zoo.plots.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VALIDATION = "val_"
#: What Keras's callbacks report besides: the learning rate.
_SETTINGS = ("lr", "learning_rate")


def training_curves(
    history: Sequence[Mapping[str, float | None]],
    best: int | None = None,
    metrics: Sequence[str] | None = None,
) -> Figure:
    """An axes for each metric: of the training examples, and of the validation examples.

    Args:
        history: Metrics by name, after each epoch; those of validation examples begin with `val_`.
        best: The epoch, from 1, whose weights were kept; it is marked.
        metrics: Names of the metrics that are shown, without `val_`; by default the first three.

    Raises:
        ValueError: If there is nothing to show.

    Example:

    >>> figure = training_curves([{"loss": 3.0, "val_loss": 3.5}, {"loss": 2.0, "val_loss": 3.0}])
    >>> [line.get_ydata().tolist() for line in figure.axes[0].lines]
    [[3.0, 2.0], [3.5, 3.0]]
    """
    names = dict.fromkeys(name.removeprefix(_VALIDATION) for row in history for name in row)
    measured = [name for name in names if name not in _SETTINGS]
    shown = measured[:3] if metrics is None else [name for name in metrics if name in names]
    if not shown:
        raise ValueError(f"`history` must hold metrics to show. Received: {list(history)[:1]}")
    figure, axes = new_figure(columns=len(shown), width=4.0, height=3.0)
    epochs = np.arange(1, len(history) + 1)
    for each, name in zip(np.ravel(axes), shown, strict=True):
        for key, label, colour in (
            (name, "training", COLOURS[0]),
            (_VALIDATION + name, "validation", COLOURS[1]),
        ):
            values = [np.nan if row.get(key) is None else row[key] for row in history]
            if not np.isnan(np.array(values, float)).all():
                each.plot(epochs, values, "o-", markersize=4, label=label, color=colour)
        if _VALIDATION + name in {key for row in history for key in row}:
            each.legend(fontsize="small")
        if best is not None and len(history) > 1:
            each.axvline(best, color=COLOURS[7], linestyle=":", linewidth=1)
        each.set(xlabel="epoch", ylabel=name.replace("_", " "))
        each.xaxis.get_major_locator().set_params(integer=True)
    return figure

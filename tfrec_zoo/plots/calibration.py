"""Calibration: predictions against what came of them, by tenths of the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfrec_zoo.plots.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Means whose ratio is larger than this are shown on logarithmic axes.
_WIDE = 50.0


def calibration(
    predictions: np.ndarray,
    labels: np.ndarray,
    buckets: int = 10,
    of: str = "value",
) -> Figure:
    """Means of labels against means of predictions, of buckets with as many examples each.

    On the line predictions are right in the mean; above it they are too low.

    Args:
        predictions: Predictions, [examples].
        labels: What was predicted, [examples].
        buckets: Number of buckets, lowest predictions first.
        of: What is predicted, in words.

    Raises:
        ValueError: If there are no examples, or not as many of both.

    Example:

    >>> figure = calibration(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 0]), buckets=2)
    >>> _, means = figure.axes[0].lines
    >>> means.get_ydata().tolist()
    [0.0, 0.5]
    """
    shapes = np.shape(predictions), np.shape(labels)
    if shapes[0] != shapes[1] or len(shapes[0]) != 1 or not shapes[0][0]:
        raise ValueError(
            f"`predictions` and `labels` must be [examples] both. Received: shapes {shapes}"
        )
    order = np.argsort(predictions, kind="stable")
    parts = np.array_split(order, min(buckets, len(order)))
    predicted, found = (
        np.array([np.mean(values[part], dtype=np.float64) for part in parts])
        for values in (np.asarray(predictions), np.asarray(labels))
    )
    figure, axes = new_figure(width=4.0, height=3.6)
    both = np.concatenate([predicted, found])
    ends = [both.min(), both.max()]
    axes.plot(ends, ends, ":", color=COLOURS[7], label="right in the mean")
    axes.plot(predicted, found, "o-", markersize=4, color=COLOURS[0], label="a tenth of examples"
              if len(parts) == 10 else f"1/{len(parts)} of examples")  # fmt: skip
    if ends[0] > 0 and ends[1] / ends[0] > _WIDE:
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel=f"predicted {of}, mean", ylabel="what came of it, mean")
    axes.legend(fontsize="small")
    return figure

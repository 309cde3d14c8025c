"""Baselines of watch time: means and the median of the impressions that are trained on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import Examples, impression_examples
from tfrec_zoo.evaluation import pointwise_metrics, watch_time_metrics

if TYPE_CHECKING:
    from tfrec_zoo.tasks.watch_time import WatchTime

#: Column of the items that is how long they are.
_DURATION = "length"
#: Number of impressions, worth the mean of all, that are added to those of each item.
_DAMPING = 10.0
#: Number of groups of durations, each with as many impressions.
_GROUPS = 30


def mean_baselines(task: WatchTime) -> dict[str, Callable[[], dict[str, float]]]:
    """The baselines that predict a mean watch time or the median; each returns its metrics.

    `mean` and `median` are those of all impressions, `item-means` are damped means of the items,
    and `duration-means` those of items that are about as long, if their column `length` says so.

    Args:
        task: The task.
    """
    found = {"mean": _mean, "median": _median, "item-means": _item_means}
    if _DURATION in task.log.items:
        found["duration-means"] = _duration_means
    return {name: functools.partial(baseline, task) for name, baseline in found.items()}


def _mean(task: WatchTime) -> dict[str, float]:
    train, test = (np.zeros(len(rows), np.int64) for rows in task.rows)
    return _of_means(task, train, test)


def _median(task: WatchTime) -> dict[str, float]:
    train, test = _examples(task)
    return _metrics(np.full(len(test), np.median(train.label)), test)


def _item_means(task: WatchTime) -> dict[str, float]:
    return _of_means(task, *_items(task), _DAMPING)


def _duration_means(task: WatchTime) -> dict[str, float]:
    durations = np.append(task.log.items[_DURATION].to_numpy(np.float64), np.nan)
    train, test = (durations[items] for items in _items(task))
    return _of_means(task, *duration_groups(train, test, _GROUPS))


def _items(task: WatchTime) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the items of the impressions to train and to be measured on; -1 for none."""
    impressions, item = task.shown.impressions, task.log.roles.item
    assert impressions is not None
    known = pd.Index(task.log.items[item])
    train, test = (known.get_indexer(impressions[item].to_numpy()[rows]) for rows in task.rows)
    return train, test


def _of_means(
    task: WatchTime, groups: np.ndarray, asked: np.ndarray, damping: float = 0.0
) -> dict[str, float]:
    """Metrics of the mean of each group of impressions."""
    train, test = _examples(task)
    return _metrics(damped_means(train.label, groups, asked, damping), test)


def _examples(task: WatchTime) -> tuple[Examples, Examples]:
    train, test = (impression_examples(task.shown, rows, max_history=1) for rows in task.rows)
    return train, test


def _metrics(predictions: np.ndarray, test: Examples) -> dict[str, float]:
    metrics = pointwise_metrics(predictions, test.label, test.groups)
    return {**metrics, **watch_time_metrics(predictions, test.label)}


def damped_means(
    label: np.ndarray, groups: np.ndarray, asked: np.ndarray, damping: float = 0.0
) -> np.ndarray:
    """Predicts the mean label of a group, drawn towards the mean of all.

    Args:
        label: What impressions were worth, [n].
        groups: Group of each, [n], from 0 up; those below are unknown.
        asked: Groups to predict for, [m]. An unknown one, and one without impressions, has the mean
            of all.
        damping: Number of impressions, worth the mean of all, that are added to each group.

    Example:

    >>> label, groups = np.array([0.0, 4.0, 8.0]), np.array([0, 0, 1])
    >>> damped_means(label, groups, np.array([0, 1, 2]), damping=2.0).tolist()
    [3.0, 5.333333333333333, 4.0]
    """
    mean = label.mean(dtype=np.float64)
    size = int(max(groups.max(), asked.max(), 0)) + 1
    known = groups >= 0
    totals = np.bincount(groups[known], label[known], size) + damping * mean
    numbers = np.bincount(groups[known], minlength=size) + damping
    means = np.divide(totals, numbers, out=np.full(size, mean), where=numbers > 0)
    return np.where(asked >= 0, means[asked], mean)


def duration_groups(durations: Any, asked: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups impressions by the quantiles of the durations that are trained on.

    Args:
        durations: Durations of the impressions that are trained on, [n]; NaN where unknown.
        asked: Durations of others, [m].
        number: Number of groups; unknown durations are one more.

    Returns:
        The groups of both, [n] and [m].
    """
    durations, asked = (np.asarray(values, np.float64) for values in (durations, asked))
    known = durations[np.isfinite(durations)]
    bounds = np.quantile(known, np.linspace(0, 1, number + 1)[1:-1]) if len(known) else []
    of_train, of_asked = (
        np.where(np.isfinite(values), np.searchsorted(bounds, values, side="right"), number)
        for values in (durations, asked)
    )
    return of_train, of_asked

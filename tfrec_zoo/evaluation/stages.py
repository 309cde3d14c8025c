"""Stages: which of several recommenders is better than the simpler ones before it."""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class StageChoice:
    """Which stage is taken.

    Args:
        name: Name of the stage.
        reason: Why, in words.
    """

    name: str
    reason: str


def choose_stage(values: Mapping[str, np.ndarray], metric: str) -> StageChoice:
    """Takes the simplest stage that no later one beats by more than chance.

    A later stage takes the place of an earlier one if its mean is higher by more than one standard
    error of the mean difference, example by example (the one-standard-error rule: Breiman et al.,
    Classification and Regression Trees, 1984).

    Args:
        values: What each stage is worth on the same validation examples, [examples], simplest stage
            first.
        metric: Name of that value.

    Example:

    >>> hits = {"popularity": np.array([0, 1, 0, 0.0]), "retrieval": np.array([1, 1, 0, 1.0])}
    >>> choose_stage(hits, "hit rate").name
    'retrieval'
    """
    best, *others = values
    size = len(values[best])
    if not size:
        return StageChoice(best, "there are no validation examples to choose by")
    words = []
    for name in others:
        gains = values[name] - values[best]
        gain, error = gains.mean(), 0.0
        if size > 1:
            error = gains.std(ddof=1) / size**0.5
        is_better = size > 1 and gain > error
        words.append(
            f"{name} {'beats' if is_better else 'does not beat'} {best} by more than a standard "
            f"error ({gain:+.4g} ± {error:.2g})"
        )
        if is_better:
            best = name
    means = ", ".join(f"{name} {value.mean():.4g}" for name, value in values.items())
    compared = f"{metric} of {size} validation examples: {means}"
    return StageChoice(best, "; ".join([compared, *words]))

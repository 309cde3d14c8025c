"""Stages: which of several recommenders is best."""

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
    """Takes the stage that is best on validation examples, of equals the simplest.

    Args:
        values: What each stage is worth on the same validation examples, [examples], simplest stage
            first.
        metric: Name of that value.

    Returns:
        The stage, with its lead over the others, example by example, and the standard error.

    Example:

    >>> hits = {"popularity": np.array([0, 1, 0, 0.0]), "retrieval": np.array([1, 1, 0, 1.0])}
    >>> choose_stage(hits, "hit rate").name
    'retrieval'
    """
    size = len(next(iter(values.values())))
    if not size:
        return StageChoice(next(iter(values)), "there are no validation examples to choose by")
    means = {name: value.mean() for name, value in values.items()}
    best = max(means, key=lambda name: means[name])  # The first of equals.
    words = ", ".join(f"{name} {mean:.4g}" for name, mean in means.items())
    leads = []
    for name in values.keys() - {best} if size > 1 else ():
        lead = values[best] - values[name]
        error = lead.std(ddof=1) / size**0.5
        chance = "" if lead.mean() > error else ", which may be chance"
        leads.append(f"{best} leads {name} by {lead.mean():.4g} ± {error:.2g}{chance}")
    compared = f"{metric} of {size} validation examples: {words}"
    return StageChoice(best, "; ".join([compared, *sorted(leads)]))

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


def choose_stage(values: Mapping[str, np.ndarray], metric: str, first: str) -> StageChoice:
    """Takes a stage unless another is better than it by more than chance.

    More than chance is more than one standard error of the mean difference, example by example.

    Args:
        values: What each stage is worth on the same validation examples, [examples].
        metric: Name of that value.
        first: The stage that is taken if nothing speaks for another.

    Returns:
        The stage, and why in words.

    Example:

    >>> hits = {"popularity": np.array([0, 1, 0, 0.0]), "retrieval": np.array([1, 1, 0, 1.0])}
    >>> choose_stage(hits, "hit rate", first="popularity").name
    'retrieval'

    References:
        The one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984.
    """
    best, size = first, len(values[first])
    if not size:
        return StageChoice(best, "there are no validation examples to choose by")
    words = [f"{name} {value.mean():.4g}" for name, value in values.items()]
    reasons = [f"{metric} of {size} validation examples: {', '.join(words)}"]
    for name in values:
        if name == first:
            continue
        lead = values[name] - values[best]
        error = lead.std(ddof=1) / size**0.5 if size > 1 else np.inf
        is_better = lead.mean() > error
        verdict = "takes the place of" if is_better else "does not take the place of"
        reasons.append(f"{name} {verdict} {best} ({lead.mean():+.4g} ± {error:.2g})")
        best = name if is_better else best
    return StageChoice(best, "; ".join(reasons))

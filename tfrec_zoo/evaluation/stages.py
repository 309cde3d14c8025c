"""Stages: which of several recommenders is best."""

import dataclasses
from collections.abc import Collection, Mapping

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


def choose_stage(
    values: Mapping[str, np.ndarray], metric: str, cautious: Collection[str] = ()
) -> StageChoice:
    """Takes the best stage on validation examples; of equals, the simplest.

    A stage that takes the place of simpler ones at a cost has to be better by more than chance: by
    more than one standard error of the mean difference, example by example.

    Args:
        values: What each stage is worth on the same validation examples, [examples], simplest stage
            first.
        metric: Name of that value.
        cautious: Stages that have to be better by more than chance.

    Returns:
        The stage, and why in words.

    Example:

    >>> hits = {"popularity": np.array([0, 1, 0, 0.0]), "retrieval": np.array([1, 1, 0, 1.0])}
    >>> choose_stage(hits, "hit rate").name
    'retrieval'

    References:
        The one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984.
    """
    best, *others = values
    size = len(values[best])
    if not size:
        return StageChoice(best, "there are no validation examples to choose by")
    words = [f"{name} {value.mean():.4g}" for name, value in values.items()]
    reasons = [f"{metric} of {size} validation examples: {', '.join(words)}"]
    for name in others:
        lead = values[name] - values[best]
        error = lead.std(ddof=1) / size**0.5 if size > 1 else np.inf
        is_better = lead.mean() > (error if name in cautious else 0.0)
        verdict = "takes the place of" if is_better else "does not take the place of"
        reasons.append(f"{name} {verdict} {best} ({lead.mean():+.4g} ± {error:.2g})")
        best = name if is_better else best
    return StageChoice(best, "; ".join(reasons))

"""Out of fold: scores by retrieval models that have not learned from what they score.

A retrieval model scores a watch that it was trained on higher than one that is still to come. A
ranker trained on such scores trusts them more than requests bear out, so each user's watches are
scored by a model that was trained on other users (stacked generalization: Wolpert 1992).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.models.retrieval import RetrievalModel


def user_folds(users: np.ndarray, number: int) -> np.ndarray:
    """The fold of each user: as if drawn at random, and the same whenever it is asked.

    Args:
        users: [n] positions in `log.users`, which is what `Examples.groups` of watches are.
        number: Number of folds.

    Example:

    >>> folds = user_folds(np.arange(1000), 2)
    >>> 450 < int(folds.sum()) < 550
    True
    """
    hashes = pd.util.hash_array(np.asarray(users, np.int64))
    return (hashes % np.uint64(number)).astype(np.int64)


def by_fold(
    models: Sequence[RetrievalModel],
    evaluated: Callable[[RetrievalModel, np.ndarray], np.ndarray],
    users: np.ndarray,
) -> np.ndarray:
    """What `evaluated` says of examples, each by the model that wasn't trained on its user.

    Args:
        models: A model for each fold, trained on the users of all others; see `user_folds`.
        evaluated: A function of a model and the positions of [n] examples to [n, ...] values.
        users: [examples] positions in `log.users`.
    """
    folds = user_folds(users, len(models))
    parts = [np.flatnonzero(folds == fold) for fold in range(len(models))]
    results: list[Any] = [evaluated(model, part) for model, part in zip(models, parts, strict=True)]
    order = np.argsort(np.concatenate(parts), kind="stable")
    return np.concatenate(results)[order]

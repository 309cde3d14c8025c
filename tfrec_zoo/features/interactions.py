"""Interactions: what interaction columns count and date, when their quantiles are fitted.

`DenseFeatures` works out the same of encoded features, in TensorFlow.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.columns import (
    HashedColumn,
)
from tfrec_zoo.features.combinations import is_last
from tfrec_zoo.features.dense_columns import (
    InteractionColumn,
)
from tfrec_zoo.features.request import raw_array
from tfrec_zoo.features.vocabulary import Vocabulary


class InteractionValues:
    """Counts and dates the equal values of bags and candidates, chunk by chunk.

    Args:
        column: The column.
        vocabularies: By ID space; values that the column's doesn't know are equal to none.

    Example:

    >>> from tfrec_zoo.features import *
    >>> watched = BagColumn(VocabularyColumn("watched", space="video"))
    >>> column = InteractionColumn(watched, VocabularyColumn("video", space="video"), "ages")
    >>> values = InteractionValues(column, {"video": Vocabulary(("a", "b"))})
    >>> rows = {"watched": [["a", "b", "a"], ["z"]], "ages": [[9, 5, 2], [1]], "video": ["a", "z"]}
    >>> {name: found.tolist() for name, found in values.of(rows).items()}
    {'watched_bag50_and_video/count': [2.0, 0.0], 'watched_bag50_and_video/age': [2.0]}
    """

    def __init__(self, column: InteractionColumn, vocabularies: Mapping[str, Vocabulary]) -> None:
        self.column = column
        self._tokens: pd.Index | None = None
        if not isinstance(column.candidate, HashedColumn):
            tokens = vocabularies[column.candidate.space].array()
            self._tokens = pd.Index(tokens, dtype=tokens.dtype)

    def of(self, chunk: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The values of a chunk by the column's `parts`, if all its features are there.

        Args:
            chunk: Raw features by key: a bag, its ages and the candidate, row by row.

        Returns:
            The count of each row, and the age of the latest of each row that has one.
        """
        if any(key not in chunk for key in self.column.keys):
            return {}
        column = self.column
        dtype = column.candidate.dtype
        bag = raw_array(chunk[column.bag.key], dtype, is_bag=True)
        candidate = raw_array(chunk[column.candidate.key], dtype)
        codes, distinct = pd.factorize(np.append(candidate, bag.ravel()))
        match = codes[len(candidate) :].reshape(bag.shape) == codes[: len(candidate), None]
        match &= is_last(bag, dtype, column.bag.max_length)
        if self._tokens is not None:
            # Each distinct value is looked up once.
            is_known = self._tokens.get_indexer(distinct) >= 0
            match &= is_known[codes[: len(candidate)], None]
        found = {column.statistics[0]: match.sum(axis=1).astype(np.float64)}
        if column.ages:
            ages = np.full(bag.shape, np.nan)
            given = raw_array(chunk[column.ages], "float64", is_bag=True)[:, : bag.shape[1]]
            ages[:, : given.shape[1]] = given
            latest = np.fmin.reduce(np.where(match, ages, np.inf), axis=1, initial=np.inf)
            found[column.statistics[1]] = latest[np.isfinite(latest)]
        return found

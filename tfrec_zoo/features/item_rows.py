"""What is known of the items of a vocabulary: a row each, in its order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.request import MISSING, request_arrays
from tfrec_zoo.features.spec import FeatureSpec
from tfrec_zoo.features.vocabulary import Vocabulary


class ItemRows(dict[str, np.ndarray]):
    """Columns of items by key, equal if all values are, and what is missing."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping) or set(self) != set(other):
            return False
        return all(pd.Index(v.ravel()).equals(pd.Index(other[k].ravel())) for k, v in self.items())

    __hash__ = None


def rows_of_items(spec: FeatureSpec, vocabulary: Vocabulary, items: Mapping[str, Any]) -> ItemRows:
    """Looks up the items of a vocabulary in a table of items.

    Args:
        spec: Spec of the columns.
        vocabulary: The items.
        items: The ids and the other raw candidate features by key, a row per item.

    Returns:
        The other features by key, a row per item of the vocabulary; missing values for those that
        are not in the table.

    Raises:
        KeyError: If the ids are missing.
    """
    raw, key = spec.raw_candidate, spec.item.key
    if key not in items.keys():
        raise KeyError(
            f"`items` must hold the ids of the items, {key!r}. "
            f"Received: {sorted(map(str, items.keys()))}"
        )
    given = {k: feature for k, feature in raw.items() if k in items.keys()}
    arrays = request_arrays(given, {k: items[k] for k in given})
    at = pd.Index(arrays.pop(key)).get_indexer(pd.Index(vocabulary.array()))
    rows = ItemRows()
    for k, values in arrays.items():
        fill = 0 if raw[k].width is not None else MISSING[raw[k].dtype]
        missing = np.full((1, *values.shape[1:]), fill, values.dtype)
        rows[k] = np.concatenate([missing, values])[1 + at]
    return rows


def as_lists(rows: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Rows of items as JSON: a number that is missing is null."""
    lists = {}
    for key, values in rows.items():
        if values.dtype.kind == "f":
            is_missing = np.isnan(values)
            values = values.astype(object)
            values[is_missing] = None
        lists[key] = values.tolist()
    return lists

"""More items: fitted features whose vocabulary has further items at its end."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.combinations import radices
from tfrec_zoo.features.features import Features
from tfrec_zoo.features.id_rows import recoded
from tfrec_zoo.features.item_rows import ItemRows
from tfrec_zoo.features.request import MISSING, raw_array, request_arrays
from tfrec_zoo.features.vocabulary import Vocabulary


def item_ids(features: Features, items: Mapping[str, Any]) -> np.ndarray:
    """The ids of a table of items, [rows].

    Args:
        features: Features whose spec says what the ids are.
        items: A frame, or columns by key.

    Raises:
        KeyError: If it has no ids.
        TypeError: If they are of another type.
        ValueError: If one is missing, or there twice.
    """
    column = features.spec.item
    if column.key not in items.keys():
        raise KeyError(
            f"`items` must hold the ids of the items, {column.key!r}. "
            f"Received: {sorted(map(str, items.keys()))}"
        )
    try:
        ids = raw_array(items[column.key], column.dtype)
    except TypeError as error:
        raise TypeError(f"Feature {column.key!r}: {error}") from None
    is_missing = ids == "" if column.dtype == "string" else ids < 0
    if is_missing.any():
        raise ValueError(
            f"`items` must have an id in every row. Received none in row {is_missing.argmax()}"
        )
    repeated = pd.Index(ids).duplicated()
    if repeated.any():
        twice = ids[repeated].tolist()[0]
        raise ValueError(f"`items` must have a row per item. Received twice: {twice!r}")
    return ids


def with_items(features: Features, items: Mapping[str, Any]) -> Features:
    """Features that know more items, after all that they know.

    Ids that were there keep their places, and so does what is known of them. Nothing else is
    learned: a category that is new with an item stays unknown.

    Args:
        features: Fitted features.
        items: The ids and the raw candidate features that `features.items` has, by key, a row per
            item: a frame, or arrays. Rows of items that the vocabulary has are left out.

    Raises:
        KeyError: If a column is missing.
        TypeError, ValueError: If a value is not allowed; the message says which.

    Example:

    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(candidate=(VocabularyColumn("item_id"),))
    >>> features = Features.fit(spec, {"item_id": ["a", "b"]})
    >>> with_items(features, {"item_id": ["c", "a"]}).vocabularies["item_id"].tokens
    ('a', 'b', 'c')
    """
    spec, space = features.spec, features.spec.item.space
    before = features.vocabularies[space]
    ids = item_ids(features, items)
    is_new = pd.Index(before.array()).get_indexer(pd.Index(ids)) < 0
    missing = sorted(set(features.items) - set(items.keys()))
    if missing:
        raise KeyError(
            f"`items` must have the columns that the model reads, {sorted(features.items)}. "
            f"Received none of the name: {missing}"
        )
    added = Vocabulary((*before.tokens, *ids[is_new].tolist()), before.dtype)
    vocabularies = {**features.vocabularies, space: added}
    for cross in spec.crosses:
        if cross.top_n is not None:
            old, new = (radices(cross, v) for v in (features.vocabularies, vocabularies))
            keys = features.vocabularies[cross.space].array()
            moved = recoded(keys, old, new, [np.arange(size) for size in old])
            vocabularies[cross.space] = Vocabulary(tuple(moved.tolist()), "int64")
    rows = ItemRows()
    if features.items:
        raw = {key: spec.raw_candidate[key] for key in features.items}
        given = request_arrays(raw, {key: items[key] for key in raw})
        for key, values in features.items.items():
            fill = 0 if raw[key].width is not None else MISSING[raw[key].dtype]
            rows[key] = stacked(values, given[key][is_new], fill)
    return dataclasses.replace(features, vocabularies=vocabularies, items=rows)


def stacked(above: np.ndarray, below: np.ndarray, fill: Any) -> np.ndarray:
    """Puts one array on top of another; the narrower one is filled up at the end of its rows."""
    if above.ndim > 1:
        width = max(above.shape[1], below.shape[1])
        above, below = (
            np.concatenate([a, np.full((len(a), width - a.shape[1]), fill, a.dtype)], axis=1)
            for a in (above, below)
        )
    return np.concatenate([above, below])

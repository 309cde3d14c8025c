"""Rows of ids: which variables have them, and where the ids of one vocabulary are in another."""

import dataclasses
import functools
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.features.columns import CategoricalColumn, CrossedColumn
from tfrec_zoo.features.combinations import num_ids_of, radices
from tfrec_zoo.features.features import Features


@dataclasses.dataclass(frozen=True)
class IdRows:
    """Says of which ID spaces the axes of a variable are: index `i` is of id `i + 1`.

    A layer or model that has such variables declares them by a property `id_rows`, an iterable of
    these. A layer whose weights are no parameters, because they follow from the features or are
    gathered from the examples, says so by an attribute `is_learned = False`.

    Args:
        variable: The variable.
        spaces: The ID space of each axis, None for an axis of anything else.
        columns: For a sparse matrix, a variable of the same shape whose values are the columns: the
            ids of the first axis's space, less one.
        has_vectors: Whether the rows are learned vectors, so that an id that was never seen may be
            given one.
    """

    variable: tf.Variable
    spaces: tuple[str | None, ...]
    columns: tf.Variable | None = None
    has_vectors: bool = False


def places(old: Features, new: Features, space: str) -> np.ndarray:
    """Where the ids of one ID space are in other features of the same spec.

    Args:
        old: The features the ids are of.
        new: The features they are looked for in.
        space: The ID space.

    Returns:
        [old ids] the index (id − 1) in the new features, −1 for an id that is no longer there.

    Raises:
        ValueError: If the space is a hashed cross whose buckets mean something else.

    Example:

    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(candidate=(VocabularyColumn("video_id"),))
    >>> old, new = (Features(spec, {"video_id": Vocabulary(tokens)}, {})
    ...             for tokens in (("a", "b", "c"), ("d", "c", "a")))
    >>> places(old, new, "video_id").tolist()
    [2, -1, 1]
    """
    column = next((c for c in _categorical(new) if c.space == space), None)
    if isinstance(column, CrossedColumn):
        return _places_of_cross(old, new, column)
    if space not in old.vocabularies:
        assert column is not None
        return np.arange(num_ids_of(column, old.vocabularies))
    before, after = (one.vocabularies[space].array() for one in (old, new))
    return pd.Index(after, dtype=after.dtype).get_indexer(pd.Index(before, dtype=before.dtype))


def origins(old: Features, new: Features, space: str) -> np.ndarray:
    """Where the ids of one ID space were in other features of the same spec; see `places`.

    Returns:
        [new ids] the index (id − 1) in the old features, −1 for an id that was not there.
    """
    found = places(old, new, space)
    column = next((c for c in _categorical(new) if c.space == space), None)
    total = len(new.vocabularies[space]) if column is None else num_ids_of(column, new.vocabularies)
    were = np.full(total, -1)
    were[found[found >= 0]] = np.flatnonzero(found >= 0)
    return were


def _categorical(features: Features) -> Iterator[CategoricalColumn]:
    return (getattr(column, "values", column) for column in features.spec.categorical)


def _places_of_cross(old: Features, new: Features, cross: CrossedColumn) -> np.ndarray:
    sizes, after = radices(cross, old.vocabularies), radices(cross, new.vocabularies)
    parts = [places(old, new, getattr(part, "values", part).space) for part in cross.columns]
    if cross.num_buckets is not None:
        # A bucket is a hash of the key, which depends on the ids of the parts.
        is_same = sizes[1:] == after[1:] and all(
            np.array_equal(part, np.arange(len(part))) for part in parts
        )
        if is_same:
            return np.arange(cross.num_buckets)
        raise ValueError(
            f"The buckets of the hashed cross {cross.name!r} depend on the ids of its parts, which "
            "have changed, so that its weights can't be carried over: give it `top_n` instead. "
            f"Received: num_buckets={cross.num_buckets}"
        )
    if math.prod(sizes) == 0:
        return np.empty(0, np.int64)
    keys = old.vocabularies[cross.space].array()
    moved = recoded(keys, sizes, after, parts)
    return np.where(
        moved > 0, pd.Index(new.vocabularies[cross.space].array()).get_indexer(moved), -1
    )


def recoded(
    keys: np.ndarray, sizes: list[int], after: list[int], parts: list[np.ndarray]
) -> np.ndarray:
    """The keys of combinations where their parts have other ids.

    Args:
        keys: [combinations] keys, as a cross with `top_n` has them.
        sizes: Number of ids of each part.
        after: The same where the ids are others.
        parts: [ids] of each part, where its ids are then, −1 for those that are gone.

    Returns:
        [combinations] the other keys, 0 where a part is gone.

    Example:

    >>> # "Second of 2, third of 3" where the first part's ids swap places, and the second has 5.
    >>> recoded(np.array([6]), [2, 3], [2, 5], [np.array([1, 0]), np.arange(3)]).tolist()
    [3]
    """
    rest, digits = keys - 1, []
    for size in reversed(sizes):
        rest, digit = np.divmod(rest, size)
        digits.append(digit)
    moved = [part[digit] for part, digit in zip(parts, reversed(digits), strict=True)]
    key = functools.reduce(
        lambda left, one: left * one[1] + one[0],
        zip(moved, after, strict=True),
        np.zeros_like(keys),
    )
    is_there = np.all([digit >= 0 for digit in moved], axis=0)
    return np.where(is_there, key + 1, 0)

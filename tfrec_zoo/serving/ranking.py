"""Ranking: lists of candidates, or the whole catalogue, scored a bounded number at a time."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.derived import ITEM_AGE, item_age
from tfrec_zoo.features import MISSING, RawFeature, raw_signature, request_arrays
from tfrec_zoo.serving.items import ItemTable
from tfrec_zoo.serving.requests import is_missing, num_rows, typed_lists

#: Scores that are computed at a time.
_AT_ONCE = 1 << 16
#: Rows of requests that are ranked at a time.
_ROWS = 64


class CandidateFeatures:
    """Looks up the features of items, by their row in a table.

    Args:
        raw: The candidate's raw features, by key.
        items: The items, or None.
    """

    def __init__(self, raw: Mapping[str, RawFeature], items: ItemTable | None) -> None:
        self.raw = dict(raw)
        self.items = items
        columns = {} if items is None else items.catalogue.columns
        self.has_age = (
            ITEM_AGE in raw and items is not None and items.catalogue.upload_time is not None
        )
        #: Keys of features that the table doesn't have.
        self.lacking = sorted(set(raw) - set(columns) - ({ITEM_AGE} if self.has_age else set()))

    @functools.cached_property
    def _tables(self) -> dict[str, tf.Tensor]:
        """[items + 1] values by key, the missing one at the end."""
        if self.items is None:
            return {}
        found = {k: f for k, f in self.raw.items() if k in self.items.catalogue.columns}
        arrays = request_arrays(found, {k: self.items.catalogue.columns[k] for k in found})
        types = raw_signature(found)
        tables = {}
        for key, array in arrays.items():
            missing = np.full((1, *array.shape[1:]), MISSING[found[key].dtype], array.dtype)
            tables[key] = tf.constant(np.concatenate([array, missing]), types[key].dtype)
        return tables

    @functools.cached_property
    def _upload_time(self) -> tf.Tensor:
        assert self.items is not None and self.items.catalogue.upload_time is not None
        return tf.constant(np.append(self.items.catalogue.upload_time, np.nan), tf.float64)

    def of(self, index: np.ndarray, now: np.ndarray | None, given: set[str]) -> dict[str, Any]:
        """The features of candidates, [rows, candidates, ...].

        Args:
            index: [rows, candidates] rows of the table, -1 for items that are not in it.
            now: [rows] moments that ages are counted to, negative where none is given.
            given: Keys that are not wanted.
        """
        if self.items is None:
            return {}
        at = np.where(index < 0, len(self.items.catalogue), index)
        found = {k: tf.gather(table, at) for k, table in self._tables.items() if k not in given}
        if self.has_age and ITEM_AGE not in given:
            end = np.nan if self.items.now is None else self.items.now
            moment = np.full(len(index), end) if now is None else np.where(now >= 0, now, end)
            found[ITEM_AGE] = item_age(moment[:, None], tf.gather(self._upload_time, at))
        return found


@dataclasses.dataclass(frozen=True)
class Query:
    """What candidates are scored for, row by row.

    Args:
        features: [rows, ...] the query's features, by key.
        now: [rows] moments that ages are counted to, or None.
    """

    features: Mapping[str, np.ndarray]
    now: np.ndarray | None = None

    def __getitem__(self, rows: slice | np.ndarray) -> "Query":
        features = {key: values[rows] for key, values in self.features.items()}
        return Query(features, None if self.now is None else self.now[rows])


@dataclasses.dataclass(frozen=True)
class ScoredLists:
    """Lists of candidates and what a ranking model makes of them.

    Args:
        ids: [rows, candidates] item ids, padded with the missing one; None if none were given.
        lengths: [rows] lengths of the lists.
        scores: [rows, candidates] predictions, NaN beyond the end of a list.
        is_known: [rows, candidates] whether the model knows the item.
    """

    ids: np.ndarray | None
    lengths: np.ndarray
    scores: np.ndarray
    is_known: np.ndarray

    def best(self, keep: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best candidates, those that the model knows before all others.

        Args:
            keep: [rows, candidates] which candidates may be returned.
            k: Number of candidates per row at most.

        Returns:
            For each of them its row, its rank from 0, and its position in the list.
        """
        order = np.argsort(-self.scores, axis=1, kind="stable")
        for last in (~self.is_known, ~keep):
            behind = np.take_along_axis(last, order, axis=1)
            order = np.take_along_axis(order, np.argsort(behind, axis=1, kind="stable"), axis=1)
        order = order[:, :k]
        row, rank = np.nonzero(np.take_along_axis(keep, order, axis=1))
        return row, rank, order[row, rank]


class CandidateRanking:
    """Scores lists of candidates, or the whole catalogue, a bounded number at a time.

    Args:
        score: Function of the query's features, [rows, ...] by key, and of the candidates',
            [rows, candidates, ...], that returns the predictions, [rows, candidates].
        raw: The candidate's raw features, by key.
        item: Key and type of the item ids, or None if there are none.
        items: What is known of the items, or None.
    """

    def __init__(
        self,
        score: Callable[[Mapping[str, Any], Mapping[str, Any]], np.ndarray],
        raw: Mapping[str, RawFeature],
        item: RawFeature | None,
        items: ItemTable | None,
    ) -> None:
        self.features = CandidateFeatures(raw, items)
        self._score = score
        self._item = item
        self._items = items

    def catalogue(
        self, query: Query, exclude: np.ndarray, allow: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Ranks the items that the model knows.

        Args:
            query: What they are scored for.
            exclude: [rows, n] items that must not be returned, padded with the missing id.
            allow: [rows, n] the only items that may be returned; all if there is none in a row.
            k: Number of items per row at most.

        Returns:
            For each of the best items its row, its rank from 0, its id and its score.

        Raises:
            ValueError: If features of the items are not known.
        """
        items = self._items
        if items is None or self.features.lacking:
            raise ValueError(
                "Candidate features must be columns of the log's `items`, which an export made by "
                "`Run.export`, `Run.save` or `export(..., log=log)` carries, for the whole "
                "catalogue to be ranked; use a funnel, or score candidates. "
                f"Received others: {self.features.lacking or sorted(self.features.raw)}"
            )
        known = items.catalogue.ids[: items.known]
        parts = []
        for top in range(0, len(exclude), _ROWS):
            rows = slice(top, top + _ROWS)
            banned = members(self._find(exclude[rows]), items.known)
            is_restricted = np.any(~is_missing(allow[rows]), axis=1)
            if is_restricted.any():
                allowed = members(self._find(allow[rows]), items.known)
                banned |= is_restricted[:, None] & ~allowed
            positions = np.flatnonzero(~banned.all(axis=0))
            row, rank, at, scores = self._best(query[rows], banned, positions, k)
            parts.append((row + top, rank, known[at], scores))
        if not parts:
            return self._nothing(known)
        row, rank, ids, scores = (np.concatenate(values) for values in zip(*parts, strict=True))
        return row, rank, ids, scores

    def lists(self, query: Query, candidates: Any) -> ScoredLists:
        """Scores lists of candidates.

        Args:
            query: What they are scored for.
            candidates: A list of item ids per row; or lists of values by key, to which the features
                that are not given are looked up by the ids.

        Raises:
            KeyError, TypeError, ValueError: If the candidates are malformed, or the model reads
                features of theirs that are neither given nor known.
        """
        rows = num_rows(query.features) if query.features else None
        given, lengths = self._given(candidates, rows)
        ids = None if self._item is None else given.get(self._item.key)
        lacking = set(self.features.raw) - set(given)
        if ids is not None and self._items is not None:
            lacking &= set(self.features.lacking)
        if lacking:
            raise KeyError(
                "Nothing is known of features of the candidates that the model reads: give them as "
                f"lists by key, such as {{{sorted(lacking)[0]!r}: [[…]]}}. "
                f"Received candidates without {sorted(lacking)}"
            )
        longest = int(lengths.max(initial=0))
        index = np.full((len(lengths), longest), -1)
        is_known = np.ones(index.shape, bool)
        if ids is not None and self._items is not None:
            index = self._find(ids)
            is_known = (index >= 0) & (index < self._items.known)
        scores = np.full(index.shape, np.nan, np.float32)
        own = {key: values for key, values in given.items() if key in self.features.raw}
        for part in _blocks(*index.shape):
            asked = query[part[0]]
            looked_up = self.features.of(index[part], asked.now, set(own))
            candidates = {**looked_up, **{key: values[part] for key, values in own.items()}}
            scores[part] = self._score(asked.features, candidates)
        scores[np.arange(longest) >= lengths[:, None]] = np.nan
        return ScoredLists(ids, lengths, scores, is_known)

    def _best(
        self, query: Query, banned: np.ndarray, positions: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The row, rank, position and score of the best items of a few requests."""
        rows = len(banned)
        best: np.ndarray = np.empty((rows, 0), np.float32)
        at: np.ndarray = np.empty((rows, 0), np.int64)
        width = max(_AT_ONCE // rows, 1)
        for left in range(0, len(positions), width):
            part = positions[left : left + width]
            index = np.broadcast_to(part, (rows, len(part)))
            scores = self._score(query.features, self.features.of(index, query.now, set()))
            scores = np.where(banned[:, part], -np.inf, scores)
            best = np.concatenate([best, scores], axis=1)
            at = np.concatenate([at, index], axis=1)
            # Of equal scores the first item wins.
            order = np.argsort(-best, axis=1, kind="stable")[:, :k]
            best, at = (np.take_along_axis(values, order, axis=1) for values in (best, at))
        row, rank = np.nonzero(best > -np.inf)
        return row, rank, at[row, rank], best[row, rank]

    def _given(self, candidates: Any, rows: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The lists that were given, padded, by key, and their lengths."""
        features = dict(self.features.raw)
        if self._item is not None:
            features.setdefault(self._item.key, self._item)
        if not isinstance(candidates, Mapping | pd.DataFrame):
            if self._item is None:
                raise TypeError(
                    "The model doesn't tell items by ids: give candidates as lists of features by "
                    f"key, of {sorted(features)}. Received: {candidates!r:.80}"
                )
            candidates = {self._item.key: candidates}
        unknown = sorted(str(key) for key in candidates if key not in features)
        if unknown or not len(candidates):
            raise KeyError(
                f"Candidates must be given by some of {sorted(features)}. Received: {unknown}"
            )
        given, lengths = {}, {}
        for key in candidates:
            given[key], lengths[key] = typed_lists(candidates[key], features[key])
        first = next(iter(lengths.values()))
        if any(not np.array_equal(first, other) for other in lengths.values()):
            received = {key: other.tolist()[:5] for key, other in lengths.items()}
            raise ValueError(
                f"Lists of candidates must be equally long in every feature. Received: {received}"
            )
        if rows is not None and len(first) != rows:
            raise ValueError(
                f"There must be a list of candidates per row, {rows}. Received: {len(first)}"
            )
        return given, first

    def _find(self, ids: np.ndarray) -> np.ndarray:
        """The rows of ids in the table, -1 for those that are not in it."""
        assert self._items is not None
        return self._items.catalogue.find(ids.ravel()).reshape(ids.shape)

    @staticmethod
    def _nothing(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        none = np.empty(0, np.int64)
        return none, none, ids[:0], np.empty(0, np.float32)


def may_be_returned(
    ids: np.ndarray, lengths: np.ndarray, exclude: np.ndarray, allow: np.ndarray
) -> np.ndarray:
    """Which candidates may be returned: each once, none excluded, and allowed if any are.

    Args:
        ids: [rows, candidates] item ids.
        lengths: [rows] lengths of the lists.
        exclude: [rows, n] items that must not be returned, padded with the missing id.
        allow: [rows, n] the only items that may be; all if a row has none.
    """
    keep = np.arange(ids.shape[1]) < lengths[:, None]
    for row in range(len(ids)):
        bags = (ids[row], exclude[row], allow[row])
        own, out, allowed = (pd.Index(bag[~is_missing(bag)]) for bag in bags)
        candidates = pd.Index(ids[row])
        keep[row] &= ~candidates.duplicated() & ~candidates.isin(out)
        if len(allowed):
            keep[row] &= candidates.isin(allowed)
    return keep


def members(found: np.ndarray, size: int) -> np.ndarray:
    """[rows, size] whether each position is among those of a row.

    Args:
        found: [rows, n] positions; those outside of 0 … size − 1 are none.
        size: Number of positions.
    """
    is_member = np.zeros((len(found), size + 1), bool)
    at = np.where((found < 0) | (found >= size), size, found)
    is_member[np.arange(len(found))[:, None], at] = True
    return is_member[:, :size]


def _blocks(rows: int, candidates: int) -> list[tuple[slice, slice]]:
    """Parts of a [rows, candidates] matrix that are small enough to be scored at once."""
    height = max(min(_ROWS, _AT_ONCE // max(candidates, 1)), 1)
    width = _AT_ONCE // height
    return [
        (slice(top, min(top + height, rows)), slice(left, min(left + width, candidates)))
        for top in range(0, rows, height)
        for left in range(0, candidates, width)
    ]

"""Specs: the features of a task, guessed from whatever columns a log has."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import Log
from tfrec_zoo.data.columns import is_bag, is_text
from tfrec_zoo.data.derived import (
    CANDIDATE_SCORE,
    EXAMPLE_AGE,
    HISTORY,
    HISTORY_AGE,
    ITEM_AGE,
    LAST_WATCHED,
    MAX_HISTORY,
    MAX_TOKENS,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
    UPLOAD_TIME,
    attribute_key,
)
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    Column,
    CrossedColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)

#: Text columns with more distinct values than this share of the rows are names, not categories.
_NAMES = 0.5


def id_spec(log: Log) -> FeatureSpec:
    """The ids of users and items and nothing else, for models of these alone."""
    user, item = (
        VocabularyColumn(key, dtype=_id_type(log.interactions[key]))
        for key in (log.roles.user, log.roles.item)
    )
    return FeatureSpec((user,), (item,))


def choice_spec(log: Log, embedding_dim: int | None = None) -> FeatureSpec:
    """The ids and columns of users and items, for ranking models on `interaction_examples`.

    Args:
        log: The log.
        embedding_dim: Width of the embeddings of ids.
    """
    user, item = (
        EmbeddingColumn(column, embedding_dim)
        for side in (id_spec(log).query, id_spec(log).candidate)
        for column in side
        if isinstance(column, VocabularyColumn)
    )
    r = log.roles
    return FeatureSpec(
        (user, *_profile(log.users, (r.user,))),
        (item, *_profile(log.items, (r.item, UPLOAD_TIME))),
    )


def click_spec(
    log: Log, ids: bool = True, profile: bool = True, crosses: int | None = None
) -> FeatureSpec:
    """The features of `labelled_examples`: categories, bags of them, and numbers.

    Numbers with at most 100 distinct values, such as ages and years, are fed as categories.

    Args:
        log: The log.
        ids: Whether the ids of users and items are fed. If not, the time of the event is, as a
            number and as one of 1,000 quantiles: it tells one session from another.
        profile: Whether the other columns of users and items are fed.
        crosses: If given, every category of the user is crossed with every category of the item,
            but not id with id, and the `crosses` most frequent combinations have a weight.
    """
    r = log.roles
    user, item = (
        [EmbeddingColumn(column) for column in side if isinstance(column, VocabularyColumn)]
        for side in (id_spec(log).query, id_spec(log).candidate)
    )
    query: list[Column] = [*(user if ids else ())]
    candidate: list[Column] = [*(item if ids else ())]
    if profile:
        query += _categories(log.users, r.user)
        candidate += _categories(log.items, r.item)
    if crosses is not None:
        parts: list[list[Any]] = [
            [c.categorical for c in side if isinstance(c, EmbeddingColumn)]
            for side in (query, candidate)
        ]
        candidate += [
            CrossedColumn((of_user, of_item), top_n=crosses)
            for of_user, of_item in itertools.product(*parts)
            if (of_user.name, of_item.name) != (r.user, r.item)
        ]
    return FeatureSpec((*query, *(() if ids else _when(log))), tuple(candidate))


def next_watch_spec(
    log: Log,
    bags: Sequence[int] = (1, 3, 10, MAX_HISTORY),
    last_watched: bool = False,
    profile: bool = True,
    example_age: bool = False,
    embedding_dim: int | None = None,
    candidate: bool = False,
    order: bool = True,
) -> FeatureSpec:
    """The features of `next_watch_examples`.

    Args:
        log: The log.
        bags: Sizes of the bags of last watches; each is averaged and fed apart, from one table. The
            paper has one bag of 50; short bags beside it say what the user is in the mood for.
        last_watched: Whether the last watch is fed apart, from the same table.
        profile: Whether the columns of `log.users` and search tokens are fed.
        example_age: Whether the age of the example is fed.
        embedding_dim: Width of the item embeddings.
        candidate: Whether the candidate is fed, by its id and columns, as ranking models need.
        order: Whether the order of the history is fed. If not, it is one bag, the largest of
            `bags`, as in the paper (§3.4): short bags and the last watch say what came last.
    """
    if not order:
        bags, last_watched = (max(bags),), False
    r = log.roles
    item: dict[str, Any] = {"space": r.item, "dtype": _id_type(log.interactions[r.item])}
    query: list[Column] = [
        EmbeddingColumn(_bag(HISTORY, length, **item), embedding_dim) for length in bags
    ]
    if last_watched:
        query.append(_embedding(LAST_WATCHED, embedding_dim, **item))
    if profile:
        query += _profile(log.users, (r.user,))
        if log.searches is not None:
            query.append(EmbeddingColumn(_bag(SEARCH_TOKENS, MAX_TOKENS)))
    if example_age:
        query.append(NumericColumn(EXAMPLE_AGE, serving=0.0, extrapolate=True))
    if not candidate:
        return FeatureSpec(tuple(query), (VocabularyColumn(r.item, **item),))
    own = _profile(log.items, (r.item, UPLOAD_TIME)) if profile else []
    return FeatureSpec(tuple(query), (_embedding(r.item, embedding_dim, **item), *own))


def impression_spec(
    log: Log,
    max_history: int = MAX_HISTORY,
    candidate_score: bool = False,
    previous_impressions: bool = True,
    embedding_dim: int | None = None,
) -> FeatureSpec:
    """The features of `impression_examples`.

    Args:
        log: The log.
        max_history: Bag size of the history.
        candidate_score: Whether the score that retrieval gave the candidate is fed.
        previous_impressions: Whether it is fed how often the candidate was shown before.
        embedding_dim: Width of the item embeddings.
    """
    r = log.roles
    item: dict[str, Any] = {"space": r.item, "dtype": _id_type(log.interactions[r.item])}
    query: list[Column] = [
        EmbeddingColumn(_bag(HISTORY, max_history, **item), embedding_dim),
        _embedding(LAST_WATCHED, embedding_dim, **item),
        *_profile(log.users, (r.user,)),
    ]
    if log.searches is not None:
        query.append(EmbeddingColumn(_bag(SEARCH_TOKENS, MAX_TOKENS)))
    candidate: list[Column] = [
        _embedding(r.item, embedding_dim, **item),
        *_profile(log.items, (r.item, UPLOAD_TIME)),
    ]
    if UPLOAD_TIME in log.items:
        candidate.append(NumericColumn(ITEM_AGE))
    # The user's past with what the candidate has in common with other items.
    for column in tuple(candidate):
        categorical = getattr(column, "categorical", None)
        if isinstance(categorical, VocabularyColumn) and categorical.key in log.items.columns[1:]:
            key = categorical.key
            past = _bag(attribute_key(key), max_history, space=key)
            candidate.append(InteractionColumn(past, categorical, HISTORY_AGE))
    if previous_impressions:
        shown = _bag(RECENT_IMPRESSIONS, **item)
        candidate.append(InteractionColumn(shown, VocabularyColumn(r.item, **item)))
    if candidate_score:
        candidate.append(NumericColumn(CANDIDATE_SCORE))
    return FeatureSpec(tuple(query), tuple(candidate))


def longest_history(log: Log) -> int:
    """The number of interactions of the user who has most."""
    return int(log.interactions[log.roles.user].value_counts().max())


def _when(log: Log) -> tuple[Column, Column]:
    events = log.interactions if log.impressions is None else log.impressions
    quantiles = np.quantile(events[log.roles.time], np.linspace(0, 1, 1001)[1:-1])
    edges = tuple(np.unique(quantiles.astype(np.float32)).tolist())
    return NumericColumn(log.roles.time), EmbeddingColumn(BucketizedColumn(log.roles.time, edges))


def _categories(frame: pd.DataFrame, key: str) -> list[Column]:
    columns: list[Column] = []
    for name in frame.columns.drop(key):
        values = frame[name]
        if is_bag(values):
            columns.append(EmbeddingColumn(_bag(name)))
        elif is_text(values):
            # Nearly all different: names.
            if 1 < values.nunique() <= 0.9 * len(values):
                columns.append(_embedding(name))
        elif 1 < values.nunique() <= 100:
            edges = tuple(np.unique(values.dropna())[1:].tolist())
            columns.append(EmbeddingColumn(BucketizedColumn(name, edges)))
        elif values.nunique() > 1:
            columns.append(NumericColumn(name))
    return columns


def _profile(frame: pd.DataFrame, leave_out: tuple[str, ...]) -> list[Column]:
    """Embeds text columns that are categories and bags of them; normalises numeric columns."""
    columns: list[Column] = []
    for name in frame.columns:
        values = frame[name]
        if name in leave_out:
            continue
        if is_bag(values):
            columns.append(EmbeddingColumn(_bag(name)))
        elif is_text(values):
            if values.nunique() <= _NAMES * len(values) and (values != "").any():
                columns.append(_embedding(name))
        elif values.notna().any():
            columns.append(NumericColumn(name))
    return columns


def _embedding(key: str, dimension: int | None = None, **kwargs: Any) -> EmbeddingColumn:
    return EmbeddingColumn(VocabularyColumn(key, **kwargs), dimension)


def _bag(key: str, max_length: int = MAX_HISTORY, **kwargs: Any) -> BagColumn:
    return BagColumn(VocabularyColumn(key, **kwargs), max_length)


def _id_type(values: pd.Series) -> Any:
    return "int64" if pd.api.types.is_integer_dtype(values) else "string"

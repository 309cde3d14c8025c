"""Specs: the features of a task, guessed from whatever columns a log has."""

import itertools
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import Log
from tfrec_zoo.data.columns import are_names, is_bag, is_list, is_text, vector_width
from tfrec_zoo.data.derived import (
    EXAMPLE_AGE,
    HISTORY,
    HISTORY_AGE,
    ITEM_AGE,
    LAST_WATCHED,
    MAX_HISTORY,
    MAX_TOKENS,
    NUM_BEFORE,
    POSITION,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
    SINCE_LAST,
    attribute_key,
    first_position,
)
from tfrec_zoo.data.entities import item_table, user_table
from tfrec_zoo.data.nominated import CANDIDATE_SOURCES, rank_key, score_key
from tfrec_zoo.data.roles import UPLOAD_TIME
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    Column,
    CrossedColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    MatchColumn,
    NumericColumn,
    PairColumn,
    VectorColumn,
    VocabularyColumn,
)

_LOGGER = logging.getLogger(__name__)

#: A number that is one value in more than this share of the rows has it set apart.
_MASS = 0.5


def id_spec(log: Log) -> FeatureSpec:
    """The ids of users and items and nothing else, for models of these alone."""
    user, item = (
        VocabularyColumn(key, dtype=_id_type(log.interactions[key]))
        for key in (log.roles.user, log.roles.item)
    )
    return FeatureSpec((user,), (item,))


def history_spec(log: Log, length: int, ages: bool = False) -> FeatureSpec:
    """The history and nothing else, for models of it alone.

    Args:
        log: The log.
        length: Number of last items that count.
        ages: Whether how long ago each of them was is read, too.
    """
    r = log.roles
    item: dict[str, Any] = {"space": r.item, "dtype": _id_type(log.interactions[r.item])}
    values = VocabularyColumn(HISTORY, **item)
    bag = BagColumn(values, length, ages=HISTORY_AGE if ages else None)
    return FeatureSpec((EmbeddingColumn(bag),), (VocabularyColumn(r.item, **item),))


def choice_spec(log: Log, embedding_dim: int | None = None, profile: bool = True) -> FeatureSpec:
    """The ids and columns of users and items, for ranking models on `interaction_examples`.

    Args:
        log: The log.
        embedding_dim: Width of the embeddings of ids.
        profile: Whether the columns are fed besides the ids.
    """
    user, item = (
        EmbeddingColumn(column, embedding_dim)
        for side in (id_spec(log).query, id_spec(log).candidate)
        for column in side
        if isinstance(column, VocabularyColumn)
    )
    users, items = _profiles(log) if profile else ([], [])
    return FeatureSpec((user, *users), (item, *items, *_matches(users, items)))


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
        users, items = _profiles(log, as_categories=True)
        query, candidate = query + users, candidate + items
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
    candidate += [*_matches(query, candidate), *_position(log)]
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
    moment: bool = False,
    half_lives: Sequence[float] = (),
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
            `bags`, as in the paper (§3.4): short bags, the last watch and half-lives say what came
            last.
        moment: Whether it is fed how long ago the last watch was, and how many there are.
        half_lives: Half-lives of means of the largest bag in which a watch weighs by its age, each
            fed apart, from the same table.
    """
    if not order:
        bags, last_watched, half_lives = (max(bags),), False, ()
    r = log.roles
    item: dict[str, Any] = {"space": r.item, "dtype": _id_type(log.interactions[r.item])}
    query: list[Column] = [
        EmbeddingColumn(_bag(HISTORY, length, **item), embedding_dim) for length in bags
    ]
    values = VocabularyColumn(HISTORY, **item)
    query += [
        EmbeddingColumn(
            BagColumn(values, max(bags), half_life=half_life, ages=HISTORY_AGE), embedding_dim
        )
        for half_life in half_lives
    ]
    if last_watched:
        query.append(_embedding(LAST_WATCHED, embedding_dim, **item))
    if moment:
        query += [NumericColumn(SINCE_LAST), NumericColumn(NUM_BEFORE)]
    users, items = _profiles(log) if profile else ([], [])
    if profile:
        query += users
        if log.searches is not None:
            query.append(EmbeddingColumn(_bag(SEARCH_TOKENS, MAX_TOKENS)))
    if example_age:
        query.append(NumericColumn(EXAMPLE_AGE, serving=0.0, extrapolate=True))
    if not candidate:
        return FeatureSpec(tuple(query), (VocabularyColumn(r.item, **item),))
    own = _embedding(r.item, embedding_dim, **item)
    return FeatureSpec(tuple(query), (own, *items, *_matches(users, items)))


def of_items(spec: FeatureSpec) -> FeatureSpec:
    """The spec without candidate columns that read the query too, which differ by request."""
    own = [column for column in spec.candidate if not isinstance(column, PairColumn)]
    return FeatureSpec(spec.query, tuple(own))


def impression_spec(
    log: Log,
    max_history: int = MAX_HISTORY,
    sources: Sequence[str] = (),
    previous_impressions: bool = True,
    embedding_dim: int | None = None,
) -> FeatureSpec:
    """The features of `impression_examples`.

    Args:
        log: The log.
        max_history: Bag size of the history.
        sources: Names of what nominates candidates: which of them nominated the candidate is fed,
            and of each the score and the reciprocal rank.
        previous_impressions: Whether it is fed how often the candidate was shown before.
        embedding_dim: Width of the item embeddings.
    """
    r = log.roles
    item: dict[str, Any] = {"space": r.item, "dtype": _id_type(log.interactions[r.item])}
    users, items = _profiles(log)
    query: list[Column] = [
        EmbeddingColumn(_bag(HISTORY, max_history, **item), embedding_dim),
        _embedding(LAST_WATCHED, embedding_dim, **item),
        *users,
    ]
    if log.searches is not None:
        query.append(EmbeddingColumn(_bag(SEARCH_TOKENS, MAX_TOKENS)))
    candidate: list[Column] = [_embedding(r.item, embedding_dim, **item), *items]
    if UPLOAD_TIME in log.items:
        candidate.append(NumericColumn(ITEM_AGE))
    # The user's past with what the candidate has in common with other items.
    for column in items:
        categorical = getattr(column, "categorical", None)
        if isinstance(categorical, VocabularyColumn):
            past = _bag(attribute_key(categorical.key), max_history, space=categorical.space)
            candidate.append(InteractionColumn(past, categorical, HISTORY_AGE))
    candidate += [*_matches(users, items), *_position(log)]
    if previous_impressions:
        shown = _bag(RECENT_IMPRESSIONS, **item)
        candidate.append(InteractionColumn(shown, VocabularyColumn(r.item, **item)))
    if sources:
        # One more: requests nominate, too.
        candidate.append(EmbeddingColumn(_bag(CANDIDATE_SOURCES, len(sources) + 1)))
    for name in sources:
        # Most of what was shown was not nominated by most sources.
        candidate += [NumericColumn(score_key(name)), NumericColumn(rank_key(name), mass=True)]
    return FeatureSpec(tuple(query), tuple(candidate))


def longest_history(log: Log) -> int:
    """The number of interactions of the user who has most."""
    return int(np.bincount(log.user_codes).max())


def _when(log: Log) -> tuple[Column, ...]:
    if not log.has_times:
        return ()
    events = log.interactions if log.impressions is None else log.impressions
    quantiles = np.quantile(events[log.roles.time], np.linspace(0, 1, 1001)[1:-1])
    edges = tuple(np.unique(quantiles).tolist())
    return NumericColumn(log.roles.time), EmbeddingColumn(BucketizedColumn(log.roles.time, edges))


def _position(log: Log) -> tuple[Column, ...]:
    """Where an impression was shown, known in training and the first place in serving."""
    first = first_position(log)
    if first is None:
        return ()
    if isinstance(first, int):
        return (_embedding(POSITION, dtype="int64", serving=first),)
    return (NumericColumn(POSITION, serving=first),)


def _profiles(log: Log, as_categories: bool = False) -> tuple[list[Column], list[Column]]:
    """The columns of users and of items, those of one name in one ID space."""
    r = log.roles
    users = _columns(user_table(log), (r.user,), {}, as_categories)
    # Where users have a column of the same name, the item's has its values and another name.
    own = dict(zip(log.users.columns, user_table(log).columns, strict=True))
    spaces = {
        key: own[name]
        for name, key in zip(log.items.columns, item_table(log).columns, strict=True)
        if name in own and is_text(log.items[name]) and is_text(log.users[name])
    }
    leave_out = (r.item,) if as_categories else (r.item, UPLOAD_TIME)
    return users, _columns(item_table(log), leave_out, spaces, as_categories)


def _matches(query: Iterable[Column], candidate: Iterable[Column]) -> list[Column]:
    """Whether user and item agree, for each column that both have."""
    of_users = {
        column.categorical.space: column.categorical
        for column in query
        if isinstance(column, EmbeddingColumn) and isinstance(column.categorical, VocabularyColumn)
    }
    return [
        MatchColumn(of_users[column.categorical.space], column.categorical)
        for column in candidate
        if isinstance(column, EmbeddingColumn)
        and isinstance(column.categorical, VocabularyColumn)
        and column.categorical.key != column.categorical.space
        and column.categorical.space in of_users
    ]


def _columns(
    frame: pd.DataFrame, leave_out: tuple[str, ...], spaces: dict[str, str], as_categories: bool
) -> list[Column]:
    """Guesses the columns of a frame: text is embedded, vectors are given, numbers normalized.

    Args:
        frame: Users or items.
        leave_out: Columns that are not wanted, such as the ids.
        spaces: ID spaces of columns that share those of others.
        as_categories: Whether numbers of at most 100 values are categories.
    """
    columns: list[Column] = []
    broken: list[str] = []
    for name in frame.columns.drop(list(leave_out), errors="ignore"):
        values = frame[name]
        width = vector_width(values)
        if width is not None:
            columns.append(VectorColumn(name, width))
        elif is_bag(values):
            if _has_line_breaks(pd.Series([v for bag in values if is_list(bag) for v in bag])):
                broken.append(name)
            else:
                columns.append(EmbeddingColumn(_bag(name)))
        elif is_text(values):
            if not _is_category(values, as_categories):
                continue
            if _has_line_breaks(values):
                broken.append(name)
            else:
                columns.append(_embedding(name, space=spaces.get(name, name)))
        else:
            columns += _of_numbers(name, values, as_categories)
    if broken:
        _LOGGER.warning(
            "Left out of the features, as their text has several lines: %s",
            ", ".join(map(repr, broken)),
        )
    return columns


def _is_category(values: pd.Series, at_least_two: bool) -> bool:
    """Whether text is a category: neither empty nor nearly all different, as names are."""
    known = values[values.notna() & (values != "")]
    if at_least_two:
        return 1 < values.nunique() <= 0.9 * len(values)
    return len(known) > 0 and not are_names(values)


def _has_line_breaks(values: pd.Series) -> bool:
    text = values.map(lambda value: isinstance(value, str) and not {"\n", "\r"}.isdisjoint(value))
    return bool(text.any())


def _of_numbers(name: str, values: pd.Series, as_categories: bool) -> list[Column]:
    """A number by its kind: a category, a flag of 0 and 1, with a mass at one value, or plain."""
    known = pd.to_numeric(values, errors="coerce").astype("float64")
    known = known[np.isfinite(known)]
    distinct = np.unique(known)
    if as_categories and len(distinct) < 2 or not len(distinct):
        return []
    if as_categories and len(distinct) <= 100:
        return [EmbeddingColumn(BucketizedColumn(name, tuple(distinct[1:].tolist())))]
    if np.isin(distinct, (0, 1)).all():
        return [NumericColumn(name, "min-max")]
    return [NumericColumn(name, mass=bool((known == known.mode()[0]).mean() > _MASS))]


def _embedding(key: str, dimension: int | None = None, **kwargs: Any) -> EmbeddingColumn:
    return EmbeddingColumn(VocabularyColumn(key, **kwargs), dimension)


def _bag(key: str, max_length: int = MAX_HISTORY, **kwargs: Any) -> BagColumn:
    return BagColumn(VocabularyColumn(key, **kwargs), max_length)


def _id_type(values: pd.Series) -> Any:
    return "int64" if pd.api.types.is_integer_dtype(values) else "string"

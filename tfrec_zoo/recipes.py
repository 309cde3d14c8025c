"""Recipes: from a log to a trained model, with features made from whatever columns it has."""

import dataclasses
import inspect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo import registry
from tfrec_zoo.data import (
    Examples,
    Log,
    NegativeSampling,
    Split,
    impression_examples,
    interaction_examples,
    leave_last_out,
    next_watch_examples,
    sampled_impressions,
)
from tfrec_zoo.data.columns import is_bag, is_text
from tfrec_zoo.data.derived import MAX_HISTORY
from tfrec_zoo.evaluation import full_ranking, pointwise
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    Column,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import RankingModel, RecommenderModel, RetrievalModel
from tfrec_zoo.training import Training, fit, use_half_precision

#: Item columns of more distinct values than this share of the items are names, not categories.
_NAMES = 0.5


def id_spec(log: Log) -> FeatureSpec:
    """The ids of users and items and nothing else, for models of these alone."""
    user, item = (
        VocabularyColumn(key, dtype=_id_type(log.interactions[key]))
        for key in (log.roles.user, log.roles.item)
    )
    return FeatureSpec((user,), (item,))


def choice_spec(log: Log, embedding_dim: int | None = None) -> FeatureSpec:
    """The ids and columns of users and items, for ranking models on `interaction_examples`."""
    user, item = (
        EmbeddingColumn(column, embedding_dim)
        for side in (id_spec(log).query, id_spec(log).candidate)
        for column in side
        if isinstance(column, VocabularyColumn)
    )
    r = log.roles
    return FeatureSpec(
        (user, *_profile(log.users, (r.user,))),
        (item, *_profile(log.items, (r.item, "upload_time"))),
    )


def click_spec(
    log: Log, ids: bool = True, profile: bool = True, crosses: int | None = None
) -> FeatureSpec:
    """The features of `labelled_examples`: categories, bags of them, and numbers.

    Numbers of at most 100 values, such as ages and years, are categories as well.

    Args:
        log: The log.
        ids: Whether the ids of users and items are fed. If not, the time of the event is, as a
            number and as one of 1,000 quantiles: it tells one session from another.
        profile: Whether the other columns of users and items are fed.
        crosses: If given, every category of the user is crossed with every one of the item, but not
            id with id, and the `crosses` most frequent combinations have a weight.
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


def _embedding(key: str, dimension: int | None = None, **kwargs: Any) -> EmbeddingColumn:
    return EmbeddingColumn(VocabularyColumn(key, **kwargs), dimension)


def _bag(key: str, max_length: int = 50, **kwargs: Any) -> BagColumn:
    return BagColumn(VocabularyColumn(key, **kwargs), max_length)


def _id_type(values: pd.Series) -> Any:
    return "int64" if pd.api.types.is_integer_dtype(values) else "string"


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


def retrieval_spec(
    log: Log,
    bags: Sequence[int] = (1, 3, 10, MAX_HISTORY),
    last_watched: bool = False,
    profile: bool = True,
    example_age: bool = False,
    embedding_dim: int | None = None,
) -> FeatureSpec:
    """The features of `next_watch_examples` for a retrieval model on a log.

    Args:
        log: The log.
        bags: Sizes of the bags of last watches; each is averaged and fed apart, from one table. The
            paper has one bag of 50; short bags beside it say what the user is in the mood for.
        last_watched: Whether the last watch is fed apart, from the same table.
        profile: Whether the columns of `log.users` and search tokens are fed.
        example_age: Whether the age of the example is fed.
        embedding_dim: Width of the item embeddings.
    """
    r = log.roles
    item: dict[str, Any] = {"space": r.item, "dtype": _id_type(log.interactions[r.item])}
    query: list[Column] = [
        EmbeddingColumn(_bag("history", length, **item), embedding_dim) for length in bags
    ]
    if last_watched:
        query.append(_embedding("last_watched", embedding_dim, **item))
    if profile:
        query += _profile(log.users, (r.user,))
        if log.searches is not None:
            query.append(EmbeddingColumn(_bag("search_tokens")))
    if example_age:
        query.append(NumericColumn("example_age", serving=0.0))
    return FeatureSpec(tuple(query), (VocabularyColumn(r.item, **item),))


def ranking_spec(
    log: Log,
    max_history: int = MAX_HISTORY,
    candidate_score: bool = False,
    previous_impressions: bool = True,
    embedding_dim: int | None = None,
) -> FeatureSpec:
    """The features of `impression_examples` for a ranking model on a log.

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
        EmbeddingColumn(_bag("history", max_history, **item), embedding_dim),
        _embedding("last_watched", embedding_dim, **item),
        *_profile(log.users, (r.user,)),
    ]
    if log.searches is not None:
        query.append(EmbeddingColumn(_bag("search_tokens")))
    candidate: list[Column] = [
        _embedding(r.item, embedding_dim, **item),
        *_profile(log.items, (r.item, "upload_time")),
    ]
    if "upload_time" in log.items:
        candidate.append(NumericColumn("item_age"))
    # The user's past with what the candidate has in common with other items.
    for column in tuple(candidate):
        categorical = getattr(column, "categorical", None)
        if isinstance(categorical, VocabularyColumn) and categorical.key in log.items.columns[1:]:
            key = categorical.key
            past = _bag(f"history_{key}", max_history, space=key)
            candidate.append(InteractionColumn(past, categorical, "history_age"))
    if previous_impressions:
        shown = _bag("recent_impressions", **item)
        candidate.append(InteractionColumn(shown, VocabularyColumn(r.item, **item)))
    if candidate_score:
        candidate.append(NumericColumn("candidate_score"))
    return FeatureSpec(tuple(query), tuple(candidate))


@dataclasses.dataclass(frozen=True)
class Task:
    """Examples to train and test a family of models on, and how it is measured.

    Args:
        train: Examples to learn from.
        test: Examples to report on.
        protocol: How they were made, and what is measured, in words.
        negatives: What is drawn for each training example, if all are positives.
    """

    train: Examples
    test: Examples
    protocol: str
    negatives: NegativeSampling | None = None


def retrieval_task(
    log: Log, split: Split | None = None, max_history: int = MAX_HISTORY, validation: bool = False
) -> Task:
    """Predict the next watch; by default each user's last is left out.

    Args:
        log: The log.
        split: Another split.
        max_history: Bag size of the history.
        validation: Test on the validation rows instead, to choose by.
    """
    split = split or leave_last_out(log)
    train = next_watch_examples(log, split.train, max_history)
    rows = split.validation if validation else split.test
    test = next_watch_examples(log, rows, max_history, serving=True)
    part = "validation, " if validation else ""
    return Task(train, test, f"{part}{split.protocol}, full ranking over the training items")


def choice_task(log: Log, pairs: bool, split: Split | None = None, number: int = 4) -> Task:
    """Predict who chooses what, from ids alone; by default each user's last choice is left out.

    Args:
        log: The log.
        pairs: Whether to learn from pairs and negatives drawn to them, not which of all items.
        split: Another split.
        number: Negatives per positive.
    """
    split = split or leave_last_out(log)
    label: Any = "chosen" if pairs else "item"
    train, test = (interaction_examples(log, rows, label) for rows in (split.train, split.test))
    negatives = NegativeSampling(number) if pairs else None
    return Task(train, test, f"{split.protocol}, full ranking over the training items", negatives)


def basket_task(log: Log, split: Split | None = None, validation: bool = False) -> Task:
    """`retrieval_task` for item-to-item models: histories are whole, and a user trains once.

    Args:
        log: The log.
        split: Another split.
        validation: Test on the validation rows instead, to choose by.
    """
    split = split or leave_last_out(log)
    user = log.interactions[log.roles.user].to_numpy()[split.train]
    is_last = np.append(user[1:] != user[:-1], True)
    split = dataclasses.replace(split, train=split.train[is_last])
    return retrieval_task(log, split, longest_history(log), validation)


def longest_history(log: Log) -> int:
    """The number of interactions of the user who has most."""
    return int(log.interactions[log.roles.user].value_counts().max())


def with_impressions(log: Log, seed: int = 0) -> Log:
    """The log, with sampled impressions if it has none."""
    if log.impressions is not None:
        return log
    return dataclasses.replace(log, impressions=sampled_impressions(log, seed=seed))


def ranking_task(log: Log, test_fraction: float = 0.15, test_from: float | None = None) -> Task:
    """Predict what impressions were worth; the last part of them in time is the test.

    Args:
        log: A log with impressions.
        test_fraction: Share of the impressions to test on.
        test_from: Time from which on to test, instead of a share.
    """
    if log.impressions is None:
        raise ValueError(f"Ranking needs impressions. Received a log {log.name!r} without.")
    time = log.impressions[log.roles.time].to_numpy()
    cut = np.quantile(time, 1 - test_fraction) if test_from is None else test_from
    part = f"last {test_fraction:g}" if test_from is None else f"from {test_from:.0f}"
    return Task(
        impression_examples(log, np.flatnonzero(time < cut)),
        impression_examples(log, np.flatnonzero(time >= cut)),
        f"impressions by time, {part}",
    )


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model and what it was measured at."""

    model: Any
    metrics: dict[str, float]
    protocol: str


def evaluate(model: RecommenderModel, task: Task) -> dict[str, float]:
    """The metrics of a model's family on a task's test examples."""
    if isinstance(model, RetrievalModel) or task.test.candidates is not None:
        metrics = full_ranking(model, task.test, mask_seen=True)
        kept = full_ranking(model, task.test, mask_seen=False)
        return {**metrics, **{f"{name}_seen_kept": value for name, value in kept.items()}}
    assert isinstance(model, RankingModel)
    return pointwise(model, task.test)


def make_task(
    name: str, log: Log, seed: int = 0, arguments: Mapping[str, Any] | None = None
) -> tuple[Log, Task, FeatureSpec]:
    """The task and features of a registered model on a log, by the arguments it is made with."""
    entry = registry.get(name)
    if entry.reads == "ids":
        loss = (arguments or {}).get("loss", "softmax")
        pairs = entry.family == "ranking" or loss != "softmax"
        return log, choice_task(log, pairs), id_spec(log)
    if entry.family == "retrieval":
        if entry.reads == "history":
            spec = retrieval_spec(log, bags=(longest_history(log),), profile=False)
            return log, basket_task(log), spec
        return log, retrieval_task(log), retrieval_spec(log, example_age=True, embedding_dim=64)
    # Sampled impressions were never shown.
    shown = log.impressions is not None
    log = with_impressions(log, seed)
    spec = ranking_spec(log, previous_impressions=shown, embedding_dim=declared_width(name))
    return log, ranking_task(log), spec


def declared_width(name: str) -> int | None:
    """The width that embedding columns declare for a registered model; None if it has its own."""
    has_its_own = "embedding_dim" in inspect.signature(registry.get(name).load()).parameters
    return None if has_its_own else 32


def train(name: str, log: Log, training: Training | None = None, **arguments: Any) -> Trained:
    """Trains a registered model on a log, and evaluates it.

    Args:
        name: Name of the model.
        log: The log.
        training: How to train; by default as `Training()` says.
        **arguments: Of the model.
    """
    training = training or Training()
    tf.keras.utils.set_random_seed(training.seed)
    if training.mixed_precision:
        use_half_precision()
    log, task, spec = make_task(name, log, training.seed, arguments)
    features: Features = task.train.fit_features(spec)
    model = registry.get(name).load()(features, **arguments)
    fit(model, task.train, training, task.negatives)
    return Trained(model, evaluate(model, task), task.protocol)

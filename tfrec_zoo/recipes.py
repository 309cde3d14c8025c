"""Recipes: from a log to a trained model, with features made from whatever columns it has."""

import dataclasses
import inspect
import logging
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
from tfrec_zoo.data.watches import MAX_HISTORY, is_bag, is_text
from tfrec_zoo.evaluation import full_ranking, pointwise
from tfrec_zoo.features import (
    BagColumn,
    Column,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import ItemToItem, Popularity, RankingModel, RecommenderModel, RetrievalModel

logger = logging.getLogger(__name__)

#: Training steps between two looks at the clock, the progress bar and callbacks.
STEPS_PER_EXECUTION = 32
#: Item columns of more distinct values than this share of the items are names, not categories.
_NAMES = 0.5


@dataclasses.dataclass(frozen=True)
class Training:
    """How to train.

    Args:
        epochs: Passes over the examples.
        batch_size: Examples per step.
        learning_rate: At its highest; it falls to zero along a cosine.
        optimizer: Its name. `"lazy_adam"` for tables that are large, `"fused_adam"` for Adam itself
            on tables that are small.
        warmup: Share of the steps in which the learning rate rises from zero.
        global_clipnorm: What the norm of all gradients together is clipped to, if it is. (Keras's
            own optimizers, such as `"adam"` and `"sgd"`, count repeated rows of a table apart.)
        patience: With validation examples, training ends after so many epochs without a better
            validation AUC (of retrieval models and ratings, loss), with the weights of the best.
        mixed_precision: Whether to compute in half precision where the device has it.
        seed: Of weights, dropout and shuffling.
        verbose: As in `model.fit`: 0 silent, 1 progress bars, 2 a line per epoch.
    """

    epochs: int = 5
    batch_size: int = 1024
    learning_rate: float = 0.002
    optimizer: str = "adam"
    warmup: float = 0.0
    global_clipnorm: float | None = None
    patience: int = 2
    mixed_precision: bool = False
    seed: int = 0
    verbose: int = 1


def fit(
    model: RecommenderModel,
    examples: Examples,
    training: Training = Training(),
    negatives: NegativeSampling | None = None,
    validation: Examples | None = None,
) -> Any:
    """Compiles and fits a model on examples; returns Keras's history.

    Args:
        model: The model.
        examples: What to learn from.
        training: How.
        negatives: What to draw for each example, if all are positives.
        validation: Examples to stop early by.
    """
    dataset = examples.dataset(
        training.batch_size,
        model.preprocessor,
        shuffle=True,
        seed=training.seed,
        negatives=negatives,
    )
    epochs = 1 if isinstance(model, Popularity | ItemToItem) else training.epochs
    steps = max(len(dataset) * epochs, 1)
    optimizer = make_optimizer(
        training.optimizer,
        cosine(training.learning_rate, steps, int(training.warmup * steps)),
        global_clipnorm=training.global_clipnorm,
    )
    if validation is None:
        model.compile(optimizer, steps_per_execution=STEPS_PER_EXECUTION)
        return model.fit(dataset, epochs=epochs, verbose=training.verbose)
    # Of ratings there is no AUC.
    ranks = isinstance(model, RankingModel) and not model.predicts_ratings
    metrics = [tf.keras.metrics.AUC(name="auc")] if ranks else []
    model.compile(optimizer, metrics=metrics, steps_per_execution=STEPS_PER_EXECUTION)
    stop = tf.keras.callbacks.EarlyStopping(
        "val_auc" if ranks else "val_loss",
        mode="max" if ranks else "min",
        patience=training.patience,
        restore_best_weights=True,
    )
    held_out = validation.dataset(training.batch_size, model.preprocessor, negatives=negatives)
    return model.fit(
        dataset,
        # Negatives would be others in each epoch.
        validation_data=held_out if negatives is None else held_out.cache(),
        epochs=epochs,
        callbacks=[stop],
        verbose=training.verbose,
    )


def cosine(learning_rate: float, steps: int, warmup_steps: int = 0) -> Any:
    """A learning rate that rises from zero for some steps, then falls to zero along a cosine."""
    schedule = tf.keras.optimizers.schedules.CosineDecay
    if not warmup_steps:
        return schedule(learning_rate, steps)
    rest = max(steps - warmup_steps, 1)
    return schedule(0.0, rest, warmup_target=learning_rate, warmup_steps=warmup_steps)


def make_optimizer(name: str, learning_rate: Any, **kwargs: Any) -> Any:
    """An optimizer by the name `compile` knows it by, with arguments.

    `"sgd"` is Keras's legacy one, as the other sweeps whole tables.
    """
    if name.lower() == "sgd":
        return tf.keras.optimizers.legacy.SGD(learning_rate, **_given(kwargs))
    return type(tf.keras.optimizers.get(name))(learning_rate, **_given(kwargs))


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def use_half_precision() -> bool:
    """Switches Keras to half precision if there are GPUs, and all have it; says whether."""
    details = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    has_it = bool(details) and min(details) >= (7, 0)
    if has_it:
        tf.keras.mixed_precision.set_global_policy("mixed_float16")
    else:
        logger.warning("No device computes in half precision: going on in single precision.")
    return has_it


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
    # Models with a width of their own give it to all columns that declare none.
    has_width = "embedding_dim" in inspect.signature(entry.load()).parameters
    width = None if has_width else 32
    spec = ranking_spec(log, previous_impressions=shown, embedding_dim=width)
    return log, ranking_task(log), spec


def train(name: str, log: Log, training: Training = Training(), **arguments: Any) -> Trained:
    """Trains a registered model on a log, and evaluates it.

    Args:
        name: Name of the model.
        log: The log.
        training: How to train.
        **arguments: Of the model.
    """
    tf.keras.utils.set_random_seed(training.seed)
    if training.mixed_precision:
        use_half_precision()
    log, task, spec = make_task(name, log, training.seed, arguments)
    features: Features = task.train.fit_features(spec)
    model = registry.get(name).load()(features, **arguments)
    fit(model, task.train, training, task.negatives)
    return Trained(model, evaluate(model, task), task.protocol)

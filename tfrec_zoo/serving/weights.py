"""Parts: what an exported graph contains of a model."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.derived import (
    HISTORY,
    HISTORY_AGE,
    NUM_BEFORE,
    SINCE_LAST,
    longest_bag,
    moment_of,
)
from tfrec_zoo.features import MISSING, FeatureSpec, RawFeature, serving_value
from tfrec_zoo.features.recent_values import RecentValues
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.index import NO_ITEM


class ServedWeights(tf.Module):
    """The variables and look-up tables of a model: what is saved, without losses and optimizers.

    Args:
        model: A trained model.
    """

    def __init__(self, model: RecommenderModel) -> None:
        super().__init__()
        model.build_weights()
        left_out = {id(v) for metric in model.metrics for v in metric.variables}
        left_out |= {id(v) for v in model.training_state}
        self.weights = [v for v in model.variables if id(v) not in left_out]
        self.tables = model.preprocessor.tables


def serving_inputs(raw: Mapping[str, RawFeature]) -> dict[str, RawFeature]:
    """Returns the raw features that requests give.

    Those that are constant in serving are not among them, and ages of the history take the place of
    what follows from it.
    """
    derived = _derived_of_history(raw)
    given = {
        key: feature
        for key, feature in raw.items()
        if feature.serving is None and key not in derived
    }
    if derived:
        given.setdefault(HISTORY_AGE, RawFeature(HISTORY_AGE, "float64", is_bag=True))
    return given


def as_read(
    raw: Mapping[str, tf.Tensor], features: Mapping[str, RawFeature], spec: FeatureSpec
) -> dict[str, tf.Tensor]:
    """Returns what a model reads of a request.

    What follows from the history and what is constant in serving is added, and of long bags there
    are the last values that count.

    Args:
        raw: Raw features of a request, by key.
        features: The raw features that the model reads.
        spec: Spec of the model.
    """
    raw = RecentValues(spec).of(_with_moment(raw, features, spec))
    return _with_serving_values(raw, features)


def _with_moment(
    raw: Mapping[str, tf.Tensor], features: Mapping[str, RawFeature], spec: FeatureSpec
) -> dict[str, tf.Tensor]:
    """Adds what follows from the history of a request."""
    derived = _derived_of_history(features)
    if not derived:
        return dict(raw)
    history = raw[HISTORY] if _has_history(features) else None
    found = moment_of(raw[HISTORY_AGE], history, longest_bag(spec))
    return {**raw, **{key: found[key] for key in derived}}


def _derived_of_history(raw: Mapping[str, RawFeature]) -> set[str]:
    """The features of the moment that follow from the history that a model reads, or its ages."""
    known = (SINCE_LAST, NUM_BEFORE) if _has_history(raw) else (SINCE_LAST,)
    return {key for key in known if raw.get(key) == RawFeature(key, "float64")}


def _has_history(raw: Mapping[str, RawFeature]) -> bool:
    return HISTORY in raw and raw[HISTORY].is_bag


def _with_serving_values(
    raw: Mapping[str, tf.Tensor], features: Mapping[str, RawFeature]
) -> dict[str, tf.Tensor]:
    """Adds the features that are constant in serving, one value per row."""
    rows = tf.shape(next(iter(raw.values())))[0]
    fixed = {
        key: tf.fill([rows], serving_value(feature))
        for key, feature in features.items()
        if feature.serving is not None
    }
    return {**raw, **fixed}


def item_table(model: RetrievalModel) -> tf.Variable:
    """Returns the original item ids, [1 + items]: the missing value, then the id of each row."""
    vocabulary = model.features.vocabularies[model.item_column.space]
    tokens = vocabulary.array()
    missing = np.array([MISSING[vocabulary.dtype]], tokens.dtype)
    return tf.Variable(tf.constant(np.concatenate([missing, tokens])), trainable=False)


def allowed_rows(items: tf.Tensor, rows_of: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Returns bags of items as `Index.search` takes them for `allow`, [batch, length].

    Args:
        items: Item ids, [batch, length], padded with the missing value.
        rows_of: Returns the rows of item ids, −1 for those that are unknown or missing.
    """
    rows = rows_of(items)
    is_missing = items == "" if items.dtype == tf.string else items < 0
    return tf.where((rows < 0) & tf.logical_not(is_missing), NO_ITEM, rows)

"""Inputs of models: frames, series and lists as the arrays that the features declare."""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.features import Features, Preprocessor, VocabularyColumn, is_encoded
from tfrec_zoo.features.request import raw_array, raw_values
from tfrec_zoo.features.spec import FeatureSpec, RawFeature

#: What models that are being made take as their preprocessor; None for one of their own.
_SHARED: contextvars.ContextVar[Preprocessor | None] = contextvars.ContextVar(
    "shared", default=None
)


@contextlib.contextmanager
def sharing_preprocessor(preprocessor: Preprocessor) -> Iterator[None]:
    """Models made within share a preprocessor, and with it the lookup tables.

    Args:
        preprocessor: The preprocessor of a model of the same features.
    """
    token = _SHARED.set(preprocessor)
    try:
        yield
    finally:
        _SHARED.reset(token)


def preprocessor_for(features: Features) -> Preprocessor:
    """The preprocessor of a model that is being made: a shared one, or its own."""
    return _SHARED.get() or Preprocessor(features)


def is_raw(inputs: Any) -> bool:
    """Whether inputs are raw features by key: a frame, or a mapping that is not encoded."""
    return isinstance(inputs, pd.DataFrame | Mapping) and not is_encoded(inputs)


def feature_arrays(inputs: Any, spec: FeatureSpec) -> dict[str, Any]:
    """Raw features as tensors, or as arrays of their types; what is no feature is left out.

    A univalent feature of the query [rows, 1] becomes [rows], as the columns of a frame are, and
    candidate features of that shape with it; otherwise these are lists of one candidate.

    Args:
        inputs: A frame, or a mapping of tensors, arrays, series or lists by key.
        spec: Spec of the features.

    Raises:
        TypeError: If a value has the wrong type; the message names the key.
    """
    found = {key: _array(key, inputs[key], f) for key, f in spec.raw.items() if key in inputs}
    flat = {key for key, f in spec.raw.items() if key in found and not f.is_bag}
    flat = {key for key in flat if found[key].shape[1:] == (1,)}
    if flat - set(spec.raw_candidate):
        found.update((key, without_column(found[key])) for key in flat)
    return found


def without_column(values: Any) -> Any:
    """Values [rows, 1] as [rows], and others as they are."""
    return values[:, 0] if values.shape[1:] == (1,) else values


def label_array(label: Any) -> np.ndarray | tf.Tensor:
    """Labels as numbers; whole numbers and booleans, series and lists are.

    Args:
        label: Labels, [rows], [rows, 1] or [rows, candidates].

    Raises:
        TypeError: If they are no numbers.
        ValueError: If one is missing or infinite.
    """
    return _numbers("Labels", label)


def item_array(column: VocabularyColumn, label: Any) -> np.ndarray | tf.Tensor:
    """Labels as raw item ids.

    Args:
        column: The column of item ids.
        label: Item ids, [rows] or [rows, 1].

    Raises:
        TypeError: If they are of another type.
    """
    if _is_tensor(label):
        return label
    try:
        return raw_values(label, column.dtype)
    except TypeError as error:
        raise TypeError(f"Labels, items of {column.key!r}: {error}") from None


def weight_array(sample_weight: Any) -> np.ndarray | tf.Tensor:
    """Sample weights as numbers.

    Args:
        sample_weight: Weights, [rows], [rows, 1] or [rows, candidates].

    Raises:
        TypeError: If they are no numbers.
        ValueError: If one is missing, infinite or negative.
    """
    weights = _numbers("Sample weights", sample_weight)
    if isinstance(weights, np.ndarray):
        require_rows(weights >= 0, weights, "Sample weights must be at least 0.")
    return weights


def require_equal_rows(parts: list[Any]) -> None:
    """Checks that features, labels and weights have the same number of rows.

    Args:
        parts: Features by key; then labels and sample weights, or None.

    Raises:
        ValueError: If they differ.
    """
    features, *rest = parts
    named = {**features, **dict(zip(("label", "sample_weight"), rest, strict=False))}
    rows = {key: values.shape[0] for key, values in named.items() if values is not None}
    if len(set(rows.values()) - {None}) > 1:
        raise ValueError(
            f"Features, labels and weights must have the same number of rows. Received: {rows}"
        )


def require_rows(is_allowed: np.ndarray, values: np.ndarray, message: str) -> None:
    """Raises an error that names the first rows whose values are not allowed.

    Args:
        is_allowed: Which values are allowed, [rows, ...].
        values: The values, of the same shape.
        message: What is allowed.
    """
    if is_allowed.all():
        return
    rows = np.unique(np.nonzero(~is_allowed)[0])[:5].tolist()
    raise ValueError(f"{message} Received: {values[~is_allowed][:5].tolist()} in rows {rows}")


def _array(key: str, values: Any, feature: RawFeature) -> Any:
    if _is_tensor(values):
        return values
    try:
        if feature.is_bag:
            return raw_array(values, feature.dtype, True)
        return raw_values(values, feature.dtype)
    except TypeError as error:
        raise TypeError(f"Feature {key!r}: {error}") from None


def _numbers(name: str, values: Any) -> Any:
    if _is_tensor(values):
        return values
    try:
        array = raw_values(values, "float32")
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    require_rows(np.isfinite(array), array, f"{name} must be finite numbers.")
    return array


def _is_tensor(values: Any) -> bool:
    """Whether values are TensorFlow's, such as those of a graph that is being traced."""
    return isinstance(getattr(values, "dtype", None), tf.DType)


def for_each(values: tf.Tensor, weight: Any) -> tf.Tensor:
    """Sample weights as one for each value; those of a list apply to all its candidates."""
    weight = tf.reshape(tf.cast(weight, tf.float32), [-1])
    repeats = tf.size(values) // tf.maximum(tf.size(weight), 1)
    return tf.reshape(tf.repeat(weight, repeats), tf.shape(values))

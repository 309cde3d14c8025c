"""Preprocessor: raw features to ids, identical in the model, in tf.data and in serving."""

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features.columns import (
    BagColumn,
    BucketizedColumn,
    CategoricalColumn,
    CrossedColumn,
    CrossPart,
    HashedColumn,
    VocabularyColumn,
)
from tfrec_zoo.features.dense_columns import NumericColumn, VectorColumn
from tfrec_zoo.features.features import Features
from tfrec_zoo.features.recent_values import is_last, is_missing
from tfrec_zoo.features.request import MISSING
from tfrec_zoo.features.spec import RawFeature

Raw = Mapping[str, tf.Tensor]
#: `{"ids": {column name: int32}, "values": {key: numbers or vectors}}`.
Encoded = dict[str, dict[str, tf.Tensor]]

_DTYPES = {
    "string": tf.string,
    "int64": tf.int64,
    "float64": tf.float64,
    "float32": tf.float32,
}


def is_encoded(features: Any) -> bool:
    """Returns whether features have already been through a `Preprocessor`."""
    return (
        isinstance(features, Mapping)
        and set(features) == {"ids", "values"}
        and all(isinstance(part, Mapping) for part in features.values())
    )


def raw_signature(raw: Mapping[str, RawFeature]) -> dict[str, tf.TensorSpec]:
    """Returns the `tf.TensorSpec` of each raw feature.

    It is [batch], [batch, length] for a bag, or [batch, width] for a vector.
    """

    def shape(feature: RawFeature) -> list[int | None]:
        if feature.width is not None:
            return [None, feature.width]
        return [None, None] if feature.is_bag else [None]

    return {key: tf.TensorSpec(shape(f), _DTYPES[f.dtype], name=key) for key, f in raw.items()}


def serving_value(feature: RawFeature) -> tf.Tensor:
    """Returns the constant that a feature is in serving, as a scalar of its type."""
    return tf.constant(feature.serving, _DTYPES[feature.dtype])


def parse_examples(serialized: tf.Tensor, raw: Mapping[str, RawFeature]) -> dict[str, tf.Tensor]:
    """Parses serialized `tf.Example`s (strings, [batch]) into raw features.

    A feature that is absent or has an empty list is missing. The format has no numbers but float32
    ones, which keep seven digits; where more matter, such as in Unix timestamps, ask by another
    signature.
    """
    dtypes = {key: "float32" if f.dtype == "float64" else f.dtype for key, f in raw.items()}
    spec = {key: tf.io.RaggedFeature(_DTYPES[dtype]) for key, dtype in dtypes.items()}
    parsed = tf.io.parse_example(serialized, spec)
    tensors = {}
    for key, ragged in parsed.items():
        missing = MISSING[raw[key].dtype]
        width = raw[key].width
        if raw[key].is_bag:
            tensors[key] = ragged.to_tensor(missing)
            continue
        if width is not None:
            lengths = ragged.row_lengths()
            message = f"Feature {key!r}: expected {width} components per example, or none."
            tf.debugging.Assert(tf.reduce_all((lengths == width) | (lengths == 0)), [message])
            tensors[key] = ragged.to_tensor(tf.zeros([], ragged.dtype), shape=[None, width])
            continue
        message = f"Feature {key!r}: expected at most one value per example."
        tf.debugging.assert_less_equal(ragged.row_lengths(), 1, message)
        tensors[key] = ragged.to_tensor(missing, shape=[None, 1])[:, 0]
    return tensors


class Preprocessor(tf.keras.layers.Layer):
    """Turns raw features into ids and numbers, with the vocabularies as lookup tables.

    The same object works inside a model (raw features in), in `dataset.map(preprocessor)` and in
    the exported graph, where the vocabularies become assets of the SavedModel. Columns whose raw
    features are absent from the input are skipped, so queries and candidates can be encoded
    separately. Encoded features pass through, and crosses are added for parts that were encoded
    separately and then put together.

    Args:
        features: Fitted features.

    Call arguments:
        raw: Raw features by key, [batch] (any shape for univalent features), [batch, length] for
            bags or [batch, width] for vectors. Univalent features of the query may be [batch, 1],
            as Keras makes of pandas.Series; those of the candidate then are, too. Otherwise
            [batch, 1] candidates are lists of one.

    Returns:
        `{"ids": {column name: int32}, "values": {key: float64}}`, shaped like the input; numbers
        given as float32, and vectors, are float32. Id 0 is unknown, empty or missing. The ids
        include the parts of crosses. A cross is [batch, combinations], or
        [batch, candidates, combinations] if it has a part of the candidate.

    Raises:
        ValueError: If no feature is there, or a vector has another width.
    """

    def __init__(self, features: Features, **kwargs: Any) -> None:
        # Without autocast, a half-precision policy leaves numbers their digits.
        super().__init__(**{**kwargs, "trainable": False}, autocast=False)
        self.features = features
        self._crosses = features.spec.crosses
        self._folder = tempfile.TemporaryDirectory(prefix="tfrec_zoo_")
        self._lookups = {}
        for index, (space, vocabulary) in enumerate(features.vocabularies.items()):
            path = pathlib.Path(self._folder.name) / f"vocabulary_{index}.txt"
            vocabulary.save(path)
            lookup = (
                tf.keras.layers.StringLookup
                if vocabulary.dtype == "string"
                else tf.keras.layers.IntegerLookup
            )
            self._lookups[space] = lookup(vocabulary=str(path), mask_token=None)
        self._hashing = {
            column.name: tf.keras.layers.Hashing(
                column.num_buckets + 1, mask_value="" if isinstance(column, HashedColumn) else 0
            )
            for column in (getattr(c, "values", c) for c in features.spec.categorical)
            if isinstance(column, HashedColumn | CrossedColumn) and column.num_buckets
        }

    @property
    def tables(self) -> list[Any]:
        """The lookup tables, which an exported graph must contain."""
        return [lookup.lookup_table for lookup in self._lookups.values()]

    def call(self, raw: Raw) -> Encoded:
        """Returns the encoded features."""
        if is_encoded(raw):
            return self.with_crosses(raw)
        spec = self.features.spec
        raw = self._squeezed(raw)
        ids = {
            column.name: self.ids(column, raw)
            for column in spec.categorical
            if not isinstance(column, CrossedColumn) and column.key in raw
        }
        columns = spec.columns
        keys = [c.key for c in columns if isinstance(c, NumericColumn)]
        keys += [ages for _, ages in spec.bag_ages]
        values = {key: _number(raw[key]) for key in keys if key in raw}
        values.update(
            (c.key, _vector(raw[c.key], c))
            for c in columns
            if isinstance(c, VectorColumn) and c.key in raw
        )
        if not ids and not values:
            raise ValueError(
                f"None of the features of the model is there: expected some of "
                f"{sorted(spec.raw)}. Received: {sorted(raw)}"
            )
        return self.with_crosses({"ids": ids, "values": values})

    def _squeezed(self, raw: Raw) -> dict[str, Any]:
        """Returns [batch, 1] features of the query as [batch], and then the candidate's alike."""
        spec = self.features.spec
        wide = {
            key
            for key, feature in spec.raw.items()
            if key in raw and not feature.is_bag and feature.width is None
            if len(raw[key].shape) == 2 and raw[key].shape[1] == 1
        }
        if not wide & spec.raw_query.keys():
            return dict(raw)
        return {key: value[:, 0] if key in wide else value for key, value in raw.items()}

    def with_crosses(self, encoded: Mapping[str, Mapping[str, tf.Tensor]]) -> Encoded:
        """Adds the ids of the missing crosses whose parts are all present."""
        ids = dict(encoded["ids"])
        parts: dict[str, tf.Tensor] = {}  # Several crosses may have the same part.
        for column in self._crosses:
            if column.name not in ids and all(part.name in ids for part in column.columns):
                for part in column.columns:
                    if part.name not in parts:
                        parts[part.name] = _part(part, ids[part.name])
                ids[column.name] = self._crossed(column, parts)
        return {"ids": ids, "values": dict(encoded["values"])}

    def ids(self, column: CategoricalColumn, raw: Raw) -> tf.Tensor:
        """Returns the int32 ids of one categorical column; 0 is unknown, empty or missing."""
        if isinstance(column, VocabularyColumn):
            return tf.cast(self._lookups[column.space](raw[column.key]), tf.int32)
        if isinstance(column, HashedColumn):
            return tf.cast(self._hashing[column.name](_strings(raw[column.key])), tf.int32)
        if isinstance(column, BucketizedColumn):
            number = _number(raw[column.key])
            # A float32 is compared with what float32 makes of the boundaries: 30.1 is on 30.1.
            boundaries = tf.cast(tf.constant(column.boundaries, tf.float64), number.dtype)
            bucket = tf.searchsorted(boundaries, tf.reshape(number, [-1]), side="right")
            return tf.where(tf.math.is_nan(number), 0, tf.reshape(bucket, tf.shape(number)) + 1)
        if isinstance(column, CrossedColumn):
            parts = {part.name: _part(part, self.ids(part, raw)) for part in column.columns}
            return self._crossed(column, parts)
        ids = self.ids(column.values, raw)
        return tf.where(is_last(raw[column.key], column.max_length), ids, 0)

    def _crossed(self, column: CrossedColumn, parts: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the ids of a cross, [..., combinations], from its parts by name."""
        keys, *others = (parts[part.name] for part in column.columns)
        for part, ids in zip(column.columns[1:], others, strict=True):
            keys = _cross(keys, ids, self.features.num_ids(part))
        lookup = self._hashing[column.name] if column.num_buckets else self._lookups[column.space]
        return tf.cast(lookup(keys), tf.int32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "features": self.features.to_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Preprocessor":
        """Makes a layer of the same configuration."""
        return cls(**{**config, "features": Features.from_config(config["features"])})


def _number(values: Any) -> tf.Tensor:
    """Returns numbers as float64, and those of float32 as they are."""
    values = tf.convert_to_tensor(values)
    return values if values.dtype == tf.float32 else tf.cast(values, tf.float64)


def _vector(values: Any, column: VectorColumn) -> tf.Tensor:
    values = tf.cast(values, tf.float32)
    if values.shape[-1] != column.width:
        raise ValueError(
            f"Feature {column.key!r}: expected vectors of {column.width} components. "
            f"Received: shape {tuple(values.shape)}"
        )
    return tf.where(tf.math.is_finite(values), values, 0)


def _strings(values: tf.Tensor) -> tf.Tensor:
    if values.dtype == tf.string:
        return values
    return tf.where(is_missing(values), "", tf.strings.as_string(values))


def _part(part: CrossPart, ids: tf.Tensor) -> tf.Tensor:
    """Returns the ids of a part of a cross as keys, [..., values]."""
    ids = _as_set(ids, part.max_length) if isinstance(part, BagColumn) else ids[..., None]
    return tf.cast(ids, tf.int64)


def _as_set(bag: tf.Tensor, max_length: int) -> tf.Tensor:
    """Returns the distinct ids of bags of up to `max_length`, largest first, padded with zeros."""
    width = bag.shape[-1]
    width = tf.minimum(tf.shape(bag)[-1], max_length) if width is None else min(width, max_length)
    ids = tf.math.top_k(bag, width).values
    rest = tf.where(ids[..., 1:] == ids[..., :-1], 0, ids[..., 1:])
    return tf.concat([ids[..., :1], rest], axis=-1)


def _cross(left: tf.Tensor, right: tf.Tensor, size: int) -> tf.Tensor:
    """Combines each key with each id (1 to `size`) of the next part; 0 if either of them is 0."""
    # A query's [batch, values] needs an axis to broadcast with [batch, candidates, values].
    if left.shape.rank < right.shape.rank:
        left = left[:, None]
    elif right.shape.rank < left.shape.rank:
        right = right[:, None]
    is_flat = left.shape[-1] == 1 or right.shape[-1] == 1  # Then there is nothing to multiply out.
    if not is_flat:
        left, right = left[..., :, None], right[..., None, :]
    pairs = tf.where((left > 0) & (right > 0), (left - 1) * size + right, 0)
    if is_flat:
        return pairs
    shape = tf.shape(pairs)
    # [..., left values * right values]
    return tf.reshape(pairs, tf.concat([shape[:-2], [shape[-2] * shape[-1]]], axis=0))

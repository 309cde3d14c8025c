"""Recent values: long bags cut to what a model reads of them, before anything is looked up."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features.columns import BagColumn
from tfrec_zoo.features.request import MISSING
from tfrec_zoo.features.spec import FeatureSpec, RawFeature


def is_missing(values: tf.Tensor) -> tf.Tensor:
    """Whether each value, text or a whole number, is missing."""
    return values == "" if values.dtype == tf.string else values < 0


def is_last(bag: tf.Tensor, max_length: int) -> tf.Tensor:
    """Which values are among the last `max_length` non-missing ones of their row."""
    present = tf.logical_not(is_missing(bag))
    from_end = tf.cumsum(tf.cast(present, tf.int32), axis=-1, reverse=True)
    return present & (from_end <= max_length)


class RecentValues:
    """Cuts bags to the values that columns read, with the ages that belong to them.

    A history of a million items then costs what its last ones do.

    Args:
        spec: The spec whose columns read the bags.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        bags = [c for c in spec.categorical if isinstance(c, BagColumn)]
        key_of = {bag.name: bag.key for bag in bags}
        longest: dict[str, int] = {}
        for bag in bags:
            longest[bag.key] = max(longest.get(bag.key, 0), bag.max_length)
        # Bags with the same ages stay side by side.
        ages = [(key_of[name], key) for name, key in spec.bag_ages if name in key_of]
        self._raw: Mapping[str, RawFeature] = spec.raw
        self._groups: list[tuple[dict[str, int], str | None]] = [
            ({key: longest[key] for key, own in ages if own == one}, one)
            for one in dict.fromkeys(own for _, own in ages)
        ]
        aged = {key for key, _ in ages}
        self._groups += [({key: size}, None) for key, size in longest.items() if key not in aged]

    def of(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Returns raw features whose bags, [batch, length], are no longer than what is read."""
        found = dict(raw)
        for longest, ages in self._groups:
            keys = [key for key in longest if key in raw]
            if not keys or any(len(raw[key].shape) != 2 for key in keys):
                continue  # Bags of candidates in lists are short.
            width, limit = raw[keys[0]].shape[1], sum(longest.values())
            parts = [*keys, *([ages] if ages is not None and ages in raw else [])]
            lengths = {raw[key].shape[1] for key in parts}
            if len(lengths) > 1 or (width is not None and width <= limit):
                continue
            values = {key: tf.convert_to_tensor(raw[key]) for key in parts}
            found.update(self._cut(values, {key: longest[key] for key in keys}, limit))
        return found

    def _cut(
        self, values: dict[str, tf.Tensor], longest: Mapping[str, int], limit: int
    ) -> dict[str, tf.Tensor]:
        first = next(iter(values.values()))

        def cut() -> dict[str, tf.Tensor]:
            is_read = tf.reduce_any([is_last(values[k], n) for k, n in longest.items()], axis=0)
            place = tf.where(is_read, tf.range(1, tf.shape(first)[1] + 1), 0)
            # The places of what is read, in their order; 0 where there is less.
            place = tf.sort(tf.math.top_k(place, limit, sorted=False).values, axis=1)
            return {
                key: tf.where(
                    place > 0,
                    tf.gather(value, tf.maximum(place - 1, 0), batch_dims=1),
                    tf.constant(MISSING[self._raw[key].dtype], value.dtype),
                )
                for key, value in values.items()
            }

        if first.shape[1] is not None:
            return cut()
        same = [tf.shape(value)[1] == tf.shape(first)[1] for value in values.values()]
        is_long = tf.reduce_all(same) & (tf.shape(first)[1] > limit)
        return tf.cond(is_long, cut, lambda: values)

"""Served models: what an export holds, and what it says of the requests that it takes."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.features import MISSING, RawFeature
from tfrec_zoo.serving.arguments import argument_names
from tfrec_zoo.serving.items import ItemTable
from tfrec_zoo.serving.signatures import (
    answer_of,
    answer_of_examples,
    examples_signature,
    input_specs,
    signature,
)

#: Bags of items in the requests to what recommends.
EXCLUDE, ALLOW = "exclude", "allow"


class ServedModel(tf.Module):
    """Holds what is exported: the variables and lookup tables of a model, and named signatures.

    Attributes:
        request: Raw features of a request, by key.
        candidate: Keys of those that are the candidate's.
        item: Key and type of the item ids, or None if the model doesn't tell items by their ids.
        items: Titles and features of the items that the export carries, or None.
        ignored: Keys of features that requests may give although the model doesn't read them.
        num_items: Number of items that may be recommended, or None.
        excludes_history: Whether items of the history are never recommended.
        indexes: The kind and the measured recall of each index, by the model that it searches.
        custom_ops: Operations that a process must register before it loads the export.
        filters: Bags of values of attributes that recommended items must have, by key.
        nominations: Bags of items that requests may nominate, by key.
    """

    request: Mapping[str, RawFeature]
    candidate: frozenset[str] = frozenset()
    item: RawFeature | None = None
    items: ItemTable | None = None
    ignored: frozenset[str] = frozenset()
    num_items: int | None = None
    excludes_history: bool = False
    indexes: Mapping[str, Any] = MappingProxyType({})
    custom_ops: tuple[str, ...] = ()
    filters: Mapping[str, RawFeature] = MappingProxyType({})
    nominations: Mapping[str, RawFeature] = MappingProxyType({})

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions to export, by name."""
        raise NotImplementedError

    @property
    def names(self) -> dict[str, str]:
        """The arguments of the signatures, by the keys of the features that they hold."""
        reserved = [ALLOW, HISTORY, *self.nominations]  # Arguments of signatures of their own.
        keys = (*self.request, *self.filters)
        names = argument_names([*reserved, *(key for key in keys if key not in reserved)])
        return {key: names[key] for key in (*keys, ALLOW, *self.nominations)}

    def manifest(self) -> dict[str, Any]:
        """What the manifest of an export says of its requests."""
        names = self.names

        def entries(features: Mapping[str, RawFeature]) -> list[dict[str, Any]]:
            return [
                {
                    **{k: v for k, v in dataclasses.asdict(feature).items() if v is not None},
                    "argument": names[key],
                }
                for key, feature in features.items()
            ]

        return {
            "request": entries(self.request),
            **({"filters": entries(self.filters)} if self.filters else {}),
            "candidate": sorted(self.candidate),
            "item": None if self.item is None else {"key": self.item.key, "dtype": self.item.dtype},
            "ignored": sorted(self.ignored),
            "num_items": self.num_items,
            "excludes_history": self.excludes_history,
            "indexes": dict(self.indexes),
            "custom_ops": list(self.custom_ops),
        }


class ServedRecommender(ServedModel):
    """Serves what recommends: raw features of a query and items to exclude in, the best items out.

    Subclasses implement `answer`.
    """

    def answer(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers raw features by key with `ids` and `scores`, [batch, k]."""
        raise NotImplementedError

    def signatures(self) -> dict[str, Any]:
        """Returns the signatures that recommend.

        `serving_default` takes all features but `allow`, `allow` that one too, `filter`, if there
        are `filters`, these as well, and `nominate`, if requests may nominate items, everything;
        `examples` and `classify` take serialized `tf.Example`s, and `from_<feature>` takes the one
        feature that says who asks: the history, which is left out of what it returns, or the user's
        id.
        """
        taken = sorted({*self.filters, *self.nominations} & set(self.request))
        if taken:
            raise ValueError(
                "Requests have filters or nominations of these names: call the model's features "
                f"otherwise. Received: {taken}"
            )
        allowed = {**self.request, **item_bags(self.request[EXCLUDE].dtype)}
        filtered = {**allowed, **self.filters}
        features = {**filtered, **self.nominations}
        specs = input_specs(features)
        answer = answer_of(self.answer, specs)
        of_examples = answer_of_examples(self.answer, specs, answer)
        plain = input_specs(self.request)

        def unrestricted(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return answer(_filled(raw, features))

        def classes(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            ids = outputs["ids"]
            if ids.dtype != tf.string:
                ids = tf.where(ids < 0, "", tf.strings.as_string(ids))
            return {"classes": ids, "scores": outputs["scores"]}

        found = {
            "serving_default": signature(unrestricted, plain, self.names),
            ALLOW: signature(unrestricted, input_specs(allowed), self.names),
            "examples": examples_signature(of_examples, features),
            "classify": examples_signature(of_examples, features, "inputs", classes),
        }
        if self.filters:
            found["filter"] = signature(unrestricted, input_specs(filtered), self.names)
        for key in self.nominations:
            found[key] = signature(answer, specs, self.names)
        asks = self._who_asks()
        if asks is not None:

            def from_one(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
                given = {key: value for key, value in raw.items() if key in specs}
                if asks.key == HISTORY:
                    given[EXCLUDE] = raw[HISTORY]
                return answer(_filled(given, features))

            names = argument_names([asks.key])
            found[f"from_{names[asks.key]}"] = signature(
                from_one, input_specs({asks.key: asks}), names
            )
        return found

    def _who_asks(self) -> RawFeature | None:
        """The one feature that a request must have at least, if there is one."""
        asked = {key: f for key, f in self.request.items() if key != EXCLUDE}
        if not asked or HISTORY in asked:
            return asked.get(HISTORY, dataclasses.replace(self.request[EXCLUDE], key=HISTORY))
        return next(iter(asked.values())) if len(asked) == 1 else None


def _filled(
    raw: Mapping[str, tf.Tensor], features: Mapping[str, RawFeature]
) -> dict[str, tf.Tensor]:
    """Raw features with those that are missing: one missing value (or empty bag) per row."""
    rows = tf.shape(next(iter(raw.values())))[0]
    filled = dict(raw)
    for key, spec in input_specs(features).items():
        if key not in raw:
            value = tf.constant(MISSING[features[key].dtype], spec.dtype)
            filled[key] = tf.fill([rows, *(size or 0 for size in spec.shape[1:])], value)
    return filled


def item_bags(dtype: Any) -> dict[str, RawFeature]:
    """The bags of items in the requests to what recommends, by key."""
    return {key: RawFeature(key, dtype, is_bag=True) for key in (EXCLUDE, ALLOW)}


def with_exclude(raw: Mapping[str, RawFeature], dtype: Any) -> dict[str, RawFeature]:
    """The raw features of a model with the bag of items to exclude.

    Raises:
        ValueError: If a feature of the model has the name of such a bag.
    """
    bags = item_bags(dtype)
    taken = sorted(set(raw) & set(bags))
    if taken:
        raise ValueError(
            "Requests have bags of items of these names: call the model's features otherwise. "
            f"Received: {taken}"
        )
    return {**raw, EXCLUDE: bags[EXCLUDE]}

"""Warm start: a model on grown vocabularies takes over what an earlier one has learned."""

import dataclasses
import functools
import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo import optimizers
from tfrec_zoo.features import (
    DenseFeatures,
    EmbeddingTable,
    Features,
    IdRows,
    IndicatorColumn,
    origins,
    places,
)
from tfrec_zoo.layers import HierarchicalSoftmax
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.new_ids.new_rows import NewRowsLike, rules_of, start

logger = logging.getLogger(__name__)

#: What may differ between two models of which one starts from the other.
_FREE = {"features", "name", "seed"}


def warm_start(
    model: RecommenderModel, old: RecommenderModel, new_rows: NewRowsLike = "initial"
) -> None:
    """Gives a model what another one of its kind has learned, on other vocabularies.

    Rows of tables are found by the ids that they are of, whatever their order; all other weights
    are copied. Before any further training, ids that both know score the same. Numbers are
    normalized as the features of `model` say, so that this takes equal statistics, too.

    If both models are compiled with the same kind of optimizer, it goes on: what it remembers of
    each weight is carried over alike, and so is its number of steps.

    Args:
        model: The model to start, of the same class, arguments and spec as the old one.
        old: The model to start from.
        new_rows: What the vectors of new ids start from: `"initial"` (as drawn), `"zeros"`,
            `"mean"` (of the old ones), or for items `"content"`, `Content` or `Category`. A mapping
            has a rule for each ID space. See `tfrec_zoo.new_ids.new_rows`.

    Raises:
        ValueError: If the models differ in more than their vocabularies, or something can't be
            carried over; the message says what.

    Example:

    >>> from tfrec_zoo.features import *
    >>> from tfrec_zoo.models import MatrixFactorization
    >>> spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("item_id"),))
    >>> monday = Features.fit(spec, {"user_id": ["u", "v"], "item_id": ["a", "b"]})
    >>> tuesday = Features.fit(spec, {"user_id": ["v", "w"], "item_id": ["b", "b", "a", "c"]})
    >>> old, model = (MatrixFactorization(one, embedding_dim=4) for one in (monday, tuesday))
    >>> warm_start(model, old)
    >>> v = {"user_id": np.array(["v"])}
    >>> bool(np.all(model.scores(v)[:, 0] == old.scores(v)[:, 1]))
    True
    """
    _check_alike(model, old)
    model.build_weights()
    old.build_weights()
    rules = rules_of(new_rows, model.features)
    carrying = _Carrying(old.features, model.features)
    for pair in _pairs(model, old):
        before, values = pair.old.numpy(), carrying.moved(pair, pair.old, pair.new)
        rows = pair.rows
        if rows is not None and rows.has_vectors and rows.spaces[0] in rules:
            origin = carrying.origins(rows.spaces[0])
            vectors = start(rules[rows.spaces[0]], before, origin, model.features)
            if vectors is not None:
                values[origin < 0] = vectors
        elif rows is not None and not rows.has_vectors and rows.spaces[0] is not None:
            values[carrying.origins(rows.spaces[0]) < 0] = 0  # Nothing was counted or solved for.
        if rows is not None and rows.columns is not None:
            columns = carrying.moved_columns(pair, values)
            rows.columns.assign(columns)
        pair.new.assign(values)
    carry_optimizer(model, old)


def carry_optimizer(model: RecommenderModel, old: RecommenderModel) -> bool:
    """Carries over what the optimizer remembers of each variable, and its number of steps.

    `warm_start` does it for a model that is compiled already.

    Args:
        model: A model that was started from the old one.
        old: The old one.

    Returns:
        Whether it was carried over: both models must have the same kind of optimizer.
    """
    if model.optimizer is None or old.optimizer is None:
        return False
    parts, before = (optimizers.parts_of(m.optimizer, m.trainable_variables) for m in (model, old))
    kinds, kinds_before = ([_kind(part) for part, _ in side] for side in (parts, before))
    if kinds != kinds_before:
        logger.info("the optimizer starts anew: %s, and %s before", kinds, kinds_before)
        return False
    carrying = _Carrying(old.features, model.features)
    by_variable = {id(pair.new): pair for pair in _pairs(model, old)}
    for (part, variables), (part_before, variables_before) in zip(parts, before, strict=True):
        found = optimizers.slots(part, variables), optimizers.slots(part_before, variables_before)
        for variable, new, of_old in zip(variables, *found, strict=True):
            for slot, earlier in zip(new, of_old, strict=True):
                slot.assign(carrying.moved(by_variable[id(variable)], earlier, slot))
        part.iterations.assign(part_before.iterations)
    return True


def _kind(optimizer: Any) -> str:
    """What an optimizer remembers, in a word: those that update rows in other ways are one."""
    if isinstance(optimizer, tf.keras.optimizers.legacy.Adam):
        return "AMSGrad" if optimizer.amsgrad else "Adam"
    return type(optimizer).__name__


@dataclasses.dataclass(frozen=True)
class _Pair:
    """A variable of the new model, the old model's, and what the axes of both are."""

    new: tf.Variable
    old: tf.Variable
    rows: IdRows | None
    rows_of_old: IdRows | None


class _Carrying:
    """Moves values from where the ids of the old model are to where those of the new one are."""

    def __init__(self, old: Features, new: Features) -> None:
        self._old, self._new = old, new
        self.origins = functools.cache(functools.partial(origins, old, new))

    def moved(self, pair: _Pair, old: tf.Variable, new: tf.Variable) -> np.ndarray:
        """The values of a variable, or of a slot of it, with the rows that both have moved."""
        before, values = old.numpy(), np.array(new.numpy())
        rows = pair.rows
        if rows is None or before.ndim != len(rows.spaces):
            self._require(before.shape == values.shape, pair, before, values)
            return before
        to, of = [], []
        for axis, space in enumerate(rows.spaces):
            if space is None:
                length = min(before.shape[axis], values.shape[axis])
                same = before.shape[axis] == values.shape[axis]
                self._require(same or rows.columns is not None, pair, before, values)
                to.append(np.arange(length))
                of.append(to[-1])
                continue
            origin = self.origins(space)
            to.append(np.flatnonzero(origin >= 0))
            of.append(origin[to[-1]])
        values[np.ix_(*to)] = before[np.ix_(*of)]
        return values

    def moved_columns(self, pair: _Pair, weights: np.ndarray) -> np.ndarray:
        """The columns of a sparse matrix; weights of columns that are gone become 0."""
        assert pair.rows is not None and pair.rows.columns is not None
        assert pair.rows_of_old is not None and pair.rows_of_old.columns is not None
        space = pair.rows.spaces[0]
        assert space is not None
        column = self.moved(
            pair, pair.rows_of_old.columns, tf.Variable(tf.zeros_like(pair.rows.columns))
        )
        place = places(self._old, self._new, space)[column]
        weights[place < 0] = 0
        return np.maximum(place, 0)

    @staticmethod
    def _require(is_alike: bool, pair: _Pair, before: np.ndarray, values: np.ndarray) -> None:
        if not is_alike:
            raise ValueError(
                f"{pair.new.name!r} has another shape in the old model: a width that grows with "
                "the vocabulary, such as that of an embedding, must be declared, and rows of ids "
                f"by `id_rows`. Received: {values.shape}, and {before.shape} in the old model"
            )


def _check_alike(model: RecommenderModel, old: RecommenderModel) -> None:
    """Checks that two models differ in nothing but their vocabularies."""
    if type(model) is not type(old):
        raise ValueError(
            "A model starts from one of its own class. "
            f"Received: {type(model).__name__} and {type(old).__name__}"
        )
    configs = [
        json.loads(json.dumps({k: v for k, v in one.get_config().items() if k not in _FREE}))
        for one in (model, old)
    ]
    other = sorted(key for key in configs[0] if configs[0][key] != configs[1].get(key))
    if other:
        received = [{key: config.get(key) for key in other} for config in configs]
        raise ValueError(
            "A model starts from one with the same arguments. "
            f"Received: {received[0]}, and {received[1]} in the old model"
        )
    specs = [_without_sizes(json.loads(one.features.spec.to_json())) for one in (model, old)]
    if specs[0] != specs[1]:
        raise ValueError(
            "A model starts from one with the same columns. Received: "
            f"{model.features.spec!r:.300}, and {old.features.spec!r:.300} in the old model"
        )
    for layer in model.submodules:
        if isinstance(layer, EmbeddingTable) and layer.space is None:
            raise ValueError(
                "Rows of ids can be found again if their table has a `space`. "
                f"Received none of: {layer.name!r}"
            )
        for column in layer.columns if isinstance(layer, DenseFeatures) else ():
            if isinstance(column, IndicatorColumn):
                space = column.categorical.space
                if not _are_same_ids(model.features, old.features, space):
                    raise ValueError(
                        "The values of an IndicatorColumn are inputs of a kernel, which can't be "
                        f"moved: fit the new features with the old vocabulary of {space!r}, or "
                        f"embed the column. Received other values of {column.name!r}"
                    )
        if isinstance(layer, HierarchicalSoftmax):
            space = model.features.spec.item.space
            if not _are_same_ids(model.features, old.features, space):
                raise ValueError(
                    "The nodes of a hierarchical softmax belong to one tree of items, which others "
                    f"change: keep the old vocabulary of {space!r}. Received another"
                )


def _are_same_ids(new: Features, old: Features, space: str) -> bool:
    found = origins(old, new, space)
    return len(places(old, new, space)) == len(found) and bool(
        np.all(found == np.arange(len(found)))
    )


def _without_sizes(config: Any) -> Any:
    """The configuration of a spec without widths and numbers of values, which the tables tell."""
    if isinstance(config, dict):
        return {k: _without_sizes(v) for k, v in config.items() if k not in ("dimension", "top_n")}
    return [_without_sizes(one) for one in config] if isinstance(config, list) else config


def _pairs(model: RecommenderModel, old: RecommenderModel) -> Iterator[_Pair]:
    """The variables to carry over. Models that are alike have them in the same order."""
    follows = {
        id(weight)
        for layer in model.submodules
        if not getattr(layer, "is_learned", True)
        for weight in layer.weights
    }
    rows, rows_of_old = (_rows_by_variable(one) for one in (model, old))
    columns = {id(found.columns) for found in rows.values() if found.columns is not None}
    for new, before in zip(model.learned, old.learned, strict=True):
        if id(new) not in follows | columns:
            yield _Pair(new, before, rows.get(id(new)), rows_of_old.get(id(before)))


def _rows_by_variable(model: RecommenderModel) -> dict[int, IdRows]:
    found = [rows for layer in (model, *model.submodules) for rows in getattr(layer, "id_rows", ())]
    return {id(rows.variable): rows for rows in found}

"""FeatureSpec: the columns of a model, split into query columns and candidate columns."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from tfrec_zoo.features.column_config import column_from_config, column_to_config
from tfrec_zoo.features.columns import (
    BagColumn,
    BucketizedColumn,
    CategoricalColumn,
    CrossedColumn,
    HashedColumn,
    VocabularyColumn,
)
from tfrec_zoo.features.dense_columns import (
    Column,
    DenseColumn,
    EmbeddingColumn,
    IndicatorColumn,
    InteractionColumn,
    MatchColumn,
    NumericColumn,
    PairColumn,
    VectorColumn,
)


@dataclasses.dataclass(frozen=True)
class RawFeature:
    """One key of a raw request.

    Args:
        key: Name of the raw feature.
        dtype: Type of the raw values. Numbers are `"float64"`, vectors `"float32"`.
        is_bag: Whether each row contains a bag of values.
        serving: Constant value in serving, or None if requests give it.
        width: Number of components of a vector, or None if a row is no vector.
    """

    key: str
    dtype: Literal["string", "int64", "float64", "float32"]
    is_bag: bool = False
    serving: float | int | str | None = None
    width: int | None = None


def categorical_columns(columns: tuple[Column, ...]) -> Iterator[CategoricalColumn]:
    """Yields each categorical column that `columns` read ids from, once."""
    found: list[CategoricalColumn] = []
    for column in columns:
        if isinstance(column, EmbeddingColumn | IndicatorColumn):
            found.append(column.categorical)
        elif isinstance(column, InteractionColumn):
            found += [column.bag, column.candidate]
        elif isinstance(column, MatchColumn):
            found += [column.query, column.candidate]
        elif not isinstance(column, NumericColumn | VectorColumn):
            found.append(column)
    yield from _once(found)


def _once(columns: Iterable[CategoricalColumn]) -> Iterator[CategoricalColumn]:
    seen: dict[str, CategoricalColumn] = {}
    for column in columns:
        if seen.setdefault(column.name, column) != column:
            raise ValueError(
                f"Two different columns have the name {column.name!r}. "
                f"Received: {seen[column.name]!r} and {column!r}"
            )
    yield from seen.values()


def vocabulary_column(column: CategoricalColumn) -> VocabularyColumn | None:
    """Returns the vocabulary column that a column's ids come from, or None."""
    if isinstance(column, BagColumn):
        return vocabulary_column(column.values)
    return column if isinstance(column, VocabularyColumn) else None


def _raw_features(column: Column) -> Iterator[RawFeature]:
    if isinstance(column, EmbeddingColumn | IndicatorColumn):
        yield from _raw_features(column.categorical)
    elif isinstance(column, CrossedColumn):
        for part in column.columns:
            yield from _raw_features(part)
    elif isinstance(column, MatchColumn):
        yield from _raw_features(column.query)
    elif isinstance(column, InteractionColumn):
        yield from _raw_features(column.bag)
        if column.ages:
            yield RawFeature(column.ages, "float64", is_bag=True)
    elif isinstance(column, BagColumn):
        yield RawFeature(column.key, column.values.dtype, is_bag=True)
        if column.ages:
            yield RawFeature(column.ages, "float64", is_bag=True)
    elif isinstance(column, NumericColumn):
        yield RawFeature(column.key, "float64", serving=column.serving)
    elif isinstance(column, BucketizedColumn):
        yield RawFeature(column.key, "float64")
    elif isinstance(column, VectorColumn):
        yield RawFeature(column.key, "float32", width=column.width)
    elif isinstance(column, VocabularyColumn):
        yield RawFeature(column.key, column.dtype, serving=column.serving)
    elif isinstance(column, HashedColumn):
        yield RawFeature(column.key, column.dtype)


def _merge(features: Iterator[RawFeature]) -> dict[str, RawFeature]:
    merged: dict[str, RawFeature] = {}
    for feature in features:
        if merged.setdefault(feature.key, feature) != feature:
            raise ValueError(
                f"The raw feature {feature.key!r} is declared with two types. "
                f"Received: {merged[feature.key]!r} and {feature!r}"
            )
    return merged


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """Declares the features of a model, as `query` and `candidate` columns.

    Query features (the user and the context) are known once per request, candidate features once
    per scored item. An `InteractionColumn`, a `MatchColumn` or a cross that reads both is a
    candidate column. Specs round-trip through JSON.

    Args:
        query: Columns of the user and the context.
        candidate: Columns of the item. A retrieval model needs exactly one `VocabularyColumn` of
            item ids among them: its classes.

    Example:

    >>> spec = FeatureSpec(
    ...     query=(EmbeddingColumn(BagColumn(VocabularyColumn("watched", space="video"))),),
    ...     candidate=(VocabularyColumn("video_id", space="video"),),
    ... )
    >>> FeatureSpec.from_json(spec.to_json()) == spec
    True
    """

    query: tuple[Column, ...] = ()
    candidate: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", tuple(self.query))
        object.__setattr__(self, "candidate", tuple(self.candidate))
        for column in self.columns:
            if not isinstance(column, Column):
                raise ValueError(f"A FeatureSpec holds feature columns. Received: {column!r}")
        if any(isinstance(column, PairColumn) for column in self.query):
            raise ValueError(
                "A column that compares query and candidate depends on what is scored: put it "
                f"among the candidate columns. Received: query={self.query!r}"
            )
        names = [column.name for column in self.columns]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"Two columns have the same name. Received: {name!r}")
        self.raw  # noqa: B018 (raises if types disagree)
        dtypes: dict[str, VocabularyColumn] = {}
        for column in self.vocabulary_columns:
            first = dtypes.setdefault(column.space, column)
            if first.dtype != column.dtype:
                raise ValueError(
                    f"Columns that share the ID space {column.space!r} must have the same dtype. "
                    f"Received: {first!r} and {column!r}"
                )

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, the query's first."""
        return self.query + self.candidate

    @property
    def raw_query(self) -> dict[str, RawFeature]:
        """Raw features that a request gives once: the query's, and what candidates compare with."""
        pairs = [c for c in self.candidate if isinstance(c, PairColumn)]
        return _merge(f for c in (*self.query, *pairs) for f in _raw_features(c))

    @property
    def raw_candidate(self) -> dict[str, RawFeature]:
        """Raw features of each scored item; of a cross, those that the query does not give."""
        of_query = set(self.raw_query.values())
        found: list[RawFeature] = []
        for column in self.candidate:
            own = column.candidate if isinstance(column, PairColumn) else column
            is_cross = isinstance(getattr(own, "categorical", own), CrossedColumn)
            found += (f for f in _raw_features(own) if not (is_cross and f in of_query))
        return _merge(iter(found))

    @property
    def raw(self) -> dict[str, RawFeature]:
        """All raw features, by key."""
        return _merge(iter((*self.raw_query.values(), *self.raw_candidate.values())))

    @property
    def categorical(self) -> tuple[CategoricalColumn, ...]:
        """All distinct categorical columns that ids are read from; parts precede their cross."""
        columns = categorical_columns(self.columns)
        return tuple(_once(p for c in columns for p in (*getattr(c, "columns", ()), c)))

    @property
    def crosses(self) -> tuple[CrossedColumn, ...]:
        """All distinct crosses that ids are read from."""
        return tuple(c for c in self.categorical if isinstance(c, CrossedColumn))

    @property
    def vocabulary_columns(self) -> tuple[VocabularyColumn, ...]:
        """All columns that need a vocabulary; several may share an ID space."""
        found = (vocabulary_column(column) for column in self.categorical)
        return tuple(dict.fromkeys(column for column in found if column is not None))

    @property
    def bag_ages(self) -> tuple[tuple[str, str], ...]:
        """The bags that are read with the ages of their values: their names and the ages' keys."""
        bags = [(c, c.ages) for c in self.categorical if isinstance(c, BagColumn)]
        bags += [(c.bag, c.ages) for c in self.dense if isinstance(c, InteractionColumn)]
        return tuple(dict.fromkeys((bag.name, ages) for bag, ages in bags if ages))

    @property
    def item(self) -> VocabularyColumn:
        """The column of item ids: the first vocabulary column among the candidate's."""
        for column in categorical_columns(self.candidate):
            if isinstance(column, VocabularyColumn):
                return column
        raise ValueError(
            "The candidate columns must have a VocabularyColumn of item ids. "
            f"Received: {self.candidate!r}"
        )

    @property
    def dense(self) -> tuple[DenseColumn, ...]:
        """All columns that make a vector."""
        return tuple(c for c in self.columns if isinstance(c, DenseColumn))

    def to_config(self) -> dict[str, Any]:
        """Returns a JSON-serializable dict from which `from_config` makes an equal spec."""
        return {
            "query": [column_to_config(column) for column in self.query],
            "candidate": [column_to_config(column) for column in self.candidate],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "FeatureSpec":
        """Makes the spec that `to_config` describes."""
        return cls(
            query=tuple(column_from_config(c) for c in config["query"]),
            candidate=tuple(column_from_config(c) for c in config["candidate"]),
        )

    def to_json(self) -> str:
        """Returns the spec as JSON."""
        return json.dumps(self.to_config(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSpec":
        """Makes the spec that `to_json` wrote."""
        return cls.from_config(json.loads(text))

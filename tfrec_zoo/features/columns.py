"""Feature columns: what a raw request holds, declared once as frozen dataclasses.

The names follow `tf.feature_column` where it had one. A *categorical* column turns a raw value into
an integer id, where id 0 always means "nothing" (unknown, empty or missing); a *dense* column turns
ids or numbers into the vector a network reads. Columns hold no data: vocabularies and quantiles are
learned from the log by `Features.fit`.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

Combiner = Literal["mean", "sum", "max", "sqrtn"]
RawType = Literal["string", "int64"]


def _require(condition: bool, message: str, received: object) -> None:
    if not condition:
        raise ValueError(f"{message} Received: {received!r}")


def _check_key(key: object) -> None:
    # Keys are the argument names of the exported signatures.
    _require(
        isinstance(key, str) and key.isidentifier(),
        "`key` must be a name of letters, digits and underscores.",
        key,
    )


def _check_dtype(dtype: object) -> None:
    _require(dtype in get_args(RawType), '`dtype` must be "string" or "int64".', dtype)


@dataclasses.dataclass(frozen=True)
class VocabularyColumn:
    """A univalent categorical feature whose ids come from a vocabulary.

    Args:
        key: Name of the raw feature.
        dtype: Raw type. A missing value is `""`, or a negative number for `"int64"`.
        space: The ID space. Columns of one space share one vocabulary and, unless told otherwise,
            one embedding table. Defaults to `key`.
        top_n: Keep only the most frequent values of the space; the rest are unknown.
    """

    key: str
    dtype: RawType = "string"
    space: str = ""
    top_n: int | None = None

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check_dtype(self.dtype)
        _require(
            self.top_n is None or self.top_n > 0, "`top_n` must be positive or None.", self.top_n
        )
        if not self.space:
            object.__setattr__(self, "space", self.key)

    @property
    def name(self) -> str:
        """Name of the ids in an encoded batch."""
        return self.key


@dataclasses.dataclass(frozen=True)
class HashedColumn:
    """A univalent categorical feature hashed into `num_buckets` ids; no vocabulary needed.

    Args:
        key: Name of the raw feature.
        num_buckets: Number of ids, besides 0.
        dtype: Raw type. A missing value is `""`, or a negative number for `"int64"`.
    """

    key: str
    num_buckets: int
    dtype: RawType = "string"

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check_dtype(self.dtype)
        _require(self.num_buckets > 0, "`num_buckets` must be positive.", self.num_buckets)

    @property
    def name(self) -> str:
        """Name of the ids in an encoded batch."""
        return f"{self.key}_hashed"

    @property
    def space(self) -> str:
        """The ID space, which hashed columns share with no other column."""
        return self.name


@dataclasses.dataclass(frozen=True)
class BucketizedColumn:
    """A number as a category: id `i + 1` for the half-open bucket `[b[i-1], b[i])`; NaN is 0.

    Args:
        key: Name of the raw feature.
        boundaries: Increasing bucket boundaries; `len(boundaries) + 1` buckets.
    """

    key: str
    boundaries: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_key(self.key)
        object.__setattr__(self, "boundaries", tuple(float(b) for b in self.boundaries))
        _require(
            len(self.boundaries) > 0
            and all(math.isfinite(b) for b in self.boundaries)
            and all(a < b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)),
            "`boundaries` must be finite numbers that strictly increase.",
            self.boundaries,
        )

    @property
    def name(self) -> str:
        """Name of the ids in an encoded batch."""
        return f"{self.key}_bucketized"

    @property
    def space(self) -> str:
        """The ID space, which bucketized columns share with no other column."""
        return self.name


@dataclasses.dataclass(frozen=True)
class BagColumn:
    """A multivalent categorical feature: an unordered bag of values, pooled when embedded.

    Only the *last* `max_length` non-missing values of a row count, so a history is given oldest
    first. Unknown and missing values are left out of the pooling, so a mean is over known values.

    Args:
        values: How one value of the bag becomes an id.
        max_length: Bag size; 50 in Covington et al. (2016).
        combiner: How the embeddings are pooled.
    """

    values: VocabularyColumn | HashedColumn
    max_length: int = 50
    combiner: Combiner = "mean"

    def __post_init__(self) -> None:
        _require(
            isinstance(self.values, VocabularyColumn | HashedColumn),
            "`values` must be a VocabularyColumn or a HashedColumn.",
            self.values,
        )
        _require(self.max_length > 0, "`max_length` must be positive.", self.max_length)
        _require(
            self.combiner in get_args(Combiner),
            f"`combiner` must be one of {get_args(Combiner)}.",
            self.combiner,
        )

    @property
    def key(self) -> str:
        """Name of the raw feature."""
        return self.values.key

    @property
    def name(self) -> str:
        """Name of the ids in an encoded batch."""
        return f"{self.values.name}_bag{self.max_length}"

    @property
    def space(self) -> str:
        """The ID space of the bag's values."""
        return self.values.space


#: What crosses are made of.
CrossPart = VocabularyColumn | HashedColumn | BucketizedColumn | BagColumn


@dataclasses.dataclass(frozen=True)
class CrossedColumn:
    """The cross-product transformation: an id for each combination (AND) of its parts' values.

    Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016, equation 1. The ids of
    the parts are crossed, so a part that is unknown, empty or missing makes no combination. A bag
    is taken as a set: each of its distinct values is combined with each of the other parts', and a
    combination is there once, however often its values are.

    A cross of the query and the candidate ("installed this AND is shown that") is a candidate
    column. Its parts whose raw features query columns read too are the query's.

    Args:
        columns: The columns to cross, two or more.
        num_buckets: Hash the combinations into so many ids, besides 0.
        top_n: Give ids to the `top_n` most frequent combinations of the data, and 0 to the others.
            Exactly one of `num_buckets` and `top_n` is given.
    """

    columns: tuple[CrossPart, ...]
    num_buckets: int | None = None
    top_n: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        _require(len(self.columns) > 1, "`columns` must have at least two columns.", self.columns)
        _require(
            all(isinstance(c, CategoricalColumn) for c in self.columns)
            and not any(isinstance(c, CrossedColumn) for c in self.columns),
            "`columns` must be categorical columns and no crosses; cross all parts in one.",
            self.columns,
        )
        _require(
            (self.num_buckets is None) != (self.top_n is None),
            "Exactly one of `num_buckets` and `top_n` must be given.",
            {"num_buckets": self.num_buckets, "top_n": self.top_n},
        )
        if self.num_buckets is not None:
            _require(self.num_buckets > 0, "`num_buckets` must be positive.", self.num_buckets)
        if self.top_n is not None:
            _require(self.top_n > 0, "`top_n` must be positive.", self.top_n)
            _require(
                not any(isinstance(getattr(c, "values", c), HashedColumn) for c in self.columns),
                "A cross with `top_n` needs parts whose values are known: hashed columns have "
                "none, so give `num_buckets`.",
                self.columns,
            )

    @property
    def name(self) -> str:
        """Name of the ids in an encoded batch."""
        return "_X_".join(column.name for column in self.columns)

    @property
    def space(self) -> str:
        """The ID space, which crosses share with no other column."""
        return self.name


CategoricalColumn = CrossPart | CrossedColumn


@dataclasses.dataclass(frozen=True)
class EmbeddingColumn:
    """A categorical feature as a learned vector; a bag is pooled.

    Args:
        categorical: Where the ids come from.
        dimension: Width. Defaults to one that grows with the logarithm of the number of ids.
        table: Embedding table; columns naming the same table share it, and are fed apart. Defaults
            to the ID space: one table per space.
    """

    categorical: CategoricalColumn
    dimension: int | None = None
    table: str = ""

    def __post_init__(self) -> None:
        _require(
            isinstance(self.categorical, CategoricalColumn),
            "`categorical` must be a categorical column.",
            self.categorical,
        )
        _require(
            self.dimension is None or self.dimension > 0,
            "`dimension` must be positive or None.",
            self.dimension,
        )
        if not self.table:
            object.__setattr__(self, "table", self.categorical.space)

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return f"{self.categorical.name}_embedding"


@dataclasses.dataclass(frozen=True)
class IndicatorColumn:
    """A categorical feature as a multi-hot vector, one element per id; nothing is all zeros."""

    categorical: CategoricalColumn

    def __post_init__(self) -> None:
        _require(
            isinstance(self.categorical, CategoricalColumn),
            "`categorical` must be a categorical column.",
            self.categorical,
        )

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return f"{self.categorical.name}_indicator"


@dataclasses.dataclass(frozen=True)
class NumericColumn:
    """A continuous feature, normalised to [0, 1) by its quantiles (Covington et al. 2016, §4.1).

    A missing value is NaN and becomes 0 in every power.

    Args:
        key: Name of the raw feature.
        normalization: `"quantile"`, or `"none"` to feed the value as it is.
        powers: Whether x², √x are fed beside x.
        serving: The value that requests have, if it is the same for all: such features are no input
            of an exported model. Example age is 0 when serving (§3.3 of the paper).
    """

    key: str
    normalization: Literal["quantile", "none"] = "quantile"
    powers: bool = True
    serving: float | None = None

    def __post_init__(self) -> None:
        _check_key(self.key)
        _require(
            self.normalization in ("quantile", "none"),
            '`normalization` must be "quantile" or "none".',
            self.normalization,
        )
        _require(
            not self.powers or self.normalization == "quantile",
            "`powers` need values in [0, 1): set `normalization` to 'quantile'.",
            self.normalization,
        )

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return self.key


@dataclasses.dataclass(frozen=True)
class InteractionColumn:
    """The user's past with what is being scored: how often, and how long ago.

    "How many videos has the user watched from this channel? When was the last time the user watched
    a video on this topic?" (Covington et al. 2016, §4.1). Given a bag of past values and the
    candidate's value of the same space, it counts the equal ones and takes the age of the latest;
    both are normalised by their quantiles, with powers. A bag of the videos recently *shown* to the
    user, with the candidate's own id, counts previous impressions, the paper's "churn".

    Args:
        bag: The user's past values; each value counts, not only distinct ones.
        candidate: The candidate's value; same space as the bag.
        ages: Key of a numeric bag parallel to `bag` with the age of each value, or None to count
            only.
    """

    bag: BagColumn
    candidate: VocabularyColumn | HashedColumn
    ages: str | None = None

    def __post_init__(self) -> None:
        _require(
            isinstance(self.bag, BagColumn)
            and isinstance(self.candidate, VocabularyColumn | HashedColumn)
            and self.bag.space == self.candidate.space,
            "`bag` must be a BagColumn over the ID space of `candidate`.",
            (self.bag, self.candidate),
        )

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return f"{self.bag.name}_and_{self.candidate.name}"

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the continuous features it makes, each with quantiles of its own."""
        return (f"{self.name}/count",) + ((f"{self.name}/age",) if self.ages else ())


DenseColumn = EmbeddingColumn | IndicatorColumn | NumericColumn | InteractionColumn
Column = CategoricalColumn | DenseColumn

_COLUMNS: dict[str, type] = {cls.__name__: cls for cls in get_args(Column)}


def column_to_config(column: Any) -> dict[str, Any]:
    """Returns a JSON-able dictionary from which `column_from_config` makes an equal column."""
    config: dict[str, Any] = {"column": type(column).__name__}
    for field in dataclasses.fields(column):
        value = getattr(column, field.name)
        if dataclasses.is_dataclass(value):
            value = column_to_config(value)
        elif isinstance(value, tuple):
            value = [column_to_config(v) if dataclasses.is_dataclass(v) else v for v in value]
        config[field.name] = value
    return config


def column_from_config(config: Mapping[str, Any]) -> Any:
    """Makes the column that `column_to_config` described.

    Raises:
        ValueError: If the kind of column, or one of its arguments, is unknown.
    """
    kind = config.get("column")
    _require(kind in _COLUMNS, f"`column` must be one of {sorted(_COLUMNS)}.", kind)
    cls = _COLUMNS[str(kind)]

    def value_of(value: Any) -> Any:
        if isinstance(value, Mapping):
            return column_from_config(value)
        if isinstance(value, list | tuple):
            return tuple(value_of(v) for v in value)
        return value

    arguments = {name: value_of(value) for name, value in config.items() if name != "column"}
    unknown = sorted(set(arguments) - {field.name for field in dataclasses.fields(cls)})
    _require(not unknown, f"{kind} has no such arguments.", unknown)
    return cls(**arguments)

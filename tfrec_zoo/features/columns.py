"""Feature columns: the contents of a raw request, declared once as frozen dataclasses.

The names follow `tf.feature_column`, for the columns that it has. A *categorical* column maps a raw
value to an integer id, where id 0 always means "nothing" (unknown, empty or missing). A *dense*
column maps ids or numbers to the vector that a network reads. Columns contain no data:
`Features.fit` learns vocabularies and quantiles from the log.
"""

import dataclasses
import math
from typing import Literal, get_args

Combiner = Literal["mean", "sum", "max", "sqrtn"]
RawType = Literal["string", "int64"]


def _require(condition: bool, message: str, received: object) -> None:
    if not condition:
        raise ValueError(f"{message} Received: {received!r}")


def _check_key(key: object) -> None:
    _require(isinstance(key, str) and key != "", "`key` must be a string that is not empty.", key)


def _check_dtype(dtype: object) -> None:
    _require(dtype in get_args(RawType), '`dtype` must be "string" or "int64".', dtype)


@dataclasses.dataclass(frozen=True)
class VocabularyColumn:
    """A univalent categorical feature whose ids come from a vocabulary.

    Args:
        key: Name of the raw feature.
        dtype: Type of the raw values. A missing value is `""`, or a negative number for `"int64"`.
        space: ID space, `key` by default. Columns of one space share a vocabulary and, unless
            declared otherwise, an embedding table.
        top_n: Number of most frequent values of the space to keep; the others are unknown.
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
        """Name of the column's ids in an encoded batch."""
        return self.key


@dataclasses.dataclass(frozen=True)
class HashedColumn:
    """A univalent categorical feature hashed into `num_buckets` ids, without a vocabulary.

    Args:
        key: Name of the raw feature.
        num_buckets: Number of ids, not counting 0.
        dtype: Type of the raw values. A missing value is `""`, or a negative number for `"int64"`.
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
        """Name of the column's ids in an encoded batch."""
        return f"{self.key}_hashed"

    @property
    def space(self) -> str:
        """The ID space, which hashed columns share with no other column."""
        return self.name


@dataclasses.dataclass(frozen=True)
class BucketizedColumn:
    """A number as a category: id `i + 1` is the half-open bucket `[b[i-1], b[i])`, and NaN is 0.

    Args:
        key: Name of the raw feature.
        boundaries: Increasing boundaries `b` of `len(boundaries) + 1` buckets.
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
        """Name of the column's ids in an encoded batch."""
        return f"{self.key}_bucketized"

    @property
    def space(self) -> str:
        """The ID space, which bucketized columns share with no other column."""
        return self.name


@dataclasses.dataclass(frozen=True)
class BagColumn:
    """A multivalent categorical feature: an unordered bag of values, pooled when embedded.

    Only the *last* `max_length` non-missing values of a row count, so give histories oldest first.
    Unknown and missing values are not pooled, so a mean is over known values only.

    Args:
        values: Column that maps one value of the bag to an id.
        max_length: Number of values that count; 50 in Covington et al. (2016).
        combiner: How the embeddings of the values are pooled.
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
        """Name of the column's ids in an encoded batch."""
        return f"{self.values.name}_bag{self.max_length}"

    @property
    def space(self) -> str:
        """The ID space of the bag's values."""
        return self.values.space


#: The columns that a cross can combine.
CrossPart = VocabularyColumn | HashedColumn | BucketizedColumn | BagColumn


@dataclasses.dataclass(frozen=True)
class CrossedColumn:
    """The cross-product transformation: one id per combination (AND) of the values of its parts.

    Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016, equation 1. The cross
    works on the ids of its parts, so a part that is unknown, empty or missing forms no combination.
    A bag counts as a set: each distinct value is combined with each value of the other parts, and a
    combination appears once, however often its values do.

    A cross of query and candidate ("installed this AND is shown that") is a candidate column; a
    part belongs to the query if query columns read the same raw feature.

    Args:
        columns: Columns to cross, two or more.
        num_buckets: Number of ids to hash the combinations into, not counting 0.
        top_n: Number of most frequent combinations in the data that get an id; the others are 0.
            Exactly one of `num_buckets` and `top_n` must be given.
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
        """Name of the column's ids in an encoded batch."""
        return "_X_".join(column.name for column in self.columns)

    @property
    def space(self) -> str:
        """The ID space, which crosses share with no other column."""
        return self.name


CategoricalColumn = CrossPart | CrossedColumn


@dataclasses.dataclass(frozen=True)
class EmbeddingColumn:
    """A categorical feature as a learned vector; bags are pooled.

    Args:
        categorical: Column that the ids come from.
        dimension: Width of the vector; by default it grows with the logarithm of the number of ids.
        table: Name of the embedding table, the ID space by default. Columns that name the same
            table share its vectors but are separate inputs.
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
    """A categorical feature as a multi-hot vector, one element per id; id 0 is all zeros."""

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
    """A continuous feature, normalized to [0, 1) by its quantiles (Covington et al. 2016, §4.1).

    A missing value is NaN and becomes 0 in every power.

    Args:
        key: Name of the raw feature.
        normalization: `"quantile"`, or `"none"` to use the value as it is.
        powers: Whether to add x² and √x to x.
        serving: Value to use in serving, if it is the same for all requests; an exported model then
            has no such input. Example age is 0 in serving (§3.3 of the paper).
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
    """The user's past interactions with what is being scored: how many, and how long ago.

    "How many videos has the user watched from this channel? When was the last time the user watched
    a video on this topic?" (Covington et al. 2016, §4.1). The column counts the values of a bag
    that equal the candidate's value, and takes the age of the latest one. Both numbers are
    normalized by their quantiles, with powers. With a bag of the videos recently *shown* to the
    user and the candidate's own id, it counts previous impressions, the paper's "churn".

    Args:
        bag: Column of the user's past values; repeated values count repeatedly.
        candidate: Column of the candidate's value, in the ID space of the bag.
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
    def keys(self) -> tuple[str, ...]:
        """The raw features it reads: the bag's, the candidate's and the ages'."""
        return (self.bag.key, self.candidate.key) + ((self.ages,) if self.ages else ())

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the continuous features that the column makes, each with its own quantiles."""
        return (f"{self.name}/count",) + ((f"{self.name}/age",) if self.ages else ())


DenseColumn = EmbeddingColumn | IndicatorColumn | NumericColumn | InteractionColumn
Column = CategoricalColumn | DenseColumn

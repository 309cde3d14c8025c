"""Categorical columns: raw values of a request as ids, declared once as frozen dataclasses.

The names follow `tf.feature_column`, for the columns that it has. A *categorical* column maps a raw
value to an integer id, where id 0 always means "nothing" (unknown, empty or missing). A *dense*
column, of `dense_columns`, maps ids or numbers to the vector that a network reads. Columns contain
no data: `Features.fit` learns vocabularies and the distributions of numbers from the log.
"""

import dataclasses
import math
from typing import Literal, get_args

Combiner = Literal["mean", "sum", "max", "sqrtn"]
RawType = Literal["string", "int64"]

#: Metadata of a field that the config of a column holds only where it is not the default.
LEFT_OUT = {"left_out": True}


def require(condition: bool, message: str, received: object) -> None:
    """Raises a ValueError that ends with what was received, unless a condition holds."""
    if not condition:
        raise ValueError(f"{message} Received: {received!r}")


def check_key(key: object) -> None:
    """Raises a ValueError if a key is no name of a raw feature, which any text but "" is."""
    require(isinstance(key, str) and key != "", "`key` must be a string that is not empty.", key)


def _check_dtype(dtype: object) -> None:
    require(dtype in get_args(RawType), '`dtype` must be "string" or "int64".', dtype)


@dataclasses.dataclass(frozen=True)
class VocabularyColumn:
    """A univalent categorical feature whose ids come from a vocabulary.

    Args:
        key: Name of the raw feature.
        dtype: Type of the raw values. A missing value is `""`, or a negative number for `"int64"`.
        space: ID space, `key` by default. Columns of one space share a vocabulary and, unless
            declared otherwise, an embedding table.
        top_n: Number of most frequent values of the space to keep; the others are unknown.
        serving: Value to use in serving, if it is the same for all requests, such as the position
            of an impression; an exported model then has no such input.
    """

    key: str
    dtype: RawType = "string"
    space: str = ""
    top_n: int | None = None
    serving: str | int | None = None

    def __post_init__(self) -> None:
        check_key(self.key)
        _check_dtype(self.dtype)
        require(
            self.top_n is None or self.top_n > 0, "`top_n` must be positive or None.", self.top_n
        )
        kind = str if self.dtype == "string" else int
        require(
            self.serving is None or type(self.serving) is kind,
            f"`serving` must be None or a value of the type {self.dtype!r}.",
            self.serving,
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
        check_key(self.key)
        _check_dtype(self.dtype)
        require(self.num_buckets > 0, "`num_buckets` must be positive.", self.num_buckets)

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
        check_key(self.key)
        object.__setattr__(self, "boundaries", tuple(float(b) for b in self.boundaries))
        require(
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
        half_life: The age that halves the weight of a value in the mean, in the unit of `ages`; see
            `recency_weights`. None weighs all values alike.
        ages: Key of a numeric bag parallel to the values with the age of each, for `half_life`, and
            for models that read the intervals of a history, such as `SASRec`.
    """

    values: VocabularyColumn | HashedColumn
    max_length: int = 50
    combiner: Combiner = "mean"
    half_life: float | None = dataclasses.field(default=None, metadata=LEFT_OUT)
    ages: str | None = dataclasses.field(default=None, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        require(
            isinstance(self.values, VocabularyColumn | HashedColumn),
            "`values` must be a VocabularyColumn or a HashedColumn.",
            self.values,
        )
        require(self.max_length > 0, "`max_length` must be positive.", self.max_length)
        require(
            self.combiner in get_args(Combiner),
            f"`combiner` must be one of {get_args(Combiner)}.",
            self.combiner,
        )
        if self.ages is not None:
            check_key(self.ages)
        if self.half_life is None:
            return
        require(
            self.ages is not None,
            "`half_life` needs `ages`.",
            {"half_life": self.half_life, "ages": self.ages},
        )
        require(
            0 < self.half_life < math.inf,
            "`half_life` must be positive and finite, or None.",
            self.half_life,
        )
        require(
            self.combiner == "mean",
            "`half_life` weighs the values of a mean: set `combiner` to 'mean'.",
            self.combiner,
        )

    @property
    def key(self) -> str:
        """Name of the raw feature."""
        return self.values.key

    @property
    def name(self) -> str:
        """Name of the column's ids in an encoded batch."""
        name = f"{self.values.name}_bag{self.max_length}"
        return name if self.half_life is None else f"{name}_half_life_{self.half_life:.12g}"

    @property
    def space(self) -> str:
        """The ID space of the bag's values."""
        return self.values.space


def require_unweighted(column: object) -> None:
    """Raises a ValueError if a column is a bag whose values are weighed by their ages."""
    require(
        getattr(column, "half_life", None) is None,
        "Only the embeddings of a bag are weighed: set `half_life` to None.",
        column,
    )


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
        require(len(self.columns) > 1, "`columns` must have at least two columns.", self.columns)
        require(
            all(isinstance(c, CategoricalColumn) for c in self.columns)
            and not any(isinstance(c, CrossedColumn) for c in self.columns),
            "`columns` must be categorical columns and no crosses; cross all parts in one.",
            self.columns,
        )
        for column in self.columns:
            require_unweighted(column)
        require(
            (self.num_buckets is None) != (self.top_n is None),
            "Exactly one of `num_buckets` and `top_n` must be given.",
            {"num_buckets": self.num_buckets, "top_n": self.top_n},
        )
        if self.num_buckets is not None:
            require(self.num_buckets > 0, "`num_buckets` must be positive.", self.num_buckets)
        if self.top_n is not None:
            require(self.top_n > 0, "`top_n` must be positive.", self.top_n)
            require(
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

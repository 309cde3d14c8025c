"""Dense columns: ids and numbers as the vectors that a network reads."""

import dataclasses
from typing import Literal, get_args

from tfrec_zoo.features.columns import (
    LEFT_OUT,
    BagColumn,
    CategoricalColumn,
    HashedColumn,
    VocabularyColumn,
    check_key,
    require,
    require_unweighted,
)

Normalization = Literal["quantile", "min-max", "z-score", "log", "none"]


def _check_normalization(normalization: object, powers: bool) -> None:
    require(
        normalization in get_args(Normalization),
        f"`normalization` must be one of {get_args(Normalization)}.",
        normalization,
    )
    require(
        not powers or normalization in ("quantile", "min-max"),
        "`powers` need values in [0, 1]: set `normalization` to 'quantile' or 'min-max'.",
        normalization,
    )


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
        require(
            isinstance(self.categorical, CategoricalColumn),
            "`categorical` must be a categorical column.",
            self.categorical,
        )
        require(
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
        require(
            isinstance(self.categorical, CategoricalColumn),
            "`categorical` must be a categorical column.",
            self.categorical,
        )
        require_unweighted(self.categorical)

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return f"{self.categorical.name}_indicator"


@dataclasses.dataclass(frozen=True)
class NumericColumn:
    """A number, normalized by what is learned of its distribution; missing (NaN) is 0.

    Args:
        key: Name of the raw feature.
        normalization: How the number x becomes x~:

            * `"quantile"`: the share of values up to x, in [0, 1) (Covington et al. 2016, §4.1);
            * `"min-max"`: 0 for the least value and 1 for the greatest, and nothing beyond: what
              the paper does with gender, logged-in state and age (§3.3). Flags stay 0 and 1;
            * `"z-score"`: the distance from the mean in standard deviations;
            * `"log"`: sign(x) log(1 + |x|), of which nothing is learned;
            * `"none"`: x as it is.
        powers: Whether to add x~² and √x~ to x~, which takes values in [0, 1]; by default with
            `"quantile"` only.
        serving: Value to use in serving, if it is the same for all requests; an exported model then
            has no such input. Example age is 0 in serving (§3.3 of the paper).
        mass: Whether the most frequent value is set apart, with `"quantile"`: it does not squeeze
            the others, however many rows have it. See `QuantileNormalization`.
        extrapolate: Whether numbers slightly below the least one are told from it, with
            `"quantile"`, such as example ages of what happens after training.
    """

    key: str
    normalization: Normalization = "quantile"
    powers: bool | None = None
    serving: float | None = None
    mass: bool = False
    extrapolate: bool = False

    def __post_init__(self) -> None:
        check_key(self.key)
        _check_normalization(self.normalization, bool(self.powers))
        if self.powers is None:
            object.__setattr__(self, "powers", self.normalization == "quantile")
        require(
            not (self.mass or self.extrapolate) or self.normalization == "quantile",
            "`mass` and `extrapolate` are about quantiles: set `normalization` to 'quantile'.",
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
    normalized, by default by their quantiles, with powers. With a bag of the videos recently
    *shown* to the user and the candidate's own id, it counts previous impressions, the paper's
    "churn".

    Args:
        bag: Column of the user's past values; repeated values count repeatedly.
        candidate: Column of the candidate's value, in the ID space of the bag.
        ages: Key of a numeric bag parallel to `bag` with the age of each value, or None to count
            only.
        mass: Whether the most frequent count, mostly 0, is set apart; see `NumericColumn`. If not,
            counts are fed by their plain ranks: where nine candidates of ten are new to the user,
            0 is .9 and all other counts are between that and 1. It is about `"quantile"` alone.
        normalization: How the numbers are normalized; see `NumericColumn`.
        powers: Whether to add squares and roots; see `NumericColumn`.
    """

    bag: BagColumn
    candidate: VocabularyColumn | HashedColumn
    ages: str | None = None
    mass: bool = True
    normalization: Normalization = dataclasses.field(default="quantile", metadata=LEFT_OUT)
    powers: bool | None = dataclasses.field(default=None, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        _check_normalization(self.normalization, bool(self.powers))
        require(
            isinstance(self.bag, BagColumn)
            and isinstance(self.candidate, VocabularyColumn | HashedColumn)
            and self.bag.space == self.candidate.space,
            "`bag` must be a BagColumn over the ID space of `candidate`.",
            (self.bag, self.candidate),
        )
        require_unweighted(self.bag)

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


@dataclasses.dataclass(frozen=True)
class MatchColumn:
    """Whether user and candidate agree: 1 if their values are known and equal, else 0.

    "Whether the video's language is the user's" (Covington et al. 2016, §4.1, "impression video
    language" beside "user language"). Of a bag, such as the languages that a user reads, one value
    in common is enough.

    Args:
        query: Column of the user's value or bag.
        candidate: Column of the candidate's value or bag, in the same ID space.
    """

    query: VocabularyColumn | BagColumn
    candidate: VocabularyColumn | BagColumn

    def __post_init__(self) -> None:
        parts = (self.query, self.candidate)
        require(
            all(isinstance(getattr(c, "values", c), VocabularyColumn) for c in parts)
            and self.query.space == self.candidate.space,
            "`query` and `candidate` must be vocabulary columns, or bags of them, of one ID space.",
            parts,
        )
        for part in parts:
            require_unweighted(part)

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return f"{self.query.name}_is_{self.candidate.name}"


@dataclasses.dataclass(frozen=True)
class VectorColumn:
    """A given dense vector per row or item, such as an embedding of its text or image.

    A missing vector, and a missing component, is 0.

    Args:
        key: Name of the raw feature, [batch, width], or [batch, candidates, width] in a list.
        width: Number of components.
        normalize: Whether vectors are divided by their length.
    """

    key: str
    width: int
    normalize: bool = False

    def __post_init__(self) -> None:
        check_key(self.key)
        require(self.width > 0, "`width` must be positive.", self.width)

    @property
    def name(self) -> str:
        """Name of the dense feature."""
        return self.key


#: Columns that read ids of the query and of the candidate.
PairColumn = InteractionColumn | MatchColumn
#: Columns of numbers, whose vectors are not learned.
NumberColumn = NumericColumn | InteractionColumn | MatchColumn | VectorColumn
DenseColumn = EmbeddingColumn | IndicatorColumn | NumberColumn
Column = CategoricalColumn | DenseColumn

"""Search spaces: the values that a search may give to fields of `Training` and to arguments."""

import dataclasses
import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import allow_idle
from tfrec_zoo.training import Training

#: Fields of `Training` that say nothing of how well a model is going to be trained.
_FIXED = {
    *("grid", "pretraining", "seed", "verbose"),
    *("checkpoint_dir", "checkpoint_minutes", "strategy"),
}


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two, whole ones if both are whole.

    Args:
        low: The least.
        high: The greatest.
        log: Whether each order of magnitude is as likely as any other.
        plain: The one that plain settings have; by default the middle.

    Raises:
        ValueError: If it is empty, or holds numbers that have no logarithm.
    """

    low: float
    high: float
    log: bool = False
    plain: float | None = None

    def __post_init__(self) -> None:
        given = (self.low, self.high, *(() if self.plain is None else (self.plain,)))
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in given):
            raise ValueError(f"A range must be of numbers. Received: {self}")
        if not -math.inf < self.low < self.high < math.inf or (self.log and self.low <= 0):
            raise ValueError(
                "A range must have a `low` below its `high`, both finite, and above 0 if it is a "
                f"logarithmic one. Received: {self}"
            )
        if self.plain is not None and not self.low <= self.plain <= self.high:
            raise ValueError(f"`plain` must be within its range. Received: {self}")

    @property
    def is_whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def size(self) -> float:
        """How many numbers there are in it: of reals, no end of them."""
        return self.high - self.low + 1 if self.is_whole else math.inf


#: Values to choose from, the plain one first and the others outward from it; or a range.
Dimension: TypeAlias = Sequence[Any] | Range
Space: TypeAlias = Mapping[str, Dimension]

_TRAINING: dict[str, Dimension] = {
    "learning_rate": Range(1e-4, 1e-2, log=True, plain=1e-3),
    "batch_size": (2048, 1024, 4096, 512, 256),
}
_PENALTIES = (0.0, 1e-5, 1e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1)
_ARGUMENTS: dict[str, Dimension] = {
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.5),
    "hidden_units": ((400, 400, 400), (128, 128, 128), (256, 128, 64), (512, 128), (1024, 512)),
    "embedding_dim": (16, 10, 32, 8, 64, 128),
    "normalization": (None, "batch", "layer"),
}
_OF_LEAST_SQUARES: dict[str, Dimension] = {
    "embedding_dim": (128, 64, 192, 256),
    "unobserved_weight": Range(0.01, 3.0, log=True, plain=0.1),
    "l2": Range(1e-4, 1e-1, log=True, plain=3e-3),
}


def default_space(cls: type[RecommenderModel], training: Training) -> dict[str, Dimension]:
    """What is worth a search, by what the model takes.

    A grid of the training is searched as it is. The number of epochs is left to early stopping.

    Args:
        cls: Class of the model.
        training: How it is trained.
    """
    grid = {name: tuple(values) for name, values in training.grid.items()}
    if not cls.is_iterative:
        return dict(grid)
    if cls.takes_all_at_once:
        return {**_OF_LEAST_SQUARES, **grid}
    taken = inspect.signature(cls).parameters
    # One penalty, of the rows of a batch where there is one.
    penalty = next((name for name in ("batch_l2", "l2") if name in taken), None)
    found = {name: values for name, values in _ARGUMENTS.items() if name in taken}
    return {**_TRAINING, **found, **({penalty: _PENALTIES} if penalty else {}), **grid}


def as_dimension(value: Any) -> Dimension:
    """A dimension as JSON or a Python literal has it.

    Args:
        value: A list of values, each of which counts once; or a mapping with `low` and `high`, and
            if they are given `log` and `plain`.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> plain_value(as_dimension({"low": 0.001, "high": 0.1, "log": True}))
    0.01
    >>> as_dimension([0.0, 0.2, 0])
    (0.0, 0.2)
    """
    if isinstance(value, Range):
        return value
    if isinstance(value, Mapping):
        known = {field.name for field in dataclasses.fields(Range)}
        if {"low", "high"} <= set(value) <= known:
            return Range(**value)
    elif isinstance(value, list | tuple) and value:
        values = [tuple(one) if isinstance(one, list) else one for one in value]
        return tuple(one for i, one in enumerate(values) if one not in values[:i])
    raise ValueError(
        "A dimension of a space must be a list of values, or a range such as "
        f"{{'low': 1e-4, 'high': 1e-2, 'log': True}}. Received: {value!r}"
    )


def checked_space(space: Mapping[str, Any], cls: type[RecommenderModel]) -> dict[str, Dimension]:
    """A space whose names are known and whose values are allowed.

    Args:
        space: Dimensions by name.
        cls: Class of the model.

    Raises:
        ValueError: If there is no such field of `Training` and no such argument of the model, or a
            value is not allowed.
    """
    fields = sorted({field.name for field in dataclasses.fields(Training)} - _FIXED)
    arguments = sorted(set(inspect.signature(cls).parameters) - {"features", "name", "seed"})
    unknown = sorted(set(space) - {*fields, *arguments})
    if unknown:
        raise ValueError(
            f"A search is over fields of Training, {fields}, and arguments of {cls.__name__}, "
            f"{arguments}. Received: {unknown}"
        )
    found = {name: as_dimension(value) for name, value in space.items()}
    for name, dimension in found.items():
        ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension
        for value in ends:
            changed(Training(), cls, {name: value})
    return found


def plain_value(dimension: Dimension) -> Any:
    """The value that plain settings have: the first one, or what a range calls plain."""
    if not isinstance(dimension, Range):
        return dimension[0]
    low, high = dimension.low, dimension.high
    if dimension.plain is not None:
        return dimension.plain
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    return round(middle) if dimension.is_whole else middle


def size(space: Space) -> float:
    """How many settings there are in a space.

    Example:

    >>> size({"units": ((), (64, 32)), "layers": Range(1, 3)}), size({"l2": Range(0.0, 1.0)})
    (6, inf)
    """
    return math.prod(one.size if isinstance(one, Range) else len(one) for one in space.values())


def widened(dimension: Dimension, value: Any) -> Dimension:
    """A dimension that holds a value, too.

    Args:
        dimension: Values to choose from, or a range.
        value: The value.

    Raises:
        ValueError: If no range can hold it, such as None or 0 on a logarithmic scale.
    """
    if not isinstance(dimension, Range):
        return tuple(dimension) if value in dimension else (*dimension, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(
            f"A range must have numbers alone in it; give a list of values. Received: {dimension} "
            f"for a preset that has {value!r}"
        )
    if dimension.low <= value <= dimension.high:
        return dimension
    low, high = min(dimension.low, value), max(dimension.high, value)
    return dataclasses.replace(dimension, low=low, high=high, plain=plain_value(dimension))


def changed(
    training: Training, cls: type[RecommenderModel], parameters: Mapping[str, Any]
) -> tuple[Training, dict[str, Any]]:
    """Returns how to train, and the arguments of the model that are among the parameters.

    Args:
        training: How to train besides.
        cls: Class of the model.
        parameters: Fields of `Training` and arguments of the model.

    Raises:
        ValueError: If a value is not allowed.
    """
    fields = {field.name for field in dataclasses.fields(Training)}
    own = {name: value for name, value in parameters.items() if name in fields}
    arguments = {name: value for name, value in parameters.items() if name not in fields}
    with allow_idle():  # What one trial has may make no difference beside what another has.
        cls.checked_arguments(arguments)
        return dataclasses.replace(training, grid={}, **own), arguments

"""Arguments of models: their types and ranges, checked before anything is made of them."""

import functools
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.losses import Negatives
from tfrec_zoo.needs import Need, is_same, tell_idle
from tfrec_zoo.typed_fields import checked_by

#: Ranges of numbers by the name of the argument, in words.
_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "num_attention_layers": ("0 or more", lambda x: x >= 0),
    "dropout": ("in [0, 1)", lambda x: 0 <= x < 1),
    "seed": ("in [0, 2**32)", lambda x: 0 <= x < 2**32),
    **dict.fromkeys(
        ("l2", "batch_l2", "bias_l2", "l2_exponent", "shrink", "window"),
        ("at least 0", lambda x: x >= 0),
    ),
}
#: The range of all other numbers.
_POSITIVE: tuple[str, Callable[[Any], bool]] = ("positive", lambda x: x > 0)

#: What the arguments of a tower take to have an effect.
OF_TOWER = Need(
    ("activation", "normalization"),
    lambda given: given.get("hidden_units") != (),
    "is of the layers of the tower, of which hidden_units=() has none: leave it at its default",
)
#: What its dropout takes, where nothing else is dropped.
DROPOUT_OF_TOWER = Need(("dropout",), OF_TOWER.is_met, OF_TOWER.words)


def checks_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """Makes a constructor check its arguments, and take them as the types that it declares.

    Args:
        init: The constructor, whose arguments have type hints. What it says itself of a value that
            is out of range, which may depend on others or on the features, comes first.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checking(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs)
        values = {n: given.arguments[n] for n in _parameters(init) if n in given.arguments}
        given.arguments.update(_typed(init, values))
        try:
            _check_ranges(init, given.arguments)
        except ValueError:
            _in_words_of_its_own(init, given)
            raise
        if type(self).__init__ is checking:  # Those of a base class are not what was given.
            _tell_idle(type(self), init, values)
        init(*given.args, **given.kwargs)

    return checking


def _tell_idle(cls: Any, init: Callable[..., None], given: Mapping[str, Any]) -> None:
    """Tells of arguments that differ from their defaults and make no difference beside others."""
    signature = inspect.signature(init).parameters
    defaults = {name: _plain(signature[name].default) for name in _parameters(init)}
    values = {name: _plain(value) for name, value in given.items()}
    changed = {n: v for n, v in values.items() if n in defaults and not is_same(v, defaults[n])}
    tell_idle(cls.needs, changed, {**defaults, **values}, cls.__name__)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def checked_arguments(cls: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the types that a constructor declares, once they are in their ranges.

    Args:
        cls: Class of a model.
        given: Arguments by name, besides the features.

    Raises:
        TypeError: If there is no such argument; names those there are.
        ValueError: If a value is of another type or out of range; says what is allowed.
    """
    try:
        found = _checked(cls.__init__, given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{cls.__name__}: {error}") from None
    _tell_idle(cls, cls.__init__, found)
    return found


def _checked(init: Callable[..., None], given: Mapping[str, Any]) -> dict[str, Any]:
    known = _parameters(init)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(
            f"unexpected keyword argument {unknown[0]!r}; there are {sorted(known)}. "
            f"Received: {unknown}"
        )
    found = _typed(init, given)
    _check_ranges(init, found)
    return found


def _typed(init: Callable[..., None], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the types that are declared; options are looked at with the ranges."""
    hints = _parameters(init).items()
    return checked_by({n: Any if _options(hint) else hint for n, hint in hints}, given)


def _check_ranges(init: Callable[..., None], given: Mapping[str, Any]) -> None:
    for name, hint in _parameters(init).items():
        if name not in given:
            continue
        value, options = given[name], _options(hint)
        if name == "negatives":
            Negatives.of(value)
        if options and value not in options:
            raise ValueError(f"`{name}` must be one of {options}. Received: {value!r:.200}")
        _check_range(name, value, type(None) in typing.get_args(hint))
        if name.endswith("activation"):
            _check_keras(name, value, tf.keras.activations.get, "relu")
        elif name.endswith("initializer"):
            _check_keras(name, value, tf.keras.initializers.get, "glorot_uniform")


def _options(hint: Any) -> list[Any]:
    return list(typing.get_args(hint)) if typing.get_origin(hint) is typing.Literal else []


def _in_words_of_its_own(init: Callable[..., None], given: inspect.BoundArguments) -> None:
    """Raises the error of a constructor for a wrong argument, if it says what it received."""
    try:
        init(*given.args, **given.kwargs)
    except Exception as error:  # It may fail anywhere with an argument that is wrong.
        if isinstance(error, ValueError) and "Received: " in str(error):
            raise error from None


@functools.cache
def _parameters(init: Callable[..., None]) -> dict[str, Any]:
    """The types of a constructor's arguments by name, without `self` and the features."""
    try:
        hints = typing.get_type_hints(init)
    except NameError:  # A hint that is known where the class was written alone.
        hints = {}
    fixed = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return {
        name: hints.get(name, Any)
        for name, parameter in inspect.signature(init).parameters.items()
        if name not in ("self", "features") and parameter.kind not in fixed
    }


def _check_range(name: str, value: Any, may_be_none: bool) -> None:
    words, is_allowed = _RANGES.get(name, _POSITIVE)
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int | float) or isinstance(number, bool):
            continue
        if number == math.inf:
            words = "finite"
        elif is_allowed(number):
            continue
        none = " or None" if may_be_none else ""
        raise ValueError(f"`{name}` must be {words}{none}. Received: {value!r}")


def _check_keras(name: str, value: Any, get: Callable[[Any], Any], example: str) -> None:
    """Checks that Keras knows a function by what was given."""
    try:
        get(value)
    except (ValueError, TypeError):
        raise ValueError(
            f"`{name}` must be a function, or the name of one of Keras's, such as {example!r}. "
            f"Received: {value!r:.200}"
        ) from None

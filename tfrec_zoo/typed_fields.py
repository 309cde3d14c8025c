"""Typed fields: values given by name, against the types that a dataclass or function declares."""

import dataclasses
import numbers
import pathlib
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any

_MISFIT = object()
_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a string",
    pathlib.Path: "a path",
    types.NoneType: "None",
}


def checked(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values as the types of a dataclass's fields: a list becomes a tuple, 3 a 3.0.

    Args:
        cls: The dataclass.
        given: Values by the names of fields.

    Raises:
        ValueError: If a value doesn't fit the type of its field; says what does.
    """
    return checked_by(typing.get_type_hints(cls), given)


def checked_by(hints: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values as the types of their hints; see `checked`.

    Args:
        hints: Types by name; `Any` takes every value.
        given: Values by the same names.

    Raises:
        ValueError: If a value doesn't fit its type; says what does.
    """
    found = {}
    for name, value in given.items():
        found[name] = _fitted(value, hints[name])
        if found[name] is _MISFIT:
            raise ValueError(f"`{name}` must be {_allowed(hints[name])}. Received: {value!r:.200}")
    return found


def check(instance: Any, leave_out: Collection[str] = ()) -> None:
    """Checks the fields of a dataclass's instance, and replaces values as `checked` does.

    Args:
        instance: The instance; it may be frozen.
        leave_out: Names of fields that are not checked.

    Raises:
        ValueError: If a value doesn't fit the type of its field; says what does.
    """
    names = [f.name for f in dataclasses.fields(instance) if f.init and f.name not in leave_out]
    for name, value in checked(type(instance), {n: getattr(instance, n) for n in names}).items():
        object.__setattr__(instance, name, value)


def _members(hint: Any) -> list[Any]:
    """The types of a union, or the only one."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return list(typing.get_args(hint)) if is_union else [hint]


def _fitted(value: Any, hint: Any) -> Any:
    """The value as one of the types of a hint; `_MISFIT` if it is of none."""
    fitted = (_as(value, member) for member in _members(hint))
    return next((found for found in fitted if found is not _MISFIT), _MISFIT)


def _as(value: Any, member: Any) -> Any:
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if member is Any:
        return value
    if origin is typing.Literal:
        return value if isinstance(value, str) and value in arguments else _MISFIT
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return _MISFIT
        items = tuple(_fitted(item, arguments[0]) for item in value)
        return _MISFIT if any(item is _MISFIT for item in items) else items
    if member in (int, float):
        kind = numbers.Integral if member is int else numbers.Real
        return member(value) if isinstance(value, kind) and type(value) is not bool else _MISFIT
    return value if isinstance(value, origin or member) else _MISFIT


def _allowed(hint: Any) -> str:
    """The types of a hint, in words."""
    words = [word for member in _members(hint) for word in _words(member)]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else words[0]


def _words(member: Any) -> list[str]:
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if origin is typing.Literal:
        return [f'"{value}"' for value in arguments]
    if origin is tuple:
        item = _allowed(arguments[0]).removeprefix("a ")
        return [f"a tuple of {item}s, such as (1, 10)"]
    if origin is Mapping or origin is not None and issubclass(origin, Mapping):
        return ["a mapping by name"]
    name = getattr(member, "__name__", str(member))
    return [_WORDS.get(member, f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}")]

"""Needs: what options take to have an effect, so that none that is given is ignored in silence.

An option of a form of a command that has no use for it is refused. Settings of models, tasks and
trainings, which one loop may give to many of them, are told of where they make no difference.
"""

import contextlib
import contextvars
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

logger = logging.getLogger(__name__)

_IS_ALLOWED = contextvars.ContextVar("is_allowed", default=False)


@contextlib.contextmanager
def allow_idle() -> Iterator[None]:
    """Within, options without effect are let through: they were saved, or told of before."""
    token = _IS_ALLOWED.set(True)
    try:
        yield
    finally:
        _IS_ALLOWED.reset(token)


@dataclasses.dataclass(frozen=True)
class Need:
    """What some options take to have an effect.

    Args:
        names: Names of the options.
        is_met: Whether they have one, asked of what they are options of.
        words: What they are for, which follows the name in the error, and what to do.

    Example:

    >>> need = Need(("margin",), lambda model: model["loss"] == "warp", 'is of the loss "warp"')
    >>> refuse_idle([need], {"margin": 2.0}, {"loss": "bpr"})
    Traceback (most recent call last):
    ValueError: `margin` is of the loss "warp". Received: margin=2.0
    """

    names: tuple[str, ...]
    is_met: Callable[[Any], bool]
    words: str


def refuse_idle(
    needs: Iterable[Need],
    given: Mapping[str, Any],
    of: Any,
    flags: Mapping[str, str] | None = None,
) -> None:
    """Refuses options that were given and have no effect.

    Args:
        needs: What options take to have an effect.
        given: The options that were given, by name.
        of: What they are options of, such as all arguments of a command.
        flags: How options are called on the command line, by name; None in Python.

    Raises:
        ValueError: If one has no effect; says what it is for.
    """
    for need in () if _IS_ALLOWED.get() else needs:
        idle = [name for name in need.names if name in given]
        if not idle or need.is_met(of):
            continue
        name, value = idle[0], given[idle[0]]
        if flags is None:
            raise ValueError(f"`{name}` {need.words}. Received: {name}={value!r:.200}")
        flag = flags.get(name, name)
        values = value if isinstance(value, list) else [value]
        words = ("=".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values)
        shown = "" if value is True else f" {' '.join(words)}"
        raise ValueError(f"`{flag}` {need.words}. Received: {flag}{shown:.200}")


def tell_idle(needs: Iterable[Need], given: Mapping[str, Any], of: Any, who: str = "") -> None:
    """Tells of settings that were given and make no difference, in a warning each.

    Args:
        needs: What settings take to have an effect.
        given: The settings that were given, by name.
        of: What they are settings of.
        who: For whom they make no difference.
    """
    for need in needs:
        for name in need.names:
            try:
                refuse_idle([need], {n: given[n] for n in (name,) if n in given}, of)
            except ValueError as error:
                logger.warning("%sno effect: %s", f"{who}: " if who else "", error)


def not_default(instance: Any) -> dict[str, Any]:
    """The fields of a dataclass's instance that differ from their defaults, by name."""
    fields = ((f, getattr(instance, f.name)) for f in dataclasses.fields(instance) if f.init)
    return {field.name: value for field, value in fields if not is_same(value, _default(field))}


def _default(field: dataclasses.Field) -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def is_same(value: Any, default: Any) -> bool:
    """Whether a value is the default, or equals it and is of the same type.

    Arrays and frames, which compare each of their elements, are the same as themselves alone.
    """
    if value is default or type(value) is not type(default):
        return value is default
    try:
        return bool(value == default)
    except (TypeError, ValueError):
        return False

"""Parser: one whose errors are one line, and which knows what was given."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tfrec_zoo.needs import Need, refuse_idle


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line.

    An option that is given twice, or with a value twice, is an error: one of the two would be
    ignored. The parsed arguments say in `given` which options were given, and as what.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, action in (
            (None, _Store), ("store", _Store), ("append", _Append), ("store_true", _Flag),
        ):  # fmt: skip
            self.register("action", name, action)

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2 and one line on stderr."""
        line = " ".join(message.split())
        self.exit(2, f"{self.prog}: {line} (see: {self.prog} --help)\n")


def given_flags(arguments: argparse.Namespace) -> Mapping[str, str]:
    """How the options that were given are called, by the name of the argument."""
    return vars(arguments).get("given", {})


def check_needs(arguments: argparse.Namespace, needs: Sequence[Need], of: Any = None) -> None:
    """Refuses options of the command line that were given and have no effect.

    Args:
        arguments: The arguments of the command.
        needs: What options take to have an effect.
        of: What is asked whether they have one; by default the arguments.
    """
    flags = given_flags(arguments)
    given = {name: getattr(arguments, name) for name in flags}
    refuse_idle(needs, given, arguments if of is None else of, flags)


def _note(action: argparse.Action, namespace: argparse.Namespace, flag: str | None) -> bool:
    """Notes that an option was given; returns whether it had been before."""
    if flag is None:
        return False
    given = namespace.__dict__.setdefault("given", {})
    is_second = action.dest in given
    given[action.dest] = flag
    return is_second


class _Store(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        if _note(self, namespace, option_string):
            raise argparse.ArgumentError(self, f"may be given once. Received again: {values}")
        if option_string is not None and isinstance(values, list):
            twice = sorted({str(value) for value in values if values.count(value) > 1})
            if twice:
                raise argparse.ArgumentError(self, f"must be of different values. Twice: {twice}")
        setattr(namespace, self.dest, values)


class _Append(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        _note(self, namespace, option_string)
        before = getattr(namespace, self.dest) or []
        key = values[0] if isinstance(values, tuple) else values.partition("=")[0]
        keys = [one[0] if isinstance(one, tuple) else one.partition("=")[0] for one in before]
        if key in keys:
            raise argparse.ArgumentError(self, f"must be of different names. Twice: {key}")
        setattr(namespace, self.dest, [*before, values])


class _Flag(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, const=True, default=False, **kwargs)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        _note(self, namespace, option_string)
        setattr(namespace, self.dest, True)

"""The command line, tfrec-zoo: a command a module."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from tfrec_zoo.cli.notes import notes
from tfrec_zoo.cli.parser import Parser, check_needs
from tfrec_zoo.version import __version__

#: Modules of this package, one for each command.
COMMANDS = (
    "quickstart",
    "list",
    "prepare",
    "train",
    "retrain",
    "cluster",
    "evaluate",
    "export",
    "index-curve",
    "recommend",
    "serve",
    "add-items",
    "search",
    "benchmark",
    "results",
    "experiment",
    "paper",
)


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser of all commands."""
    parser = Parser(
        prog="tfrec-zoo", description="A zoo of recommender models.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"tfrec-zoo {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        added = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=getattr(module, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.add_argument("--json", action="store_true", help="print JSON, for scripts")
        module.add_arguments(added)
    return parser


def _module(command: str) -> Any:
    return importlib.import_module(f"{__name__}.{command.replace('-', '_')}")


def _errors() -> tuple[type[Exception], ...]:
    """What a command may fail with: of Python, and of TensorFlow if it runs."""
    tensorflow = sys.modules.get("tensorflow")
    found = (
        *(ValueError, TypeError, LookupError, ArithmeticError),
        *(OSError, ImportError, RuntimeError, MemoryError),
    )
    return found if tensorflow is None else (*found, tensorflow.errors.OpError)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, 2 with one line on stderr, or a cluster's."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    arguments = make_parser().parse_args(argv)
    try:
        with notes() as lines:
            module = _module(arguments.command)
            check_needs(arguments, getattr(module, "NEEDS", ()))
            code = module.run(arguments)
        if lines and not arguments.json:
            print("", *lines, sep="\n")
    except _errors() as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        line = " ".join(str(message).split()) or type(error).__name__
        print(f"tfrec-zoo: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code or 0


if __name__ == "__main__":
    sys.exit(main())

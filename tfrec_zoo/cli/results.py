"""tfrec-zoo results: render the tables of a folder of result files."""

import argparse
import pathlib

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.needs import Need

HELP = "render the tables of a folder of result files as Markdown"
NEEDS = (Need(("paper", "searches"), lambda given: bool(given.fill), "is for --fill"),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="folder with <table>/<row>-<seed>.json")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--output", help="file to write (default: print)")
    wanted.add_argument(
        "--fill",
        nargs="+",
        metavar="PAGE",
        help="render the excerpts within these pages, between marks such as <!-- table ctr -->",
    )
    parser.add_argument(
        "--paper", metavar="DIR", help="with --fill: folder of the results of experiments"
    )
    parser.add_argument(
        "--searches", metavar="DIR", help="with --fill: folder of the folders of searches"
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import excerpts, tables
    from tfrec_zoo.artifacts import atomic_write

    directory = pathlib.Path(arguments.directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no such folder. Received: {directory}")
    if arguments.fill:
        pages = {path: pathlib.Path(path).read_text(encoding="utf-8") for path in arguments.fill}
        pages = {
            path: excerpts.filled(text, directory, arguments.paper, arguments.searches)
            for path, text in pages.items()
        }
        for path, text in pages.items():
            atomic_write(path, text)
        written = ", ".join(arguments.fill)
        show(arguments, {"output": arguments.fill}, f"written: {written}")
        return
    text = tables.page(directory)
    if arguments.output is None:
        show(arguments, {"markdown": text}, text)
    else:
        atomic_write(arguments.output, text)
        show(arguments, {"output": arguments.output}, f"written: {arguments.output}")

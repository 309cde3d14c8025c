"""tfrec-zoo results: render the tables of a folder of result files."""

import argparse
import pathlib

from tfrec_zoo.cli.arguments import show

HELP = "render the tables of a folder of result files as Markdown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="folder with <table>/<row>-<seed>.json")
    parser.add_argument(
        "--headlines", action="store_true", help="render the few rows that the README shows"
    )
    parser.add_argument("--output", help="file to write (default: print)")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import tables
    from tfrec_zoo.artifacts import atomic_write

    directory = pathlib.Path(arguments.directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no such folder. Received: {directory}")
    text = tables.headlines(directory) + "\n" if arguments.headlines else tables.page(directory)
    if arguments.output is None:
        show(arguments, {"markdown": text}, text)
    else:
        atomic_write(arguments.output, text)
        show(arguments, {"output": arguments.output}, f"written: {arguments.output}")

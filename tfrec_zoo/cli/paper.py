"""tfrec-zoo paper: render what the experiments left as one page."""

import argparse
import pathlib

from tfrec_zoo.cli.arguments import show

HELP = "render the results of experiments as one page of Markdown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="folder with EXPERIMENT/DATASET-SIZE/result.json")
    parser.add_argument("--output", required=True, help="file to write, such as docs/paper.md")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.artifacts import atomic_write
    from tfrec_zoo.experiments.page import page

    directory = pathlib.Path(arguments.directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no such folder. Received: {directory}")
    atomic_write(arguments.output, page(directory, arguments.output))
    show(arguments, {"output": arguments.output}, f"written: {arguments.output}")

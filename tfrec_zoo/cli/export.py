"""tfrec-zoo export: export what `train` left, another way."""

import argparse
import pathlib
from typing import Any

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.cli.trained import read_result

HELP = "export what `train` left, with another index or list length"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="what was --output of train")
    parser.add_argument("--output", required=True, help="folder for the SavedModel")
    parser.add_argument(
        "--index",
        choices=("auto", "exact", "scann", "beam"),
        help="how a retrieval model searches the items (default: auto, exact for small catalogues; "
        "beam is for a hierarchical output)",
    )
    parser.add_argument(
        "--version",
        metavar="N",
        help="write a folder of that number into --output, where `serve` finds it; next: one more "
        "than the latest there",
    )
    parser.add_argument("--k", type=int, help="longest list of a retrieval model (default: 100)")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import checkpoints
    from tfrec_zoo.artifacts import MANIFEST
    from tfrec_zoo.serving import export

    directory = pathlib.Path(arguments.directory)
    model = checkpoints.restore(directory / "checkpoint")
    given = {"k": arguments.k, "index": arguments.index}
    options = {name: value for name, value in given.items() if value is not None}
    if options and model.family != "retrieval":
        raise ValueError(
            f"{type(model).__name__} ranks what it is given: it has no index and no lists. "
            f"Received: {options}"
        )
    earlier = directory / "model"
    like = earlier if (earlier / MANIFEST).is_file() else None
    version: Any = arguments.version
    if version is not None and version != "next":
        version = int(version) if version.isdecimal() else version
    result = read_result(directory)
    written = export(model, arguments.output, result, like=like, version=version, **options)
    show(arguments, {"output": str(written)}, f"written: {written}")

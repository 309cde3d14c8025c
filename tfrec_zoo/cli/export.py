"""tfrec-zoo export: export what `train` left, another way."""

import argparse
import pathlib
from typing import Any

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.cli.datasets import DATASET_ARGUMENTS, add_dataset
from tfrec_zoo.cli.parser import check_needs
from tfrec_zoo.cli.trained import log_of_training, read_result
from tfrec_zoo.needs import Need

HELP = "export what `train` left, with another index or list length"

NEEDS = (
    Need(
        ("index", "target_recall"),
        lambda given: not given.whole_catalogue,
        "is how a retrieval model searches; --whole-catalogue scores every item: leave it out",
    ),
    Need(
        ("target_recall",),
        lambda given: given.index not in ("exact", "beam"),
        "is for an approximate index: leave it out, or give another --index",
    ),
)
#: What a data set is given for, asked of whether one is read.
_DATA = Need(
    DATASET_ARGUMENTS,
    bool,
    "is for indexes that are measured, for --filters and for --whole-catalogue: this export reads "
    "no data",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="what was --output of train")
    parser.add_argument("--output", required=True, help="folder for the SavedModel")
    parser.add_argument(
        "--index",
        choices=("auto", "exact", "ivf", "scann", "beam"),
        help="how a retrieval model searches the items (default: auto, exact for small catalogues "
        "and otherwise the fastest that reaches the target recall; beam is for a hierarchical "
        "output)",
    )
    parser.add_argument(
        "--target-recall",
        type=float,
        help="share of the exact best items that an approximate index must find (default: 0.95)",
    )
    parser.add_argument(
        "--version",
        metavar="N",
        help="write a folder of that number into --output, where `serve` finds it; next: one more "
        "than the latest there",
    )
    parser.add_argument(
        "--whole-catalogue",
        action="store_true",
        help="make a ranking model recommend the best of all items, for up to 100,000 or so",
    )
    parser.add_argument(
        "--k",
        type=int,
        help="longest list of a retrieval model or of a whole catalogue (default: 100)",
    )
    parser.add_argument(
        "--filters",
        nargs="+",
        metavar="COLUMN",
        help="columns of the items by whose values requests may restrict what they get",
    )
    words = "the one it was trained on, on whose users an approximate index is measured and whose "
    words += "items are ranked"
    add_dataset(parser, default=None, default_words=words)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import checkpoints
    from tfrec_zoo.artifacts import MANIFEST
    from tfrec_zoo.serving import export
    from tfrec_zoo.serving.index import is_measured

    directory = pathlib.Path(arguments.directory)
    model = checkpoints.restore(directory / "checkpoint")
    given = {
        "k": arguments.k,
        "index": arguments.index,
        "target_recall": arguments.target_recall,
        "filters": arguments.filters,
    }
    options: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    if options and model.family != "retrieval" and not arguments.whole_catalogue:
        raise ValueError(
            f"{type(model).__name__} ranks what it is given: it has no index, and lists with "
            f"--whole-catalogue alone. Received: {options}"
        )
    result, log = read_result(directory), None
    kind = arguments.index or "auto"
    if arguments.whole_catalogue:
        options["whole_catalogue"] = True
    is_retrieval = model.family == "retrieval"
    reads = arguments.whole_catalogue or (
        is_retrieval and (arguments.filters or is_measured(kind, model.num_items))
    )
    check_needs(arguments, [_DATA], reads)
    if reads:
        log = log_of_training(result, arguments)
    earlier = directory / "model"
    like = earlier if (earlier / MANIFEST).is_file() else None
    version: Any = arguments.version
    if version is not None and version != "next":
        version = int(version) if version.isdecimal() else version
    written = export(
        model, arguments.output, result, log=log, like=like, version=version, **options
    )
    show(arguments, {"output": str(written)}, f"written: {written}")

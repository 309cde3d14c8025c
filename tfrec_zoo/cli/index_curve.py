"""tfrec-zoo index-curve: what recall an index has at what latency."""

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.cli.datasets import add_dataset
from tfrec_zoo.cli.trained import log_of_training, read_result
from tfrec_zoo.needs import Need

NEEDS = (
    Need(
        ("target_recall",),
        lambda given: given.indexes != ["exact"],
        "is what approximate indexes are chosen by: leave it out, or give others as --indexes",
    ),
)
HELP = "measure the recall and the latency of each index of what `train` left, and draw them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="what was --output of train")
    parser.add_argument("--output", metavar="FILE", help="a picture, such as curve.png")
    parser.add_argument(
        "--indexes",
        nargs="+",
        choices=("exact", "ivf", "scann"),
        default=["exact", "ivf", "scann"],
        help="default: all",
    )
    parser.add_argument("--k", type=int, default=100, help="length of the lists (default: 100)")
    parser.add_argument(
        "--target-recall", type=float, default=0.95, help="what is marked (default: 0.95)"
    )
    words = "the one it was trained on, whose users ask"
    add_dataset(parser, default=None, default_words=words)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import checkpoints
    from tfrec_zoo.plots import new_figure, recall_latency
    from tfrec_zoo.serving.index.curve import recall_latency_curve
    from tfrec_zoo.serving.requests import checked_k
    from tfrec_zoo.serving.user_vectors import user_vectors

    k = checked_k(arguments.k)
    if arguments.output is not None:
        # Better now than after measuring.
        figure, _ = new_figure()
        known, end = figure.canvas.get_supported_filetypes(), pathlib.Path(arguments.output).suffix
        if end.removeprefix(".") not in known:
            raise ValueError(
                "`--output` must be a picture, such as curve.png, of the kinds "
                f"{sorted(known)}. Received: {arguments.output}"
            )
    directory = pathlib.Path(arguments.directory)
    model: Any = checkpoints.restore(directory / "checkpoint")
    candidates = model.candidates() if model.family == "retrieval" else None
    if candidates is None:
        raise ValueError(
            "Only vectors of items are searched by an index. "
            f"Received a model without: {type(model).__name__}"
        )
    log = log_of_training(read_result(directory), arguments)
    queries = None if log is None else user_vectors(model, log)
    points = recall_latency_curve(
        candidates, queries, arguments.indexes, k, target_recall=arguments.target_recall
    )
    table = [dataclasses.asdict(point) for point in points]
    if arguments.output is not None:
        recall_latency(points, k).savefig(arguments.output)
    show(arguments, {"points": table, "output": arguments.output}, _table(points, k))


def _table(points: Sequence[Any], k: int) -> str:
    """A line for each point; a star marks what an export searches."""
    lines = [f"{'index':8s}{'searched':>16s}{f'recall@{k}':>14s}{'milliseconds':>14s}"]
    for point in points:
        searched = f"{'all' if point.searched is None else point.searched} of {point.of}"
        star = " *" if point.is_chosen else ""
        cells = f"{searched:>16s}{point.recall:14.4f}{point.milliseconds:14.3f}{star}"
        lines.append(f"{point.kind:8s}{cells}")
    return "\n".join(lines)

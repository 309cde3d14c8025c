"""tfrec-zoo evaluate: measure again what `train` left."""

import argparse
import pathlib

from tfrec_zoo.cli.arguments import lines, show
from tfrec_zoo.cli.datasets import add_dataset, load_again
from tfrec_zoo.cli.trained import read_result

HELP = "evaluate what `train` left, on the test part of its data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="what was --output of train")
    add_dataset(parser, default=None, default_words="the one it was trained on")
    parser.add_argument(
        "--other-data", action="store_true", help="allow data that the model was not trained on"
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import checkpoints, tasks
    from tfrec_zoo.evaluation.result import without_nan

    directory = pathlib.Path(arguments.directory)
    model = checkpoints.restore(directory / "checkpoint")
    result = read_result(directory)
    given = result["config"]["given"]
    task = tasks.make_again(result, load_again(given, arguments))
    if task.checksum != result["checksum"] and not arguments.other_data:
        raise ValueError(
            f"The model was trained on other data: {result['dataset']} with checksum "
            f"{result['checksum'][:16]}…. Give --other-data to evaluate it all the same. Received: "
            f"{task.dataset} with checksum {task.checksum[:16]}…"
        )
    metrics = task.evaluate(model)
    show(arguments, without_nan(metrics), f"{lines(metrics)}\n\n{task.protocol}; {task.dataset}")

"""tfrec-zoo retrain: train what `train` left further, on data that has grown."""

import argparse
import pathlib
from typing import Any

from tfrec_zoo.cli.arguments import (
    RESUMED_STATE,
    add_plot,
    add_tensorboard,
    add_training,
    given_callbacks,
    given_training,
    joins,
    show_result,
    verbosity,
    written_parts,
)
from tfrec_zoo.cli.datasets import add_dataset, given_reading, load_again
from tfrec_zoo.cli.trained import read_result

HELP = "train what `train` left further, on data that has grown"
EPILOG = """The task, its options and the arguments of the model are those of the training before;
so is how it is trained, where nothing else is given. The fields of Training are those of train."""

NEEDS = (RESUMED_STATE,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", help="what was --output of train, or of retrain")
    add_dataset(parser, default=None, default_words="the one it was trained on, as it is by now")
    parser.add_argument(
        "--output", required=True, help="folder for model, checkpoint and result.json"
    )
    parser.add_argument(
        "--new-rows",
        choices=("initial", "zeros", "mean", "content"),
        default="initial",
        help="what vectors of new ids start from (default: initial)",
    )
    add_training(parser)
    add_tensorboard(parser)
    add_plot(parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import tasks
    from tfrec_zoo.generations import require_own
    from tfrec_zoo.training import Training
    from tfrec_zoo.training.resuming import unfinished
    from tfrec_zoo.training.retraining import retrain
    from tfrec_zoo.training.runs import PARTS

    parts = written_parts(arguments, PARTS)
    directory, output = pathlib.Path(arguments.directory), pathlib.Path(arguments.output)
    result = read_result(directory)
    before, given = result["config"]["given"], given_training(arguments)
    given.setdefault("verbose", verbosity(arguments))
    # What it was trained on need not be there today.
    anew: dict[str, Any] = {"grid": {}, "pretraining": None, "strategy": "none"}
    fields, is_chief = {**result["config"]["training"], **anew, **given}, joins(given)
    task = tasks.make_again(result, load_again(before, arguments))
    require_own(output, parts)  # Better now than after training.
    config = {
        "preset": result["config"].get("preset"),
        "given": {
            "dataset": arguments.dataset or before["dataset"],
            "data_dir": arguments.data_dir or before["data_dir"],
            "reading": {**before.get("reading", {}), **given_reading(arguments)},
        },
    }
    with unfinished(output, arguments.resume, is_own=is_chief) as state:
        fields["checkpoint_dir"] = fields.get("checkpoint_dir") or state
        callbacks = given_callbacks(arguments, is_chief)
        trained = retrain(directory, task, Training(**fields), arguments.new_rows, callbacks)
        if is_chief:
            trained.save(output, plot=arguments.plot, **config)
    if is_chief:
        show_result(arguments, output)

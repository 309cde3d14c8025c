"""tfrec-zoo evaluate: measure again what `train` left, or lists that anyone made."""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

from tfrec_zoo.cli.arguments import add_plot, add_values, given_options, lines, show, written_parts
from tfrec_zoo.cli.choices import TASKS
from tfrec_zoo.cli.datasets import add_dataset, given_reading, load_again, load_dataset
from tfrec_zoo.cli.parser import check_needs
from tfrec_zoo.cli.trained import read_result
from tfrec_zoo.needs import Need

HELP = "evaluate what `train` left, or lists of recommendations, on the test part of the data"
EPILOG = """Lists that anyone made (--lists) have a row for each recommendation: the user, the item,
and rank, from 1. The first two are called as in the data, or the item id, as in what
`tfrec-zoo recommend DIR --test-users` writes. They are measured by the task of the model in DIR,
or by --task on --dataset:
  tfrec-zoo evaluate DIR --lists lists.csv
  tfrec-zoo evaluate --lists lists.csv --dataset purchases.csv --task-set split=time --k 5 10"""

NEEDS = (
    Need(
        ("k", "attributes", "task", "task_set"),
        lambda given: given.lists is not None,
        "is for --lists: leave it out",
    ),
    Need(
        ("task", "task_set"),
        lambda given: given.directory is None,
        "is that of the model where its folder is given: leave it out",
    ),
    Need(
        ("other_data",),
        lambda given: given.directory is not None,
        "is for the folder of a model, which was trained on some data: leave it out",
    ),
    Need(
        ("plot",),
        lambda given: not given.other_data and given.lists is None,
        "draws what belongs to a training, of its own data: leave out --other-data and --lists",
    ),
)

#: Options of tasks that matter to lists: which items are to be found.
_MATTERS = frozenset(
    ("split", "validation_fraction", "test_fraction", "seed", "min_watch_share", "held_out")
)
_OF_LISTS = Need(
    ("task_set",),
    bool,
    f"says what lists are measured on, by {', '.join(sorted(_MATTERS))}: leave out what models "
    "learn from",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("directory", nargs="?", help="what was --output of train")
    add_dataset(parser, default=None, default_words="the one it was trained on")
    parser.add_argument(
        "--other-data", action="store_true", help="allow data that the model was not trained on"
    )
    add_plot(parser)
    group = parser.add_argument_group("lists of recommendations")
    group.add_argument("--lists", metavar="FILE", help="measure these lists instead; see below")
    group.add_argument(
        "--k", type=int, nargs="+", metavar="K", help="lengths of the lists (default: 10)"
    )
    group.add_argument(
        "--attributes",
        nargs="+",
        metavar="COLUMN",
        help="columns of the items by which they are alike, for diversity (default: text and lists "
        "of it, but for names)",
    )
    group.add_argument(
        "--task",
        choices=tuple(name for name in TASKS if "exponent" in TASKS[name][1]),
        help="what is predicted, without a directory (default: next-watch, or choice of a log "
        "without times)",
    )
    add_values(parser, "--task-set", "an option of that task, such as split=time; see train --help")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.evaluation.result import without_nan

    _check(arguments)
    parts = written_parts(arguments, ())
    is_of_lists = arguments.lists is not None
    task, metrics = _of_lists(arguments) if is_of_lists else _of_model(arguments, parts)
    words = f"{lines(metrics)}\n\n{task.protocol}; {task.dataset}"
    for part in parts:
        words += f"\nwritten: {pathlib.Path(arguments.directory) / part}"
    show(arguments, without_nan(metrics), words)


def _check(arguments: argparse.Namespace) -> None:
    """Raises an error if there is nothing to measure, or nothing to measure it on."""
    if arguments.directory is not None:
        return
    if arguments.lists is None:
        raise ValueError("Give the folder that `train` left, or --lists. Received: neither")
    if arguments.dataset is None:
        raise ValueError(
            "--lists are measured on a data set: name it by --dataset, or give the folder of a "
            f"model that was trained on it. Received: --lists {arguments.lists} alone"
        )


def _of_model(arguments: argparse.Namespace, parts: Sequence[str]) -> tuple[Any, dict[str, float]]:
    """The task, and the metrics of the model; its figures are written, if they are wanted."""
    from tfrec_zoo import checkpoints
    from tfrec_zoo.evaluation import Outcomes
    from tfrec_zoo.generations import next_generation, require_own
    from tfrec_zoo.reports import training_report

    directory, outcomes = pathlib.Path(arguments.directory), Outcomes()
    model = checkpoints.restore(directory / "checkpoint")
    task = _task_of_training(arguments)
    if parts:
        require_own(directory, parts)
    metrics = task.evaluate(model, outcomes=outcomes)
    if parts:
        told = (outcomes, task.frequencies(), model.predicts)
        page = training_report(read_result(directory), task.metric, *told)
        with next_generation(directory, optional=parts) as folder:
            page.write_figures(folder)
    return task, metrics


def _of_lists(arguments: argparse.Namespace) -> tuple[Any, dict[str, float]]:
    """The task, and what it measures of the lists."""
    from tfrec_zoo import tasks
    from tfrec_zoo.data import read_frame
    from tfrec_zoo.registry import get

    if arguments.directory is not None:
        task = _task_of_training(arguments)
    else:
        options = given_options(arguments.task_set)
        if arguments.task is not None:
            options = tasks.checked_options(arguments.task, options)
        check_needs(arguments, [_OF_LISTS], {*options} <= _MATTERS)
        data = load_dataset(arguments.dataset, arguments.data_dir, given_reading(arguments))
        name = arguments.task or tasks.default_task(get("EASE").load(), data)
        task = tasks.make(name, data, **options)
    if not isinstance(task, tasks.ItemTask):
        raise ValueError(
            "--lists are measured by tasks that recommend items, such as next-watch. "
            f"Received: a model of the task {task.name!r}"
        )
    roles = task.log.roles
    found = read_frame(arguments.lists, ids=(roles.user, roles.item, "id"))
    return task, task.evaluate_lists(found, arguments.k or (10,), arguments.attributes)


def _task_of_training(arguments: argparse.Namespace) -> Any:
    """The task that the model was trained on, on its data or on other data that is meant."""
    from tfrec_zoo import tasks

    result = read_result(pathlib.Path(arguments.directory))
    task = tasks.make_again(result, load_again(result["config"]["given"], arguments))
    if task.checksum != result["checksum"] and not arguments.other_data:
        raise ValueError(
            f"The model was trained on other data: {result['dataset']} with checksum "
            f"{result['checksum'][:16]}…. Give --other-data to evaluate it all the same. Received: "
            f"{task.dataset} with checksum {task.checksum[:16]}…"
        )
    return task

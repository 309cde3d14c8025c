"""tfrec-zoo benchmark: make a table of results over seeds, or all tables."""

import argparse
import functools
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfrec_zoo.cli.arguments import add_plot, add_values, given_options, show, written_parts
from tfrec_zoo.cli.datasets import (
    DATASET_ARGUMENTS,
    add_dataset,
    given_reading,
    is_of_tfds,
    load_dataset,
)
from tfrec_zoo.cli.notes import tell_progress
from tfrec_zoo.needs import Need

HELP = "make a table of results over seeds"
TABLE_NAMES = (
    *("ctr", "ctr-without-ids", "kuairand", "movielens-100k", "ncf", "ncf-ablations"),
    *("next-watch", "next-watch-by-time", "next-watch-in-file-order"),
    *("ratings", "watch-time", "wide-deep"),
)
NEEDS = (
    Need(("folder",), lambda given: given.all, "is for --all: give the folder as --dataset"),
    Need(
        ("dataset", *DATASET_ARGUMENTS[2:], "task_set", "metrics"),
        lambda given: not given.all,
        "is for one table: with --all tables have their own data and options",
    ),
)

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("table", nargs="?", choices=TABLE_NAMES, help="name of the table")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every table on its own data set, each in a folder of --output, and results.md there",
    )
    add_dataset(parser)
    parser.add_argument(
        "--folder",
        action="append",
        default=[],
        metavar="DATASET=DIR",
        help="with --all: where a data set is that has to be brought along, such as ncf/ml-1m=DIR, "
        "the files of the NCF paper",
    )
    parser.add_argument("--model", nargs="+", help="only the rows of these models")
    parser.add_argument("--factors", type=int, nargs="+", help="only the rows of these sizes")
    parser.add_argument(
        "--output", required=True, help="folder for a result file per run, and a report"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the files in --output, as is done without it, too",
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="default: those of the table")
    parser.add_argument("--rows", nargs="+", help="only these rows of the table")
    add_values(parser, "--task-set", "an option of the task, in place of the presets'; see train")
    parser.add_argument("--metrics", nargs="+", help="only these metrics")
    add_plot(parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    if arguments.all == bool(arguments.table):
        raise ValueError(
            f"Give the name of a table, one of {list(TABLE_NAMES)}, or --all. "
            f"Received: {arguments.table!r}{' and --all' if arguments.all else ''}"
        )
    parts = written_parts(arguments, ())
    if not arguments.json:
        tell_progress()
    if arguments.all:
        _run_all(arguments, parts)
    else:
        _run_table(arguments, parts)


def _run_table(arguments: argparse.Namespace, parts: Sequence[str]) -> None:
    from tfrec_zoo import tables
    from tfrec_zoo.generations import require_own
    from tfrec_zoo.table_layouts import TABLES
    from tfrec_zoo.tasks import checked_options

    wanted = tables.select(arguments.table, arguments.rows, arguments.model, arguments.factors)
    options = given_options(arguments.task_set)
    for preset in wanted:
        checked_options(preset.task, options)
    log = load_dataset(arguments.dataset, arguments.data_dir, given_reading(arguments))
    require_own(arguments.output, parts)  # Better now than after training.
    results = tables.run(wanted, log, arguments.output, arguments.seeds, **options)
    table = TABLES[arguments.table]
    columns = table.columns
    if arguments.metrics:
        known = {name for found in results for name in (*found["metrics"], *found["statistics"])}
        unknown = sorted(set(arguments.metrics) - known)
        if unknown:
            raise ValueError(f"`--metrics` must be of {sorted(known)}. Received: {unknown}")
        columns = {name: name for name in arguments.metrics}
    _write_report(pathlib.Path(arguments.output), table, wanted, results, columns, arguments.plot)
    show(arguments, results, tables.markdown(results, columns))


def _write_report(
    folder: pathlib.Path,
    table: Any,
    presets: Sequence[Any],
    results: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    plot: bool,
) -> None:
    """Leaves a page of HTML, and its figures if they are wanted, beside a table's result files."""
    from tfrec_zoo.evaluation import command
    from tfrec_zoo.reports import table_report

    published = {preset.row: preset.published for preset in presets}
    page = table_report(table.title, table.about, command(), results, columns, published)
    page.replace(folder, plot)


def _run_all(arguments: argparse.Namespace, parts: Sequence[str]) -> None:
    from tfrec_zoo import tables
    from tfrec_zoo.artifacts import atomic_write
    from tfrec_zoo.generations import require_own
    from tfrec_zoo.table_layouts import TABLES

    folders = _given_folders(arguments.folder)
    output, runs = pathlib.Path(arguments.output), {}
    wanted = tables.select_of_all(arguments.rows, arguments.model, arguments.factors)
    if arguments.data_dir and not any(is_of_tfds(made[0].dataset) for made in wanted.values()):
        raise ValueError(
            "`--data-dir` is for tables of data sets of tensorflow-datasets. "
            f"Received: --data-dir {arguments.data_dir} and the tables {list(wanted)}"
        )

    @functools.cache
    def load(dataset: str) -> Any:
        return load_dataset(dataset, arguments.data_dir if is_of_tfds(dataset) else None)

    for name, presets in wanted.items():
        dataset = presets[0].dataset
        if presets[0].reads_folder and dataset not in folders:
            logger.warning("%s is left out: give its data as --folder %s=DIR", name, dataset)
            continue
        log = load(folders.get(dataset, dataset))
        require_own(output / name, parts)
        runs[name] = tables.run(presets, log, output / name, arguments.seeds)
        table = TABLES[name]
        _write_report(output / name, table, presets, runs[name], table.columns, arguments.plot)
        # What there is can be read while the next table is made.
        atomic_write(output / "results.md", tables.page(output))
    written = output / "results.md"
    show(arguments, {"output": str(written), "tables": runs}, f"written: {written}")


def _given_folders(given: Sequence[str]) -> dict[str, str]:
    """The folders of data sets by name.

    Raises:
        ValueError: If one is not DATASET=DIR, or no table is of a data set.
    """
    from tfrec_zoo.presets import PRESETS

    known = {preset.dataset for preset in PRESETS.values() if preset.reads_folder}
    folders = {}
    for text in given:
        name, separator, folder = text.partition("=")
        if name not in known or not separator or not folder:
            raise ValueError(
                f"`--folder` must be DATASET=DIR, DATASET one of {sorted(known)}. "
                f"Received: {text!r}"
            )
        folders[name] = folder
    return folders

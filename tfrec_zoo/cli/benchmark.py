"""tfrec-zoo benchmark: make a table of results over seeds."""

import argparse
import logging

from tfrec_zoo.cli.arguments import add_values, given_options, show
from tfrec_zoo.cli.datasets import add_dataset, given_reading, load_dataset

HELP = "make a table of results over seeds"
TABLE_NAMES = (
    *("ctr", "ctr-without-ids", "movielens-100k", "ncf", "ncf-ablations"),
    *("next-watch", "ratings", "watch-time", "wide-deep"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("table", choices=TABLE_NAMES, help="name of the table")
    add_dataset(parser)
    parser.add_argument("--model", nargs="+", help="only the rows of these models")
    parser.add_argument("--factors", type=int, nargs="+", help="only the rows of these sizes")
    parser.add_argument("--output", required=True, help="folder for a result file per run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--rows", nargs="+", help="only these rows of the table")
    add_values(parser, "--task-set", "an option of the task, in place of the presets'; see train")
    parser.add_argument("--metrics", nargs="+", help="only these metrics")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import tables
    from tfrec_zoo.tasks import checked_options

    if not arguments.json:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    wanted = tables.select(arguments.table, arguments.rows, arguments.model, arguments.factors)
    options = given_options(arguments.task_set)
    for preset in wanted:
        checked_options(preset.task, options)
    log = load_dataset(arguments.dataset, arguments.data_dir, given_reading(arguments))
    results = tables.run(wanted, log, arguments.output, arguments.seeds, **options)
    columns = tables.TABLES[arguments.table].columns
    if arguments.metrics:
        known = {name for found in results for name in (*found["metrics"], *found["statistics"])}
        unknown = sorted(set(arguments.metrics) - known)
        if unknown:
            raise ValueError(f"`--metrics` must be of {sorted(known)}. Received: {unknown}")
        columns = {name: name for name in arguments.metrics}
    show(arguments, results, tables.markdown(results, columns))

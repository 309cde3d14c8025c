"""tfrec-zoo quickstart: train both stages, export the funnel, and ask it."""

import argparse
import json
import pathlib

from tfrec_zoo.cli.arguments import add_plot, written_parts
from tfrec_zoo.cli.datasets import add_dataset, load_given

HELP = "train both stages, export the funnel, ask it for recommendations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    add_dataset(parser)
    parser.add_argument("--output", default="quickstart", help="folder for the funnel and results")
    parser.add_argument("--ranker", default="YouTubeRanking", help="a ranking model; see: list")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resume", action="store_true", help="go on from what a killed one left in --output"
    )
    add_plot(parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.quickstart import quickstart

    written_parts(arguments, ())  # Before the log is read.
    pathlib.Path(arguments.output).mkdir(parents=True, exist_ok=True)
    log = load_given(arguments)
    result = quickstart(
        log,
        arguments.output,
        arguments.seed,
        quiet=arguments.json,
        ranker=arguments.ranker,
        resume=arguments.resume,
        plot=arguments.plot,
    )
    if arguments.json:
        print(json.dumps(result))

"""tfrec-zoo experiment: re-run a figure, a table or a claim of the YouTube paper."""

import argparse
import pathlib

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.cli.datasets import DATASET_ARGUMENTS, add_dataset, load_given
from tfrec_zoo.cli.notes import tell_progress
from tfrec_zoo.needs import Need

HELP = "re-run a figure, a table or a claim of the YouTube paper"
NEEDS = (
    Need(
        DATASET_ARGUMENTS[1:],
        lambda given: given.dataset != "simulated",
        "says how --dataset is read, and nothing is read of the simulated one",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    from tfrec_zoo.experiments import EXPERIMENTS

    parser.add_argument("name", choices=list(EXPERIMENTS), help="name of the experiment")
    parser.add_argument(
        "--size",
        choices=("toy", "small", "full"),
        default="small",
        help="toy shows that it runs, small is what docs/paper.md shows, with three seeds 1 to 13 "
        "minutes of a core, full has more data and epochs (default: small)",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--settings", nargs="+", help="only these of its settings")
    parser.add_argument(
        "--output",
        default="runs/experiments",
        help="folder for NAME/DATASET-SIZE, with result.json and figure.png (default: %(default)s)",
    )
    add_dataset(parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import experiments
    from tfrec_zoo.experiments.experiment import table
    from tfrec_zoo.plots.figures import new_figure

    new_figure()  # Better now than after measuring.
    if not arguments.json:
        tell_progress()
    # Every seed and size has a simulated world of its own.
    log = None if arguments.dataset == "simulated" else load_given(arguments)
    experiment = experiments.get(arguments.name)(arguments.size, log)
    folder = f"{experiment.dataset.replace('/', '-')}-{arguments.size}"
    output = pathlib.Path(arguments.output) / arguments.name / folder
    results = experiment.run(output, arguments.seeds, arguments.settings)
    shown = table(results, experiment.columns)
    findings = experiment.conclusions(results)
    lines = [f"{f.verdict}: {f.claim} ({f.evidence})" for f in findings]
    text = "\n".join(
        [
            f"{experiment.title}. {experiment.source}: {experiment.claim}",
            "",
            shown.to_string(index=False),
            "",
            *lines,
            "",
            f"written: {output}/result.json, figure.png",
        ]
    )
    contents = {"output": str(output), "table": shown.to_dict("records"), "findings": lines}
    show(arguments, contents, text)

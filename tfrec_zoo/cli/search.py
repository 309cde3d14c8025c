"""tfrec-zoo search: search for better settings than a preset's, on the validation examples."""

import argparse
import json
import pathlib
from typing import Any

from tfrec_zoo.cli.arguments import (
    add_plot,
    add_values,
    given_options,
    given_training,
    show,
    written_parts,
)
from tfrec_zoo.cli.datasets import add_dataset, given_reading, load_dataset
from tfrec_zoo.cli.notes import tell_progress

HELP = "search for better settings than a preset's, on the validation examples alone"
EPILOG = """\
The first trial is the preset itself, the second has plain settings, the others go out from what was
best. A space is a list of values, the plain one first, or a range, by the name of a field of
Training or of an argument of the model:
  --set-space "dropout=(0.0,0.2)" --set-space "learning_rate={'low':1e-4,'high':1e-2,'log':True}"
  --space FILE   the same as JSON: {"dropout": [0.0, 0.2], "l2": {"low": 1, "high": 9}}
What is given by --set and --training is not searched. A search that was killed goes on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("preset", help="a row of a table; see: tfrec-zoo list --presets")
    parser.add_argument("--trials", type=int, default=20, help="trials in all (default: 20)")
    add_dataset(parser, default=None, default_words="the preset's")
    parser.add_argument("--output", required=True, help="folder for trial-<n>.json, and a report")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default: 0)")
    parser.add_argument("--space", metavar="FILE", help="what is searched, in place of the default")
    add_values(parser, "--set-space", "one dimension of the space, in place of its own or besides")
    add_values(parser, "--task-set", "an option of the task, in place of the preset's; see train")
    add_values(parser, "--set", "an argument of the model, in place of the preset's; see train")
    add_values(parser, "--training", "a field of Training, in place of the preset's; see train")
    add_plot(parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import presets, registry
    from tfrec_zoo.evaluation import command as this_command
    from tfrec_zoo.generations import require_own
    from tfrec_zoo.reports import search_report
    from tfrec_zoo.searching.search import search
    from tfrec_zoo.searching.spaces import as_dimension, default_space
    from tfrec_zoo.searching.trials import in_words
    from tfrec_zoo.tasks import checked_options

    if not arguments.json:
        tell_progress()
    parts = written_parts(arguments, ())
    if pathlib.Path(arguments.output).exists():
        require_own(arguments.output, parts)  # Better now than after training.
    preset = presets.get(arguments.preset)
    options = checked_options(preset.task, given_options(arguments.task_set))
    made, training = dict(arguments.set), given_training(arguments)
    seed = training.pop("seed")
    space: Any = None if arguments.space is None else _read(pathlib.Path(arguments.space))
    if arguments.set_space and space is None and preset.model in registry.MODELS:
        space = default_space(registry.get(preset.model).load(), preset.training)
        space = {name: one for name, one in space.items() if name not in {**made, **training}}
    if arguments.set_space:
        named = {name: as_dimension(value) for name, value in arguments.set_space}
        space = {**(space or {}), **named}
    dataset = arguments.dataset or preset.dataset
    log = load_dataset(dataset, arguments.data_dir, given_reading(arguments))
    found = search(
        preset,
        log,
        arguments.output,
        arguments.trials,
        space=space,
        seed=seed,
        options=options,
        training=training,
        arguments=made,
    )
    command = found.command(
        pathlib.Path(arguments.output) / "best",
        dataset=arguments.dataset,
        data_dir=arguments.data_dir,
    )
    page = search_report(preset.name, found.metric, found.trials, this_command(), command)
    page.replace(pathlib.Path(arguments.output), arguments.plot)
    best = found.best
    content = {
        "metric": found.metric,
        "best": best.number,
        "value": best.metrics[found.metric],
        "parameters": best.parameters,
        "command": command,
    }
    trials = "\n".join(in_words(trial, found.metric) for trial in found.trials)
    show(
        arguments,
        content,
        f"{trials}\n\nbest on the validation examples: trial {best.number}\n{command}",
    )


def _read(path: pathlib.Path) -> dict[str, Any]:
    """Reads a space from a JSON file."""
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(contents, dict):
        raise ValueError(f"{path} must hold dimensions by name. Received: {contents!r:.100}")
    return contents

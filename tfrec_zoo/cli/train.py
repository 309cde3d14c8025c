"""tfrec-zoo train: train a model, or a preset, on a task; evaluate and export it."""

import argparse
import dataclasses
import pathlib
from typing import Any

from tfrec_zoo.cli.arguments import (
    RESUMED_STATE,
    add_plot,
    add_tensorboard,
    add_training,
    add_values,
    given_callbacks,
    given_options,
    given_training,
    joins,
    show_result,
    verbosity,
    written_parts,
)
from tfrec_zoo.cli.choices import TASKS, train_epilog
from tfrec_zoo.cli.datasets import add_dataset, given_reading, load_dataset
from tfrec_zoo.cli.parser import check_needs
from tfrec_zoo.needs import Need

HELP = "train a model, or a preset, evaluate and export it"
EPILOG = train_epilog()
NEEDS = (RESUMED_STATE,)
#: What is for trainings, asked of whether there is one.
_TRAINING = Need(
    (
        *("epochs", "batch_size", "learning_rate", "optimizer", "training", "resume"),
        *("strategy", "tensorboard", "set"),
    ),
    bool,
    "is for models; this preset is a baseline, which is measured and not trained: leave it out",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("model", nargs="?", help="name of a model; see: tfrec-zoo list")
    add_dataset(parser, default=None, default_words="simulated, or the preset's")
    parser.add_argument(
        "--output", required=True, help="folder for model, checkpoint, result.json, report.html"
    )
    parser.add_argument(
        "--preset",
        help="a row of a table, in place of a model, by default on the table's data set; "
        "see: tfrec-zoo list --presets",
    )
    parser.add_argument(
        "--task",
        choices=tuple(TASKS),
        help="what is predicted (default: what the model is made for); see below",
    )
    add_values(parser, "--task-set", "an option of the task, such as split=time; see below")
    add_values(parser, "--set", "an argument of the model, such as hidden_units=64,32")
    add_training(parser)
    add_tensorboard(parser)
    add_plot(parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo import presets, registry, tasks
    from tfrec_zoo.generations import next_generation, require_own
    from tfrec_zoo.reports import FIGURES, training_report
    from tfrec_zoo.tables import result_of
    from tfrec_zoo.training import Training
    from tfrec_zoo.training.resuming import unfinished
    from tfrec_zoo.training.runs import PARTS, train

    if (arguments.model is None) == (arguments.preset is None):
        raise ValueError(
            "Give the name of a model, or --preset. "
            f"Received: model {arguments.model!r}, preset {arguments.preset!r}"
        )
    parts = written_parts(arguments, PARTS)
    given, made = given_training(arguments), dict(arguments.set)
    given.setdefault("verbose", verbosity(arguments))
    options, dataset = given_options(arguments.task_set), arguments.dataset
    if arguments.preset is None:
        model = registry.get(arguments.model).load()
        name = arguments.task or model.default_task
        training = Training(**{**tasks.TASKS[name].training, **given})
    else:
        preset = presets.get(arguments.preset)
        # What is given is not chosen from a grid.
        grid = {k: v for k, v in preset.training.grid.items() if k not in {**given, **made}}
        training = dataclasses.replace(preset.training, **{"grid": grid, **given})
        name = arguments.task or preset.task
        options = {**preset.options_of(training.seed, options), **options}
        model, made = preset.model, {**preset.arguments, **made}
        dataset = dataset or preset.dataset
    cls: Any = registry.get(model).load() if model in registry.MODELS else model
    if arguments.set and not isinstance(cls, str):
        try:
            cls.checked_arguments(made)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}. Received: --set {dict(arguments.set)}") from error
    options, dataset = tasks.checked_options(name, options), dataset or "simulated"
    reading, is_chief = given_reading(arguments), joins(given)
    log = load_dataset(dataset, arguments.data_dir, reading)
    if arguments.task is None and arguments.preset is None:
        name = tasks.default_task(model, log)
    output = pathlib.Path(arguments.output)
    require_own(output, parts)  # Better now than after training.
    task = tasks.make(name, log, **options)
    config: dict[str, Any] = {
        "preset": arguments.preset,
        "given": {"dataset": dataset, "data_dir": arguments.data_dir, "reading": reading},
    }
    if arguments.preset and preset.is_baseline(task):
        check_needs(arguments, [_TRAINING], False)
        if is_chief:
            result = result_of(preset, task, training.seed)
            with next_generation(output, optional=[FIGURES]) as folder:
                result.write(folder / "result.json")
                training_report(result.to_dict(), task.metric).write(folder, arguments.plot)
    else:
        chosen = {name: options[name] for name, _ in arguments.task_set}
        tasks.tell_unused_options(task, chosen, cls, made, training.patience)
        try:
            with unfinished(output, arguments.resume, is_own=is_chief) as state:
                kept = dataclasses.replace(
                    training, checkpoint_dir=training.checkpoint_dir or state
                )
                callbacks = given_callbacks(arguments, is_chief)
                trained = train(model, task, kept, callbacks, **made)
                if is_chief:
                    trained.save(output, plot=arguments.plot, **config)
        except TypeError as error:
            if not arguments.set:
                raise
            # A wrong value is often found out far from where its name is known.
            raise TypeError(f"{error}. Received: --set {dict(arguments.set)}") from error
    if is_chief:
        show_result(arguments, output)

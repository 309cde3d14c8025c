"""Arguments and output that commands share."""

import argparse
import ast
import dataclasses
import json
import logging
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tfrec_zoo.cli.choices import STRATEGIES
from tfrec_zoo.cli.parser import given_flags
from tfrec_zoo.needs import Need

#: What --resume takes, asked of the arguments.
RESUMED_STATE = Need(
    ("resume",),
    lambda given: "checkpoint_dir" not in dict(given.training),
    "is for a state in --output; from one in `checkpoint_dir` a training goes on by itself: "
    "leave it out",
)


def name_and_value(text: str) -> tuple[str, Any]:
    """Reads `name=value`, the value a Python literal or else a string."""
    key, separator, value = text.partition("=")
    if not separator or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"expected name=value. Received: {text!r}")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def add_values(parser: argparse.ArgumentParser, flag: str, help_: str) -> None:
    """Adds a repeatable argument `flag NAME=VALUE`."""
    parser.add_argument(
        flag, type=name_and_value, action="append", default=[], metavar="NAME=VALUE", help=help_
    )


def add_training(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say how to train."""
    parser.add_argument("--epochs", type=int, help="passes (default: the model's own number)")
    parser.add_argument("--batch-size", type=int, help="examples per step (default: 1024)")
    parser.add_argument(
        "--learning-rate", type=float, help="at its highest (default: 0.002; ncf: 0.001)"
    )
    parser.add_argument(
        "--optimizer",
        help="such as fused_adam, which is Adam (the default), or lazy_adam (the default for large "
        "tables, and of ncf), which moves the rows of a batch only",
    )
    parser.add_argument("--seed", type=int, help="seed of the training (default: 0)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from what the same command left in --output when it was killed, if it was",
    )
    parser.add_argument(
        "--strategy",
        choices=tuple(STRATEGIES),
        help="on which machines to train (default: none); the others are read from TF_CONFIG, "
        "which tfrec-zoo cluster sets for trying out",
    )
    add_values(parser, "--training", "another field of Training, such as clipping=5; see below")


def add_tensorboard(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that says where TensorBoard finds the training."""
    parser.add_argument(
        "--tensorboard", metavar="DIR", help="folder to log losses and metrics in, for TensorBoard"
    )


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that asks for the figures as pictures."""
    parser.add_argument(
        "--plot",
        action="store_true",
        help="write the figures of the report as PNG files as well, in the folder figures",
    )


def written_parts(arguments: argparse.Namespace, parts: Sequence[str]) -> Sequence[str]:
    """Names of what a command writes; with `--plot`, once it is known that figures can be drawn.

    Args:
        arguments: The arguments of the command.
        parts: Names of what it writes in any case.

    Raises:
        ImportError: If figures are asked for, and matplotlib is not installed.
    """
    if not arguments.plot:
        return parts
    from tfrec_zoo.plots import require_matplotlib
    from tfrec_zoo.reports import FIGURES

    require_matplotlib()
    return (*parts, FIGURES)


def given_callbacks(arguments: argparse.Namespace, is_chief: bool) -> list[Any]:
    """The callbacks that were asked for.

    Args:
        arguments: The arguments of the command.
        is_chief: Whether this process is the one that writes.
    """
    import tensorflow as tf

    if arguments.tensorboard is None or not is_chief:
        return []
    return [tf.keras.callbacks.TensorBoard(arguments.tensorboard, write_graph=False)]


def given_training(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of `Training` that were given.

    Raises:
        ValueError: If there is no such field, or one is given twice; names those there are.
    """
    from tfrec_zoo.training import Training

    flags = ("epochs", "batch_size", "learning_rate", "optimizer", "seed", "strategy")
    found = vars(arguments)
    given = {name: found[name] for name in flags if found.get(name) is not None}
    others = dict(arguments.training)
    for name in given_flags(arguments).keys() & others.keys():
        raise ValueError(
            f"Give --{name.replace('_', '-')} once. Received: {given[name]!r} and "
            f"--training {name}={others[name]!r}"
        )
    given.update(others)
    known = [field.name for field in dataclasses.fields(Training)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"`--training` must be one of {known}. Received: {unknown}")
    if isinstance(given.get("pretraining"), Mapping):
        given["pretraining"] = Training(**given["pretraining"])
    Training(**given)  # Before anything is loaded.
    return given


def joins(training: Mapping[str, Any]) -> bool:
    """Joins the machines of a training; workers and parameter servers serve, and don't return.

    Args:
        training: The fields of `Training` that were given.

    Returns:
        Whether this process is the one that writes and prints.
    """
    from tfrec_zoo.distribution.strategies import is_chief, join

    strategy = training.get("strategy", "none")
    if strategy != "none":
        # Of a machine that is lost TensorFlow tells in many lines, whether it is missed or not.
        logging.getLogger("tensorflow").setLevel(logging.CRITICAL)
    if strategy == "none" or os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return is_chief(join(strategy))
    # Its C++ has more to tell, as it starts and as it ends: all but Python's stderr is left out.
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        is_first = is_chief(join(strategy))
    except BaseException:
        os.dup2(kept, 2)
        os.close(kept)
        raise
    sys.stderr = os.fdopen(kept, "w", buffering=1)
    return is_first


def given_options(options: list[tuple[str, Any]]) -> dict[str, Any]:
    """The options of a task that were given; a `spec` is read from its file."""
    found = dict(options)
    if isinstance(found.get("spec"), str):
        found["spec"] = read_spec(pathlib.Path(found["spec"]))
    return found


def read_spec(path: pathlib.Path) -> Any:
    """Reads a feature spec from a JSON file, as `FeatureSpec.to_json` writes it."""
    from tfrec_zoo.features import FeatureSpec

    try:
        return FeatureSpec.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no feature spec, as FeatureSpec.to_json() writes it: {error!r}"
        ) from error


def verbosity(arguments: argparse.Namespace) -> int:
    """Progress bars on a terminal, a line per epoch elsewhere, nothing with --json."""
    if arguments.json:
        return 0
    return 1 if sys.stdout.isatty() else 2


def show(arguments: argparse.Namespace, content: Any, text: str) -> None:
    """Prints content as JSON if that was asked for, or else a text."""
    print(json.dumps(content) if arguments.json else text)


def show_result(arguments: argparse.Namespace, output: pathlib.Path) -> None:
    """Prints what was measured, as it was written."""
    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    metrics = {k: float("nan") if v is None else v for k, v in result["metrics"].items()}
    words = f"{result['protocol']}; {result['dataset']}\nwritten: {output}"
    show(arguments, result, f"{lines(metrics)}\n\n{words}")


def lines(metrics: Mapping[str, float]) -> str:
    """A line for each metric."""
    return "\n".join(f"{name:36s} {value:.4f}" for name, value in metrics.items())

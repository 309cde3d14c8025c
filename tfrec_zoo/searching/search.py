"""Search: from a preset's settings outward to better ones, on the validation examples alone."""

import dataclasses
import inspect
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo import presets, registry, tasks
from tfrec_zoo.needs import Need, allow_idle, refuse_idle
from tfrec_zoo.presets import Preset
from tfrec_zoo.searching.spaces import (
    Space,
    changed,
    checked_space,
    default_space,
    plain_value,
    widened,
)
from tfrec_zoo.searching.trials import Pruned, Trial, Watch, best_of, run_trials
from tfrec_zoo.training import Training
from tfrec_zoo.training.large_tables import suited_negatives
from tfrec_zoo.training.precision import half_precision
from tfrec_zoo.training.resuming import unfinished
from tfrec_zoo.training.runs import tell_unused
from tfrec_zoo.training.trainer import Trainer

#: Epochs to wait for an improvement, where neither the preset nor its task says.
_PATIENCE = 2
#: Fields of `Training` that are the search's.
_OWN = Need(
    ("grid", "seed", "verbose", "checkpoint_dir"),
    lambda _: False,
    "is a matter of the search: leave it out of `training` (`space` says what is searched, and "
    "`seed` is of all trainings)",
)


@dataclasses.dataclass(frozen=True)
class Search:
    """What came of a search.

    Args:
        preset: The preset that it went out from, with what was given in place of its settings.
        metric: The metric that was searched by.
        trials: The trials.
        changes: What the best trial has in place of the preset's settings, as `train` takes it:
            `options` of the task, fields of `training`, and `arguments` of the model.
    """

    preset: Preset
    metric: str
    trials: Sequence[Trial]
    changes: Mapping[str, Mapping[str, Any]]

    @property
    def best(self) -> Trial:
        """The best trial."""
        return best_of(self.trials, self.metric)

    def command(self, output: str | pathlib.Path, **flags: Any) -> str:
        """The command that trains a model with the settings of the best trial, and tests it.

        Args:
            output: Folder for the model.
            **flags: Flags of `tfrec-zoo train` besides, such as `dataset`; None is left out.
        """
        words = ["tfrec-zoo", "train", "--preset", self.preset.name]
        flags = {"seed": self.preset.training.seed or None, **flags}
        for flag, value in flags.items():
            words += [] if value is None else [f"--{flag.replace('_', '-')}", str(value)]
        named = {"task-set": "options", "training": "training", "set": "arguments"}
        for flag, part in named.items():
            for name, value in self.changes[part].items():
                value = value.to_dict() if isinstance(value, Training) else value
                words += [f"--{flag}", f"{name}={value}".replace(", ", ",")]
        return shlex.join([*words, "--output", str(output)])


def search(
    preset: str | Preset,
    log: Any,
    output: str | pathlib.Path,
    trials: int = 20,
    *,
    space: Space | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Search:
    """Searches for settings that are better than a preset's, on the validation examples.

    The test examples are not looked at. The first trial is the preset itself, the second has plain
    settings: of each dimension of the space its plain value. The others are Optuna's (a
    tree-structured Parzen estimator), which ends those that are worse than the median of the
    others' after as many epochs. Nothing is tried twice: where Optuna repeats itself, or the preset
    is plain, other settings are drawn at random, and a space that was tried whole ends the search.
    Epochs end by early stopping: where neither the preset nor its task says how, after two without
    a better metric of the task.

    Every trial leaves a file in the folder. A search that was killed goes on with the trial that it
    was at, as if it had not been, and one that is asked for more trials goes on with those.

    Args:
        preset: The preset, or its name.
        log: The log, or what `read_ncf` read.
        output: Folder for `trial-<n>.json`.
        trials: Number of trials in all; there are fewer if everything in the space was tried.
        space: What is searched, in place of `default_space`: values to choose from, or a `Range`,
            by the name of a field of `Training` or of an argument of the model. The preset's own
            values are always in.
        seed: Seed of the search and of all trainings.
        options: Options of the task in place of the preset's.
        training: Fields of `Training` in place of the preset's, which are not searched.
        arguments: Arguments of the model in place of the preset's, which are not searched.

    Raises:
        ImportError: If Optuna is not installed.
        KeyError: If there is no such preset.
        ValueError: If there is nothing to search, a name or value in the space is not allowed, or
            the folder holds another search.
        FloatingPointError: If no trial gave the metric a value.
    """
    if trials < 1:
        raise ValueError(f"`trials` must be a positive whole number. Received: {trials!r}")
    refuse_idle([_OWN], training or {}, None)
    start = presets.get(preset) if isinstance(preset, str) else preset
    given = {**(training or {}), **(arguments or {})}
    grid = {name: v for name, v in start.training.grid.items() if name not in given}
    start = dataclasses.replace(
        start,
        options={**start.options, **(options or {})},
        training=dataclasses.replace(
            start.training, **{**(training or {}), "grid": grid, "seed": seed, "verbose": 0}
        ),
        arguments={**start.arguments, **(arguments or {})},
    )
    task = start.make_task(log, seed, **(options or {}))
    if start.is_baseline(task):
        raise ValueError(f"A baseline has no settings to search. Received: {start.name!r}")
    cls = registry.get(start.model).load()
    cls.checked_arguments(start.arguments)
    patience = start.training.patience or _PATIENCE
    tasks.tell_unused_options(task, options or {}, cls, start.arguments, patience)
    tell_unused(cls, start.training, Training())
    if space is None:
        found = default_space(cls, start.training)
        space = {name: one for name, one in found.items() if name not in given}
    space = checked_space(space, cls)
    if not space:
        raise ValueError(f"Give a space: {start.model} has nothing that is searched by default.")
    both = sorted(set(space) & set(given))
    if both:
        raise ValueError(f"What is given is not searched. Received in the space as well: {both}")
    implied: dict[str, dict[str, Any]] = {"options": {}, "training": {}}
    if cls.is_iterative and start.training.patience is None and task.patience is None:
        implied["training"] = {"patience": _PATIENCE}
        if task.monitor is None and start.training.plateau is None:
            implied["options"] = {"monitor": task.metric}
    task = dataclasses.replace(task, **implied["options"])
    how = dataclasses.replace(start.training, **implied["training"])
    needed = {**task.arguments(cls), **start.arguments}
    own = {name: _own(name, start.training, cls, needed) for name in space}
    space = {name: widened(one, own[name]) for name, one in space.items()}
    plain = {name: plain_value(one) for name, one in space.items()}

    def objective(number: int, parameters: Mapping[str, Any], watch: Watch) -> dict[str, float]:
        tried, changes = changed(how, cls, parameters)
        made = suited_negatives(cls, {**needed, **changes}, task.num_items)
        ended: Exception | None = None
        with unfinished(output, True, f"trial-{number}") as state:
            kept = dataclasses.replace(tried, checkpoint_dir=state)
            try:
                with half_precision(kept.mixed_precision), allow_idle():
                    metrics, _ = Trainer().validated(cls, task, kept, made, watch)
            except (Pruned, ValueError) as error:
                ended = error  # It is not going on.
        tf.keras.backend.clear_session()
        if ended is not None:
            raise ended
        return metrics

    done = run_trials(
        objective,
        space,
        trials,
        output,
        metric=task.metric,
        first=[own, plain],
        seed=seed,
        about={
            "model": start.model,
            "arguments": dict(start.arguments),
            "training": how.to_dict(),
            "task": task.name,
            "options": task.options,
            "data": task.validating().checksum,
        },
    )
    best = best_of(done, task.metric).parameters
    # What the preset would choose from a grid is always said.
    new = {name: v for name, v in best.items() if v != own[name] or name in grid}
    fields = {field.name for field in dataclasses.fields(Training)}
    return Search(
        start,
        task.metric,
        done,
        {
            "options": {**(options or {}), **implied["options"]},
            "training": {
                **(training or {}),
                **implied["training"],
                **{name: value for name, value in new.items() if name in fields},
            },
            "arguments": {
                **(arguments or {}),
                **{name: value for name, value in new.items() if name not in fields},
            },
        },
    )


def _own(name: str, training: Training, cls: Any, arguments: Mapping[str, Any]) -> Any:
    """The value that a preset has, the first of its grid."""
    if name in training.grid:
        return training.grid[name][0]
    if name in {field.name for field in dataclasses.fields(Training)}:
        return getattr(training, name)
    return arguments.get(name, inspect.signature(cls).parameters[name].default)

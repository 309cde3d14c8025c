"""Trials: a search over a space by Optuna, each trial of which leaves a file.

The files are all that a search remembers: what it tries next follows from the seed and the trials
before, so that one that was killed goes on as if it had not been.
"""

import dataclasses
import json
import logging
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tfrec_zoo.artifacts import atomic_write
from tfrec_zoo.evaluation.result import without_nan
from tfrec_zoo.result_cells import number
from tfrec_zoo.searching.spaces import Dimension, Range, Space, size
from tfrec_zoo.tasks.task import is_error
from tfrec_zoo.training.early_stopping import best_index

logger = logging.getLogger(__name__)

#: Trials that are finished, and epochs of a trial, before one is compared with the median.
_TRIALS_BEFORE_PRUNING, _EPOCHS_BEFORE_PRUNING = 4, 2


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of one trial.

    Args:
        number: Number of the trial, from 0.
        state: `"complete"`; `"pruned"` if it was given up because it was worse than the median of
            the others after as many epochs; `"failed"` if it diverged or could not be made.
        parameters: What was tried, by name.
        metrics: The metrics of a complete trial, on the validation examples.
        epochs: The metric that is searched by, after each epoch.
        seconds: How long it took, since it went on if it was killed.
        error: Why it failed.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    epochs: Sequence[float] = ()
    seconds: float = 0.0
    error: str | None = None


class Pruned(Exception):
    """Ends a trial that is worse than others."""


#: Takes the values of the metric after each epoch so far, and may end the trial, by `Pruned`.
Watch: TypeAlias = Callable[[Sequence[float]], None]
#: Takes the number of a trial, its parameters and what to tell of its epochs; returns metrics.
Objective: TypeAlias = Callable[[int, Mapping[str, Any], Watch], Mapping[str, float]]


def run_trials(
    objective: Objective,
    space: Space,
    number: int,
    output: str | pathlib.Path,
    *,
    metric: str,
    first: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
) -> list[Trial]:
    """Runs trials, but those whose files are there.

    Args:
        objective: What is searched.
        space: The space.
        number: Number of trials in all; there are fewer if everything in the space was tried.
        output: Folder of `trial-<n>.json`.
        metric: The metric that tells which of two trials is better.
        first: Parameters of the first trials, within the space. An error of the very first is the
            search's.
        seed: Seed of what is tried next.
        about: What tells the search from others, besides its arguments; JSON-able.

    Raises:
        ImportError: If Optuna is not installed.
        ValueError: If the folder holds trials of another search, or one is damaged.
        FloatingPointError: If no trial gave the metric a value.
    """
    optuna, folder = _optuna(), pathlib.Path(output)
    about = {**(about or {}), "metric": metric, "seed": seed, "space": _plain(space)}
    about["first"] = [dict(one) for one in first]
    about = json.loads(json.dumps(about, default=str))
    distributions = {name: _distribution(optuna, one) for name, one in space.items()}
    trials: list[Trial] = []
    for n in range(number):
        path = folder / f"trial-{n}.json"
        if path.exists():
            trials.append(_read(path, about))
            continue
        tried = {tuple(_encoded(one.parameters, space).values()) for one in trials}
        if len(tried) == size(space):
            logger.info("everything in the space was tried: %d trials", n)
            break
        study = optuna.create_study(
            direction="minimize" if is_error(metric) else "maximize",
            sampler=optuna.samplers.TPESampler(seed=_seed(seed, n)),
            pruner=optuna.pruners.MedianPruner(_TRIALS_BEFORE_PRUNING, _EPOCHS_BEFORE_PRUNING),
        )
        study.add_trials([_frozen(optuna, one, space, distributions, metric) for one in trials])
        if n < len(first):
            study.enqueue_trial(_encoded(first[n], space))
        asked, at_random = study.ask(distributions), optuna.samplers.RandomSampler(_seed(seed, n))
        while tuple(asked.params[name] for name in space) in tried:
            study.sampler = at_random  # The estimator may repeat itself for ever.
            asked = study.ask(distributions)
        parameters = _decoded(asked.params, space)
        trial = _tried(objective, n, parameters, metric, asked)
        contents = {**dataclasses.asdict(trial), "search": about}
        contents["epochs"] = [None if np.isnan(value) else value for value in trial.epochs]
        atomic_write(path, json.dumps(without_nan(contents), indent=1) + "\n")
        trials.append(_read(path, about))
        logger.info("%s", in_words(trial, metric))
    best_of(trials, metric)
    return trials


def best_of(trials: Sequence[Trial], metric: str) -> Trial:
    """The complete trial whose metric is best, the first of equals.

    Raises:
        FloatingPointError: If there is none.
    """
    complete = [one for one in trials if one.state == "complete"]
    if not complete:
        errors = [one.error for one in trials if one.error]
        raise FloatingPointError(
            f"No trial gave the metric {metric!r} a value. Received: {errors or len(trials)}"
        )
    return complete[best_index([one.metrics[metric] for one in complete], metric)]


def in_words(trial: Trial, metric: str) -> str:
    """What came of a trial, in a line."""
    found = trial.error
    if trial.state == "complete":
        found = f"{metric} {trial.metrics[metric]:.4f}"
    elif trial.state == "pruned":
        found = f"{metric} {trial.epochs[-1]:.4f} after {len(trial.epochs)} epochs"
    given = " ".join(f"{name}={value}" for name, value in trial.parameters.items())
    return f"trial {trial.number}, {trial.state}, {trial.seconds:.0f} s: {found} ({given})"


def trial_cells(trials: Sequence[Trial], metric: str) -> list[list[str]]:
    """The headings of a table of trials, and its rows.

    Args:
        trials: What came of each trial.
        metric: The metric that was searched by.

    Example:

    >>> for line in trial_cells([Trial(0, "complete", {"l2": 0.5}, {"auc": 0.75})], "auc"):
    ...     print(line)
    ['trial', 'l2', 'auc', 'epochs', 'seconds', 'state']
    ['0', '0.5', '0.7500', '0', '0.0', 'complete']
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.parameters))
    lines = [["trial", *names, metric, "epochs", "seconds", "state"]]
    for trial in trials:
        values = [str(trial.parameters.get(name, "")) for name in names]
        found = trial.metrics.get(metric, trial.epochs[-1] if len(trial.epochs) else None)
        state = f"{trial.state}: {trial.error}" if trial.error else trial.state
        about = [number(found), str(len(trial.epochs)), f"{trial.seconds:,.1f}", state]
        lines.append([str(trial.number), *values, *about])
    return lines


def kept_trials(folder: str | pathlib.Path) -> tuple[list[Trial], Mapping[str, Any]]:
    """Reads what a search left: its trials, and what it was.

    Raises:
        FileNotFoundError: If there are no trials in the folder.
        ValueError: If a file is damaged, or they are of several searches.
    """
    paths = list(pathlib.Path(folder).glob("trial-*.json"))
    if not paths:
        raise FileNotFoundError(f"There is no trial-<n>.json in the folder. Received: {folder}")
    try:
        about = json.loads(paths[0].read_text(encoding="utf-8"))["search"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{paths[0]} is damaged: remove it. Received: {error!r}") from error
    trials = [_read(path, about) for path in paths]
    return sorted(trials, key=lambda trial: trial.number), about


def _optuna() -> Any:
    try:
        import optuna  # An extra.
    except ImportError as error:
        raise ImportError(
            "A search needs what the extra `search` of this package installs, such as "
            f'pip install ".[search]" in its folder. {error}'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _tried(
    objective: Objective,
    number: int,
    parameters: Mapping[str, Any],
    metric: str,
    asked: Any,
) -> Trial:
    """Runs one trial."""
    epochs: list[float] = []

    def watch(values: Sequence[float]) -> None:
        for epoch, value in enumerate(values[len(epochs) :], len(epochs) + 1):
            epochs.append(float(value))
            asked.report(float(value), epoch)
        if epochs and asked.should_prune():
            raise Pruned

    begin = time.perf_counter()

    def trial(state: Any, **what: Any) -> Trial:
        seconds = round(time.perf_counter() - begin, 1)
        return Trial(number, state, parameters, epochs=epochs, seconds=seconds, **what)

    try:
        metrics = {name: float(v) for name, v in objective(number, parameters, watch).items()}
    except Pruned:
        return trial("pruned")
    except (FloatingPointError, ValueError) as error:
        if number == 0:
            raise
        return trial("failed", error=" ".join(str(error).split()))
    if np.isnan(metrics[metric]):
        return trial("failed", error=f"The metric {metric!r} has no value.")
    return trial("complete", metrics=metrics)


def _read(path: pathlib.Path, about: Mapping[str, Any]) -> Trial:
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        found = contents.pop("search")
        contents["epochs"] = [np.nan if value is None else value for value in contents["epochs"]]
        contents["parameters"] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in contents["parameters"].items()
        }
        trial = Trial(**contents)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: remove it. Received: {error!r}") from error
    if found != about:
        others = sorted(key for key in {*found, *about} if found.get(key) != about.get(key))
        raise ValueError(
            f"{path} is of another search: choose another --output. Received another {others}"
        )
    return trial


def _frozen(
    optuna: Any, trial: Trial, space: Space, distributions: Mapping[str, Any], metric: str
) -> Any:
    """A trial as Optuna has it."""
    states = optuna.trial.TrialState
    state = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
    value = trial.metrics.get(metric)
    if trial.state == "pruned" and not np.isnan(trial.epochs[-1]):
        value = trial.epochs[-1]
    return optuna.trial.create_trial(
        state=state[trial.state],
        value=value,
        params=_encoded(trial.parameters, space),
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(trial.epochs, 1)),
    )


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    kinds = optuna.distributions
    if not isinstance(dimension, Range):
        # Optuna's choices are numbers and strings; tuples are written out.
        return kinds.CategoricalDistribution([json.dumps(value) for value in dimension])
    kind = kinds.IntDistribution if dimension.is_whole else kinds.FloatDistribution
    return kind(dimension.low, dimension.high, log=dimension.log)


def _encoded(parameters: Mapping[str, Any], space: Space) -> dict[str, Any]:
    return {
        name: parameters[name]
        if isinstance(one, Range)
        else json.dumps(one[list(one).index(parameters[name])])
        for name, one in space.items()
    }


def _decoded(encoded: Mapping[str, Any], space: Space) -> dict[str, Any]:
    return {
        name: encoded[name]
        if isinstance(one, Range)
        else next(value for value in one if json.dumps(value) == encoded[name])
        for name, one in space.items()
    }


def _seed(seed: int, number: int) -> int:
    """A seed for what one trial tries, so that it doesn't hang on which were run before a kill."""
    return int(np.random.default_rng([seed, number]).integers(2**31))


def _plain(space: Space) -> dict[str, Any]:
    """A space as JSON has it."""
    return {
        name: dataclasses.asdict(one) if isinstance(one, Range) else list(one)
        for name, one in space.items()
    }

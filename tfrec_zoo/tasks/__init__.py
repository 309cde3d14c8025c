"""Tasks: what is predicted, from what, how it is split, and how it is measured."""

import json
from collections.abc import Mapping
from typing import Any

from tfrec_zoo.data import Log, SampledTest
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import allow_idle, tell_idle
from tfrec_zoo.tasks.choice import Choice
from tfrec_zoo.tasks.clicks import Clicks
from tfrec_zoo.tasks.item_task import ItemTask
from tfrec_zoo.tasks.ncf import NCF
from tfrec_zoo.tasks.next_watch import NextWatch
from tfrec_zoo.tasks.ratings import Ratings
from tfrec_zoo.tasks.task import OfModel, Task, TaskExamples, is_error
from tfrec_zoo.tasks.watch_time import WatchTime
from tfrec_zoo.typed_fields import checked

__all__ = [
    "NCF",
    "TASKS",
    "Choice",
    "Clicks",
    "ItemTask",
    "NextWatch",
    "Ratings",
    "Task",
    "TaskExamples",
    "WatchTime",
    "checked_options",
    "default_task",
    "is_error",
    "make",
    "make_again",
    "tell_unused_options",
]

#: Tasks by name.
TASKS: dict[str, type[Task]] = {
    task.name: task for task in (NextWatch, Choice, Clicks, Ratings, WatchTime, NCF)
}


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a task as the types that it declares, before there is a log.

    Args:
        name: Name of the task, such as `"next-watch"`.
        options: Options by name.

    Raises:
        ValueError: If there is no such task or option, or a value of another type; says what there
            is.
    """
    if name not in TASKS:
        raise ValueError(f"`task` must be one of {list(TASKS)}. Received: {name!r}")
    known = TASKS[name].option_names()
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"The task {name!r} has the options {known}. Received: {unknown}")
    return checked(TASKS[name], options)


def tell_unused_options(
    task: Task,
    given: Mapping[str, Any],
    model: type[RecommenderModel],
    arguments: Mapping[str, Any],
    patience: int | None = None,
) -> None:
    """Tells of options of a task that make no difference to the one model that it is made for.

    Args:
        task: The task.
        given: The options that were given, by name.
        model: Class of the model.
        arguments: Arguments the model is made with.
        patience: Epochs without a better metric after which training ends; None for the task's.
    """
    options = {name: getattr(task, name) for name in task.option_names()}
    patience = task.patience if patience is None else patience
    of = OfModel(model, {**task.arguments(model), **arguments}, options, patience)
    who = f"{model.__name__} on the task {task.name!r}"
    tell_idle(task.needs_of_model, given, of, who)


def default_task(model: type[RecommenderModel], log: Log | SampledTest) -> str:
    """The name of the task that a model is trained on where none is given.

    Args:
        model: Class of the model.
        log: The log. Without times what is predicted is a choice, not the next watch.
    """
    has_times = (log if isinstance(log, Log) else log.log).has_times
    if model.default_task == NextWatch.name and not has_times:
        return Choice.name
    return model.default_task


def make(name: str, log: Log | SampledTest, **options: Any) -> Task:
    """Makes a task of a log by the task's name.

    Args:
        name: Name of the task, such as `"next-watch"`.
        log: The log, or what `read_ncf` read.
        **options: Arguments of the task.

    Raises:
        ValueError: If there is no such task or option, or a value of another type; says what there
            is.
    """
    options = checked_options(name, options)
    if isinstance(log, SampledTest) and name != NCF.name:
        log = log.log
    task: Any = TASKS[name]
    return task(log, **options)


def make_again(result: Mapping[str, Any], log: Log | SampledTest) -> Task:
    """Makes the task that a model was trained on, of a log.

    Args:
        result: What the result file of the model says.
        log: The log, or what `read_ncf` read. Splits and negatives that came with the data come
            with it again.
    """
    options = {
        name: value
        for name, value in result["config"]["options"].items()
        if not (isinstance(value, dict) and "sha256" in value)
    }
    if options.get("spec") is not None:
        options["spec"] = FeatureSpec.from_json(json.dumps(options["spec"]))
    with allow_idle():
        return make(result["task"], log, **options)

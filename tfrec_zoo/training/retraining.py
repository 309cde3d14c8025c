"""Retraining: the next day, a model is trained further on a log that has grown."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo import checkpoints, tasks
from tfrec_zoo.data import Log, SampledTest
from tfrec_zoo.needs import Need, allow_idle, tell_idle
from tfrec_zoo.new_ids.new_rows import NewRowsLike
from tfrec_zoo.tasks import Task
from tfrec_zoo.training import Training, compile_
from tfrec_zoo.training.precision import half_precision
from tfrec_zoo.training.runs import Run, run_of, tell_unused
from tfrec_zoo.training.trainer import Trainer

#: What a run says of the one that it started from.
_KEPT = ("dataset", "data_checksum", "checksum", "metrics", "statistics")
#: What `new_rows` takes, asked of the model.
_NEW_ROWS = Need(
    ("new_rows",),
    lambda model: model.is_iterative,
    "is for models that are trained further; this one is made from the new log alone",
)


def retrain(
    run: Run | str | pathlib.Path,
    task: Task | Log | SampledTest,
    training: Training | None = None,
    new_rows: NewRowsLike = "initial",
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
) -> Run:
    """Trains a model further on a log that has grown, and measures it there.

    The model has the same class, arguments and columns; its features are fitted on the new log. It
    takes over what was learned of every id that is still there, and of all else, and its optimizer
    goes on. The values of an `IndicatorColumn` stay those it had. A model that counts or solves,
    such as `EASE` or `Popularity`, is made from the new log alone.

    Args:
        run: What `train` or `retrain` returned, or the folder that its `save` wrote.
        task: The task; or a log, which stands for the same task and options on it.
        training: How to train; by default as before, without a grid.
        new_rows: What the vectors of new ids start from; see `warm_start`.
        callbacks: Keras's callbacks, or others', to watch the training; see `train`.

    Returns:
        The new run, which knows what it started from.

    Raises:
        FileNotFoundError: If there is no checkpoint in the folder.
        ValueError: If the folder is damaged, or a column is gone.

    Example:

    >>> import pandas as pd, tfrec_zoo as zoo
    >>> events = pd.DataFrame({"user_id": list("aaaabbbbcccc"), "item_id": list("xyzwxyzvyxzw"),
    ...                        "time": range(12)})
    >>> training = zoo.Training(epochs=1, verbose=0)
    >>> monday = zoo.train("MatrixFactorization", zoo.Log("mine", events), training)
    >>> new = pd.DataFrame({"user_id": list("abd"), "item_id": list("vwx"), "time": [12, 13, 14]})
    >>> tuesday = zoo.retrain(monday, zoo.Log("mine", pd.concat([events, new])))
    >>> int(tuesday.model.optimizer.iterations)
    2
    """
    result: Mapping[str, Any]
    if isinstance(run, Run):
        model, before, result = run.model, run.training, run.result().to_dict()
    else:
        model, before, result = _read(pathlib.Path(run))
    if not isinstance(task, Task):
        task = _task_on(task, result)
    if training is None:
        training = dataclasses.replace(before, grid={})
    tell_unused(type(model), training, before)
    of_rows = {} if new_rows == "initial" else {"new_rows": new_rows}
    tell_idle([_NEW_ROWS], of_rows, model, type(model).__name__)
    # Models that it once started from have had their part.
    training = dataclasses.replace(training, pretraining=None)
    config = model.get_config()
    arguments = {name: value for name, value in config.items() if name not in ("features", "name")}
    trainer = Trainer(model, new_rows) if model.is_iterative else Trainer()
    started_from = {key: result[key] for key in _KEPT}
    with half_precision(training.mixed_precision), allow_idle():
        if training.grid:
            training, arguments = trainer.choose(type(model), task, training, arguments)
        return run_of(trainer, type(model), task, training, arguments, started_from, callbacks)


def _read(folder: pathlib.Path) -> tuple[Any, Training, Mapping[str, Any]]:
    """The model in a folder that `Run.save` wrote, how it was trained, and its result."""
    model = checkpoints.restore(folder / "checkpoint")
    path = folder / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        training = _training(result["config"]["training"])
        missing = [key for key in (*_KEPT, "task") if key not in result]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or not of `train`: {error!r}") from error
    if missing:
        raise ValueError(f"{path} is damaged, or not of `train`: it says nothing of {missing}")
    # With an optimizer of the same kind, the checkpoint gives it the state it had.
    compile_(model, training, steps=1)
    return model, training, result


def _training(fields: Mapping[str, Any]) -> Training:
    pretraining = fields.get("pretraining")
    pretraining = pretraining and _training(pretraining)
    # The machines of the day before need not be there.
    return Training(**{**fields, "pretraining": pretraining, "strategy": "none"})


def _task_on(log: Log | SampledTest, result: Mapping[str, Any]) -> Task:
    """The same task on another log."""
    own = sorted(
        name
        for name, value in result["config"]["options"].items()
        if isinstance(value, dict) and "sha256" in value
    )
    if own and isinstance(log, Log):
        raise ValueError(
            "Options of the task that were of its log can't be of another: give the task in place "
            f"of the log. Received: a log, and a task with its own {own}"
        )
    return tasks.make_again(result, log)

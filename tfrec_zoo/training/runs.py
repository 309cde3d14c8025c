"""Runs: `train` trains a model on a task, and returns what came of it."""

import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo import cards, checkpoints, registry, tasks
from tfrec_zoo.data import Log
from tfrec_zoo.distribution.strategies import join, sizes
from tfrec_zoo.evaluation import Outcomes, Result
from tfrec_zoo.generations import generation_of, next_generation
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need, allow_idle, not_default, tell_idle
from tfrec_zoo.plots import require_matplotlib
from tfrec_zoo.reports import FIGURES, Page, training_report
from tfrec_zoo.serving import Served, export, serve
from tfrec_zoo.serving.requests import checked_k
from tfrec_zoo.tasks import Task
from tfrec_zoo.training import Training
from tfrec_zoo.training.large_tables import suited_negatives, suited_optimizer
from tfrec_zoo.training.precision import half_precision
from tfrec_zoo.training.trainer import Trainer

#: What a run is saved as.
PARTS = ("model", "checkpoint", "report.html", "result.json", cards.FILE)


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model, and how it came about.

    Args:
        model: The trained model.
        task: The task it was trained on.
        training: How it was trained, with what was chosen from a grid.
        arguments: Arguments the model was made with, besides the features.
        metrics: Metrics on the test examples.
        history: What was reported after each epoch.
        statistics: Numbers of parameters and epochs, seconds of training and of its CPU time, and
            others about the model itself.
        started_from: What is known of the run that the model started from, if it did from one.
        outcomes: What became of each test example.
    """

    model: Any
    task: Task
    training: Training
    arguments: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: list[dict[str, float]]
    statistics: Mapping[str, float]
    started_from: Mapping[str, Any] | None = None
    outcomes: Outcomes = dataclasses.field(default_factory=Outcomes, repr=False, compare=False)
    _serving: dict[int | None, Served] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def protocol(self) -> str:
        """How the examples were made and split, and what was measured, in words."""
        return self.task.protocol

    def result(self, **config: Any) -> Result:
        """The run as a result file holds it.

        Args:
            **config: What the file should say besides, in its `config`.
        """
        arguments = {k: v for k, v in self.model.get_config().items() if k != "features"}
        if self.started_from is not None:
            config = {"started_from": dict(self.started_from), **config}
        return Result(
            model=type(self.model).__name__,
            task=self.task.name,
            metrics=dict(self.metrics),
            statistics=dict(self.statistics),
            dataset=self.task.dataset,
            data_checksum=self.task.log.checksum,
            checksum=self.task.checksum,
            protocol=self.protocol,
            seed=self.training.seed,
            config={
                "options": self.task.options,
                "training": self.training.to_dict(),
                "arguments": arguments,
                **config,
            },
            history=self.history,
        )

    def report(self, **config: Any) -> str:
        """The run as a page of HTML with its figures in it, as `save` leaves it.

        Args:
            **config: What `result.json` says besides, in its `config`.
        """
        return self._report(self.result(**config)).html()

    def _report(self, result: Result) -> Page:
        return training_report(
            result.to_dict(),
            self.task.metric,
            self.outcomes,
            self.task.frequencies(),
            self.model.predicts,
        )

    def recommend(
        self, request: Mapping[str, Any], k: int = 10, include_history: bool = False
    ) -> pd.DataFrame:
        """Recommends items, by the same graph as the exported model.

        A ranking model scores every item that it knows; see `Served.recommend`.

        Args:
            request: Raw features by key, one value (or bag) per row. Features left out are missing.
                `exclude` holds bags of items that must not be recommended, `allow` of the only ones
                that may.
            k: Number of items per row.
            include_history: Whether the items of `history` may be recommended.

        Returns:
            A frame with a row per recommendation: `row` of the request, `rank` from 1, `id`,
            `title` if the log has titles, and `score`.
        """
        k = checked_k(k)
        return self._served(k).recommend(request, k, include_history=include_history)

    def score(self, request: Mapping[str, Any], candidates: Any = None) -> np.ndarray:
        """The predictions of a ranking model for rows of query and candidate features.

        Args:
            request: Raw features by key, one value (or bag) per row.
            candidates: A list of item ids per row, or lists of values by key, for the query
                features of a row each; see `Served.score`.

        Returns:
            [rows] predictions, or [rows, candidates].
        """
        return self._served().score(request, candidates)

    def _served(self, k: int | None = None) -> Served:
        """The model served from memory: traced once for each length of the lists."""
        k = k if self.model.family == "retrieval" else None
        if k not in self._serving:
            kwargs = {} if k is None else {"k": k}
            self._serving[k] = serve(self.model, self.task.log, **kwargs)
        return self._serving[k]

    def export(self, directory: str | pathlib.Path, **kwargs: Any) -> pathlib.Path:
        """Writes a SavedModel that answers raw requests without this package; see `export`.

        Args:
            directory: Folder to write.
            **kwargs: `version`; `k`, `index`, `target_recall` and `filters`, for retrieval models;
                for ranking models `whole_catalogue`, and then `k` and `filters`.
        """
        about = _but_history(self.result())
        return export(self.model, directory, about, log=self.task.log, **kwargs)

    def save(
        self, directory: str | pathlib.Path, *, plot: bool = False, **config: Any
    ) -> pathlib.Path:
        """Writes a model, its checkpoint and result, a report and a card into a folder.

        They are `model` (the SavedModel), `checkpoint`, `result.json`, `report.html` and
        `README.md`, and replace those of an earlier run together, whenever the process may be
        killed.

        Args:
            directory: Folder to write.
            plot: Whether to write the figures of the report as PNG files as well, in `figures`.
            **config: What `result.json` should say besides, in its `config`.

        Raises:
            ImportError: If there are figures to write, and matplotlib is not installed.
        """
        directory = pathlib.Path(directory)
        if plot:
            require_matplotlib()
        result = self.result(**config)
        with next_generation(directory, optional=[FIGURES]) as folder:
            checkpoints.save(self.model, folder / "checkpoint")
            generation = generation_of(folder / "checkpoint")
            result = dataclasses.replace(result, generation=generation)
            export(self.model, folder / "model", _but_history(result), log=self.task.log)
            self._report(result).write(folder, plot)
            result.write(folder / "result.json")
            card = cards.card(folder, self.model.features)
            (folder / cards.FILE).write_text(card, encoding="utf-8")
        return directory


def _but_history(result: Result) -> dict[str, Any]:
    """What an export says of the run that it came of."""
    return dataclasses.replace(result, history=()).to_dict()


#: Fields of `Training` that say how gradients are followed.
_BY_GRADIENT = (
    *("learning_rate", "optimizer", "wide", "decay", "plateau", "warmup", "clipping"),
    *("averaging", "strategy"),
)
#: What fields of `Training` take to have an effect, asked of the model's class and the training.
_NEEDS = (
    Need(
        ("epochs", "patience", "checkpoint_minutes", *_BY_GRADIENT),
        lambda of: of[0].is_iterative,
        "is for models that learn in epochs; this one counts or solves in a single pass",
    ),
    Need(
        _BY_GRADIENT,
        lambda of: not of[0].takes_all_at_once,
        "is for models that learn by gradients; an epoch of this one solves",
    ),
    Need(
        ("checkpoint_minutes",),
        lambda of: of[1].checkpoint_dir is not None,
        "says how often a state is kept: give the folder as `checkpoint_dir`",
    ),
)


def tell_unused(cls: type[RecommenderModel], training: Training, but: Training) -> None:
    """Tells of fields of `Training` that make no difference to a model.

    Args:
        cls: Class of the model.
        training: How it is to be trained.
        but: How it is trained where nothing is given; what is the same was not given.
    """
    same = {f.name for f in dataclasses.fields(training)
            if getattr(training, f.name) == getattr(but, f.name)}  # fmt: skip
    given = {name: value for name, value in not_default(training).items() if name not in same}
    tell_idle(_NEEDS, given, (cls, training), cls.__name__)


def train(
    model: str | type[RecommenderModel],
    task: Task | Log,
    training: Training | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    **arguments: Any,
) -> Run:
    """Trains a model on a task, and measures it on the test examples.

    Where the task validates, training ends when the validation examples say so. Where it `refits`,
    the model is then trained again on those as well, for as many epochs. What is given and makes no
    difference to the model, such as `epochs` to a closed form, is told of in a warning.

    Args:
        model: A model's class, or its name in the registry.
        task: The task; or a log, which stands for the model's default task on it.
        training: How to train; by default as the task says.
        callbacks: Keras's callbacks, or others', to watch the training that the model comes of.
        **arguments: Arguments of the model.

    Raises:
        KeyError: If there is no model of that name.
        ValueError: If the model can't do the task.
        TypeError: If the model has no such argument.

    Example:

    >>> import pandas as pd, tfrec_zoo as zoo
    >>> log = zoo.Log("mine", pd.DataFrame({"user_id": list("aaaabbbbcccc"),
    ...                                     "item_id": list("xyzwxyzvyxzw"), "time": range(12)}))
    >>> run = zoo.train("EASE", zoo.tasks.NextWatch(log), zoo.Training(verbose=0), l2=1.0)
    >>> run.protocol
    'next watch, leave-last-out, full ranking over the training items'
    >>> run.recommend({"history": [["x"]]}, k=1)["id"].tolist()
    ['y']
    """
    cls = registry.get(model).load() if isinstance(model, str) else model
    if isinstance(task, Log):
        task = tasks.make(tasks.default_task(cls, task), task)
    usual = Training(**task.training)
    training = usual if training is None else training
    tell_unused(cls, training, usual)
    join(training.strategy)
    arguments = {**task.arguments(cls), **arguments}
    arguments = suited_negatives(cls, arguments, task.num_items)
    if not training.grid:  # A combination of a grid may have what makes no difference in it.
        cls.checked_arguments(arguments)
    trainer = Trainer()
    with half_precision(training.mixed_precision), allow_idle():
        if training.grid:
            training, arguments = trainer.choose(cls, task, training, arguments)
        return run_of(trainer, cls, task, training, arguments, callbacks=callbacks)


def run_of(
    trainer: Trainer,
    cls: type[RecommenderModel],
    task: Task,
    training: Training,
    arguments: Mapping[str, Any],
    started_from: Mapping[str, Any] | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
) -> Run:
    """Fits a model and measures it.

    Args:
        trainer: Who fits it.
        cls: Class of the model.
        task: The task.
        training: How to train, without a grid.
        arguments: Arguments of the model.
        started_from: What is known of the run that the model starts from.
        callbacks: Further callbacks of the training that the model comes of.
    """
    begin, begin_cpu = time.perf_counter(), time.process_time()
    fitted = trainer.fit(cls, task, training, arguments, callbacks)
    cost = {
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(time.process_time() - begin_cpu, 1),
    }
    outcomes = Outcomes()
    metrics = task.measured(fitted.model, fitted.test, outcomes)
    if fitted.model.is_iterative:
        optimizer = suited_optimizer(fitted.model, training.optimizer)
        training = dataclasses.replace(training, optimizer=optimizer)
    return Run(
        fitted.model,
        task,
        training,
        arguments,
        {**metrics, **fitted.best_on_test},
        fitted.history,
        {
            **fitted.model.statistics(),
            "epochs": fitted.epochs,
            **cost,
            **sizes(join(training.strategy)),
        },
        started_from,
        outcomes,
    )

"""Preset: one row of a table, as data."""

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tfrec_zoo import tasks
from tfrec_zoo.data import Log
from tfrec_zoo.tasks import Task
from tfrec_zoo.training import Training
from tfrec_zoo.training.runs import Run, train

#: Fields of `Training` that belong to a run, and the choices that were made.
_OF_A_RUN = ("seed", "verbose", "strategy", "grid")


@dataclasses.dataclass(frozen=True)
class Preset:
    """A model, a task, how it is trained, and the published number that it stands beside.

    Args:
        name: Name of the table and of the row, such as `"ncf/GMF-8"`.
        model: Name of the model in the registry; or a baseline of the task, which is measured and
            not trained.
        task: Name of the task.
        options: Options of the task.
        arguments: Arguments of the model.
        training: How the model is trained.
        dataset: Name of the data set that the table is about: one of tensorflow-datasets,
            `"simulated"`, or that of a log in a folder of one's own.
        published: Published metrics by name.
        source: Where they were published.
        moves_split: Whether the random split of the task has the seed of the training, so that
            seeds are of splits, too.
    """

    name: str
    model: str
    task: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Training = Training()
    dataset: str = "movielens/1m"
    published: Mapping[str, float] = dataclasses.field(default_factory=dict)
    source: str = ""
    moves_split: bool = False

    @property
    def table(self) -> str:
        """Name of the table."""
        return self.name.partition("/")[0]

    @property
    def row(self) -> str:
        """Name of the row."""
        return self.name.partition("/")[2]

    @property
    def reads_folder(self) -> bool:
        """Whether the data set has to be brought along, as a folder."""
        return self.dataset != "simulated" and not self.dataset.startswith("movielens/")

    def options_of(
        self, seed: int, others: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        """The options of the task of a training.

        Args:
            seed: Seed of the training.
            others: Options in place of the preset's, such as a split that draws nothing.
        """
        split = {**self.options, **others}.get("split", "random")
        moves = self.moves_split and split == "random"
        return {**self.options, **({"seed": seed} if moves else {})}

    def make_task(self, log: Log, training_seed: int = 0, **options: Any) -> Task:
        """The task on a log.

        Args:
            log: The log, or what `read_ncf` read.
            training_seed: Seed of the training that it is for.
            **options: Options in place of the preset's.
        """
        return tasks.make(self.task, log, **{**self.options_of(training_seed, options), **options})

    def is_baseline(self, task: Task) -> bool:
        """Whether the row is a baseline of the task, and no model of the zoo."""
        return self.model in task.baselines

    def train(self, task: Task, **changes: Any) -> Run:
        """Trains the model of the row.

        Args:
            task: What `make_task` made.
            **changes: Fields of `Training` in place of the preset's, such as `seed`.
        """
        return train(
            self.model, task, dataclasses.replace(self.training, **changes), **self.arguments
        )

    def changes_of(self, config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """What a result of the row was made with otherwise: by name, as it was and as it is.

        What the preset leaves open, or chooses on validation examples, may have been anything.

        Args:
            config: `config` of the result.
        """
        found = {}
        for part, wanted in (
            ("arguments", dict(self.arguments)),
            ("training", self.training.to_dict()),
        ):
            was = config.get(part, {})
            if part == "training" and was:  # What was not a field yet was as it is by default.
                was = {**Training().to_dict(), **was}
            for name, value in json.loads(json.dumps(wanted)).items():
                is_open = value is None or name in {*_OF_A_RUN, *self.training.grid}
                if not is_open and name in was and was[name] != value:
                    found[name] = was[name], value
        return found

    def to_dict(self) -> dict[str, Any]:
        """Returns the preset as a JSON-serializable dict."""
        return {
            "name": self.name,
            "task": self.task,
            "model": self.model,
            "options": dict(self.options),
            "arguments": dict(self.arguments),
            "training": self.training.to_dict(),
            "dataset": self.dataset,
            "published": dict(self.published),
            "source": self.source,
            "moves_split": self.moves_split,
        }

"""Sharded: a task on a log in shards, as a task on each of them and what is known of all."""

import dataclasses
import functools
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfrec_zoo.data import Log, Split, leave_last_out, next_day
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.sharded import ShardedExamples, ShardedLog
from tfrec_zoo.data.sharded.ranks import value_of_rank
from tfrec_zoo.data.splits import cut_ranks, split_at
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import allow_idle

logger = logging.getLogger(__name__)


class ShardedTask:
    """What a task of items makes of a log in shards: the same examples as of the whole log.

    A user's interactions are in one shard, and so is all that an example is made of, but for the
    moments that the whole log is split at, the end that ages count to, and the features' guesses.

    Args:
        task: A task whose `log` is in shards.

    Raises:
        ValueError: If the task needs the log as a whole.
    """

    def __init__(self, task: Any) -> None:
        self._task, self.log = task, _sharded(task)
        if getattr(task, "examples_per_user", None) is not None:
            raise ValueError(
                "`examples_per_user` draws from the log as a whole: leave it out, or read the log "
                f"with `Log.read`. Received: {task.examples_per_user} and {self.log!r}"
            )

    @functools.cached_property
    def protocol(self) -> str:
        """How interactions are split, in words."""
        return self._split(self.log.outline).protocol

    @functools.cached_property
    def _cuts(self) -> tuple[float, float]:
        """The moments from which on is validated and tested, where the split is by time."""
        task, log = self._task, self.log
        fractions = task.validation_fraction, task.test_fraction
        ranks = cut_ranks(log.num_interactions, *fractions)
        known: dict[int | None, float] = {None: np.inf}
        for rank in ranks:
            if rank is not None and rank not in known:
                known[rank] = value_of_rank(log.times, rank)
        if log.span[0] >= known[ranks[0]]:
            raise ValueError(
                "`validation_fraction` and `test_fraction` leave nothing to train on: rows of one "
                f"instant are not split. Received: {fractions[0]}, {fractions[1]} of "
                f"{log.num_interactions} interactions"
            )
        return known[ranks[0]], known[ranks[1]]

    def _split(self, shard: Log) -> Split:
        """Splits the interactions of a shard as those of the whole log are."""
        task = self._task
        if task.split in ("auto", "last-out"):
            return leave_last_out(shard)
        if task.split == "time":
            return split_at(shard, *self._cuts, task.test_fraction)
        if task.split == "next-day":
            return next_day(shard, span=self.log.span)
        raise ValueError(
            'A log in shards is split by "last-out", "time" or "next-day"; others number the '
            f"interactions of the log as a whole. Received: split={task.split!r:.80}"
        )

    def task_of(self, shard: Log, end: float | None = None) -> Any:
        """The task on the log of a shard.

        Args:
            shard: The log.
            end: Moment that the ages of training examples count to.
        """
        split = dataclasses.replace(self._split(shard), end=end)
        with allow_idle():  # The shares and the seed have had their effect on the split.
            return dataclasses.replace(self._task, log=shard, split=split)

    @functools.cached_property
    def _totals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """[shards] numbers of rows to train and to test on, [items] of the former; and the end."""
        train, test, ends = [], [], []
        items = np.zeros(len(self.log.items), np.int64)
        for shard in self.log.shards():
            task = self.task_of(shard)
            rows = task.train_rows
            train.append(len(rows))
            test.append(len(task.test_rows))
            items += np.bincount(shard.item_codes[rows], minlength=len(items))
            time = shard.interactions[shard.roles.time].to_numpy(np.float64)[rows]
            ends.append(time.max(initial=-np.inf))
        return np.array(train), np.array(test), items, max(ends)

    @property
    def num_items(self) -> int:
        """Number of items among the interactions that models are trained on."""
        return int((self._totals[2] > 0).sum())

    def examples(self, model: type[RecommenderModel], arguments: Mapping[str, Any]) -> Any:
        """The examples of all shards, as the model reads them.

        Args:
            model: Class of the model.
            arguments: Arguments the model is made with.

        Raises:
            ValueError: If the model learns from the log as a whole.
        """
        task = self._task
        whole_history = model.reads == "history" and model.history_length(arguments) is None
        if model.learns_from_pairs(arguments) or model.takes_all_at_once or whole_history:
            raise ValueError(
                f"{model.__name__} learns from a log as a whole: from a log in shards learn "
                "retrieval models of features, of ids, or of histories of some length, such as "
                "YouTubeRetrieval, TwoTower, SASRec and HSTU. Read the log with `Log.read`, if "
                f"it fits into memory. Received: {self.log!r}"
            )
        train, test, items, end = self._totals
        if not train.sum() or not test.sum():
            raise ValueError(
                f"There must be interactions to train and to test on ({self.protocol}). "
                f"Received: {train.sum()} and {test.sum()}"
            )
        if (items > 0).sum() == 1:
            logger.warning("All interactions are of one item, so that every ranking of it is right")

        def made(part: str, number: int) -> Examples:
            own = self.task_of(self.log.shard(number), end)
            return getattr(own.examples_of_rows(model, arguments), part)

        what = [task.checksum, model.__name__, repr(sorted(arguments.items()))]
        ids = self.log.items[self.log.roles.item].to_numpy()
        # Models of histories make fewer examples of the rows to train on.
        number = np.where(train > 0, -1, 0) if model.reads == "history" else train
        sizes = {"train": number, "test": test}
        of_outline = self.task_of(self.log.outline, end).examples_of_rows(model, arguments)
        parts = {
            part: ShardedExamples(
                functools.partial(made, part), self.log.num_shards, ids, [*what, part], sizes[part]
            )
            for part in sizes
        }
        return dataclasses.replace(of_outline, **parts)


def _sharded(task: Any) -> ShardedLog:
    assert isinstance(task.log, ShardedLog)
    return task.log

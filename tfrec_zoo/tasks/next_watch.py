"""NextWatch: which item of the whole catalogue the user takes next.

Covington, Adams & Sargin (RecSys 2016), §3.4: what a user did is rolled back to before a watch, and
that watch is predicted from the past alone.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from tfrec_zoo.data import (
    Examples,
    Split,
    held_out_watch_examples,
    interaction_examples,
    next_watch_examples,
)
from tfrec_zoo.data.derived import MAX_HISTORY, longest_bag
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need
from tfrec_zoo.tasks.item_task import ItemTask
from tfrec_zoo.tasks.specs import history_spec, next_watch_spec
from tfrec_zoo.tasks.task import INSTEAD_OF_SPEC, NO_FEATURES, TaskExamples


@dataclasses.dataclass(frozen=True)
class NextWatch(ItemTask):
    """Predicts the next item from the past, against every item there is.

    See `ItemTask` for the arguments that are not below, and for what each kind of model reads.

    Args:
        log: The log.
        label: `"future"` predicts a watch from what came before it; `"held-out"` trains on a random
            watch predicted from those around it, as in figure 5a of the paper: it leaks the future.
        examples_per_user: Number of training examples drawn of each user, so that all users weigh
            the same in the loss; None takes every watch.
        min_watch_share: Only what was watched at least this far, weight over the item's `length`,
            is predicted, a completed watch; the history holds the rest as well.
        bags: Sizes of the bags of last watches, each averaged and fed apart.
        last_watched: Whether the last watch is fed apart.
        example_age: Whether the age of the example is fed, which is zero when serving.
        order: Whether the order of the history is fed, and the latest search. If not, the history
            is one bag, the largest of `bags`, and the latest search is withheld, as in the paper.
        moment: Whether the moment of the request is fed: how long ago the last watch was, and how
            many there were before, at most the largest of `bags`; to models of the history alone,
            how long ago each watch was. Requests give `history_age`.
        half_lives: Half-lives, in the log's unit of time, of further means of the largest bag, each
            fed apart: a watch that is a half-life older weighs half as much. Requests give
            `history_age`.

    Example:

    >>> import pandas as pd
    >>> from tfrec_zoo import Log, tasks
    >>> log = Log("mine", pd.DataFrame({"user_id": list("aaabbb"), "item_id": list("xyzxzy"),
    ...                                 "time": range(6)}))
    >>> tasks.NextWatch(log).protocol
    'next watch, leave-last-out, full ranking over the training items'

    References:
        Covington et al., RecSys 2016, §3.4 and figure 5.
    """

    name = "next-watch"
    needs: ClassVar[tuple[Need, ...]] = (
        *ItemTask.needs,
        Need(
            ("last_watched", "profile", "example_age", "half_lives"),
            lambda task: task.spec is None,
            INSTEAD_OF_SPEC,
        ),
        Need(
            ("bags",),
            lambda task: task.spec is None or not longest_bag(task.spec),
            "is for the task's own features: the bags of `spec` say how long they are",
        ),
        Need(
            ("last_watched",),
            lambda task: task.order,
            "says what came last, which order=False withholds: leave one of the two out",
        ),
    )
    needs_of_model: ClassVar[tuple[Need, ...]] = (
        *ItemTask.needs_of_model,
        Need(
            ("bags", "last_watched", "example_age", "order", "half_lives"),
            lambda of: of.reads_features,
            NO_FEATURES,
        ),
        Need(
            ("moment",),
            lambda of: of.reads_features or of.history_length is not None,
            "is for models of features and of sequences; this one reads neither: leave it out",
        ),
    )
    _predicts = "next watch"
    #: Whether it can't do without the order of events.
    _needs_times: ClassVar[bool] = True

    label: Literal["future", "held-out"] = "future"
    examples_per_user: int | None = None
    min_watch_share: float = 0.0
    bags: tuple[int, ...] = (1, 3, 10, MAX_HISTORY)
    last_watched: bool = False
    example_age: bool = True
    order: bool = True
    moment: bool = False
    half_lives: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._needs_times:
            self.log.require_times(f"the task {self.name!r}")
        if not self.bags or min(self.bags) < 1:
            raise ValueError(f"`bags` must hold positive sizes. Received: {self.bags!r}")
        if self.examples_per_user is not None and self.examples_per_user < 1:
            raise ValueError(
                f"`examples_per_user` must be positive. Received: {self.examples_per_user!r}"
            )
        if self.moment or self.half_lives:
            self.log.require_times("how long ago something was")
        if not all(0 < half_life < math.inf for half_life in self.half_lives):
            raise ValueError(
                f"`half_lives` must be positive and finite. Received: {self.half_lives!r}"
            )
        if self.half_lives and not self.order:
            raise ValueError(
                "`half_lives` say what came last: leave them out, or set `order` to True. "
                f"Received: half_lives={self.half_lives!r}, order=False"
            )
        if not 0 <= self.min_watch_share <= 1:
            raise ValueError(
                f"`min_watch_share` must be in 0 … 1. Received: {self.min_watch_share!r}"
            )

    @functools.cached_property
    def rows(self) -> Split:
        """The interactions to train, validate and test on."""
        split = super().rows
        if not self.min_watch_share:
            return split
        is_complete = self._watch_share() >= self.min_watch_share
        train, validation, test = (
            rows[is_complete[rows]] for rows in (split.train, split.validation, split.test)
        )
        return dataclasses.replace(split, train=train, validation=validation, test=test)

    def _watch_share(self) -> np.ndarray:
        r, watches, items = self.log.roles, self.log.interactions, self.log.items
        if r.weight not in watches or "length" not in items:
            raise ValueError(
                f"`min_watch_share` needs interactions with {r.weight!r} and items with 'length'. "
                f"Received columns: {list(watches.columns)} and {list(items.columns)}"
            )
        length = items.set_index(r.item)["length"].reindex(watches[r.item]).to_numpy(np.float64)
        return watches[r.weight].to_numpy(np.float64) / length

    def _details(self) -> list[str]:
        words = []
        if self.min_watch_share:
            words.append(f"watched at least {self.min_watch_share:.0%}")
        if self.label == "held-out":
            words.append("trained on held-out watches (leaks the future)")
        if not self.order:
            words.append("without order")
        if self.examples_per_user:
            words.append(f"{self.examples_per_user} examples per user")
        return [*words, *self._moment_in_words()]

    def _moment_in_words(self) -> list[str]:
        return ["with query time"] if self.moment else []

    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The watches to learn from and to be measured on, as the model reads them."""
        if not self.order and model.history_length(arguments) is not None:
            raise self._refuse(model, "it reads the order of the history. Received: order=False")
        if model.reads != "features" and not (
            self.label == "future" and not self.examples_per_user
        ):
            raise self._refuse(
                model,
                "`label` and `examples_per_user` are for models of features, which learn from "
                "windows of the history: leave them out. Received: "
                f"label={self.label!r}, examples_per_user={self.examples_per_user}",
            )
        return super().examples(model, arguments)

    @property
    def draws(self) -> bool:
        """Whether rows or examples are drawn by the seed."""
        return super().draws or self.label == "held-out" or self.examples_per_user is not None

    def _spec(self, width: int | None, pairs: bool, items: bool) -> FeatureSpec:
        return next_watch_spec(
            self.log,
            bags=self.bags,
            last_watched=self.last_watched,
            profile=self.profile,
            example_age=self.example_age,
            order=self.order,
            embedding_dim=width,
            candidate=pairs or items,
            moment=self.moment,
            half_lives=self.half_lives,
        )

    def _windows(self, pairs: bool) -> tuple[Examples, Examples]:
        longest = (self.spec and longest_bag(self.spec)) or max(self.bags)
        build = next_watch_examples if self.label == "future" else held_out_watch_examples
        train = build(
            self.log,
            self.train_rows,
            longest,
            examples_per_user=self.examples_per_user,
            seed=self.seed,
            last_search=self.order,
            end=self.rows.end,
        )
        test = next_watch_examples(
            self.log, self.test_rows, longest, serving=True, last_search=self.order
        )
        return train, test

    def _choices(self, pairs: bool) -> tuple[Examples, Examples]:
        label: Any = "chosen" if pairs else "item"
        train = interaction_examples(self.log, self.train_rows, label)
        return train, interaction_examples(self.log, self.test_rows, label)

    def _history_spec(self, length: int) -> FeatureSpec:
        return history_spec(self.log, length, ages=self.moment)

    def _test_histories(self, length: int) -> Examples:
        return next_watch_examples(self.log, self.test_rows, length, serving=True)

"""ItemTask: what the tasks of recommending items have in common."""

import abc
import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tfrec_zoo.data import (
    Examples,
    Log,
    NegativeSampling,
    Split,
    before_test,
    interaction_examples,
)
from tfrec_zoo.data.sharded import ShardedLog
from tfrec_zoo.evaluation import Outcomes, evaluate_lists, full_ranking, full_rankings
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need
from tfrec_zoo.tasks.sharded import ShardedTask
from tfrec_zoo.tasks.specs import history_spec, id_spec, longest_history, of_items
from tfrec_zoo.tasks.splits import OF_SHARES, SplitName, make_split
from tfrec_zoo.tasks.task import NO_FEATURES, Task, TaskExamples

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ItemTask(Task):
    """Base of the tasks that hide interactions and rank their items among all there are.

    Retrieval models of features read windows of history, item-to-item models each user's whole
    history once, models of sequences the history in parts of the length that they read, models of
    ids the user and the item; ranking models learn from the same interactions beside negatives.
    All are measured on the same items with the same items masked.

    Args:
        split: How interactions are split: `"last-out"` tests on each user's last one,
            `"random-out"` on a random one, `"time"` on the last part of the log, `"next-day"` on
            its last day, `"random"` on a random part; or a `Split` of one's own. `"auto"` is
            `"last-out"`, and `"random-out"` of a log without times.
        validation_fraction: Share of the interactions to validate on, where the split is by share.
        test_fraction: Share of the interactions to test on, where the split is by share.
        profile: Whether what is known of users (and of candidates) is fed, besides ids.
        negatives: Negatives drawn per interaction, for models that learn from pairs.
        exponent: Negatives are drawn in proportion to (number of interactions)^exponent.
        reject: Whether negatives that the user chose are drawn again, as He et al. (2017) have it.
            Rendle et al. (2020) take them as they come.
        seed: Seed of random splits and of the drawing of examples.
    """

    metric = "hit_rate_at_10"
    needs: ClassVar[tuple[Need, ...]] = (
        OF_SHARES,
        Need(
            ("seed",),
            lambda task: task.draws,
            "is for random splits and for examples that are drawn: leave it out, or give "
            'split="random-out" or "random" (the seed of a training is its own)',
        ),
    )
    needs_of_model: ClassVar[tuple[Need, ...]] = (
        *Task.needs_of_model,
        Need(
            ("negatives", "exponent", "reject"),
            lambda of: of.learns_from_pairs,
            "is for models that learn from pairs; this one learns which of all items was taken: "
            "leave it out",
        ),
        Need(("profile",), lambda of: of.reads_features, NO_FEATURES),
    )
    #: What is predicted, in words.
    _predicts: ClassVar[str]
    #: What the item is ranked among, in words.
    _ranking: ClassVar[str] = "full ranking over the training items"

    split: SplitName | Split = "auto"
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    profile: bool = True
    negatives: int = 4
    exponent: float = 0.0
    seed: int = 0
    reject: bool = dataclasses.field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives < 1:
            raise ValueError(f"`negatives` must be positive. Received: {self.negatives!r}")

    @property
    def draws(self) -> bool:
        """Whether rows or examples are drawn by the seed."""
        if self.split == "auto":
            return not self.log.has_times
        return self.split in ("random", "random-out")

    @functools.cached_property
    def rows(self) -> Split:
        """The interactions to train, validate and test on."""
        return make_split(
            self.log, self.split, self.validation_fraction, self.test_fraction, self.seed
        )

    @property
    def train_rows(self) -> np.ndarray:
        """The interactions that models are trained on."""
        return self.rows.train

    @property
    def test_rows(self) -> np.ndarray:
        """The interactions that models are measured on."""
        return self.rows.test if self.held_out == "test" else self.rows.validation

    @functools.cached_property
    def shards(self) -> ShardedTask | None:
        """What the task makes of the shards of a log; None of a log in memory."""
        return ShardedTask(self) if isinstance(self.log, ShardedLog) else None

    @functools.cached_property
    def num_items(self) -> int:
        """Number of items among the interactions that models are trained on."""
        if self.shards is not None:
            return self.shards.num_items
        return len(np.unique(self.log.item_codes[self.train_rows]))

    @property
    def protocol(self) -> str:
        """What is predicted, how interactions are split, and what is ranked, in words."""
        validation = ["validation items"] if self.held_out == "validation" else []
        split = self.rows if self.shards is None else self.shards
        words = [self._predicts, *validation, split.protocol, *self._details(), self._ranking]
        return ", ".join(words)

    def _details(self) -> list[str]:
        """Further parts of the protocol."""
        return []

    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The interactions to learn from and to be measured on, as the model reads them."""
        if self.shards is not None:
            return self.shards.examples(model, arguments)
        if not len(self.train_rows) or not len(self.test_rows):
            raise ValueError(
                f"There must be interactions to train and to test on ({self.rows.protocol}). "
                f"Received: {len(self.train_rows)} and {len(self.test_rows)}"
            )
        if self.log.interactions[self.log.roles.item].nunique() == 1:
            logger.warning("All interactions are of one item, so that every ranking of it is right")
        return self.examples_of_rows(model, arguments)

    def examples_of_rows(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """What `examples` returns, also where there is nothing to learn from or to be measured on.

        Args:
            model: Class of the model.
            arguments: Arguments the model is made with.
        """
        if model.reads == "history":
            return self._histories(model.history_length(arguments))
        pairs = model.learns_from_pairs(arguments)
        sampling = NegativeSampling(self.negatives, self.exponent, self.reject)
        negatives = sampling if pairs else None
        if model.reads == "ids":
            return TaskExamples(*self._choices(pairs), id_spec(self.log), negatives)
        width = model.input_width(arguments)
        spec = self.spec or self._spec(width, pairs, model.reads_items)
        if self.spec is None and model.reads_items:
            spec = of_items(spec)
        windows = self._windows(pairs)
        return TaskExamples(
            *windows,
            spec,
            negatives,
            is_guessed=self.spec is None,
            reads_items=model.reads_items,
        )

    @abc.abstractmethod
    def _spec(self, width: int | None, pairs: bool, items: bool) -> FeatureSpec:
        """The features of a model that reads features.

        Args:
            width: Width of the embeddings of ids.
            pairs: Whether it reads the user and the item of each example.
            items: Whether it reads what is known of all items.
        """

    @abc.abstractmethod
    def _windows(self, pairs: bool) -> tuple[Examples, Examples]:
        """Training and test examples with features."""

    @abc.abstractmethod
    def _choices(self, pairs: bool) -> tuple[Examples, Examples]:
        """Training and test examples of ids."""

    @abc.abstractmethod
    def _test_histories(self, length: int) -> Examples:
        """Test examples with the history alone, of so many last items."""

    def _histories(self, length: int | None) -> TaskExamples:
        """Training examples with the training items of each user once, and test examples.

        Args:
            length: Number of last items that a history holds. A longer one is cut into several
                examples; None keeps it whole.
        """
        size = length or longest_history(self.log)
        ends = self._ends_of_histories(length)
        train = interaction_examples(
            self.log, ends, "item", known=self.train_rows, max_history=size, before=True
        )
        return TaskExamples(train, self._test_histories(size), self._history_spec(size))

    def _history_spec(self, length: int) -> FeatureSpec:
        """The history, of so many last items."""
        return history_spec(self.log, length)

    def measure(
        self,
        model: RecommenderModel,
        examples: Examples,
        brief: bool = False,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """Hit rate, NDCG, MAP and coverage, with the items seen before masked, and with them kept.

        Args:
            model: A model trained on this task.
            examples: The test examples in the form that it reads.
            brief: Whether to leave out the metrics with seen items kept.
            outcomes: Where the ranks with seen items masked are kept, if anywhere.
        """
        if brief:
            return full_ranking(model, examples, outcomes=outcomes)
        metrics, kept = full_rankings(model, examples, masks={True: outcomes, False: None})
        return {**metrics, **{f"{name}_seen_kept": value for name, value in kept.items()}}

    @functools.cached_property
    def split_of_lists(self) -> Split:
        """What was known when lists were made, `train` and `validation`, and is to be found.

        Raises:
            ValueError: If the log is in shards, each of which has numbers of its own.
        """
        if self.shards is not None:
            raise ValueError(
                "Lists are made and measured of a log in memory: read it with `Log.read`. "
                f"Received: {self.log!r}"
            )
        validation = self.rows.validation if self.held_out == "test" else np.empty(0, np.int64)
        return dataclasses.replace(
            self.rows, train=self.train_rows, validation=validation, test=self.test_rows
        )

    @property
    def before_test(self) -> Log:
        """The log as it is known before the test part: what lists are to be made of."""
        return before_test(self.log, self.split_of_lists)

    def evaluate_lists(
        self,
        lists: pd.DataFrame,
        ks: Sequence[int] = (10,),
        attributes: Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Measures lists that anyone made on the test items, beyond accuracy as well.

        Args:
            lists: A row per recommendation: user, item and `rank` from 1.
            ks: Lengths of the lists that are evaluated.
            attributes: Columns of the items by which they are alike, for diversity.

        See `tfrec_zoo.evaluation.evaluate_lists` for the metrics, and for what is refused.
        """
        return evaluate_lists(lists, self.log, self.split_of_lists, ks, attributes)

    def frequencies(self) -> tuple[np.ndarray, np.ndarray] | None:
        """How often the user and the item of each test example are among the training examples.

        Returns:
            Two arrays, [examples] each; None of a log in shards.
        """
        if self.shards is not None:
            return None
        found = []
        for codes in (self.log.user_codes, self.log.item_codes):
            counts = np.bincount(codes[self.train_rows], minlength=codes.max() + 1)
            found.append(counts[codes[np.sort(self.test_rows)]])
        return found[0], found[1]

    def _ends_of_histories(self, length: int | None) -> np.ndarray:
        """Training rows whose histories of a length hold every training row, the last among them.

        Args:
            length: Number of training rows before each of them that are its history; None for all.
        """
        user = self.log.user_codes[self.train_rows]
        if not len(user):
            return self.train_rows
        is_last = np.append(user[1:] != user[:-1], True)
        if length is None:
            return self.train_rows[is_last]
        is_first = np.append(True, is_last[:-1])
        last = np.flatnonzero(is_last)[np.cumsum(is_first) - 1]
        is_end = (last - np.arange(len(user))) % length == 0
        # Before a user's first row there is nothing to learn from, if there is another row.
        return self.train_rows[is_end & (is_last | ~is_first)]

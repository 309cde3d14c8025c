"""Choice: who takes what, whatever the order."""

import dataclasses
from typing import Any

import numpy as np

from tfrec_zoo.data import Examples, interaction_examples
from tfrec_zoo.data.derived import MAX_HISTORY
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.needs import Need
from tfrec_zoo.tasks.item_task import ItemTask
from tfrec_zoo.tasks.specs import choice_spec, next_watch_spec


@dataclasses.dataclass(frozen=True)
class Choice(ItemTask):
    """Predicts which items a user takes from all others that the user took, in no order.

    What is known of a user is the set of the training interactions, so that this task also suits
    logs whose order says nothing, with the splits `"random-out"` and `"random"`. Ranking models of
    features read the ids and columns of users and items. See `ItemTask` for the arguments.

    Args:
        log: The log.
        max_history: Size of the bag of other items, for models that read features.
    """

    name = "choice"
    needs_of_model = (
        *ItemTask.needs_of_model,
        Need(
            ("max_history",),
            lambda of: of.reads_features and (of.options["spec"] or not of.learns_from_pairs),
            "is for models that read the bag of the other items: leave it out",
        ),
    )
    _predicts = "choice"

    max_history: int = MAX_HISTORY

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_history < 1:
            raise ValueError(f"`max_history` must be positive. Received: {self.max_history!r}")

    @property
    def known(self) -> np.ndarray:
        """The interactions that are known of the users when models are measured."""
        if self.held_out == "validation":
            return self.train_rows
        return np.union1d(self.rows.train, self.rows.validation)

    def _spec(self, width: int | None, pairs: bool, items: bool) -> FeatureSpec:
        if pairs:
            return choice_spec(self.log, width, self.profile)
        return next_watch_spec(
            self.log,
            bags=(self.max_history,),
            profile=self.profile,
            embedding_dim=width,
            candidate=items,
        )

    def _windows(self, pairs: bool) -> tuple[Examples, Examples]:
        return self._built(self.train_rows, self.max_history, "chosen" if pairs else "item")

    def _choices(self, pairs: bool) -> tuple[Examples, Examples]:
        return self._built(self.train_rows, 1, "chosen" if pairs else "item")

    def _test_histories(self, length: int) -> Examples:
        return self._test(length, "item")

    def _built(self, train: np.ndarray, length: int, label: Any) -> tuple[Examples, Examples]:
        known = self.train_rows
        return (
            interaction_examples(self.log, train, label, known, length),
            self._test(length, label),
        )

    def _test(self, length: int, label: Any) -> Examples:
        return interaction_examples(self.log, self.test_rows, label, self.known, length)

"""Ratings: how many stars a user gives an item, by the root mean squared error.

Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems", Computer 2009.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from tfrec_zoo.data import Examples, Log, Split, interaction_examples
from tfrec_zoo.evaluation import Outcomes, predict
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need
from tfrec_zoo.tasks.specs import choice_spec, id_spec
from tfrec_zoo.tasks.splits import OF_SHARES, SplitName, make_split
from tfrec_zoo.tasks.task import INSTEAD_OF_SPEC, NO_FEATURES, Task, TaskExamples


@dataclasses.dataclass(frozen=True)
class Ratings(Task):
    """Predicts ratings, or any other weight of an interaction.

    What is chosen, such as the number of epochs, is chosen on the validation ratings, with which
    the model is then trained again. The random split, as in most published numbers, leaks the
    future; it is the same for every seed of training.

    Args:
        log: The log.
        label: Column of the rating in `log.interactions`; by default the weight.
        split: Name of the split, or a `Split` of one's own; see `make_split`.
        validation_fraction: Share of the ratings to validate on.
        test_fraction: Share of the ratings to test on.
        profile: Whether the columns of users and items are fed besides ids.
        seed: Seed of the random split.
    """

    name = "ratings"
    metric = "rmse"
    needs = (
        OF_SHARES,
        Need(
            ("seed",),
            lambda task: (
                task.split in ("random", "random-out")
                or (task.split == "auto" and not task.log.has_times)
            ),
            "is for random splits: leave it out (the seed of a training is its own)",
        ),
        Need(("profile",), lambda task: task.spec is None, INSTEAD_OF_SPEC),
    )
    needs_of_model = (
        *Task.needs_of_model,
        Need(("profile",), lambda of: of.reads_features, NO_FEATURES),
    )
    refits = True

    label: str | None = None
    split: SplitName | Split = "random"
    validation_fraction: float = 0.08
    test_fraction: float = 0.2
    profile: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label is not None and self.label not in self.log.interactions:
            raise ValueError(
                "`label` must be a column of `interactions`, one of "
                f"{list(self.log.interactions.columns)}. Received: {self.label!r}"
            )

    @functools.cached_property
    def rated(self) -> Log:
        """The log with the rating as its weight."""
        if self.label is None:
            return self.log
        roles = dataclasses.replace(self.log.roles, weight=self.label)
        return dataclasses.replace(self.log, roles=roles)

    @functools.cached_property
    def rows(self) -> Split:
        """The interactions to train, validate and test on."""
        return make_split(
            self.log, self.split, self.validation_fraction, self.test_fraction, self.seed
        )

    @functools.cached_property
    def parts(self) -> tuple[Examples, Examples]:
        """Ratings to train on and to be measured on."""
        rows = self.rows
        if self.held_out == "validation":
            both = rows.train, rows.validation
        else:
            both = np.union1d(rows.train, rows.validation), rows.test
        if not len(both[0]) or not len(both[1]):
            raise ValueError(
                f"There must be ratings to train and to test on ({rows.protocol}). "
                f"Received: {len(both[0])} and {len(both[1])}"
            )
        train, test = (interaction_examples(self.rated, part, "weight") for part in both)
        return train, test

    @property
    def protocol(self) -> str:
        """Label and split, in words."""
        label = f" of {self.label!r}" if self.label else ""
        part = ", validation ratings" if self.held_out == "validation" else ""
        return f"ratings{label}{part}, {self.rows.protocol}, seed {self.seed}, RMSE"

    def arguments(self, model: type[RecommenderModel]) -> Mapping[str, Any]:
        """What makes the model predict ratings."""
        if "rating" not in model.arguments_to_predict:
            raise self._refuse(model, "it predicts no ratings")
        return model.arguments_to_predict["rating"]

    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The ratings, with ids alone for models that read ids."""
        if model.reads == "ids" or not self.profile:
            spec = id_spec(self.log)
        else:
            spec = choice_spec(self.log, model.input_width(arguments))
        spec = self.spec or spec if model.reads == "features" else spec
        return TaskExamples(*self.parts, spec, is_guessed=self.spec is None)

    def measure(
        self,
        model: RecommenderModel,
        examples: Examples,
        brief: bool = False,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """Root mean squared and mean absolute error.

        Args:
            model: A model trained on this task.
            examples: The test examples.
            brief: Makes no difference: both are cheap.
            outcomes: Where predictions are kept, if anywhere.
        """
        predictions = predict(model, examples)
        if outcomes is not None:
            outcomes.predictions, outcomes.labels = predictions, examples.label
        return rating_errors(predictions, examples.label)

    @property
    def baselines(self) -> dict[str, Callable[[], dict[str, float]]]:
        """`damped-means` adds up how far user and item are from the mean."""
        return {"damped-means": self.damped_means}

    def damped_means(self, damping: float = 10.0) -> dict[str, float]:
        """Errors of the mean rating plus the damped deviations of the item, then of the user.

        Args:
            damping: Number of ratings without deviation that are added to each user and item.
        """
        train, test = self.parts
        mean = train.label.mean()
        predictions, rest = np.full(len(test), mean, np.float64), train.label - mean
        for of in (_items, _users):
            codes, test_codes = of(train), of(test)
            size = max(codes.max(), test_codes.max()) + 1
            number = np.bincount(codes, minlength=size) + damping
            deviation = np.bincount(codes, rest, size) / number
            rest = rest - deviation[codes]
            predictions += deviation[test_codes]
        return rating_errors(predictions, test.label)


def rating_errors(predictions: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Root mean squared and mean absolute error of [examples] predictions."""
    errors = predictions - label
    return {
        "rmse": float(np.sqrt(np.mean(np.square(errors)))),
        "mae": float(np.mean(np.abs(errors))),
    }


def _users(examples: Examples) -> np.ndarray:
    assert examples.groups is not None
    return examples.groups


def _items(examples: Examples) -> np.ndarray:
    assert examples.candidates is not None
    return examples.candidates.index

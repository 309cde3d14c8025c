"""Clicks: whether an impression is clicked, or a rating is a like.

The protocol of Song et al., "AutoInt" (CIKM 2019), §5.1: labels above a threshold are positives,
those that equal it are dropped, and the rest is split 8:1:1 at random.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from tfrec_zoo.data import Examples, Log, labelled_examples
from tfrec_zoo.evaluation import Outcomes, pointwise_metrics, predict, predict_recorded
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need
from tfrec_zoo.tasks.impressions import with_impressions
from tfrec_zoo.tasks.specs import click_spec, id_spec
from tfrec_zoo.tasks.task import INSTEAD_OF_SPEC, NO_FEATURES, Task, TaskExamples

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Clicks(Task):
    """Predicts the probability of a click, or that a rating is above a threshold.

    Training ends when the AUC on the validation examples has not risen for two epochs, with the
    weights of the best. A log with neither impressions nor weights gets sampled impressions.

    Args:
        log: The log; its impressions are taken if it has any, else its interactions.
        label: Column of the label; by default whether an impression was chosen, or the weight of an
            interaction, such as a rating.
        threshold: Labels above it are positives, labels below it negatives; by default 0.5 for
            impressions and 3 for ratings.
        ids: Whether the ids of users and items are fed; if not, the time of the event is.
        profile: Whether the other columns of users and items are fed.
        crosses: Number of combinations kept of each category of the user with each category of the
            item; None crosses nothing.
        split: `"random"`, as in the published numbers, leaks the future; `"time"` tests on the last
            part.
        validation_fraction: Share of the examples to validate on.
        test_fraction: Share of the examples to test on.
        negatives: Sampled impressions per interaction, where the log has no labels at all.
        count: Which examples count towards the vocabularies of items and their columns, the
            `"clicked"` or all that were `"shown"`; by default the clicked of impressions, and all
            of ratings.
        seed: Seed of the random split and of sampled impressions.

    References:
        Song et al., CIKM 2019, §5.1.
    """

    name = "clicks"
    metric = "auc"
    training = MappingProxyType({"plateau": 0.2})
    needs = (
        Need(("ids", "profile", "crosses"), lambda task: task.spec is None, INSTEAD_OF_SPEC),
        Need(
            ("negatives",),
            lambda task: task.is_sampled,
            "is for a log without labels, whose impressions are sampled: leave it out",
        ),
        Need(
            ("seed",),
            lambda task: task.is_sampled or task.split == "random",
            "is for random splits and sampled impressions: leave it out (the seed of a training "
            "is its own)",
        ),
    )
    needs_of_model = (
        *Task.needs_of_model,
        Need(("ids", "profile", "crosses"), lambda of: of.reads_features, NO_FEATURES),
    )

    label: str | None = None
    threshold: float | None = None
    ids: bool = True
    profile: bool = True
    crosses: int | None = None
    split: Literal["random", "time"] = "random"
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    negatives: int = 4
    count: Literal["clicked", "shown"] | None = None
    seed: int = 0
    patience: int | None = dataclasses.field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.validation_fraction, self.test_fraction
        if min(shares) <= 0 or sum(shares) >= 1:
            raise ValueError(
                "`validation_fraction` and `test_fraction` must be positive and sum to less than "
                f"1. Received: {shares[0]}, {shares[1]}"
            )
        if self.split == "time":
            self.log.require_times("a split by time")
        if self.negatives < 1:
            raise ValueError(f"`negatives` must be positive. Received: {self.negatives!r}")
        if self.crosses is not None and self.crosses < 1:
            raise ValueError(f"`crosses` must be positive. Received: {self.crosses!r}")

    @property
    def is_sampled(self) -> bool:
        """Whether the log has no labels, so that impressions are sampled."""
        has_weights = self.log.roles.weight in self.log.interactions
        return not (self.label or self.log.impressions is not None or has_weights)

    @functools.cached_property
    def _labelled(self) -> tuple[Log, bool]:
        """The log that has the labels, and whether its impressions are sampled."""
        if not self.is_sampled:
            return self.log, False
        return with_impressions(self.log, self.negatives, self.seed), True

    @functools.cached_property
    def parts(self) -> tuple[Examples, Examples, Examples]:
        """Examples to train, to validate and to test on."""
        log, _ = self._labelled
        examples = labelled_examples(log, self.label, self.threshold, self.count)
        if self.split == "random":
            order = np.random.default_rng(self.seed).permutation(len(examples))
        else:
            time = examples.raw([log.roles.time])[log.roles.time]
            order = np.argsort(time, kind="stable")
            if time[order[0]] == time[order[-1]]:
                raise ValueError(
                    "Nothing precedes the test examples, because all are of one instant: "
                    f'take split="random". Received: {len(time)} examples of time {time[0]:g}'
                )
        shares = (1 - self.validation_fraction - self.test_fraction, 1 - self.test_fraction)
        cuts = [int(len(order) * share + 1e-9) for share in shares]
        train, validation, test = (examples.take(np.sort(part)) for part in np.split(order, cuts))
        if not (len(train) and len(validation) and len(test)):
            raise ValueError(
                "There must be examples to train, to validate and to test on. "
                f"Received: {len(train)}, {len(validation)} and {len(test)}"
            )
        for name, part in (("train", train), ("validate", validation), ("test", test)):
            is_positive = part.label > 0
            if is_positive.all() or not is_positive.any():
                kind = "positive" if is_positive.all() else "negative"
                logger.warning("All %d examples to %s on are %s", len(part), name, kind)
        return train, validation, test

    @property
    def protocol(self) -> str:
        """Labels, split and sizes, in words."""
        label = f" of {self.label!r}" if self.label else ""
        words = [f"clicks{label}"]
        if self._labelled[1]:
            words.append(f"sampled impressions with {self.negatives} negatives of seed {self.seed}")
        if self.split == "random":
            words.append(f"random split of seed {self.seed} (leaks the future)")
        else:
            words.append(f"by time, last {self.test_fraction:g}")
        words.append("/".join(str(len(part)) for part in self.parts) + " examples")
        if self.held_out == "validation":
            words.append("validation examples")
        return ", ".join(words)

    @functools.cached_property
    def _validating(self) -> "Clicks":
        task = dataclasses.replace(self, held_out="validation")
        # They are the same parts: the log is read once.
        task.__dict__.update(_labelled=self._labelled, parts=self.parts)
        return task

    def arguments(self, model: type[RecommenderModel]) -> Mapping[str, Any]:
        """What makes the model predict probabilities."""
        if model.reads == "history" or "probability" not in model.arguments_to_predict:
            raise self._refuse(model, "it predicts no probability of a click")
        return model.arguments_to_predict["probability"]

    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The labelled examples, with ids alone for models that read ids."""
        train = self.parts[0]
        log, _ = self._labelled
        if model.reads == "ids":
            spec = id_spec(log)
        else:
            spec = self.spec or click_spec(log, self.ids, self.profile, self.crosses)
        test = self._measured.as_served(spec)
        return TaskExamples(train, test, spec, is_guessed=self.spec is None)

    @property
    def _measured(self) -> Examples:
        """The examples to be measured on."""
        return self.parts[2 if self.held_out == "test" else 1]

    def measure(
        self,
        model: RecommenderModel,
        examples: Examples,
        brief: bool = False,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """AUC, log loss, and AUC within users (GAUC).

        Examples are ordered as they would be served; the log loss is of the positions that were
        shown, if there are any, as the labels are.

        Args:
            model: A model trained on this task.
            examples: The test examples.
            brief: Makes no difference: all are cheap.
            outcomes: Where probabilities of the positions that were shown are kept, if anywhere.
        """
        predictions = predict(model, examples)
        recorded = predict_recorded(model, examples, predictions)
        if outcomes is not None:
            outcomes.predictions, outcomes.labels = recorded, examples.label
        return click_metrics(predictions, examples, recorded)

    @property
    def baselines(self) -> dict[str, Callable[[], dict[str, float]]]:
        """`item-rates` knows the item alone: its share of positives."""
        return {"item-rates": self.item_rates}

    def item_rates(self, damping: float = 10.0) -> dict[str, float]:
        """Metrics of the share of positives of each item, damped towards the mean of all.

        Args:
            damping: Number of examples of the mean that are added to each item.
        """
        train, test = self.parts[0], self._measured
        index = [part.candidates.index for part in (train, test) if part.candidates is not None]
        size = max(part.max() for part in index) + 1
        positives = np.bincount(index[0], train.label, size)
        shown = np.bincount(index[0], minlength=size)
        rate = (positives + damping * train.label.mean()) / (shown + damping)
        return click_metrics(rate[index[1]], test, rate[index[1]])


def click_metrics(
    predictions: np.ndarray, examples: Examples, recorded: np.ndarray
) -> dict[str, float]:
    """AUC and AUC within users (GAUC) of [examples] predictions, log loss of `recorded` ones."""
    from sklearn.metrics import log_loss  # Few need it, and it takes long to import.

    found = pointwise_metrics(predictions, examples.label, examples.groups)
    loss = float(log_loss(examples.label, recorded.astype(np.float64), labels=[0, 1]))
    return {"auc": found["auc"], "logloss": loss, "gauc": found["gauc"]}

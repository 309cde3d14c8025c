"""WatchTime: what an impression is worth, such as the seconds that are watched of it.

Covington, Adams & Sargin (RecSys 2016), §4.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from tfrec_zoo.data import Examples, Log, Split, impression_examples, next_watch_examples
from tfrec_zoo.data.derived import MAX_HISTORY
from tfrec_zoo.data.nominated import NOMINATED, nominations_of_examples
from tfrec_zoo.evaluation import (
    Outcomes,
    by_fold,
    nominate,
    pointwise_metrics,
    predict,
    predict_recorded,
    scores_and_ranks,
    watch_time_metrics,
)
from tfrec_zoo.features import Vocabulary
from tfrec_zoo.models import RecommenderModel, RetrievalModel
from tfrec_zoo.needs import Need
from tfrec_zoo.tasks.impressions import with_impressions
from tfrec_zoo.tasks.specs import id_spec, impression_spec
from tfrec_zoo.tasks.task import NO_FEATURES, Task, TaskExamples
from tfrec_zoo.tasks.watch_time_baselines import mean_baselines


@dataclasses.dataclass(frozen=True)
class WatchTime(Task):
    """Predicts what impressions were worth: their weight where they were chosen, else zero.

    A log without impressions gets sampled ones, each interaction beside items that were not chosen;
    the protocol says so. What they can teach is what a user picks, not what they would click where.

    Args:
        log: The log.
        split: `"time"` tests on the impressions of the last part of the log. For sampled
            impressions a `Split` of the interactions that they were sampled for.
        validation_fraction: Share of the impressions before the test to validate on.
        test_fraction: Share of the impressions to test on.
        test_from: Time from which on to test, instead of a share.
        sources: Trained retrieval models by name, as a `Funnel` has them. Which of them nominated a
            candidate is fed, and the score and the rank that each gives it; they nominate the
            sampled impressions.
        fold_models: For each of the sources, by name, retrieval models that were each trained
            without the users of one fold, as `train_folds` makes them. What is trained on is scored
            and nominated by the model that doesn't know its user's watches, as what is asked for is
            still to come; by the source itself, which was trained on them, where there are none.
        num_candidates: Number of items that each source nominates, as in the funnel.
        max_history: Bag size of the history.
        negatives: Sampled impressions per interaction.
        count: Which impressions count towards the vocabularies of items and their columns: the
            `"clicked"`, as in the paper, or all that were `"shown"`.
        seed: Seed of the sampled impressions.

    References:
        Covington et al., RecSys 2016, §4.1 and table 1.
    """

    name = "watch-time"
    metric = "weighted_per_user_loss"
    refits = True
    needs = (
        Need(
            ("negatives", "seed"),
            lambda task: task.is_sampled,
            "is for a log without impressions, which are sampled: leave it out (the seed of a "
            "training is its own)",
        ),
        Need(
            ("validation_fraction", "test_fraction", "test_from"),
            lambda task: task.split == "time",
            "is for the split by time: `split` says it already",
        ),
        Need(
            ("test_fraction",),
            lambda task: task.test_from is None,
            "is in place of `test_from`: leave one of the two out",
        ),
        Need(
            ("num_candidates",),
            lambda task: bool(task.sources),
            "is for `sources`, which nominate candidates: give both",
        ),
    )
    needs_of_model = (
        *Task.needs_of_model,
        Need(("max_history",), lambda of: of.reads_features, NO_FEATURES),
    )

    split: Literal["time"] | Split = "time"
    validation_fraction: float = 0.1
    test_fraction: float = 0.15
    test_from: float | None = None
    sources: Mapping[str, RetrievalModel] | None = None
    fold_models: Mapping[str, tuple[RetrievalModel, ...]] | None = None
    num_candidates: int = NOMINATED
    max_history: int = MAX_HISTORY
    negatives: int = 4
    count: Literal["clicked", "shown"] = "clicked"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.log.require_times(f"the task {self.name!r}")
        for name in ("max_history", "negatives", "num_candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be positive. Received: {getattr(self, name)!r}")
        for name in ("validation_fraction", "test_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be between 0 and 1. Received: {getattr(self, name)!r}"
                )
        if isinstance(self.split, Split) and not self.is_sampled:
            raise ValueError(
                "A Split of interactions needs a log without impressions, which are sampled for "
                f"interactions. Received a log {self.log.name!r} with impressions"
            )
        if self.fold_models and set(self.fold_models) != set(self.sources or {}):
            raise ValueError(
                "`fold_models` score what is trained on, and `sources` what is asked for: give "
                f"both, by the same names. Received: fold_models of {sorted(self.fold_models)}, "
                f"sources {sorted(self.sources or {})}"
            )
        if self.fold_models and self.is_sampled and not isinstance(self.split, Split):
            raise ValueError(
                "`fold_models` nominate for the interactions that are trained on: give the `split` "
                f"that says which. Received: {self.split!r}"
            )

    @property
    def is_sampled(self) -> bool:
        """Whether the impressions are sampled."""
        return self.log.impressions is None

    @functools.cached_property
    def shown(self) -> Log:
        """The log with impressions."""
        if not self.is_sampled:
            return self.log
        rows = nominated = None
        if isinstance(self.split, Split):
            parts = (self.split.train, self.split.validation, self.split.test)
            rows = np.unique(np.concatenate(parts))
        if self.sources:
            rows = np.arange(len(self.log.interactions)) if rows is None else rows
            is_train = np.zeros(len(rows), bool)
            if isinstance(self.split, Split):
                is_train = np.isin(rows, self.split.train)
            watches = next_watch_examples(self.log, rows)

            def nominations(retrieval: RetrievalModel, part: np.ndarray) -> np.ndarray:
                return nominate(retrieval, watches.take(part), self.num_candidates)

            found = self._by_source(nominations, watches.groups, is_train)
            nominated = np.concatenate([*found.values()], axis=1)
        return with_impressions(self.log, self.negatives, self.seed, nominated, rows)

    def _by_source(
        self,
        evaluated: Callable[[RetrievalModel, np.ndarray], np.ndarray],
        users: Any,
        is_train: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """What each source and positions of examples evaluate to, by the source's name.

        Examples that are trained on are evaluated out of fold.
        """
        train, rest = np.flatnonzero(is_train), np.flatnonzero(~is_train)
        results = {}
        for name, source in (self.sources or {}).items():
            if not self.fold_models or not len(train):
                results[name] = evaluated(source, np.arange(len(is_train)))
                continue
            found = by_fold(
                self.fold_models[name],
                lambda model, part: evaluated(model, train[part]),
                users[train],
            )
            results[name] = np.empty((len(is_train), *found.shape[1:]), found.dtype)
            results[name][train] = found
            if len(rest):
                results[name][rest] = evaluated(source, rest)
        return results

    @functools.cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The impressions to train on and to be measured on."""
        impressions = self.shown.impressions
        assert impressions is not None
        if isinstance(self.split, Split):
            # A page of sampled impressions is a row of the interactions.
            page = impressions[self.log.roles.page].to_numpy()
            train, test = self.split.train, self.split.test
            if self.held_out == "validation":
                test = self.split.validation
            train, test = (np.flatnonzero(np.isin(page, part)) for part in (train, test))
        else:
            time = impressions[self.log.roles.time].to_numpy()
            cut = (
                _last_share(time, self.test_fraction) if self.test_from is None else self.test_from
            )
            end = np.inf
            if self.held_out == "validation":
                end, cut = cut, _last_share(time[time < cut], self.validation_fraction)
            train, test = np.flatnonzero(time < cut), np.flatnonzero((time >= cut) & (time < end))
        if not len(train) or not len(test):
            raise ValueError(
                "There must be impressions before the test ones, to train on, and test ones. "
                f"Received: {len(train)} to train on and {len(test)} to test on"
            )
        return train, test

    @property
    def protocol(self) -> str:
        """Whether impressions are sampled, and how they are split, in words."""
        if isinstance(self.split, Split):
            words = [self.split.protocol]
        elif self.test_from is None:
            words = [f"impressions by time, last {self.test_fraction:g}"]
        else:
            words = [f"impressions by time, from {self.test_from:.0f}"]
        if self.is_sampled:
            by = f" nominated by {' and '.join(self.sources)}" if self.sources else ""
            words.append(
                f"sampled impressions with {self.negatives} negatives{by} of seed {self.seed}"
            )
        if self.fold_models:
            number = len(next(iter(self.fold_models.values())))
            words.append(f"nominations out of {number} folds of users")
        if self.held_out == "validation":
            words.append("validation impressions")
        return ", ".join(words)

    @functools.cached_property
    def _validating(self) -> "WatchTime":
        task = dataclasses.replace(self, held_out="validation")
        task.__dict__["shown"] = self.shown
        return task

    def arguments(self, model: type[RecommenderModel]) -> Mapping[str, Any]:
        """What makes the model predict watch times, or else clicks."""
        meanings = model.arguments_to_predict
        if model.family != "ranking" or not {"watch time", "probability"} & set(meanings):
            raise self._refuse(model, "it ranks no impressions")
        return meanings.get("watch time", meanings.get("probability", {}))

    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The impressions, with ids alone for models that read ids."""
        spec = self.spec or impression_spec(
            self.shown,
            self.max_history,
            sources=tuple(self.sources or ()),
            # Sampled impressions were never shown.
            previous_impressions=not self.is_sampled,
            embedding_dim=model.input_width(arguments),
        )
        if model.reads == "ids":
            spec = id_spec(self.log)
        train, test = (
            self._nominated(rows, is_train)
            for rows, is_train in zip(self.rows, (True, False), strict=True)
        )
        return TaskExamples(
            train,
            test.as_served(spec),
            spec,
            vocabularies=self._vocabularies,
            is_guessed=self.spec is None,
        )

    @property
    def _vocabularies(self) -> dict[str, Vocabulary]:
        """The items of the sources: both stages know the same."""
        if not self.sources:
            return {}
        first = next(iter(self.sources.values()))
        space = first.item_column.space
        return {space: first.features.vocabularies[space]}

    def _nominated(self, rows: np.ndarray, is_train: bool) -> Examples:
        """Impressions with what the sources make of them."""
        examples = impression_examples(
            self.shown, rows, max_history=self.max_history, count=self.count
        )
        if not self.sources:
            return examples
        r, shown = self.log.roles, self.shown.impressions
        assert shown is not None
        users = pd.Index(self.log.users[r.user]).get_indexer(shown[r.user].to_numpy()[rows])
        # What was shown to a user at one moment is one request.
        moments = pd.factorize(shown[r.time].to_numpy()[rows])[0]
        requests = users * np.int64(len(rows) + 1) + moments

        def judged(retrieval: RetrievalModel, part: np.ndarray) -> np.ndarray:
            own, of_request = examples.take(part), requests[part]
            return scores_and_ranks(retrieval, own, of_request, self.num_candidates)

        found = self._by_source(judged, users, np.full(len(rows), is_train))
        return examples.with_features(
            nominations_of_examples(
                {name: values[:, 1] for name, values in found.items()},
                {name: values[:, 0] for name, values in found.items()},
            )
        )

    def measure(
        self,
        model: RecommenderModel,
        examples: Examples,
        brief: bool = False,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """AUC, AUC within pages (GAUC), weighted per-user loss, and errors of watch times.

        A model that predicts watch times, and no probabilities, has a `bias`, a mean absolute error
        `mae`, in seconds if that is what impressions are worth, and `xauc`, the share of pairs in
        the right order.
        On the simulator, whose true expected watch times are known, `bias_to_truth` and the means
        of predictions and truth by tenths of the predictions, too. Examples are ordered as they
        would be served; biases and errors are of the positions that were shown, as labels and truth
        are.

        Args:
            model: A model trained on this task.
            examples: The test examples.
            brief: Makes no difference: all are cheap.
            outcomes: Where predictions of the positions that were shown are kept, if anywhere,
                beside the watch times or, on the simulator, their true expectations.
        """
        predictions = predict(model, examples)
        recorded = predict_recorded(model, examples, predictions)
        metrics = pointwise_metrics(predictions, examples.label, examples.groups, recorded)
        truth, predicted = self._truth(), examples.label
        if model.predicts != "watch time":
            del metrics["bias"]  # Probabilities are no watch times.
            predicted = examples.label > 0
        else:
            metrics.update(watch_time_metrics(predictions, examples.label, recorded))
            if truth is not None:
                metrics.update(calibration(recorded, truth))
                predicted = truth
        if outcomes is not None:
            outcomes.predictions, outcomes.labels = recorded, predicted
        return metrics

    def _truth(self, column: str = "true_watch_time") -> Any:
        """The true expectations of the test impressions; None where nobody knows them."""
        impressions = self.shown.impressions
        if impressions is None or column not in impressions:
            return None
        return impressions[column].to_numpy()[self.rows[1]]

    @property
    def baselines(self) -> dict[str, Callable[[], dict[str, float]]]:
        """`mean`, `median`, `item-means`, `duration-means`; on the simulator `truth`, the bound."""
        found = mean_baselines(self)
        return found if self._truth() is None else {**found, "truth": self.truth}

    def truth(self) -> dict[str, float]:
        """Metrics of the true expected watch time as the prediction.

        `bias_of_odds` is the bias of the paper's odds, E[T] / (1 − P), if they were learned
        perfectly.
        """
        true = self._truth()
        test = impression_examples(self.shown, self.rows[1], max_history=1)
        metrics = pointwise_metrics(true, test.label, test.groups)
        metrics.update(watch_time_metrics(true, test.label))
        odds = true / (1 - self._truth("true_click_probability"))
        return {**metrics, "bias_of_odds": float(odds.sum() / true.sum() - 1)}


def _last_share(time: np.ndarray, share: float) -> float:
    """The moment at which the last share of events begins."""
    return float(np.quantile(time, 1 - share)) if len(time) else np.inf


def calibration(predictions: np.ndarray, truth: np.ndarray, buckets: int = 10) -> dict[str, float]:
    """Predictions against truth, overall and by tenths of the predictions, lowest first."""
    order = np.argsort(predictions)
    result = {"bias_to_truth": float(predictions.sum() / truth.sum() - 1)}
    for i, part in enumerate(np.array_split(order, buckets)):
        result[f"predicted_{i}"] = float(predictions[part].mean())
        result[f"true_{i}"] = float(truth[part].mean())
    return result

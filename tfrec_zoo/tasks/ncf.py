"""NCF: the latest item of each user among 99 that the user has not chosen.

The protocol of He et al., "Neural Collaborative Filtering" (WWW 2017), §4.1. It flatters, and it
orders models otherwise than a full ranking does (Krichene & Rendle, KDD 2020): report it to compare
with that literature only. The full ranking stands beside it.
"""

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from tfrec_zoo.data import Examples, SampledTest, Split, interaction_examples
from tfrec_zoo.evaluation import Outcomes, full_ranking, sample_negatives, sampled_ranking
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.needs import Need, not_default, refuse_idle
from tfrec_zoo.tasks.choice import Choice
from tfrec_zoo.tasks.next_watch import NextWatch
from tfrec_zoo.tasks.task import TaskExamples


@dataclasses.dataclass(frozen=True)
class NCF(NextWatch):
    """Ranks each user's latest item among 99 others, the authors' own or drawn by a fixed seed.

    Of a log without times it is a random item of each user.

    The number of epochs is that of the best hit rate on each user's latest item but one, after
    which the model is trained again on everything before the test items. The authors' code reports
    the best epoch on the test items instead: `best_on_test` reports that as well. See `ItemTask`
    and `NextWatch` for the arguments that are not below.

    Args:
        log: The log, or what `read_ncf` read of the authors' files.
        others: [test rows, n] rows of `log.items` to rank the test items among; by default those of
            the authors' files, or 99 drawn with seed 0.
        best_on_test: Whether to measure the test items after each epoch, training on past the
            chosen epoch while they get better, and to report the best epoch beside the chosen one.

    References:
        He et al., WWW 2017, §4.1; the rule of both epochs: Ferrari Dacrema et al., TOIS 2021.
    """

    name = "ncf"
    metric = "sampled_hit_rate_at_10"
    refits = True
    training = MappingProxyType({"decay": False, "optimizer": "lazy_adam", "learning_rate": 0.001})
    needs = (
        *NextWatch.needs,
        Need(
            ("label", "examples_per_user", "last_watched", "example_age", "order"),
            lambda task: task.log.has_times,
            "is of the order of events, which a log without times doesn't tell: leave it out",
        ),
    )
    _predicts = "NCF"
    _needs_times = False

    others: np.ndarray | None = None
    best_on_test: bool = True
    monitor: str | None = dataclasses.field(default="sampled_hit_rate_at_10", kw_only=True)
    patience: int | None = dataclasses.field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.log, SampledTest):
            given = self.log
            its_own = Need(
                ("split", "others", "validation_fraction", "test_fraction"),
                lambda _: False,
                "comes with the files of the NCF paper: leave it out",
            )
            refuse_idle([its_own], not_default(self), self)
            object.__setattr__(self, "log", given.log)
            object.__setattr__(self, "split", given.split)
            object.__setattr__(self, "others", given.negatives)
        super().__post_init__()

    @property
    def train_rows(self) -> np.ndarray:
        """All that came before what is ranked."""
        if self.held_out == "validation":
            return self.rows.train
        return np.union1d(self.rows.train, self.rows.validation)

    def examples(
        self, model: type[RecommenderModel], arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> TaskExamples:
        """The interactions as the model reads them; without times, those of the task "choice"."""
        if self.log.has_times:
            return super().examples(model, arguments)
        none = np.empty(0, np.int64)
        split = Split(self.train_rows, none, self.test_rows, self.rows.protocol)
        unordered = Choice(
            self.log,
            split=split,
            profile=self.profile,
            negatives=self.negatives,
            exponent=self.exponent,
            reject=self.reject,
            max_history=max(self.bags),
            spec=self.spec,
        )
        return unordered.examples(model, arguments)

    @property
    def reports_best_on_test(self) -> bool:
        """As `best_on_test` says."""
        return self.best_on_test

    @functools.cached_property
    def negatives_to_rank(self) -> np.ndarray:
        """[test rows, n] rows of `log.items` that the test items are ranked among."""
        if self.held_out == "test" and self.others is not None:
            return self.others
        test = interaction_examples(self.log, self.test_rows)
        # The test items are not to be known when validating.
        known = (
            np.arange(len(self.log.interactions))
            if self.held_out == "test"
            else np.union1d(self.rows.train, self.rows.validation)
        )
        return sample_negatives(test, interaction_examples(self.log, known))

    def _details(self) -> list[str]:
        drawn = self.held_out == "validation" or self.others is None
        number = 99 if drawn or self.others is None else self.others.shape[1]
        words = f"{number} negatives of seed 0" if drawn else f"{number} given negatives"
        return [*self._moment_in_words(), words]

    def measure(
        self,
        model: RecommenderModel,
        examples: Examples,
        brief: bool = False,
        outcomes: Outcomes | None = None,
    ) -> dict[str, float]:
        """Hit rate and NDCG at 10 among the others, and against the whole catalogue.

        Args:
            model: A model trained on this task.
            examples: The test examples in the form that it reads.
            brief: Whether to leave out the whole catalogue.
            outcomes: Where the ranks in the whole catalogue are kept, if anywhere.
        """
        metrics = sampled_ranking(model, examples, self.negatives_to_rank)
        if brief:
            return metrics
        return {**metrics, **full_ranking(model, examples, ks=(10,), outcomes=outcomes)}

"""Stages measured side by side: what each recommends at the same moments."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tfrec_zoo.data import Examples, Log, SimulatedLog, Split, impression_examples
from tfrec_zoo.evaluation import evenly_spaced, list_values, recommended, user_folds
from tfrec_zoo.serving import Funnel

#: What was recommended is measured on at most so many examples.
TEST_EXAMPLES = 2000
VALIDATION_EXAMPLES = 1000
#: On the simulator, on the pages of so many moments.
_TEST_PAGES, _VALIDATION_PAGES = 1000, 500

#: Expected seconds that are watched of a list, by the simulator's true values.
TRUE_WATCH_TIME = "true_watch_time_at_10"


def with_validation_users(log: Log, split: Split) -> Split:
    """A split that trains on all but the test part, of which every fifth user's is for validation.

    What a stage is chosen by is of other users than what is reported, of the same time.
    """
    test = split.test
    user = pd.Index(log.users[log.roles.user]).get_indexer(log.interactions[log.roles.user])
    is_validation = _is_validation(user[test])
    return Split(
        np.union1d(split.train, split.validation),
        test[is_validation],
        test[~is_validation],
        f"{split.protocol}, every fifth user to validate on",
    )


def _is_validation(users: np.ndarray) -> np.ndarray:
    return user_folds(users, 5) == 0


@dataclasses.dataclass(frozen=True)
class Measured:
    """What stages recommend, by every metric.

    Args:
        validation: Values by metric and stage, [examples]: alike for all stages of a metric.
        test: Means on the test examples by stage and metric.
    """

    validation: Mapping[str, Mapping[str, np.ndarray]]
    test: Mapping[str, dict[str, float]]


def measure_stages(
    stages: Mapping[str, Funnel], log: Log, split: Split, validation: Examples, test: Examples
) -> Measured:
    """Measures what stages recommend against what was chosen, and by the truth where it is known.

    Args:
        stages: The stages by name.
        log: The log. If its interactions have weights, hits are weighted, too; if it is simulated
            and has impressions, lists are measured by the true expected watch time.
        split: The interactions of the examples.
        validation: An example for each validation row of the split.
        test: An example for each test row of the split.
    """
    values: dict[str, dict[str, np.ndarray]] = {}
    means: dict[str, dict[str, float]] = {name: {} for name in stages}
    weight = None
    if log.roles.weight in log.interactions:
        weight = log.interactions[log.roles.weight].to_numpy(np.float64, na_value=0.0)
    kept = [
        evenly_spaced(len(examples), limit)
        for examples, limit in ((validation, VALIDATION_EXAMPLES), (test, TEST_EXAMPLES))
    ]
    parts = [part.take(at) for part, at in zip((validation, test), kept, strict=True)]
    weights = [
        None if weight is None else weight[np.sort(rows)[at]]
        for rows, at in zip((split.validation, split.test), kept, strict=True)
    ]
    truth = None
    if isinstance(log, SimulatedLog) and log.impressions is not None:
        truth = _Truth(log, split)
    for name, stage in stages.items():
        asked = [*parts, *(() if truth is None else truth.parts)]
        lists = recommended(stage, *asked)
        found, tested = (
            list_values(ids, part.label, weight)
            for ids, part, weight in zip(lists[:2], parts, weights, strict=True)
        )
        if truth is not None:
            found[TRUE_WATCH_TIME], tested[TRUE_WATCH_TIME] = truth.watch_times(lists[2:])
        for metric, value in found.items():
            values.setdefault(metric, {})[name] = value
        means[name] = {metric: float(value.mean()) for metric, value in tested.items()}
        means[name]["evaluated_examples"] = len(parts[1])
    return Measured(values, means)


class _Truth:
    """The moments of pages in the time of the test, and what every item was worth at them."""

    def __init__(self, log: SimulatedLog, split: Split) -> None:
        r, shown = log.roles, log.impressions
        assert shown is not None
        first = log.interactions[r.time].to_numpy()[np.union1d(split.validation, split.test)].min()
        rows = np.flatnonzero(shown[r.time].to_numpy() >= first)
        pages, at = np.unique(shown[r.page].to_numpy()[rows], return_index=True)
        rows = rows[at]
        users = pd.Index(log.users[r.user]).get_indexer(shown[r.user].to_numpy()[rows])
        is_validation = _is_validation(users)
        self.parts, self._values = [], []
        for chosen, limit in ((is_validation, _VALIDATION_PAGES), (~is_validation, _TEST_PAGES)):
            of_part = np.flatnonzero(chosen)
            of_part = of_part[evenly_spaced(len(of_part), limit)]
            self.parts.append(impression_examples(log, rows[of_part]))
            self._values.append(log.true_values(pages[of_part]))

    def watch_times(self, lists: list[np.ndarray]) -> list[np.ndarray]:
        """The expected seconds of what is recommended at the moments of each of the `parts`."""
        return [v.watch_time(ids) for v, ids in zip(self._values, lists, strict=True)]

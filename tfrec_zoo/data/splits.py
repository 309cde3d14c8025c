"""Splits of a log's interactions into training, validation and test."""

import dataclasses

import numpy as np

from tfrec_zoo.data.log import Log


@dataclasses.dataclass(frozen=True)
class Split:
    """Row numbers of `log.interactions` in each part of a split.

    Args:
        train: Rows to train on.
        validation: Rows to select models on.
        test: Rows to report on.
        protocol: Description of the split, for result files.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    protocol: str


def user_bounds(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """Returns, for each interaction, its user's first row and the row after the user's last."""
    users = log.user_codes
    is_first = np.ones(len(users), bool)
    is_first[1:] = users[1:] != users[:-1]
    first = np.flatnonzero(is_first)
    user = np.cumsum(is_first) - 1
    return first[user], np.append(first[1:], len(users))[user]


def leave_last_out(log: Log) -> Split:
    """Tests on each user's last interaction and validates on the one before it.

    The first interaction of a user is always trained on: a user with two interactions has none to
    validate on, and a user with one has none to test on.

    Args:
        log: Log to split.

    Raises:
        ValueError: If the log has no times.
    """
    log.require_times("leave-last-out")
    first, last = user_bounds(log)
    row = np.arange(len(first))
    from_end = last - row
    size = last - first
    is_test = (from_end == 1) & (size >= 2)
    is_validation = (from_end == 2) & (size >= 3)
    train = row[~(is_test | is_validation)]
    return Split(train, row[is_validation], row[is_test], "leave-last-out")


def leave_random_out(log: Log, seed: int = 0) -> Split:
    """Tests on one random interaction of each user, validates on another: no order is needed.

    Of a user with two interactions one is trained on and none validated on; that of a user with
    one is trained on.

    Args:
        log: The log.
        seed: Seed of the drawing.
    """
    first, last = user_bounds(log)
    order = np.lexsort([np.random.default_rng(seed).random(len(first)), first])
    # The interactions of a user keep their rows, in random order.
    from_end = last - np.arange(len(first))
    size = last - first
    is_test = (from_end == 1) & (size >= 2)
    is_validation = (from_end == 2) & (size >= 3)
    parts = (~(is_test | is_validation), is_validation, is_test)
    train, validation, test = (np.sort(order[part]) for part in parts)
    return Split(train, validation, test, f"leave-random-out of seed {seed}")


def by_time(log: Log, validation_fraction: float = 0.1, test_fraction: float = 0.1) -> Split:
    """Tests on the last part of the whole log and validates on the part before: no future leaks.

    Rows with the same time are never separated.

    Args:
        log: Log to split.
        validation_fraction: Share of the interactions to validate on.
        test_fraction: Share of the interactions to test on.

    Raises:
        ValueError: If the log has no times, or the fractions leave nothing to train on.
    """
    log.require_times("a split by time")
    _check_fractions(validation_fraction, test_fraction)
    time = log.interactions[log.roles.time].to_numpy()
    ordered = np.sort(time)

    def cut(fraction: float) -> float:
        return ordered[len(time) - max(round(len(time) * fraction), 1)]

    if not len(time):
        raise ValueError("A log needs interactions to split. Received: 0")
    test_from = cut(test_fraction) if test_fraction else np.inf
    validation_from = cut(test_fraction + validation_fraction) if validation_fraction else test_from
    if ordered[0] >= validation_from:
        raise ValueError(
            "`validation_fraction` and `test_fraction` leave nothing to train on: rows of one "
            f"instant are not split. Received: {validation_fraction}, {test_fraction} of "
            f"{len(time)} interactions at {len(np.unique(time))} instants"
        )
    return Split(
        np.flatnonzero(time < validation_from),
        np.flatnonzero((time >= validation_from) & (time < test_from)),
        np.flatnonzero(time >= test_from),
        f"by time, last {test_fraction:g}",
    )


def _check_fractions(validation: float, test: float) -> None:
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise ValueError(
            "`validation_fraction` and `test_fraction` must be at least 0 and sum to less than 1. "
            f"Received: {validation}, {test}"
        )


def next_day(log: Log, day: float = 86_400.0) -> Split:
    """Tests on the log's last day and validates on the day before (Covington et al., §4.3).

    Days are counted back from the last interaction, so the last day is a whole one.

    Args:
        log: Log to split.
        day: Length of a day in the log's unit of time.

    Raises:
        ValueError: If the log has no times, or is too short to leave days to train on.
    """
    log.require_times("a split by day")
    time = log.interactions[log.roles.time].to_numpy()
    if not len(time) or not 0 < 2 * day <= time.max() - time.min():
        raise ValueError(
            "`day` must be positive, and the interactions of a log span at least two. "
            f"Received: {day:g}, and a log of {np.ptp(time) if len(time) else 0:g}"
        )
    days_ago = np.floor_divide(time.max() - time, day)
    return Split(
        np.flatnonzero(days_ago > 1),
        np.flatnonzero(days_ago == 1),
        np.flatnonzero(days_ago == 0),
        "next day",
    )


def random_leaky(
    log: Log, validation_fraction: float = 0.1, test_fraction: float = 0.1, seed: int = 0
) -> Split:
    """Splits at random, so training sees the future of what is tested.

    Use it only for comparison with published random splits; the protocol mentions the leak.

    Args:
        log: Log to split.
        validation_fraction: Share of the interactions to validate on.
        test_fraction: Share of the interactions to test on.
        seed: Seed of the shuffle.
    """
    _check_fractions(validation_fraction, test_fraction)
    order = np.random.default_rng(seed).permutation(len(log.interactions))
    test, validation = (round(len(order) * f) for f in (test_fraction, validation_fraction))
    return Split(
        np.sort(order[test + validation :]),
        np.sort(order[test : test + validation]),
        np.sort(order[:test]),
        f"random {test_fraction:g} (leaks the future)",
    )

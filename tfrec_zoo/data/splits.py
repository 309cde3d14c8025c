"""Splits of a log's interactions into training, validation and test."""

import dataclasses
from typing import Literal

import numpy as np

from tfrec_zoo.data.log import Log

_SECONDS: dict[str, float] = {"hour": 3_600.0, "day": 86_400.0, "week": 604_800.0}


@dataclasses.dataclass(frozen=True)
class Split:
    """Row numbers of `log.interactions` in each part of a split.

    Args:
        train: Rows to train on.
        validation: Rows to select models on.
        test: Rows to report on.
        protocol: Description of the split, for result files.
        end: Moment that the ages of training examples count to; by default the latest of `train`.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    protocol: str
    end: float | None = None


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
    time = log.interactions[log.roles.time].to_numpy()
    ordered = np.sort(time)
    ranks = cut_ranks(len(time), validation_fraction, test_fraction)
    at = [np.inf if rank is None else ordered[rank] for rank in ranks]
    if ordered[0] >= at[0]:
        raise ValueError(
            "`validation_fraction` and `test_fraction` leave nothing to train on: rows of one "
            f"instant are not split. Received: {validation_fraction}, {test_fraction} of "
            f"{len(time)} interactions at {len(np.unique(time))} instants"
        )
    return split_at(log, at[0], at[1], test_fraction)


def cut_ranks(
    number: int, validation_fraction: float, test_fraction: float
) -> tuple[int | None, int | None]:
    """The ranks in the order of time of the first interactions to validate and to test on.

    Args:
        number: Number of interactions.
        validation_fraction: Share of the interactions to validate on.
        test_fraction: Share of the interactions to test on.

    Returns:
        Ranks from 0; None where nothing is to be tested on. Without validation both are equal.

    Raises:
        ValueError: If there is nothing to split, or the fractions are out of range.
    """
    _check_fractions(validation_fraction, test_fraction)
    if not number:
        raise ValueError("A log needs interactions to split. Received: 0")

    def rank(fraction: float) -> int | None:
        return number - max(round(number * fraction), 1) if fraction else None

    test = rank(test_fraction)
    return rank(test_fraction + validation_fraction) if validation_fraction else test, test


def split_at(log: Log, validation_from: float, test_from: float, test_fraction: float) -> Split:
    """Validates on what came from one moment on, and tests from another one on.

    Args:
        log: Log to split.
        validation_from: The first moment that is not trained on.
        test_from: The first moment that is tested on.
        test_fraction: Share of the interactions that this is, for the protocol.
    """
    time = log.interactions[log.roles.time].to_numpy()
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


def next_day(log: Log, day: float = 86_400.0, span: tuple[float, float] | None = None) -> Split:
    """Tests on the log's last day and validates on the day before (Covington et al., §4.3).

    Days are counted back from the last interaction, so the last day is a whole one.

    Args:
        log: Log to split.
        day: Length of a day in the log's unit of time.
        span: First and last moment, where the log is part of a larger one; by default its own.

    Raises:
        ValueError: If the log has no times, or is too short to leave days to train on.
    """
    log.require_times("a split by day")
    time = log.interactions[log.roles.time].to_numpy()
    if span is None and len(time):
        span = time.min(), time.max()
    if span is None or not 0 < 2 * day <= span[1] - span[0]:
        raise ValueError(
            "`day` must be positive, and the interactions of a log span at least two. "
            f"Received: {day:g}, and a log of {0 if span is None else span[1] - span[0]:g}"
        )
    return _split_by_windows(np.floor_divide(span[1] - time, day), 0, 1, "next day")


def rolling_splits(
    log: Log,
    number: int = 3,
    width: float | Literal["hour", "day", "week"] = "day",
    validate: bool = False,
) -> list[Split]:
    """Splits whose test windows follow one another to the end of the log: no future leaks.

    Each split trains on everything before its test window, so that a model is trained again as time
    goes on, and leaves out what comes after. Windows are counted back from the last interaction,
    so that the last one is a whole one. This is evaluation with a rolling origin; the last split
    into days, validated, is that of `next_day`.

    Args:
        log: Log to split.
        number: Number of splits.
        width: Width of a test window in the log's unit of time; or its name, where that is seconds.
        validate: Whether the window before the test window is validated on, instead of trained on.

    Returns:
        The splits, the earliest first.

    Raises:
        ValueError: If the log has no times, a window has no interactions, or there is nothing to
            train on before the first.

    Example:

    >>> import pandas as pd
    >>> log = Log("mine", pd.DataFrame({"user_id": 8 * ["a"], "item_id": list("stuvwxyz"),
    ...                                 "time": [0, 1, 2, 3, 4, 5, 6, 7]}))
    >>> for split in rolling_splits(log, 2, width=3):
    ...     print(split.train, split.test, split.protocol)
    [0 1] [2 3 4] rolling windows of 3, 1 of 2
    [0 1 2 3 4] [5 6 7] rolling windows of 3, 2 of 2

    References:
        Tashman, "Out-of-Sample Tests of Forecasting Accuracy: an Analysis and Review",
        International Journal of Forecasting 2000.
    """
    log.require_times("a rolling split")
    seconds = _SECONDS.get(width) if isinstance(width, str) else width
    if seconds is None or not 0 < seconds < np.inf:
        raise ValueError(
            f"`width` must be a positive time, or one of {list(_SECONDS)}. Received: {width!r}"
        )
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise ValueError(f"`number` of splits must be a whole number from 1. Received: {number!r}")
    time = log.interactions[log.roles.time].to_numpy()
    ago = np.floor_divide(time.max() - time, seconds) if len(time) else time
    name = f"a {width}" if isinstance(width, str) else f"{width:g}"
    splits = []
    for place in range(number):
        window = number - 1 - place
        words = f"rolling windows of {name}, {place + 1} of {number}"
        split = _split_by_windows(ago, window, int(validate), words)
        for part in ("train", *(("validation",) if validate else ()), "test"):
            if not len(getattr(split, part)):
                raise ValueError(
                    "Each split must have interactions in every part: take fewer windows, or wider "
                    f"ones. Received none for the {part} part of window {place + 1} of {number}, "
                    f"of {name}, of a log that spans {np.ptp(time) if len(time) else 0:g}"
                )
        splits.append(split)
    return splits


def _split_by_windows(ago: np.ndarray, test: int, validation: int, protocol: str) -> Split:
    """Tests on a window and trains on what is before it.

    Args:
        ago: [interactions] number of windows from each to the end.
        test: The window to test on.
        validation: Number of windows before it to validate on.
        protocol: Description of the split.
    """
    return Split(
        np.flatnonzero(ago > test + validation),
        np.flatnonzero((ago > test) & (ago <= test + validation)),
        np.flatnonzero(ago == test),
        protocol,
    )


def before_test(log: Log, split: Split) -> Log:
    """A log as it is known before the test part, to make lists of: all its users and items.

    Its interactions are those that the split trains and validates on. What a user searched for and
    was shown is left out from the first moment on at which an interaction of the user is.

    Args:
        log: The log.
        split: The split of its interactions.

    Example:

    >>> import pandas as pd
    >>> log = Log("mine", pd.DataFrame({"user_id": list("aaa"), "item_id": list("xyz"),
    ...                                 "time": [0, 1, 2]}))
    >>> before_test(log, leave_last_out(log)).interactions["item_id"].tolist()
    ['x', 'y']
    """
    known = np.union1d(split.train, split.validation)
    frames = {name: getattr(log, name) for name in ("searches", "impressions")}
    if log.has_times:
        user, time = log.roles.user, log.roles.time
        left_out = np.ones(len(log.interactions), bool)
        left_out[known] = False
        first = log.interactions[left_out].groupby(user)[time].min()
        frames = {
            name: frame[~(frame[time] >= frame[user].map(first))]
            for name, frame in frames.items()
            if frame is not None
        }
    return Log(
        log.name,
        log.interactions.iloc[known],
        log.users,
        log.items,
        roles=log.roles,
        time_unit="s" if log.has_times else None,
        **frames,
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

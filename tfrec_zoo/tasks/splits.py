"""Splits by name, as tasks and the command line give them."""

from typing import Literal

from tfrec_zoo.data import (
    Log,
    Split,
    by_time,
    leave_last_out,
    leave_random_out,
    next_day,
    random_leaky,
)
from tfrec_zoo.needs import Need

#: What the shares of a split take to have an effect.
OF_SHARES = Need(
    ("validation_fraction", "test_fraction"),
    lambda task: task.split in ("time", "random"),
    'is for splits by share: leave it out, or give split="time" or "random"',
)

SplitName = Literal["auto", "last-out", "random-out", "time", "next-day", "random"]


def make_split(
    log: Log,
    split: SplitName | Split,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Split:
    """Splits the interactions of a log.

    Args:
        log: The log.
        split: Name of the split; or a split, which is returned as it is. `"auto"` is `"last-out"`,
            and `"random-out"` of a log without times.
        validation_fraction: Share of the interactions to validate on, for `"time"` and `"random"`.
        test_fraction: Share of the interactions to test on, for `"time"` and `"random"`.
        seed: Seed of the random splits.

    Raises:
        ValueError: If there is no split of that name; names those there are.
    """
    if isinstance(split, Split):
        return split
    if split == "auto":
        split = "last-out" if log.has_times else "random-out"
    fractions = (validation_fraction, test_fraction)
    splits = {
        "last-out": lambda: leave_last_out(log),
        "random-out": lambda: leave_random_out(log, seed),
        "time": lambda: by_time(log, *fractions),
        "next-day": lambda: next_day(log),
        "random": lambda: random_leaky(log, *fractions, seed=seed),
    }
    if split not in splits:
        raise ValueError(f"`split` must be a Split or one of {list(splits)}. Received: {split!r}")
    return splits[split]()

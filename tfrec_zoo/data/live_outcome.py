"""What came of live days: the log, the users' days, and means with confidence intervals."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from tfrec_zoo.data.log import Log


class Interval(NamedTuple):
    """A mean over users, and the confidence interval that it is the middle of.

    Args:
        mean: The mean.
        low: The lower end.
        high: The upper end.
    """

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class LiveOutcome:
    """What a policy has made of the live days.

    Args:
        log: The log of the warm and the live days, whose impressions have the truth.
        pages: A row per live page: `page_id`, `user_id`, `day`, `time`, `expected_seconds`, what
            was to be expected of what was shown, and `best_seconds`, of the best page possible.
        daily: A row per user and live day: `pages`, `clicks`, `watch_seconds` on pages,
            `elsewhere_seconds` from searches and autoplay, `expected_seconds`, `best_seconds`.
        satisfaction: [users] how often users come back at the end, as a multiple of the usual, in
            the order of the log's users.
    """

    log: Log
    pages: pd.DataFrame
    daily: pd.DataFrame
    satisfaction: np.ndarray

    @property
    def regret(self) -> float:
        """The mean seconds that a page was expected to be watched less than the best one."""
        return float((self.pages["best_seconds"] - self.pages["expected_seconds"]).mean())

    def per_user(self, column: str = "watch_seconds") -> pd.Series:
        """The mean of a column of `daily` over the live days, by user id.

        Args:
            column: The column.
        """
        return self.daily.groupby("user_id")[column].mean()

    def mean(self, column: str = "watch_seconds", level: float = 0.95) -> Interval:
        """The mean over users of what they did a day.

        Args:
            column: The column of `daily`.
            level: Confidence level of the t-interval over users.
        """
        return interval(self.per_user(column).to_numpy(), level)

    def lead(
        self, other: LiveOutcome, column: str = "watch_seconds", level: float = 0.95
    ) -> Interval:
        """The mean over users of what they did more a day than under another policy.

        Args:
            other: What came of the same days under the other policy.
            column: The column of `daily`.
            level: Confidence level of the t-interval over users, of paired differences.

        Raises:
            ValueError: If the users or the days are not the same.
        """
        keys = ["user_id", "day"]
        if not self.daily[keys].equals(other.daily[keys]):
            raise ValueError(
                "Policies are compared on the same users and days. "
                f"Received: {len(self.daily)} and {len(other.daily)} rows, or others"
            )
        return interval((self.per_user(column) - other.per_user(column)).to_numpy(), level)


def interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """The mean of values, and its t-interval.

    Args:
        values: [users] the values.
        level: Confidence level.

    Example:

    >>> [round(value, 3) for value in interval(np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.484, 4.484]
    """
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, -np.inf, np.inf)
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    half = float(special.stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return Interval(mean, mean - half, mean + half)

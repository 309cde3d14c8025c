"""Satisfaction of the users of a live simulated site, and how often they come back."""

from __future__ import annotations

from typing import Final

import numpy as np

from tfrec_zoo.data.simulated_world import Floats, Ints, occurrence

_MEMORY: Final = 0.1  # weight of the latest page
_PULL: Final = 0.5
_BOUNDS: Final = (0.5, 2.0)
_PRIOR_PAGES: Final = 10.0  # pages of the mean user that each user's usual seconds count


class Satisfaction:
    """How satisfied users are, by the seconds they watch per page against what is usual.

    With x the seconds watched of a page of user u, S_u and n_u the seconds and the number of the
    pages so far, and x̄ the mean of all pages::

        usual_u = (S_u + 10 x̄) / (n_u + 10)
        s_u    <- .9 s_u + .1 x / usual_u       with every page, from 1 on
        g_u     = 1 + (s_u - 1) / 2, but within .5 and 2
        a user visits g_u / mean(g) times as often as usual

    The mean of g is taken over all users before the first live day. So the users visit as often as
    usual on average, as long as pages are worth what they usually are.

    Args:
        viewer: [pages] the user of each page so far, in order of time for each user.
        seconds: [pages] how many seconds of it were watched.
        num_users: Number of users.

    Attributes:
        level: [users] s.
    """

    def __init__(self, viewer: Ints, seconds: Floats, num_users: int) -> None:
        number = np.bincount(viewer, minlength=num_users)
        total = np.bincount(viewer, seconds, num_users)
        # A site where nothing has been watched yet counts as one with a second a page.
        mean = max(total.sum() / max(number.sum(), 1), 1.0)
        self.usual = (total + _PRIOR_PAGES * mean) / (number + _PRIOR_PAGES)
        self.level = np.ones(num_users)
        order = np.argsort(viewer, kind="stable")
        turn = np.empty(len(viewer), np.int64)
        turn[order] = occurrence(viewer[order])
        for nth in range(int(number.max(initial=0))):
            at = turn == nth
            self.update(viewer[at], seconds[at])
        self._mean = self._response().mean()

    def update(self, user: Ints, seconds: Floats) -> None:
        """Takes in a page of each of some users, and how many seconds they watched of it."""
        worth = seconds / self.usual[user]
        self.level[user] = (1 - _MEMORY) * self.level[user] + _MEMORY * worth

    def multiplier(self) -> Floats:
        """Returns the [users] factors of how often users visit."""
        return np.asarray(self._response() / self._mean)

    def _response(self) -> Floats:
        return np.clip(1 + _PULL * (self.level - 1), *_BOUNDS)

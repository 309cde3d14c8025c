"""The live side of the simulator: policies serve pages to simulated users, day by day.

The site of `tfrec_zoo.data.simulator` runs some warm days under a noisy system of its own, which
leave a log to train on. Then the same live days are run for each policy from the same state. Users
click, watch, search and let videos play on by the same equations; they come back by how satisfied
they are (`tfrec_zoo.data.satisfaction`), and new videos arrive at their upload times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.live_outcome import LiveOutcome
from tfrec_zoo.data.live_run import LiveRun, Policy
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.simulated_world import DAY
from tfrec_zoo.data.simulator import SimulatedLog, checked, frames_of, open_site, simulate


def simulate_live(
    num_users: int = 2000,
    num_items: int = 1000,
    warm_days: int = 14,
    live_days: int = 14,
    seed: int = 0,
    **world: Any,
) -> LiveSite:
    """Simulates the warm days of a video site whose live days are served by policies.

    Args:
        num_users: Number of users.
        num_items: Number of videos; those uploaded in the live days are among them.
        warm_days: Number of days that the site's own system serves, which the log is of.
        live_days: Number of days that policies may serve after them.
        seed: Seed of the simulation.
        **world: Further arguments of `simulate`.

    Returns:
        The site. What is drawn for it is what `simulate` draws for `warm_days + live_days`, and
        what happens in the warm days is the same to the bit.

    Raises:
        TypeError: If `simulate` has no such argument.
        ValueError: If an argument has the wrong type or is out of range.

    Example:
        >>> import numpy as np
        >>> site = simulate_live(60, 100, warm_days=2, live_days=1)
        >>> def newest(requests, items, n):
        ...     ids = items.sort_values("upload_time", ascending=False)["video_id"]
        ...     return np.broadcast_to(ids, (len(requests), len(ids)))
        >>> outcome = site.serve(newest)
        >>> bool(outcome.regret > 0), bool(abs(site.serve("best").regret) < 1e-9)
        (True, True)
    """
    defaults: dict[str, Any] = simulate.__kwdefaults__ or {}
    unknown = sorted(set(world) - set(defaults))
    if unknown:
        raise TypeError(
            f"A live site has the arguments of `simulate`, {sorted(defaults)}, besides its own. "
            f"Received: {unknown}"
        )
    for name, days in (("warm_days", warm_days), ("live_days", live_days)):
        if not isinstance(days, int) or isinstance(days, bool) or days < 1:
            raise ValueError(f"`{name}` must be an integer at least 1. Received: {name}={days!r}")
    of_world = {"num_users": num_users, "num_items": num_items, "seed": seed}
    num_days = warm_days + live_days
    arguments = checked({**of_world, "num_days": num_days, **defaults, **world})
    return LiveSite(arguments, warm_days)


class LiveSite:
    """A video site at the end of its warm days.

    Args:
        arguments: The arguments of `simulate` for all days.
        warm_days: Number of warm days.

    Attributes:
        log: What happened in the warm days, with the videos that were uploaded in them.
        warm_days: Number of warm days.
        live_days: Number of days that can be served.
    """

    def __init__(self, arguments: dict[str, Any], warm_days: int) -> None:
        self._seed, self.warm_days = arguments["seed"], warm_days
        self.live_days = arguments["num_days"] - warm_days
        self._site, self._video_ids = open_site(np.empty(0, np.int64), **arguments)
        for day in range(warm_days):
            self._site.run_day(day)
        frames = frames_of(self._site, self._video_ids, warm_days * DAY)
        self.log = SimulatedLog(arguments=arguments, **frames)

    def serve(
        self,
        policy: Policy | str,
        days: int | None = None,
        listen: Callable[[pd.DataFrame], Any] | None = None,
    ) -> LiveOutcome:
        """Serves live days by a policy; the same ones for every policy.

        Args:
            policy: The policy; `"usual"` for the site's own noisy system, or `"best"` for the best
                pages there are, by the truth.
            days: Number of days, by default and at most `live_days`.
            listen: Called with the requests of each batch of pages, as a policy is; so that another
                policy can be asked what it would have shown.

        Raises:
            ValueError: If there is no such policy, it answers with something else than a list per
                request, or `days` is out of range.
        """
        if not callable(policy) and policy not in ("usual", "best"):
            raise ValueError(
                f'`policy` must be callable, or "usual", or "best". Received: {policy!r}'
            )
        days = self.live_days if days is None else days
        if not 1 <= days <= self.live_days:
            raise ValueError(f"`days` must be in 1 … {self.live_days}. Received: {days!r}")
        run = LiveRun(self._site, self._video_ids, policy, self._seed, listen)
        for day in range(days):
            run.run_day(self.warm_days + day)
        return self._outcome(run, days)

    def _outcome(self, run: LiveRun, days: int) -> LiveOutcome:
        end = np.inf if days == self.live_days else (self.warm_days + days) * DAY
        log = Log(**frames_of(run, self._video_ids, end))
        last = self.warm_days + days - 1

        def day_of(time: Any) -> Any:
            """The day; a session that ends after the last one counts to it."""
            return np.minimum(np.asarray(time) // DAY, last).astype(np.int64)

        users = run.users.frame["user_id"].to_numpy(object)
        seen = {k: np.concatenate([p[k] for p in run.pages_seen]) for k in run.pages_seen[0]}
        assert log.impressions is not None
        shown = log.impressions[log.impressions["page_id"] >= run.first_page]
        expected = shown.groupby("page_id")["true_watch_time"].sum()
        page_id = run.first_page + np.arange(len(seen["user"]))
        pages = pd.DataFrame(
            {
                "page_id": page_id,
                "user_id": users[seen["user"]],
                "day": day_of(seen["time"]),
                "time": seen["time"],
                "expected_seconds": expected.reindex(page_id, fill_value=0.0).to_numpy(),
                "best_seconds": seen["best"],
            }
        )
        watches = log.interactions
        watches = watches[watches["time"] >= self.warm_days * DAY]
        keys = ["user_id", "day"]
        by_page = pages.groupby(keys)
        by_shown = shown.assign(day=day_of(shown["time"])).groupby(keys)
        watched = watches.assign(day=day_of(watches["time"])).groupby(keys)["watch_seconds"].sum()
        on_pages = by_shown["watch_seconds"].sum()
        live = range(self.warm_days, last + 1)
        daily = pd.DataFrame(
            {
                "pages": by_page.size(),
                "clicks": by_shown["clicked"].sum(),
                "watch_seconds": on_pages,
                "elsewhere_seconds": watched.sub(on_pages, fill_value=0.0),
                "expected_seconds": by_page["expected_seconds"].sum(),
                "best_seconds": by_page["best_seconds"].sum(),
            }
        ).reindex(pd.MultiIndex.from_product([log.users["user_id"], live], names=keys))
        return LiveOutcome(
            log, pages, daily.fillna(0.0).reset_index(), run.satisfaction.multiplier()
        )

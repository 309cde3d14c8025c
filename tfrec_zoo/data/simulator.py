"""Simulator of a small video site whose truth is known: watches, searches and impressions.

The public MovieLens logs have no impressions, watch times or upload times, so the two-stage
paper (Covington et al., RecSys 2016) cannot be re-run on them. This site has all three and, for
every impression, the true click probability and the true expected watch time.

Generative equations (user u, video v of topic k and channel c, time t, all noise from one seed)::

    taste        z_u(d+1) = m_u + r (z_u(d) - m_u) + 1.4 sqrt(1 - r^2) N(0, I),  r = exp(-drift)
                 m_u = demographics + N(0, I),  theta_u = softmax(z_u)
    popularity   f_v(t) = 0.08 + (a/q_v) exp(1 - a/q_v),  a = t - upload_v >= 0  (0 before upload)
                 a source nominates v with probability ~ base_v f_v(t) in a topic, channel or all
    click        logit P = -4.65 - .15 log(videos / 1000) + .6 log(K theta_uk)
                 + .8 [k = session topic] + .5 style_u.style_c / 2 + .6 log(1 + watches_uc)
                 + 1 [next episode] + .6 f_v(t) + .35 quality_v + 1.6 bait_v
                 - .5 unclicked_uv - .08 position
    watch        seconds = 1 + (length_v - 1) Beta(4 w, 4 (1 - w)), so its mean is exact
                 logit w = -.3 + .9 quality_v - 2 bait_v + .25 log(K theta_uk)
                 + .3 style_u.style_c / 2 - (.45 + device_u) log(length_v / 240 s)
    traits       quality_v ~ N(0, 1); bait_v ~ U(.6, 1.2) for the share of click-bait, else 0
    truth        true_watch_time = P (1 + (length_v - 1) w)

Watches outside pages come from searches and from autoplay: a softmax choice over the same
logit. A series is mostly entered at the user's next episode. A watched video stays a candidate 2%
of the time. log(K theta) is clipped to [-3, 3] and w to [.02, .98]. The truth depends on all that
the simulator knows, including the session's topic and the styles, which are in no column.

The table has the marginals at the default arguments, of all of MovieLens-1M (a rating counts as a
watch) and of KuaiRand-Pure from 25 April to 8 May 2022 (a click counts as a watch). Users and
videos without a watch are left out.

========================================  ==========  ============  =============
marginal                                  simulate()  MovieLens-1M  KuaiRand-Pure
========================================  ==========  ============  =============
users / videos with a watch               1959 / 987   6040 / 3706   21811 / 5085
watches                                        46322       1000209         100900
watches per user, median / 90th percent      20 / 49      96 / 400         3 / 10
share of watches, top 10% of videos             0.33          0.44           0.59
click rate of impressions                      0.063             -           0.44
seconds of a watch, median                        78             -             26
share of the video watched, median              0.47             -           0.65
========================================  ==========  ============  =============

The click rate is low on purpose, because the paper's ranking assumes few positives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.simulated_site import POSITION_BIAS, SOURCES, Site
from tfrec_zoo.data.simulated_truth import TrueValues
from tfrec_zoo.data.simulated_world import (
    DAY,
    WORDS,
    Floats,
    catalogue,
    item_table,
    labels,
    population,
)


@dataclasses.dataclass(frozen=True)
class SimulatedLog(Log):
    """A simulated log, which knows how it was made, and so what would have been worth what.

    Args:
        arguments: The arguments of `simulate`.
    """

    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)

    def true_values(self, pages: NDArray[Any]) -> TrueValues:
        """What every video would have been worth on some pages.

        Args:
            pages: Ascending page ids of the impressions, a thousand or so: every video of each is
                kept.
        """
        site, video_ids = _run(pages, **self.arguments)
        logit, seconds = (np.concatenate(part) for part in zip(*site.probed, strict=True))
        return TrueValues(np.asarray(pages), video_ids, logit, seconds, POSITION_BIAS)

    @property
    def is_click_bait(self) -> NDArray[np.bool_]:
        """Which rows of `items` are click-bait, [items]: clicked more, watched less."""
        site, video_ids = open_site(np.empty(0, np.int64), **self.arguments)
        at = pd.Index(video_ids).get_indexer(self.items[self.roles.item])
        return np.asarray(site.videos.bait[at] > 0)

    def true_values_at_first(self, rows: NDArray[Any]) -> tuple[Floats, Floats]:
        """What impressions would have been worth at the first position of their page.

        The impressions' own `true_click_probability` and `true_watch_time` are of the position
        that they were shown at.

        Args:
            rows: Rows of `impressions`.

        Returns:
            The [rows] click probabilities, and the [rows] expected seconds.
        """
        assert self.impressions is not None
        shown = self.impressions.iloc[rows]
        chance = shown["true_click_probability"].to_numpy()
        odds = chance / (1 - chance) * np.exp(POSITION_BIAS * shown["position"].to_numpy())
        first = odds / (1 + odds)
        return first, shown["true_watch_time"].to_numpy() / chance * first


def simulate(
    num_users: int = 2000,
    num_items: int = 1000,
    num_days: int = 14,
    seed: int = 0,
    *,
    num_topics: int = 20,
    page_size: int = 6,
    sessions_per_day: float = 1.0,
    drift: float = 0.06,
    bait_share: float = 0.12,
    fresh_share: float = 0.5,
) -> SimulatedLog:
    """Simulates a video site and returns its log, the same one for the same arguments.

    A default log has about 130 impressions and 23 watches per user; both grow linearly in
    `num_users`, `num_days` and `sessions_per_day`. A session that starts in the last minutes of the
    window ends after it, so a few times exceed `num_days` days.

    Args:
        num_users: Number of users. Some may never visit the site.
        num_items: Number of videos, at least one per topic and four pages of them.
        num_days: Length of the window in days; times are seconds since its start.
        seed: Seed of the simulation, a non-negative integer.
        num_topics: Number of topics of the videos, 2 to 24.
        page_size: Number of videos shown on a page; fewer if the sources have no more to offer.
        sessions_per_day: Mean number of sessions of a user per day, above 0 and at most 2.
        drift: Rate per day at which a taste returns to its mean; 0 keeps tastes fixed.
        bait_share: Share of videos that are click-bait: clicked more, watched less.
        fresh_share: Share of videos outside series that are uploaded inside the window.

    Returns:
        A log whose `impressions` have `true_click_probability` and `true_watch_time` (seconds).

    Raises:
        ValueError: If an argument has the wrong type or is out of range.

    Example:
        >>> log = simulate(num_users=200, num_items=300, num_days=5)
        >>> bool(log.impressions.clicked.mean() < 0.1)
        True
    """
    arguments = checked(dict(locals()))
    site, video_ids = _run(np.empty(0, np.int64), **arguments)
    return SimulatedLog(arguments=arguments, **frames_of(site, video_ids))


def checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `simulate`, if all of them are right.

    Args:
        arguments: All arguments by name.

    Raises:
        ValueError: If an argument has the wrong type or is out of range.
    """
    page_size, num_topics = arguments["page_size"], arguments["num_topics"]
    _check("seed", arguments["seed"], Integral, 0)
    _check("num_users", arguments["num_users"], Integral, 1)
    _check("num_days", arguments["num_days"], Integral, 1)
    _check("num_topics", num_topics, Integral, 2, len(WORDS))
    _check("page_size", page_size, Integral, 1)
    _check("num_items", arguments["num_items"], Integral, max(num_topics, 4 * page_size))
    _check("sessions_per_day", arguments["sessions_per_day"], Real, 0.01, 2.0)
    _check("drift", arguments["drift"], Real, 0.0, 10.0)
    _check("bait_share", arguments["bait_share"], Real, 0.0, 1.0)
    _check("fresh_share", arguments["fresh_share"], Real, 0.0, 1.0)
    return arguments


def _run(pages: NDArray[Any], **arguments: Any) -> tuple[Site, NDArray[Any]]:
    """Runs the site, noting every video's true values on the given pages."""
    site, video_ids = open_site(pages, **arguments)
    for day in range(arguments["num_days"]):
        site.run_day(day)
    return site, video_ids


def open_site(
    pages: NDArray[Any],
    num_users: int,
    num_items: int,
    num_days: int,
    seed: int,
    num_topics: int,
    page_size: int,
    sessions_per_day: float,
    drift: float,
    bait_share: float,
    fresh_share: float,
) -> tuple[Site, NDArray[Any]]:
    """Draws the world of `simulate`, before anything happens in it.

    Returns:
        The site, and the ids of its videos.
    """
    video_rng, user_rng, event_rng = (np.random.default_rng([seed, part]) for part in range(3))
    videos = catalogue(video_rng, num_items, num_topics, num_days * DAY, bait_share, fresh_share)
    users = population(user_rng, num_users, num_topics, sessions_per_day)
    video_ids = labels("v", video_rng.permutation(num_items))
    return Site(videos, users, event_rng, page_size, drift, pages), video_ids


def _check(name: str, value: Any, kind: type, low: float, high: float = np.inf) -> None:
    right_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not right_kind or not low <= value <= high:
        noun = "an integer" if kind is Integral else "a number"
        bounds = f"at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ValueError(f"`{name}` must be {noun} {bounds}. Received: {name}={value!r}")


def frames_of(site: Site, video_ids: NDArray[Any], end: float = np.inf) -> dict[str, Any]:
    """The arguments of a `Log` of what has happened on a site.

    Args:
        site: The site.
        video_ids: The ids of its videos.
        end: The moment before which the log ends. Videos uploaded later are unknown.
    """
    user_ids = site.users.frame["user_id"].to_numpy(object)
    rank = user_ids.argsort().argsort()  # a log is sorted by user id, as text
    names, tables = {"user": "user_id", "video": "video_id"}, {}
    for name, parts in site.tables.items():
        joined = {column: np.concatenate([p[column] for p in parts]) for column in parts[0]}
        order = np.lexsort((joined["time"], rank[joined["user"]]))  # stable: pages stay in order
        order = order[joined["time"][order] < end]
        joined["user"] = user_ids[joined["user"]]
        if "source" in joined:
            joined["source"] = SOURCES[joined["source"]]
        if "video" in joined:
            joined["video"] = video_ids[joined["video"]]
        tables[name] = pd.DataFrame({names.get(k, k): v[order] for k, v in joined.items()})
    is_uploaded = site.videos.upload < end
    return {
        "name": "simulated",
        "users": site.users.frame,
        "items": item_table(site.videos, video_ids)[is_uploaded],
        "roles": Roles(
            user="user_id", item="video_id", time="time", label="clicked", weight="watch_seconds"
        ),
        **tables,
    }

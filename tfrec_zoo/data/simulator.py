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

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.simulated_world import (
    DAY,
    SLOTS,
    WORDS,
    Floats,
    Ints,
    Users,
    Videos,
    catalogue,
    item_table,
    labels,
    log_shares,
    popularity_curve,
    population,
    queries,
    taste_drift,
)

Bools = NDArray[np.bool_]

SOURCES: Final = np.array(["home", "subscription", "related", "popular"], dtype=object)
_HOME, _SUBSCRIPTION, _RELATED, _POPULAR = range(4)
_SOURCE_SHARES: Final = (0.35, 0.2, 0.25, 0.2)
_SLOT_ACTIVITY: Final = (0.4, 1.0, 1.6)
_ROUNDS: Final = 3  # pages in the longest session
_CLICK_BIAS: Final = -4.65
_RATIO_CONCENTRATION: Final = 4.0


@dataclass
class _Memory:
    """A multiset of integer keys, such as the (user, video) pairs watched so far."""

    keys: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def count(self, keys: Ints) -> Ints:
        return np.searchsorted(self.keys, keys, "right") - np.searchsorted(self.keys, keys)

    def add(self, keys: Ints) -> None:
        self.keys = np.sort(np.concatenate([self.keys, np.sort(keys)]), kind="stable")


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
) -> Log:
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
        A `Log` whose `impressions` have `true_click_probability` and `true_watch_time` (seconds).

    Raises:
        ValueError: If an argument has the wrong type or is out of range.

    Example:
        >>> log = simulate(num_users=200, num_items=300, num_days=5)
        >>> bool(log.impressions.clicked.mean() < 0.1)
        True
    """
    _check("seed", seed, Integral, 0)
    _check("num_users", num_users, Integral, 1)
    _check("num_days", num_days, Integral, 1)
    _check("num_topics", num_topics, Integral, 2, len(WORDS))
    _check("page_size", page_size, Integral, 1)
    _check("num_items", num_items, Integral, max(num_topics, 4 * page_size))
    _check("sessions_per_day", sessions_per_day, Real, 0.01, 2.0)
    _check("drift", drift, Real, 0.0, 10.0)
    _check("bait_share", bait_share, Real, 0.0, 1.0)
    _check("fresh_share", fresh_share, Real, 0.0, 1.0)
    video_rng, user_rng, event_rng = (np.random.default_rng([seed, part]) for part in range(3))
    videos = catalogue(video_rng, num_items, num_topics, num_days * DAY, bait_share, fresh_share)
    users = population(user_rng, num_users, num_topics, sessions_per_day)
    video_ids = labels("v", video_rng.permutation(num_items))
    world = _World(videos, users, event_rng, page_size)
    taste = users.prior + event_rng.normal(size=users.prior.shape)
    for day in range(num_days):
        world.log_theta = log_shares(taste)
        for slot in range(SLOTS):
            world.run_slot((day + slot / SLOTS) * DAY, _SLOT_ACTIVITY[slot])
        taste = taste_drift(event_rng, taste, users.prior, drift)
    return _as_log(world, video_ids)


def _check(name: str, value: Any, kind: type, low: float, high: float = np.inf) -> None:
    right_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not right_kind or not low <= value <= high:
        noun = "an integer" if kind is Integral else "a number"
        bounds = f"at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ValueError(f"`{name}` must be {noun} {bounds}. Received: {name}={value!r}")


class _World:
    """The running site: what each user has seen, and the tables of the log so far."""

    def __init__(
        self, videos: Videos, users: Users, rng: np.random.Generator, page_size: int
    ) -> None:
        self.videos, self.users, self.rng, self.page_size = videos, users, rng, page_size
        self.log_theta = users.prior  # [users, topics], replaced every day
        self.recent = np.full((len(users.style), 8), -1)  # last videos, newest first
        self.free_at = np.zeros(len(users.style))  # seconds, when the last session ended
        self.watched, self.shown, self.by_channel, self.by_series = (_Memory() for _ in range(4))
        names = ("interactions", "searches", "impressions")
        self.tables: dict[str, list[dict[str, NDArray[Any]]]] = {name: [] for name in names}
        self.pages = 0

    def run_slot(self, start: float, activity: float) -> None:
        """Runs one session of every user who visits in this third of a day."""
        chance = np.minimum(self.users.activity * activity, 0.95)
        user = np.flatnonzero(self.rng.random(len(chance)) < chance)
        clock = start + self.rng.uniform(0, DAY / SLOTS, len(user))
        clock = np.maximum(clock, self.free_at[user] + 60)
        topic = self._session_topic(user)
        mass = self.videos.base * popularity_curve(start - self.videos.upload, self.videos.rise)
        ladder = np.concatenate([[0.0], np.cumsum(mass)])
        for _ in range(_ROUNDS):
            clock = self._watch_elsewhere(user, topic, clock, ladder)
            clock = self._show_page(user, topic, clock, ladder)
            self.free_at[user] = clock
            stays = self.rng.random(len(user)) < 0.6
            user, topic, clock = user[stays], topic[stays], clock[stays]

    def _session_topic(self, user: Ints) -> Ints:
        ladder = np.cumsum(np.exp(self.log_theta[user]), axis=1)[:, :-1]
        return np.asarray((self.rng.random((len(user), 1)) > ladder).sum(axis=1))

    def _nominate(
        self, user: Ints, topic: Ints, clock: Floats, ladder: Floats, source: Ints
    ) -> tuple[Ints, Ints, Bools]:
        """Draws a video per source; returns videos, sources, and which videos may be shown."""
        videos, rng, shape = self.videos, self.rng, source.shape  # [users, candidates]
        slot = np.where(source == _RELATED, 0, rng.integers(0, 8, shape))
        seed_video = self.recent[user[:, None], slot]
        needs_seed = (source == _RELATED) | (source == _SUBSCRIPTION)
        source = np.where(needs_seed & (seed_video < 0), _POPULAR, source)
        anything = source == _POPULAR
        by_channel = (source == _SUBSCRIPTION) | (source == _RELATED) & (rng.random(shape) < 0.5)
        kind = np.where(source == _HOME, topic[:, None], videos.topic[seed_video])
        channel = videos.channel[seed_video]
        topics, channels = videos.topic_edges, videos.channel_edges
        low = np.select([anything, by_channel], [0, channels[channel]], topics[kind])
        every = len(videos.topic)
        high = np.select([anything, by_channel], [every, channels[channel + 1]], topics[kind + 1])
        point = ladder[low] + rng.random(shape) * (ladder[high] - ladder[low])
        video = np.clip(np.searchsorted(ladder, point, "right") - 1, low, high - 1)
        continues = (source == _RELATED) & (videos.series[seed_video] >= 0)
        video = np.where(continues & (rng.random(shape) < 0.5), seed_video, video)
        video, exists = self._enter_series(user, video)
        return video, source, exists & self._is_showable(user, video, clock)

    def _enter_series(self, user: Ints, video: Ints) -> tuple[Ints, Bools]:
        """Replaces most episodes by the user's next one, and returns whether there is one."""
        series = self.videos.series[video]
        redirect = (series >= 0) & (self.rng.random(video.shape) < 0.95)
        if not redirect.any():
            return video, np.ones(video.shape, np.bool_)
        edges = self.videos.series_edges[series]
        following = edges[..., 0] + self.by_series.count(self._key(user, series))
        exists = ~redirect | (following < edges[..., 1])
        return np.where(redirect & exists, following, video), exists

    def _is_showable(self, user: Ints, video: Ints, clock: Floats) -> Bools:
        """Returns which videos are uploaded, not repeated in the row, and (mostly) not watched."""
        repeated = np.tril(video[:, :, None] == video[:, None, :], -1).any(axis=2)
        new = self.watched.count(self._key(user, video)) == 0
        uploaded = self.videos.upload[video] <= clock[:, None]
        return np.asarray(uploaded & ~repeated & (new | (self.rng.random(video.shape) < 0.02)))

    def _key(self, user: Ints, other: Ints) -> Ints:
        """Returns one integer per (user, other), for `other` [users] or [users, candidates]."""
        return (user if other.ndim == 1 else user[:, None]) * (len(self.videos.topic) + 1) + other

    def _appeal(self, user: Ints, topic: Ints, video: Ints, clock: Floats) -> tuple[Floats, Floats]:
        """Returns the click logit at the top of a page, and the mean share of the video watched."""
        videos, u = self.videos, user[:, None]
        kind, channel, series = videos.topic[video], videos.channel[video], videos.series[video]
        match = np.clip(self.log_theta[u, kind] + np.log(self.log_theta.shape[1]), -3, 3)
        style = np.einsum("nd,nmd->nm", self.users.style[user], videos.style[channel]) / 2
        progress = np.where(series >= 0, self.by_series.count(self._key(user, series)), 0)
        follows = (progress > 0) & (videos.episode[video] == progress + 1)
        age = clock[:, None] - videos.upload[video]
        logit = (
            _CLICK_BIAS
            - 0.15 * np.log(len(videos.topic) / 1000)
            + 0.6 * match
            + 0.8 * (kind == topic[:, None])
            + 0.5 * style
            + 0.6 * np.log1p(self.by_channel.count(self._key(user, channel)))
            + 1.0 * follows
            + 0.6 * popularity_curve(age, videos.rise[video])
            + 0.35 * videos.quality[video]
            + 1.6 * videos.bait[video]
            - 0.5 * self.shown.count(self._key(user, video))
        )
        longer = np.log(videos.length[video] / 240)
        ratio = (
            -0.3
            + 0.9 * videos.quality[video]
            - 2.0 * videos.bait[video]
            + 0.25 * match
            + 0.3 * style
            - (0.45 + self.users.impatience[u]) * longer
        )
        return logit, np.clip(_sigmoid(ratio), 0.02, 0.98)

    def _watch_time(self, video: Ints, ratio: Floats) -> Floats:
        share = self.rng.beta(_RATIO_CONCENTRATION * ratio, _RATIO_CONCENTRATION * (1 - ratio))
        return np.asarray(1 + (self.videos.length[video] - 1) * share)

    def _watch_elsewhere(self, user: Ints, topic: Ints, clock: Floats, ladder: Floats) -> Floats:
        """Simulates a search and its result, autoplay from the last watch, or neither."""
        searches = self.rng.random(len(user)) < 0.3
        acts = np.flatnonzero(searches | (self.rng.random(len(user)) < 0.55))
        who, at, searches = user[acts], clock[acts] + 10, searches[acts]
        source = np.where(searches, _HOME, _RELATED)[:, None].repeat(8, axis=1)
        video, _, showable = self._nominate(who, topic[acts], at, ladder, source)
        logit, ratio = self._appeal(who, topic[acts], video, at)
        gumbel = self.rng.gumbel(size=logit.shape)
        best = np.where(showable, logit + gumbel, -np.inf).argmax(axis=1)
        row = np.arange(len(acts))
        chosen, found = video[row, best], showable[row, best]
        asks = searches & found
        query = queries(self.rng, self.videos, chosen[asks])
        self.tables["searches"].append({"user": who[asks], "time": at[asks], "query": query})
        found &= ~searches | (self.rng.random(len(acts)) < 0.85)
        seconds = self._watch_time(chosen, ratio[row, best]) * found
        self._record_watches(who[found], chosen[found], at[found] + 10, seconds[found])
        clock = clock.copy()
        clock[acts] += 30 + seconds
        return clock

    def _show_page(self, user: Ints, topic: Ints, clock: Floats, ladder: Floats) -> Floats:
        """Shows each user a page, ranked by a noisy system, and plays the clicked videos."""
        candidates = (len(user), 2 * self.page_size)
        source = self.rng.choice(4, candidates, p=_SOURCE_SHARES)
        usual = self.rng.random(len(user)) < 0.5
        homely = np.where(usual, self._session_topic(user), topic)
        video, source, showable = self._nominate(user, homely, clock, ladder, source)
        logit, ratio = self._appeal(user, topic, video, clock)
        noise = self.rng.gumbel(scale=1.5, size=candidates)
        order = np.argsort(np.where(showable, -logit - noise, np.inf), axis=1)[:, : self.page_size]
        row = np.arange(len(user))[:, None]
        video, source, showable = video[row, order], source[row, order], showable[row, order]
        logit, ratio = logit[row, order], ratio[row, order]
        position = np.broadcast_to(np.arange(self.page_size), video.shape)
        chance = _sigmoid(logit - 0.08 * position)
        clicked = showable & (self.rng.random(video.shape) < chance)
        seconds = self._watch_time(video, ratio) * clicked
        begins = clock[:, None] + 10 + np.cumsum(seconds, axis=1) - seconds + position
        mean_seconds = 1 + (self.videos.length[video] - 1) * ratio
        page = self.pages + np.arange(len(user))
        self.pages += len(user)
        who = np.broadcast_to(user[:, None], video.shape)
        columns: dict[str, NDArray[Any]] = {
            "page_id": np.broadcast_to(page[:, None], video.shape),
            "position": position,
            "user": who,
            "video": video,
            "time": np.broadcast_to(clock[:, None], video.shape),
            "source": source,
            "clicked": clicked.astype(np.int64),
            "watch_seconds": seconds,
            "true_click_probability": chance,
            "true_watch_time": chance * mean_seconds,
        }
        self.tables["impressions"].append({k: v[showable] for k, v in columns.items()})
        self.shown.add(self._key(user, video)[showable & ~clicked])
        self._record_watches(who[clicked], video[clicked], begins[clicked], seconds[clicked])
        return np.asarray(clock + 30 + self.page_size + seconds.sum(axis=1))

    def _record_watches(self, user: Ints, video: Ints, time: Floats, seconds: Floats) -> None:
        """Writes watches, which are in order of time for each user, and remembers them."""
        self.tables["interactions"].append(
            {"user": user, "video": video, "time": time, "watch_seconds": seconds}
        )
        series, key = self.videos.series[video], self._key(user, video)
        advances = (series >= 0) & (self.watched.count(key) == 0)
        self.watched.add(key)
        self.by_channel.add(self._key(user, self.videos.channel[video]))
        self.by_series.add(self._key(user, series)[advances])
        for nth in range(self.page_size):  # the nth watch of each user in this batch
            turn = _occurrence(user) == nth
            self.recent[user[turn], 1:] = self.recent[user[turn], :-1]
            self.recent[user[turn], 0] = video[turn]


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _occurrence(sorted_keys: Ints) -> Ints:
    """Returns how many equal keys precede each, in an array where equal keys are adjacent."""
    return np.arange(len(sorted_keys)) - np.searchsorted(sorted_keys, sorted_keys)


def _as_log(world: _World, video_ids: NDArray[Any]) -> Log:
    user_ids = world.users.frame["user_id"].to_numpy(object)
    rank = user_ids.argsort().argsort()  # a log is sorted by user id, as text
    names, tables = {"user": "user_id", "video": "video_id"}, {}
    for name, parts in world.tables.items():
        joined = {column: np.concatenate([p[column] for p in parts]) for column in parts[0]}
        order = np.lexsort((joined["time"], rank[joined["user"]]))  # stable: pages stay in order
        joined["user"] = user_ids[joined["user"]]
        if "source" in joined:
            joined["source"] = SOURCES[joined["source"]]
        if "video" in joined:
            joined["video"] = video_ids[joined["video"]]
        tables[name] = pd.DataFrame({names.get(k, k): v[order] for k, v in joined.items()})
    return Log(
        name="simulated",
        users=world.users.frame,
        items=item_table(world.videos, video_ids),
        roles=Roles(
            user="user_id", item="video_id", time="time", label="clicked", weight="watch_seconds"
        ),
        **tables,
    )

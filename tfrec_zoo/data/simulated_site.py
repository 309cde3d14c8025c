"""The running site of the simulator: sessions, pages, watches and searches.

The equations are in `tfrec_zoo.data.simulator`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrec_zoo.data.simulated_world import (
    DAY,
    SLOTS,
    Floats,
    Ints,
    Memory,
    Users,
    Videos,
    log_shares,
    occurrence,
    popularity_curve,
    queries,
    sigmoid,
    taste_drift,
)

Bools = NDArray[np.bool_]

SOURCES: Final = np.array(["home", "subscription", "related", "popular", "policy"], dtype=object)
_HOME, _SUBSCRIPTION, _RELATED, _POPULAR, POLICY = range(5)
_SOURCE_SHARES: Final = (0.35, 0.2, 0.25, 0.2)
_SLOT_ACTIVITY: Final = (0.4, 1.0, 1.6)
_ROUNDS: Final = 3  # pages in the longest session
_CLICK_BIAS: Final = -4.65
_RATIO_CONCENTRATION: Final = 4.0
POSITION_BIAS: Final = 0.08
SHOWN_BEFORE: Final = 0.5  # lower logit for each time that the video was shown and not clicked


class Page(NamedTuple):
    """What users are shown, a page each.

    Args:
        video: [users, places] the videos.
        source: [users, places] positions in `SOURCES`.
        is_shown: [users, places] which places hold a video: the first ones.
        logit: [users, places] logit of a click at the top of the page.
        ratio: [users, places] mean share of the video that is watched.
    """

    video: Ints
    source: Ints
    is_shown: Bools
    logit: Floats
    ratio: Floats


class Site:
    """The running site: what each user has seen, and the tables of the log so far.

    Args:
        videos: The catalogue.
        users: The users.
        rng: What everything that happens is drawn from.
        page_size: Number of videos shown on a page.
        drift: Rate per day at which a taste returns to its mean.
        pages: Page ids on which every video's true values are noted.
    """

    def __init__(
        self,
        videos: Videos,
        users: Users,
        rng: np.random.Generator,
        page_size: int,
        drift: float,
        pages: NDArray[Any],
    ) -> None:
        self.videos, self.users, self.rng, self.page_size = videos, users, rng, page_size
        self.drift = drift
        self.taste = users.prior + rng.normal(size=users.prior.shape)  # [users, topics]
        self.log_theta = users.prior  # [users, topics], replaced every day
        self.recent = np.full((len(users.style), 8), -1)  # last videos, newest first
        self.free_at = np.zeros(len(users.style))  # seconds, when the last session ended
        self.watched, self.shown, self.by_channel, self.by_series = (Memory() for _ in range(4))
        names = ("interactions", "searches", "impressions")
        self.tables: dict[str, list[dict[str, NDArray[Any]]]] = {name: [] for name in names}
        self.pages = 0
        self.to_probe = pages
        self.probed: list[tuple[Floats, Floats]] = []  # click logits, seconds: [pages, videos]

    def run_day(self, day: int) -> None:
        """Runs a day, after which tastes have drifted."""
        self.log_theta = log_shares(self.taste)
        for slot in range(SLOTS):
            self.run_slot((day + slot / SLOTS) * DAY, _SLOT_ACTIVITY[slot])
        self.taste = taste_drift(self.rng, self.taste, self.users.prior, self.drift)

    def run_slot(self, start: float, activity: float) -> None:
        """Runs one session of every user who visits in this third of a day."""
        chance = np.minimum(self._activity() * activity, 0.95)
        user = np.flatnonzero(self._uniform(np.arange(len(chance))) < chance)
        clock = start + DAY / SLOTS * self._uniform(user)
        clock = np.maximum(clock, self.free_at[user] + 60)
        topic = self._session_topic(user)
        mass = self.videos.base * popularity_curve(start - self.videos.upload, self.videos.rise)
        ladder = np.concatenate([[0.0], np.cumsum(mass)])
        for _ in range(_ROUNDS):
            clock = self._watch_elsewhere(user, topic, clock, ladder)
            clock = self._show_page(user, topic, clock, ladder)
            self.free_at[user] = clock
            stays = self._uniform(user) < 0.6
            user, topic, clock = user[stays], topic[stays], clock[stays]

    def _activity(self) -> Floats:
        """Returns the [users] probability of a session in an average slot."""
        return self.users.activity

    def _uniform(self, user: Ints, *shape: int) -> Floats:
        """Draws uniform numbers for users, [users, *shape]."""
        return self.rng.random((len(user), *shape))

    def _session_topic(self, user: Ints) -> Ints:
        ladder = np.cumsum(np.exp(self.log_theta[user]), axis=1)[:, :-1]
        return np.asarray((self._uniform(user, 1) > ladder).sum(axis=1))

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
            - SHOWN_BEFORE * self.shown.count(self._key(user, video))
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
        return logit, np.clip(sigmoid(ratio), 0.02, 0.98)

    def _watch_time(self, video: Ints, ratio: Floats) -> Floats:
        share = self.rng.beta(_RATIO_CONCENTRATION * ratio, _RATIO_CONCENTRATION * (1 - ratio))
        return np.asarray(1 + (self.videos.length[video] - 1) * share)

    def _watch_elsewhere(self, user: Ints, topic: Ints, clock: Floats, ladder: Floats) -> Floats:
        """Simulates a search and its result, autoplay from the last watch, or neither."""
        searches = self._uniform(user) < 0.3
        acts = np.flatnonzero(searches | (self._uniform(user) < 0.55))
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
        """Shows each user a page, and plays the clicked videos."""
        self._probe(user, topic, clock)
        seconds = self._respond(user, clock, self._fill_page(user, topic, clock, ladder))
        return np.asarray(clock + 30 + self.page_size + seconds.sum(axis=1))

    def _fill_page(self, user: Ints, topic: Ints, clock: Floats, ladder: Floats) -> Page:
        """Chooses what each user is shown: the site's own system, which is noisy."""
        candidates = (len(user), 2 * self.page_size)
        source = self.rng.choice(4, candidates, p=_SOURCE_SHARES)
        usual = self._uniform(user) < 0.5
        homely = np.where(usual, self._session_topic(user), topic)
        video, source, showable = self._nominate(user, homely, clock, ladder, source)
        logit, ratio = self._appeal(user, topic, video, clock)
        noise = self.rng.gumbel(scale=1.5, size=candidates)
        order = np.argsort(np.where(showable, -logit - noise, np.inf), axis=1)[:, : self.page_size]
        row = np.arange(len(user))[:, None]
        at = row, order
        return Page(video[at], source[at], showable[at], logit[at], ratio[at])

    def _respond(self, user: Ints, clock: Floats, shown: Page) -> Floats:
        """Lets each user click and watch, and returns the [users, places] seconds watched."""
        video, source, showable, logit, ratio = shown
        position = np.broadcast_to(np.arange(video.shape[1]), video.shape)
        chance = sigmoid(logit - POSITION_BIAS * position)
        clicked = showable & (self._uniform(user, video.shape[1]) < chance)
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
        return seconds

    def _probe(self, user: Ints, topic: Ints, clock: Floats) -> None:
        """Notes what every video would be worth on those of these pages that are asked about."""
        at = np.isin(self.pages + np.arange(len(user)), self.to_probe)
        if not at.any():
            return
        size = len(self.videos.topic)
        every = np.broadcast_to(np.arange(size), (at.sum(), size))
        logit, ratio = self._appeal(user[at], topic[at], every, clock[at])
        logit = np.where(self.videos.upload <= clock[at, None], logit, -np.inf)
        seconds = 1 + (self.videos.length - 1) * ratio
        self.probed.append((logit.astype(np.float32), seconds.astype(np.float32)))

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
            turn = occurrence(user) == nth
            self.recent[user[turn], 1:] = self.recent[user[turn], :-1]
            self.recent[user[turn], 0] = video[turn]

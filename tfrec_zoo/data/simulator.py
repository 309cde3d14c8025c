"""A small YouTube whose truth is known: watches, searches and page impressions.

The public MovieLens logs have no impressions, watch times or upload times, so the two-stage
paper (Covington et al., RecSys 2016) cannot be re-run on them. This world has all three, and
for every impression the true click probability and the true expected watch time.

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
logit. A series is mostly entered at the user's next episode. A past watch is let through 2% of
the time. log(K theta) is clipped to [-3, 3] and w to [.02, .98]. The truth is given all that the
world knows: the session's topic and the styles are in no column.

Marginals as measured, at the default arguments, beside all of MovieLens-1M (a rating counts as a
watch) and KuaiRand-Pure from 25 April to 8 May 2022 (a click counts as a watch). Users and videos
without a watch are left out.

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

The click rate is low on purpose: the paper's ranking assumes few positives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec_zoo.data.log import Log, Roles

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAY: Final = 86_400.0
SOURCES: Final = np.array(["home", "subscription", "related", "popular"], dtype=object)
_HOME, _SUBSCRIPTION, _RELATED, _POPULAR = range(4)
_SOURCE_SHARES: Final = (0.35, 0.2, 0.25, 0.2)
_COUNTRIES: Final = np.array(["US", "IN", "BR", "JP", "DE", "NG"], dtype=object)
_DEVICES: Final = np.array(["mobile", "desktop", "tv", "tablet"], dtype=object)
_DEVICE_IMPATIENCE: Final = np.array([0.25, 0.0, -0.3, 0.0])  # per log unit of video length
_SLOTS: Final = 3  # sessions start in the night, the day or the evening
_SLOT_ACTIVITY: Final = (0.4, 1.0, 1.6)
_ROUNDS: Final = 3  # pages in the longest session
_CLICK_BIAS: Final = -4.65
_RATIO_CONCENTRATION: Final = 4.0
_VOCABULARY: Final = """
cooking sourdough pasta knife curry grill sauce diving deep-sea reef wreck snorkel freediving
shark chess opening endgame gambit blitz checkmate rook guitar chord riff amplifier fingerstyle
blues solo gardening tomato compost orchard seedling pruning greenhouse astronomy telescope
nebula comet eclipse galaxy rocket woodworking lathe dovetail plywood chisel workbench veneer
football striker penalty goalkeeper dribbling derby tactics gaming speedrun boss dungeon sandbox
console retro history empire pharaoh viking castle revolution trench cycling gravel derailleur
sprint climbing peloton saddle fashion denim sneaker runway tailoring vintage jacket finance
dividend mortgage budget inflation pension stocks coding python compiler database algorithm
debugger terminal fitness deadlift kettlebell stretching marathon planks protein travel backpack
island railway hostel desert night-market pets kitten puppy parrot aquarium hamster leash cars
engine turbo roadster hybrid drifting gearbox painting watercolour portrait acrylic palette
landscape easel science magnet laser enzyme vacuum quantum reactor photography aperture tripod
darkroom shutter drone macro comedy prank standup parody improv sketch-show roast music synth
remix orchestra drummer vinyl karaoke language grammar accent idiom alphabet vocabulary
translation"""
_WORDS: Final = np.array(_VOCABULARY.split(), dtype=object).reshape(-1, 7)  # a topic and six words
_FORMATS: Final = np.array(
    ["explained", "for beginners", "compared", "live", "in ten minutes", "review", "step by step"]
    + ["gone wrong", "they hide from you", "you won't believe"],
    dtype=object,
)
_HONEST_FORMATS: Final = 7  # the formats after these are click-bait


@dataclass(frozen=True)
class _Videos:
    """The catalogue, sorted by topic, channel, series and episode, so that each is a slice."""

    topic: Ints  # [videos]
    channel: Ints
    series: Ints  # -1 when none
    episode: Ints  # 0 when none
    length: Floats  # seconds
    upload: Floats  # seconds
    base: Floats
    rise: Floats  # seconds from upload to the peak
    quality: Floats
    bait: Floats
    style: Floats  # [channels, 4]
    words: Ints  # [videos, 2], columns of the topic's row of _WORDS
    topic_edges: Ints  # [topics + 1]
    channel_edges: Ints
    series_edges: Ints  # [series, 2]


@dataclass(frozen=True)
class _Users:
    """The people: what the log shows of them, and what it does not."""

    frame: pd.DataFrame
    prior: Floats  # [users, topics], the taste that drift returns to
    style: Floats  # [users, 4]
    impatience: Floats  # [users]
    activity: Floats  # [users], probability of a session in an average slot


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

    A default log has about 130 impressions and 23 watches a user; both grow linearly in
    `num_users`, `num_days` and `sessions_per_day`. A session begun in the last minutes of the
    window ends after it, so a few times exceed `num_days` days.

    Args:
        num_users: People. Some may never come.
        num_items: Videos, at least one per topic and four pages of them.
        num_days: Length of the window; times are seconds since its start.
        seed: Non-negative integer.
        num_topics: Topics of the videos, 2 to 24.
        page_size: Videos shown on a page (fewer when the sources have no more to offer).
        sessions_per_day: Mean sessions of a user per day, above 0 and at most 2.
        drift: Rate per day at which a taste forgets itself; 0 keeps it fixed.
        bait_share: Share of videos that are click-bait: clicked more, watched less.
        fresh_share: Share of videos outside series that are uploaded inside the window.

    Returns:
        A `Log` whose `impressions` carry `true_click_probability` and `true_watch_time` (seconds).

    Raises:
        ValueError: An argument has the wrong type or is out of range.

    Example:
        >>> log = simulate(num_users=200, num_items=300, num_days=5)
        >>> bool(log.impressions.clicked.mean() < 0.1)
        True
    """
    _check("seed", seed, Integral, 0)
    _check("num_users", num_users, Integral, 1)
    _check("num_days", num_days, Integral, 1)
    _check("num_topics", num_topics, Integral, 2, len(_WORDS))
    _check("page_size", page_size, Integral, 1)
    _check("num_items", num_items, Integral, max(num_topics, 4 * page_size))
    _check("sessions_per_day", sessions_per_day, Real, 0.01, 2.0)
    _check("drift", drift, Real, 0.0, 10.0)
    _check("bait_share", bait_share, Real, 0.0, 1.0)
    _check("fresh_share", fresh_share, Real, 0.0, 1.0)
    video_rng, user_rng, event_rng = (np.random.default_rng([seed, part]) for part in range(3))
    videos = _catalogue(video_rng, num_items, num_topics, num_days * DAY, bait_share, fresh_share)
    users = _population(user_rng, num_users, num_topics, sessions_per_day)
    video_ids = _labels("v", video_rng.permutation(num_items))
    world = _World(videos, users, event_rng, page_size)
    taste = users.prior + event_rng.normal(size=users.prior.shape)
    for day in range(num_days):
        world.log_theta = _log_softmax(taste)
        for slot in range(_SLOTS):
            world.run_slot((day + slot / _SLOTS) * DAY, _SLOT_ACTIVITY[slot])
        taste = _taste_drift(event_rng, taste, users.prior, drift)
    return _as_log(world, video_ids)


def _check(name: str, value: Any, kind: type, low: float, high: float = np.inf) -> None:
    right_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not right_kind or not low <= value <= high:
        noun = "an integer" if kind is Integral else "a number"
        bounds = f"at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ValueError(f"`{name}` must be {noun} {bounds}. Received: {name}={value!r}")


def _catalogue(
    rng: np.random.Generator,
    num_items: int,
    num_topics: int,
    horizon: float,
    bait_share: float,
    fresh_share: float,
) -> _Videos:
    num_channels = max(num_topics, num_items // 12)
    channel_topic = np.sort(np.arange(num_channels) % num_topics)
    size = rng.lognormal(0.0, 0.7, num_channels)
    extra = rng.choice(num_channels, num_items - num_channels, p=size / size.sum())
    channel = np.sort(np.concatenate([np.arange(num_channels), extra]))
    channel_edges = np.searchsorted(channel, np.arange(num_channels + 1))
    topic = channel_topic[channel]
    # Each channel is cut into runs of eight videos; three in ten are series.
    rank = np.arange(num_items) - channel_edges[channel]
    run = np.cumsum(rank % 8 == 0) - 1
    is_series = (rng.random(run[-1] + 1) < 0.3) & (np.bincount(run) >= 3)
    series = np.where(is_series, np.cumsum(is_series) - 1, -1)[run]
    episode = np.where(series >= 0, rank % 8 + 1, 0)
    starts = np.flatnonzero(episode == 1)
    series_edges = np.stack([starts, starts + np.bincount(run)[is_series]], axis=1)
    bait = (rng.random(num_items) < bait_share) * rng.uniform(0.6, 1.2, num_items)
    length = rng.lognormal(np.log(240) + rng.normal(0, 0.4, num_topics)[topic], 0.8, num_items)
    return _Videos(
        topic=topic,
        channel=channel,
        series=series,
        episode=episode,
        length=np.clip(length, 15.0, 7200.0).round(1),
        upload=_upload_times(rng, run, episode, horizon, fresh_share),
        base=rng.lognormal(0.0, 1.3, num_items) * rng.lognormal(0.0, 0.5, num_channels)[channel],
        rise=DAY * rng.lognormal(np.log(1.5), 0.4, num_items),
        quality=rng.normal(size=num_items),
        bait=bait,
        style=rng.normal(size=(num_channels, 4)),
        words=np.argsort(rng.random((num_items, 6)), axis=1)[:, :2] + 1,
        topic_edges=np.searchsorted(topic, np.arange(num_topics + 1)),
        channel_edges=channel_edges,
        series_edges=series_edges,
    )


def _upload_times(
    rng: np.random.Generator, run: Ints, episode: Ints, horizon: float, fresh_share: float
) -> Floats:
    """Single videos anywhere from 60 days before the window; a series at a steady pace."""
    fresh = rng.random(len(run)) < fresh_share
    inside, before = rng.uniform(0, 0.98 * horizon, len(run)), rng.uniform(-60 * DAY, 0, len(run))
    start = rng.uniform(-10 * DAY, 0.6 * horizon, run[-1] + 1)
    pace = rng.uniform(0.3, 1.0, len(start)) * np.minimum(DAY, (0.98 * horizon - start) / 8)
    single = np.where(fresh, inside, before)
    return np.where(episode > 0, start[run] + (episode - 1) * pace[run], single)


def _population(
    rng: np.random.Generator, num_users: int, num_topics: int, sessions_per_day: float
) -> _Users:
    country = rng.choice(len(_COUNTRIES), num_users, p=[0.3, 0.25, 0.15, 0.1, 0.1, 0.1])
    device = rng.choice(len(_DEVICES), num_users, p=[0.55, 0.25, 0.12, 0.08])
    age = np.clip(13 + rng.gamma(2.2, 9.0, num_users), 13, 90).round(0)
    woman = rng.random(num_users) < 0.48
    gender = np.where(woman, "female", "male")
    frame = pd.DataFrame(
        {
            "user_id": _labels("u", np.arange(num_users)),
            "country": _COUNTRIES[country],
            "device": _DEVICES[device],
            "age": np.where(rng.random(num_users) < 0.08, np.nan, age),
            "gender": np.where(rng.random(num_users) < 0.12, "", gender).astype(object),
            "logged_in": (rng.random(num_users) < 0.85).astype(np.int64),
        }
    )
    demographics = (
        0.5 * rng.normal(size=(len(_COUNTRIES), num_topics))[country]
        + 0.6 * np.outer((age - 33) / 13, rng.normal(size=num_topics))
        + 0.5 * np.outer(2.0 * woman - 1, rng.normal(size=num_topics))
    )
    return _Users(
        frame=frame,
        prior=demographics + rng.normal(size=(num_users, num_topics)),
        style=rng.normal(size=(num_users, 4)),
        impatience=_DEVICE_IMPATIENCE[device],
        activity=rng.lognormal(-0.35, 0.85, num_users) * sessions_per_day / _SLOTS,
    )


def _taste_drift(rng: np.random.Generator, taste: Floats, prior: Floats, drift: float) -> Floats:
    keep = np.exp(-drift)
    noise = rng.normal(size=taste.shape)
    return np.asarray(prior + keep * (taste - prior) + 1.4 * np.sqrt(1 - keep**2) * noise)


def _popularity_curve(age: Floats, rise: Floats) -> Floats:
    """Rises from upload to a peak of 1.08 after `rise` seconds, then decays to 0.08."""
    x = np.maximum(age, 0) / rise
    return np.asarray(np.where(age >= 0, 0.08 + x * np.exp(1 - x), 0.0))


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _labels(prefix: str, numbers: Ints) -> NDArray[Any]:
    return np.asarray(prefix + numbers.astype(str).astype(object))


class _World:
    """The site while it runs: what each user has seen, and the tables being written."""

    def __init__(
        self, videos: _Videos, users: _Users, rng: np.random.Generator, page_size: int
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
        """One session of every user who comes in this third of a day."""
        chance = np.minimum(self.users.activity * activity, 0.95)
        user = np.flatnonzero(self.rng.random(len(chance)) < chance)
        clock = start + self.rng.uniform(0, DAY / _SLOTS, len(user))
        clock = np.maximum(clock, self.free_at[user] + 60)
        topic = self._session_topic(user)
        mass = self.videos.base * _popularity_curve(start - self.videos.upload, self.videos.rise)
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
        """Draws a video per source; returns them, their sources and which may be shown."""
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
        """Replaces most episodes by the user's next one; false where the series is over."""
        series = self.videos.series[video]
        redirect = (series >= 0) & (self.rng.random(video.shape) < 0.95)
        if not redirect.any():
            return video, np.ones(video.shape, np.bool_)
        edges = self.videos.series_edges[series]
        following = edges[..., 0] + self.by_series.count(self._key(user, series))
        exists = ~redirect | (following < edges[..., 1])
        return np.where(redirect & exists, following, video), exists

    def _is_showable(self, user: Ints, video: Ints, clock: Floats) -> Bools:
        """Uploaded, not a repeat within the row, and (mostly) not watched before."""
        repeated = np.tril(video[:, :, None] == video[:, None, :], -1).any(axis=2)
        new = self.watched.count(self._key(user, video)) == 0
        uploaded = self.videos.upload[video] <= clock[:, None]
        return np.asarray(uploaded & ~repeated & (new | (self.rng.random(video.shape) < 0.02)))

    def _key(self, user: Ints, other: Ints) -> Ints:
        """One integer per (user, other): other is [users] or [users, candidates]."""
        return (user if other.ndim == 1 else user[:, None]) * (len(self.videos.topic) + 1) + other

    def _appeal(self, user: Ints, topic: Ints, video: Ints, clock: Floats) -> tuple[Floats, Floats]:
        """The click logit at the top of a page, and the mean share of the video watched."""
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
            + 0.6 * _popularity_curve(age, videos.rise[video])
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
        """A search and its result, or autoplay from the last watch, or neither."""
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
        query = self._query(chosen[asks])
        self.tables["searches"].append({"user": who[asks], "time": at[asks], "query": query})
        found &= ~searches | (self.rng.random(len(acts)) < 0.85)
        seconds = self._watch_time(chosen, ratio[row, best]) * found
        self._record_watches(who[found], chosen[found], at[found] + 10, seconds[found])
        clock = clock.copy()
        clock[acts] += 30 + seconds
        return clock

    def _query(self, video: Ints) -> NDArray[Any]:
        """Words of the wanted video's title or others of its topic, and perhaps the topic."""
        kind, rng = self.videos.topic[video], self.rng
        title = self.videos.words[video]
        stray = rng.integers(1, _WORDS.shape[1], title.shape)
        words = _WORDS[kind[:, None], np.where(rng.random(title.shape) < 0.6, title, stray)]
        count = rng.choice(3, len(video), p=[0.45, 0.4, 0.15])
        second = np.where((count > 0) & (words[:, 0] != words[:, 1]), " " + words[:, 1], "")
        return np.asarray(words[:, 0] + second + np.where(count > 1, " " + _WORDS[kind, 0], ""))

    def _show_page(self, user: Ints, topic: Ints, clock: Floats, ladder: Floats) -> Floats:
        """Shows each user a page, ranked by a noisy system, and plays what is clicked."""
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
        """Writes watches, given in order of time for each user, and remembers them."""
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
    """How many equal keys stand before each, in an array where equal keys are adjacent."""
    return np.arange(len(sorted_keys)) - np.searchsorted(sorted_keys, sorted_keys)


def _titles(videos: _Videos) -> NDArray[Any]:
    """Readable titles; those of a series share the name of its first episode."""
    start = np.arange(len(videos.topic))
    in_series = videos.series >= 0
    start[in_series] = videos.series_edges[videos.series[in_series], 0]
    kind, words, bait = videos.topic[start], videos.words[start], videos.bait > 0
    style = start * 7919 % 1009
    honest = style % _HONEST_FORMATS
    sensational = _HONEST_FORMATS + style % (len(_FORMATS) - _HONEST_FORMATS)
    title = pd.Series(_WORDS[kind, words[:, 0]] + " " + _WORDS[kind, words[:, 1]]).str.capitalize()
    title = title + " " + _FORMATS[np.where(bait, sensational, honest)]
    episode = pd.Series(videos.episode)
    title = title.where(episode == 0, title + ", episode " + episode.astype(str))
    copy = title.groupby(title).cumcount() + 1
    return np.asarray(title.where(copy == 1, title + " #" + copy.astype(str)), dtype=object)


def _as_log(world: _World, video_ids: NDArray[Any]) -> Log:
    videos, user_ids = world.videos, world.users.frame["user_id"].to_numpy(object)
    items = pd.DataFrame(
        {
            "video_id": video_ids,
            "title": _titles(videos),
            "channel": _labels("c", videos.channel),
            "topic": _WORDS[videos.topic, 0],
            "length": videos.length,
            "upload_time": videos.upload,
            "series": np.where(videos.series >= 0, _labels("s", videos.series), ""),
            "episode": videos.episode,
        }
    )
    rank = user_ids.argsort().argsort()  # a log is sorted by the text of the id
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
        items=items,
        roles=Roles(
            user="user_id", item="video_id", time="time", label="clicked", weight="watch_seconds"
        ),
        **tables,
    )

"""The users and the videos of the simulated site, drawn before the simulation starts.

The equations behind them are in `tfrec_zoo.data.simulator`, which runs the site.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DAY: Final = 86_400.0
_COUNTRIES: Final = np.array(["US", "IN", "BR", "JP", "DE", "NG"], dtype=object)
_DEVICES: Final = np.array(["mobile", "desktop", "tv", "tablet"], dtype=object)
_DEVICE_IMPATIENCE: Final = np.array([0.25, 0.0, -0.3, 0.0])  # per log unit of video length
SLOTS: Final = 3  # sessions start in the night, the day or the evening
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
WORDS: Final = np.array(_VOCABULARY.split(), dtype=object).reshape(-1, 7)  # a topic and six words
_FORMATS: Final = np.array(
    ["explained", "for beginners", "compared", "live", "in ten minutes", "review", "step by step"]
    + ["gone wrong", "they hide from you", "you won't believe"],
    dtype=object,
)
_HONEST_FORMATS: Final = 7  # the formats after these are click-bait


@dataclass(frozen=True)
class Videos:
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
    words: Ints  # [videos, 2], columns of the topic's row of WORDS
    topic_edges: Ints  # [topics + 1]
    channel_edges: Ints
    series_edges: Ints  # [series, 2]


@dataclass(frozen=True)
class Users:
    """The users: what the log shows about them, and what it hides."""

    frame: pd.DataFrame
    prior: Floats  # [users, topics], the taste that drift returns to
    style: Floats  # [users, 4]
    impatience: Floats  # [users]
    activity: Floats  # [users], probability of a session in an average slot


def catalogue(
    rng: np.random.Generator,
    num_items: int,
    num_topics: int,
    horizon: float,
    bait_share: float,
    fresh_share: float,
) -> Videos:
    """Draws the videos.

    The arguments are those of `simulate`; `horizon` is the length of its window in seconds.
    """
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
    return Videos(
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
    """Draws single videos from 60 days before the window on, and series at a steady pace."""
    fresh = rng.random(len(run)) < fresh_share
    inside, before = rng.uniform(0, 0.98 * horizon, len(run)), rng.uniform(-60 * DAY, 0, len(run))
    start = rng.uniform(-10 * DAY, 0.6 * horizon, run[-1] + 1)
    pace = rng.uniform(0.3, 1.0, len(start)) * np.minimum(DAY, (0.98 * horizon - start) / 8)
    single = np.where(fresh, inside, before)
    return np.where(episode > 0, start[run] + (episode - 1) * pace[run], single)


def population(
    rng: np.random.Generator, num_users: int, num_topics: int, sessions_per_day: float
) -> Users:
    """Draws the users. The arguments are those of `simulate`."""
    country = rng.choice(len(_COUNTRIES), num_users, p=[0.3, 0.25, 0.15, 0.1, 0.1, 0.1])
    device = rng.choice(len(_DEVICES), num_users, p=[0.55, 0.25, 0.12, 0.08])
    age = np.clip(13 + rng.gamma(2.2, 9.0, num_users), 13, 90).round(0)
    woman = rng.random(num_users) < 0.48
    gender = np.where(woman, "female", "male")
    frame = pd.DataFrame(
        {
            "user_id": labels("u", np.arange(num_users)),
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
    return Users(
        frame=frame,
        prior=demographics + rng.normal(size=(num_users, num_topics)),
        style=rng.normal(size=(num_users, 4)),
        impatience=_DEVICE_IMPATIENCE[device],
        activity=rng.lognormal(-0.35, 0.85, num_users) * sessions_per_day / SLOTS,
    )


def popularity_curve(age: Floats, rise: Floats) -> Floats:
    """Returns the popularity at an age: a peak of 1.08 after `rise` seconds, then decay to 0.08."""
    x = np.maximum(age, 0) / rise
    return np.asarray(np.where(age >= 0, 0.08 + x * np.exp(1 - x), 0.0))


def taste_drift(rng: np.random.Generator, taste: Floats, prior: Floats, drift: float) -> Floats:
    """Returns the tastes a day later, drawn back to `prior` and perturbed."""
    keep = np.exp(-drift)
    noise = rng.normal(size=taste.shape)
    return np.asarray(prior + keep * (taste - prior) + 1.4 * np.sqrt(1 - keep**2) * noise)


def log_shares(taste: Floats) -> Floats:
    """Returns the logarithm of each topic's share in a taste, its log-softmax."""
    shifted = taste - taste.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def labels(prefix: str, numbers: Ints) -> NDArray[Any]:
    """Returns ids as text, such as "v12" for "v" and 12."""
    return np.asarray(prefix + numbers.astype(str).astype(object))


def _titles(videos: Videos) -> NDArray[Any]:
    """Returns readable titles; episodes of a series share the name of the first."""
    start = np.arange(len(videos.topic))
    in_series = videos.series >= 0
    start[in_series] = videos.series_edges[videos.series[in_series], 0]
    kind, words, bait = videos.topic[start], videos.words[start], videos.bait > 0
    style = start * 7919 % 1009
    honest = style % _HONEST_FORMATS
    sensational = _HONEST_FORMATS + style % (len(_FORMATS) - _HONEST_FORMATS)
    title = pd.Series(WORDS[kind, words[:, 0]] + " " + WORDS[kind, words[:, 1]]).str.capitalize()
    title = title + " " + _FORMATS[np.where(bait, sensational, honest)]
    episode = pd.Series(videos.episode)
    title = title.where(episode == 0, title + ", episode " + episode.astype(str))
    copy = title.groupby(title).cumcount() + 1
    return np.asarray(title.where(copy == 1, title + " #" + copy.astype(str)), dtype=object)


def item_table(videos: Videos, video_ids: NDArray[Any]) -> pd.DataFrame:
    """Returns the part of the catalogue that the log shows."""
    return pd.DataFrame(
        {
            "video_id": video_ids,
            "title": _titles(videos),
            "channel": labels("c", videos.channel),
            "topic": WORDS[videos.topic, 0],
            "length": videos.length,
            "upload_time": videos.upload,
            "series": np.where(videos.series >= 0, labels("s", videos.series), ""),
            "episode": videos.episode,
        }
    )


def queries(rng: np.random.Generator, videos: Videos, video: Ints) -> NDArray[Any]:
    """Draws search queries: words of the wanted video's title or topic, and perhaps the topic."""
    kind, title = videos.topic[video], videos.words[video]
    stray = rng.integers(1, WORDS.shape[1], title.shape)
    words = WORDS[kind[:, None], np.where(rng.random(title.shape) < 0.6, title, stray)]
    count = rng.choice(3, len(video), p=[0.45, 0.4, 0.15])
    second = np.where((count > 0) & (words[:, 0] != words[:, 1]), " " + words[:, 1], "")
    return np.asarray(words[:, 0] + second + np.where(count > 1, " " + WORDS[kind, 0], ""))


@dataclass
class Memory:
    """A multiset of integer keys, such as the (user, video) pairs watched so far."""

    keys: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def count(self, keys: Ints) -> Ints:
        """Returns how often each key is in the multiset."""
        return np.searchsorted(self.keys, keys, "right") - np.searchsorted(self.keys, keys)

    def add(self, keys: Ints) -> None:
        """Adds keys, each as often as it is given."""
        self.keys = np.sort(np.concatenate([self.keys, np.sort(keys)]), kind="stable")


def sigmoid(x: Floats) -> Floats:
    """Returns 1 / (1 + exp(−x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def occurrence(sorted_keys: Ints) -> Ints:
    """Returns how many equal keys precede each, in an array where equal keys are adjacent."""
    return np.arange(len(sorted_keys)) - np.searchsorted(sorted_keys, sorted_keys)

"""What a user of the simulated site relies on: its truth is true, and its world is a world."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.simulator import DAY, SOURCES, simulate

FRAMES = ("interactions", "users", "items", "impressions", "searches")
COLUMNS = {
    "users": ["user_id", "country", "device", "age", "gender", "logged_in"],
    "items": [
        "video_id", "title", "channel", "topic", "length", "upload_time", "series", "episode"
    ],
    "interactions": ["user_id", "video_id", "time", "watch_seconds"],
    "searches": ["user_id", "time", "query"],
    "impressions": [
        "page_id", "position", "user_id", "video_id", "time", "source", "clicked",
        "watch_seconds", "true_click_probability", "true_watch_time",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def log() -> Log:
    return simulate(num_users=1200, num_items=800, num_days=14, seed=3)


@pytest.fixture(scope="module")
def watches(log: Log) -> pd.DataFrame:
    return log.interactions.merge(log.items, on="video_id", how="left", validate="many_to_one")


def test_same_seed_gives_identical_frames() -> None:
    first, second = (simulate(num_users=150, num_items=200, num_days=4, seed=7) for _ in range(2))
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def test_another_seed_gives_another_world() -> None:
    first, second = (simulate(num_users=50, num_items=100, num_days=2, seed=s) for s in (0, 1))
    for name in FRAMES:
        assert not getattr(first, name).equals(getattr(second, name)), name


@pytest.mark.parametrize("name", FRAMES)
def test_columns(log: Log, name: str) -> None:
    frame = getattr(log, name)
    assert sorted(frame.columns) == sorted(COLUMNS[name])
    assert frame.index.equals(pd.RangeIndex(len(frame)))
    assert frame.drop(columns="age", errors="ignore").notna().all(axis=None)


def test_tables_refer_to_known_users_and_videos(log: Log) -> None:
    assert log.users.user_id.is_unique and log.items.video_id.is_unique
    for frame in (log.interactions, log.impressions, log.searches):
        assert frame.user_id.isin(log.users.user_id).all()
    for frame in (log.interactions, log.impressions):
        assert frame.video_id.isin(log.items.video_id).all()
    assert log.users.user_id.str.fullmatch(r"u\d+").all()
    assert log.items.video_id.str.fullmatch(r"v\d+").all()
    assert log.items.title.is_unique
    assert 0.04 < log.users.age.isna().mean() < 0.12
    assert (log.users.gender == "").any() and log.users.logged_in.isin([0, 1]).all()
    assert log.impressions.source.isin(list(SOURCES)).all()


def test_watches_are_sorted_by_user_then_time(log: Log) -> None:
    same_user = log.interactions.user_id.eq(log.interactions.user_id.shift())
    assert (log.interactions.time.diff()[same_user] >= 0).all()
    assert same_user.sum() == len(log.interactions) - log.interactions.user_id.nunique()


def test_a_user_watches_one_video_at_a_time(log: Log) -> None:
    following = log.interactions.groupby("user_id").time.shift(-1)
    ends = log.interactions.time + log.interactions.watch_seconds
    assert (following - ends).dropna().gt(-1e-6).all()


def test_a_page_is_one_user_at_one_time_without_repeats(log: Log) -> None:
    pages = log.impressions.groupby("page_id")
    assert (pages.user_id.nunique() == 1).all() and (pages.time.nunique() == 1).all()
    assert (pages.cumcount() == log.impressions.position).all() and pages.size().max() == 6
    assert not log.impressions.duplicated(["page_id", "video_id"]).any()
    assert pages.size().mean() > 5


def test_every_click_is_a_watch_that_starts_after_its_page(log: Log) -> None:
    clicks = log.impressions[log.impressions.clicked == 1]
    joined = clicks.merge(log.interactions, on=["user_id", "video_id", "watch_seconds"])
    assert len(joined) == len(clicks)
    assert (joined.time_y > joined.time_x).all()
    assert len(log.interactions) > 1.2 * len(clicks)  # the rest comes from search and autoplay
    assert (log.impressions.watch_seconds[log.impressions.clicked == 0] == 0).all()


def test_nothing_is_shown_or_watched_before_its_upload(log: Log) -> None:
    upload = log.items.set_index("video_id").upload_time
    for frame in (log.interactions, log.impressions):
        assert (frame.time.to_numpy() >= upload[frame.video_id].to_numpy()).all()
    assert (upload < 0).any() and (upload > 7 * DAY).any()


def test_watch_seconds_are_positive_and_within_the_video(watches: pd.DataFrame) -> None:
    assert (watches.watch_seconds >= 1).all()
    assert (watches.watch_seconds <= watches.length).all()


def test_few_videos_are_watched_twice_by_one_user(log: Log) -> None:
    assert log.interactions.duplicated(["user_id", "video_id"]).mean() < 0.03


@pytest.mark.parametrize(
    ("drawn", "truth"),
    [("clicked", "true_click_probability"), ("watch_seconds", "true_watch_time")],
)
def test_the_truth_is_the_mean_of_what_was_drawn(log: Log, drawn: str, truth: str) -> None:
    error = log.impressions[drawn] - log.impressions[truth]
    # Overall, and in each fifth of the truth: a truth of the right mean but the wrong shape fails.
    fifth = pd.qcut(log.impressions[truth], 5, labels=False)
    for group in [error, *(part for _, part in error.groupby(fifth))]:
        standard_error = group.std() / np.sqrt(len(group))
        assert abs(group.mean()) < 4 * standard_error


def test_clicks_are_rare_and_watch_times_wide(log: Log) -> None:
    assert 0.05 < log.impressions.clicked.mean() < 0.08
    low, high = log.impressions.true_watch_time.quantile([0.01, 0.99])
    assert high / low > 100


def test_click_bait_is_clicked_more_and_watched_less(log: Log) -> None:
    shown = log.impressions.merge(log.items, on="video_id")
    bait = shown.title.str.contains("gone wrong|they hide from you|you won't believe")
    clicks = shown[shown.clicked == 1]
    ratio = clicks.watch_seconds / clicks.length
    assert 0.03 < bait.mean() < 0.3
    assert shown.clicked[bait].mean() > 1.5 * shown.clicked[~bait].mean()
    assert ratio[bait].mean() < 0.6 * ratio[~bait].mean()
    per_video = shown.groupby("video_id")[["true_click_probability", "true_watch_time"]].mean()
    assert per_video.corr("spearman").iloc[0, 1] < 0.8  # the two rankings differ


def test_series_are_watched_in_sequence(watches: pd.DataFrame) -> None:
    series = watches[watches.series != ""].sort_values(["user_id", "series", "time"])
    previous = series.groupby(["user_id", "series"]).episode.shift()
    assert (series.episode - previous)[previous.notna()].eq(1).mean() > 0.8
    following = watches.groupby("user_id")[["series", "episode"]].shift(-1)
    continues = (following.series == watches.series) & (following.episode == watches.episode + 1)
    assert continues[watches.series != ""].mean() > 0.25  # of the very next watches


def test_popularity_rises_after_upload_and_then_decays(watches: pd.DataFrame) -> None:
    new = watches[(watches.upload_time > 0) & (watches.upload_time < 7 * DAY)]
    days = (new.time - new.upload_time) / DAY

    def rate(start: float, end: float) -> float:
        return float(days.between(start, end).sum() / (end - start))

    assert rate(1.0, 2.0) > 1.3 * rate(0.0, 0.25)
    assert rate(1.0, 2.0) > 2.0 * rate(5.0, 7.0)


def test_history_predicts_the_next_watch_better_than_popularity(watches: pd.DataFrame) -> None:
    video, catalogue = pd.factorize(watches.video_id)
    previous = pd.Series(video).groupby(watches.user_id).shift(fill_value=-1).to_numpy()
    past, pair = (watches.time < 10 * DAY).to_numpy(), previous >= 0
    popularity = np.bincount(video[past], minlength=len(catalogue))
    together = np.zeros((len(catalogue), len(catalogue)))
    np.add.at(together, (previous[past & pair], video[past & pair]), 1)
    test = ~past & pair

    def hit_rate(scores: Any) -> float:
        top = np.argsort(-scores, axis=1)[:, :10]
        return float((top == video[test, None]).any(axis=1).mean())

    by_popularity = hit_rate(np.broadcast_to(popularity, (test.sum(), len(catalogue))))
    by_history = hit_rate(together[previous[test]] + 1e-6 * popularity)
    assert by_history > 3 * by_popularity


def test_a_query_names_what_is_watched_next(log: Log, watches: pd.DataFrame) -> None:
    after = pd.merge_asof(
        log.searches.sort_values("time"),
        watches.sort_values("time")[["time", "user_id", "title"]],
        on="time", by="user_id", direction="forward",
    ).dropna()  # fmt: skip

    def share_a_word(queries: pd.Series, titles: pd.Series) -> float:
        pairs = zip(queries, titles.str.lower(), strict=True)
        return float(np.mean([not set(q.split()).isdisjoint(t.split()) for q, t in pairs]))

    assert log.searches["query"].str.split().str.len().between(1, 3).all()
    matched = share_a_word(after["query"], after.title)
    shuffled = share_a_word(after["query"], after.title.sample(frac=1, random_state=0))
    assert matched > 0.5 and matched > 5 * shuffled


def test_past_watches_of_a_channel_predict_the_click(log: Log, watches: pd.DataFrame) -> None:
    shown = log.impressions.merge(log.items[["video_id", "channel"]], on="video_id")
    known = pd.merge_asof(
        shown.sort_values("time"),
        watches.sort_values("time")[["time", "user_id", "channel", "length"]],
        on="time", by=["user_id", "channel"],
    )  # fmt: skip
    has_watched = known.length.notna()
    assert known.clicked[has_watched].mean() > 2 * known.clicked[~has_watched].mean()


def test_tastes_drift() -> None:
    def likeness(drift: float) -> float:
        log = simulate(
            num_users=400, num_items=500, num_days=12, seed=5, sessions_per_day=2, drift=drift
        )
        seen = log.interactions.merge(log.items, on="video_id")
        early, late = (
            part.groupby(["user_id", "topic"]).size().unstack(fill_value=0)
            for part in (seen[seen.time < 4 * DAY], seen[seen.time >= 8 * DAY])
        )
        early, late = early.align(late, join="inner", axis=None)
        often = (early.sum(axis=1) >= 5) & (late.sum(axis=1) >= 5)
        early, late = early[often], late[often]
        norm = np.linalg.norm(early, axis=1) * np.linalg.norm(late, axis=1)
        return float(((early * late).sum(axis=1) / norm).mean())

    assert likeness(0.0) > likeness(0.5) + 0.1


def test_sizes_are_what_was_asked() -> None:
    log = simulate(num_users=60, num_items=90, num_days=3, num_topics=5, page_size=3)
    assert (len(log.users), len(log.items)) == (60, 90)
    assert log.items.topic.nunique() == 5 and log.impressions.position.max() == 2
    pages = log.impressions.groupby("page_id").time.first()
    assert 0 <= pages.min() and 2 * DAY < pages.max() < 3.2 * DAY


def test_the_smallest_world_runs() -> None:
    log = simulate(num_users=1, num_items=24, num_days=1)
    assert list(log.impressions.columns) == COLUMNS["impressions"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("num_users", 0), ("num_users", 10.0), ("num_items", 19), ("num_items", "many"),
        ("num_days", -1), ("seed", 1.5), ("seed", None), ("seed", True), ("seed", -1),
        ("num_topics", 25), ("page_size", 0), ("sessions_per_day", 0), ("sessions_per_day", "2"),
        ("drift", -0.1), ("drift", float("nan")), ("bait_share", 1.1), ("fresh_share", -1),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}="):
        simulate(**{argument: value})


def test_true_values_are_those_of_the_impressions() -> None:
    """What was shown has the values that the impressions say, whatever else there was to show."""
    log = simulate(num_users=40, num_items=50, num_days=3, num_topics=4, seed=2)
    shown = log.impressions
    assert shown is not None
    pages = np.sort(shown["page_id"].unique())[5::7]
    values = log.true_values(pages)
    own = shown[shown["page_id"].isin(pages)].sort_values(["page_id", "position"])
    row = np.searchsorted(pages, own["page_id"])
    column = pd.Index(values.items).get_indexer(own["video_id"])
    logit = values.click_logit[row, column] - 0.08 * own["position"].to_numpy()
    chance = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(chance, own["true_click_probability"], rtol=1e-5)
    worth = chance * values.seconds[row, column]
    np.testing.assert_allclose(worth, own["true_watch_time"], rtol=1e-5)
    # The lists that were shown are worth the sum of what they held.
    lists = own.groupby("page_id")["video_id"].agg(list)
    padded = np.array([[*videos, *[""] * (6 - len(videos))] for videos in lists], object)
    expected = own.groupby("page_id")["true_watch_time"].sum()
    np.testing.assert_allclose(values.watch_time(padded), expected, rtol=1e-5)
    # Only so many of a list are shown.
    first = own[own["position"] < 2].groupby("page_id")["true_watch_time"].sum()
    np.testing.assert_allclose(values.watch_time(padded, k=2), first, rtol=1e-5)


def test_what_is_not_uploaded_is_worth_nothing() -> None:
    log = simulate(num_users=40, num_items=50, num_days=3, num_topics=4, seed=2)
    shown = log.impressions
    assert shown is not None
    page = shown.sort_values("time").iloc[:1]
    values = log.true_values(page["page_id"].to_numpy())
    uploads = log.items.set_index("video_id")["upload_time"]
    later = uploads.index[uploads > page["time"].iloc[0]].to_numpy()
    assert len(later) and values.watch_time(later[None]).tolist() == [0]
    assert values.watch_time(np.array([["no video", ""]], object)).tolist() == [0]

"""Live days of the simulated site: what policies may show, what comes of it, and what is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import (
    Log,
    SimulatedLog,
    impression_examples,
    next_watch_examples,
    simulate,
    simulate_live,
)
from tfrec_zoo.data.live_outcome import LiveOutcome, interval
from tfrec_zoo.data.live_run import DenseMemory, LiveRun
from tfrec_zoo.data.live_site import LiveSite
from tfrec_zoo.data.satisfaction import Satisfaction
from tfrec_zoo.data.simulated_world import Memory

DAY = 86_400
WORLD: dict[str, Any] = {"num_topics": 5, "page_size": 4, "sessions_per_day": 1.5}
FRAMES = ("interactions", "users", "items", "impressions", "searches")


@pytest.fixture(scope="module")
def site() -> LiveSite:
    return simulate_live(80, 120, warm_days=4, live_days=3, seed=3, **WORLD)


class Popular:
    """What was watched longest on the day before, without what the user was shown before."""

    def begin_day(self, day: int, log: Log) -> None:
        watches = log.interactions[log.interactions["time"] >= (day - 1) * DAY]
        seconds = watches.groupby("video_id")["watch_seconds"].sum()
        self.ids = seconds.sort_values(ascending=False).index.to_numpy()

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> Any:
        lists = [self.ids[~np.isin(self.ids, one)][:20] for one in requests["recent_impressions"]]
        return np.array([[*one, *[""] * (20 - len(one))] for one in lists], object)


class Random:
    """Any uploaded videos; it also keeps what it was asked."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.asked: list[pd.DataFrame] = []

    def __call__(self, requests: pd.DataFrame, items: pd.DataFrame, n: int) -> Any:
        self.asked.append(requests)
        assert items["upload_time"].max() <= requests["time"].max() and n == 4
        ids = items["video_id"].to_numpy()
        return self.rng.permuted(np.tile(ids, (len(requests), 1)), axis=1)


@pytest.fixture(scope="module")
def outcomes(site: LiveSite) -> dict[str, LiveOutcome]:
    policies = {"usual": "usual", "best": "best", "popular": Popular(), "random": Random()}
    return {name: site.serve(policy) for name, policy in policies.items()}


def live_impressions(outcome: LiveOutcome) -> pd.DataFrame:
    """The impressions of the live pages."""
    shown = outcome.log.impressions
    assert shown is not None
    return shown[shown["page_id"].isin(outcome.pages["page_id"])]


def test_warm_days_are_those_of_the_simulation(site: LiveSite) -> None:
    whole = simulate(80, 120, 7, seed=3, **WORLD)
    for name in ("interactions", "impressions", "searches"):
        frame = getattr(whole, name)
        before = frame[frame["time"] < 4 * DAY].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(site.log, name), before)
    pd.testing.assert_frame_equal(site.log.users, whole.users)
    known = whole.items[whole.items["upload_time"] < 4 * DAY].reset_index(drop=True)
    pd.testing.assert_frame_equal(site.log.items, known)
    assert isinstance(site.log, SimulatedLog) and len(known) < len(whole.items)
    page = site.log.impressions["page_id"].iloc[[0]].to_numpy()
    assert site.log.true_values(page).watch_time(known["video_id"].to_numpy()[None])[0] > 0


def test_satisfaction_by_hand() -> None:
    # User 0 saw pages of 100 and 20 seconds, user 1 one of 60, user 2 none: the mean is 60, and
    # usual are (120 + 600) / 12 = 60, (60 + 600) / 11 = 60, and 600 / 10 = 60.
    found = Satisfaction(np.array([0, 1, 0]), np.array([100.0, 60.0, 20.0]), 3)
    np.testing.assert_allclose(found.usual, [60, 60, 60])
    # User 0: .9 + .1 · 100 / 60 = 1.066667, then .9 · 1.066667 + .1 · 20 / 60 = .993333.
    np.testing.assert_allclose(found.level, [0.9933333, 1, 1], atol=1e-6)
    # g = 1 + (s - 1) / 2 is .9966667, 1 and 1, and their mean .9988889.
    np.testing.assert_allclose(found.multiplier() * 0.9988889, [0.9966667, 1, 1], atol=1e-6)
    # 6000 seconds: s = .9 + .1 · 100 = 10.9, and g = 5.95 is cut to 2.
    found.update(np.array([2]), np.array([6000.0]))
    assert found.level[2] == pytest.approx(10.9)
    assert found.multiplier()[2] * 0.9988889 == pytest.approx(2, abs=1e-6)
    for _ in range(200):
        found.update(np.array([1]), np.array([0.0]))
    assert found.multiplier()[1] * 0.9988889 == pytest.approx(0.5, abs=1e-6)


def test_users_come_back_as_usual_under_the_usual_system_and_more_often_when_satisfied(
    outcomes: dict[str, LiveOutcome],
) -> None:
    means = {name: outcome.satisfaction.mean() for name, outcome in outcomes.items()}
    assert 0.85 < means["usual"] < 1.15
    assert means["best"] > 1.2 and means["usual"] > means["random"] > 0.5
    pages = {name: len(outcome.pages) for name, outcome in outcomes.items()}
    assert pages["best"] > max(pages["usual"], pages["random"])


def test_better_pages_are_watched_longer(outcomes: dict[str, LiveOutcome]) -> None:
    means = {name: outcome.mean().mean for name, outcome in outcomes.items()}
    assert means["best"] > max(means["usual"], means["popular"])
    assert min(means["usual"], means["popular"]) > means["random"]
    assert outcomes["best"].lead(outcomes["random"]).low > 0
    assert abs(outcomes["best"].regret) < 1e-9
    assert outcomes["random"].regret > outcomes["usual"].regret > 0
    pages = outcomes["popular"].pages
    assert (pages["expected_seconds"] <= pages["best_seconds"] * 1.01).all()


def test_the_best_page_is_the_best_of_all_videos(site: LiveSite) -> None:
    run = LiveRun(site._site, site._video_ids, "usual", 0)
    run.to_probe = run.pages + np.arange(12)
    run.run_slot(4 * DAY, 1.0)
    logit, seconds = run.probed[0]
    worth = seconds / (1 + np.exp(-logit.astype(np.float64)))
    seen = run.pages_seen[0]
    watched = {"user": [], "video": [], "time": []} | {
        key: np.concatenate([part[key] for part in run.tables["interactions"]])
        for key in ("user", "video", "time")
    }
    for row in range(12):
        is_own = (watched["user"] == seen["user"][row]) & (watched["time"] < seen["time"][row])
        worth[row, watched["video"][is_own]] = 0
        best = np.sort(worth[row])[::-1][:4]
        at = np.argsort(-worth[row])[:4]
        chance = 1 / (1 + np.exp(-(logit[row, at] - 0.08 * np.arange(4))))
        assert seen["best"][row] == pytest.approx((chance * seconds[row, at]).sum(), rel=1e-4)
        assert (np.diff(best) <= 0).all() and best[-1] > 0


def test_nothing_is_shown_that_must_not_be(outcomes: dict[str, LiveOutcome]) -> None:
    upload = outcomes["usual"].log.items.set_index("video_id")["upload_time"]
    for name in ("best", "popular", "random"):
        shown, log = live_impressions(outcomes[name]), outcomes[name].log
        assert (upload[shown["video_id"]].to_numpy() <= shown["time"]).all()
        assert not shown.duplicated(["page_id", "video_id"]).any()
        assert (shown.groupby("page_id").cumcount() == shown["position"]).all()
        both = shown.merge(log.interactions, on=["user_id", "video_id"], suffixes=("", "_watch"))
        assert (both["time_watch"] > both["time"]).all()
    # New videos are shown from the hour that they are uploaded.
    shown = live_impressions(outcomes["random"])
    age = shown["time"] - upload[shown["video_id"]].to_numpy()
    assert (upload > 4 * DAY).sum() > 5 and age.min() < 3600


def test_ids_that_can_not_be_shown_are_left_out(
    site: LiveSite, outcomes: dict[str, LiveOutcome]
) -> None:
    old = site.log.items.nsmallest(40, "upload_time")["video_id"].tolist()
    items = outcomes["usual"].log.items
    later = items.loc[items["upload_time"] > 6 * DAY, "video_id"].tolist()
    answers = []

    def policy(requests: pd.DataFrame, items: pd.DataFrame, n: int) -> Any:
        lists = []
        for watched in requests["exclude"]:
            first, second = [one for one in old if one not in watched][:2]
            lists.append(["no video", *watched[:2], *later, first, first, "", second, first])
            lists[-1] += [""] * (80 - len(lists[-1]))
            answers.append([first, second])
        return np.array(lists, object)

    outcome = site.serve(policy, days=1)
    shown = live_impressions(outcome)
    assert 1 < len(later) < 70
    first = shown.sort_values(["page_id", "position"]).groupby("page_id")
    assert [[*one] for one in first["video_id"].agg(list)] == answers
    with pytest.raises(ValueError, match="list of ids per request, an array of .* rows"):
        site.serve(lambda requests, items, n: ["v1", "v2"])
    empty = site.serve(lambda requests, items, n: [[""]] * len(requests), days=1)
    assert empty.mean().mean == 0 and empty.mean("pages").mean > 0
    assert live_impressions(empty).empty and empty.regret > 0


def test_requests_are_what_models_are_trained_on(site: LiveSite) -> None:
    """A request has the features that the examples of the page have, worked out from the log."""
    policy = Random()
    heard: list[pd.DataFrame] = []
    outcome = site.serve(policy, days=2, listen=heard.append)
    asked = pd.concat(policy.asked, ignore_index=True)
    pd.testing.assert_frame_equal(asked, pd.concat(heard, ignore_index=True))
    shown = outcome.log.impressions
    assert shown is not None and len(asked) == len(outcome.pages)
    rows = np.flatnonzero((shown["position"] == 0) & (shown["time"] >= 4 * DAY))
    rows = rows[shown["time"].to_numpy()[rows].argsort()][::9]
    raw = impression_examples(outcome.log, rows).raw()
    by_user = asked.set_index(["user_id", "time"])
    assert len(rows) > 20
    for at, row in enumerate(rows):
        request = by_user.loc[(shown["user_id"][row], shown["time"][row])]
        for key in ("history", "recent_impressions", "search_tokens"):
            assert [one for one in raw[key][at] if one] == [*request[key]], key
        ages = raw["history_age"][at]
        np.testing.assert_allclose(ages[np.isfinite(ages)], request["history_age"], rtol=1e-6)
        assert raw["country"][at] == request["country"]
        assert set(request["history"]) <= set(request["exclude"])


def test_the_log_is_whole_and_the_truth_is_the_mean(outcomes: dict[str, LiveOutcome]) -> None:
    for outcome in outcomes.values():
        live, days = live_impressions(outcome), outcome.daily.groupby("day")
        assert days.ngroups == 3 and (days.size() == 80).all()
        assert outcome.daily["watch_seconds"].sum() == pytest.approx(live["watch_seconds"].sum())
        assert outcome.daily["clicks"].sum() == live["clicked"].sum()
        assert outcome.daily["pages"].sum() == len(outcome.pages)
        watches = outcome.log.interactions
        both = outcome.daily[["watch_seconds", "elsewhere_seconds"]].sum().sum()
        assert both == pytest.approx(watches["watch_seconds"][watches["time"] >= 4 * DAY].sum())
        assert (outcome.daily["elsewhere_seconds"] > -1e-6).all()
        error = live["watch_seconds"] - live["true_watch_time"]
        assert abs(error.mean()) < 4 * error.std() / len(error) ** 0.5
        assert len(next_watch_examples(outcome.log, np.arange(len(watches)))) == len(watches)


def test_policies_see_the_log_before_the_day(site: LiveSite) -> None:
    seen: list[tuple[int, Log]] = []

    class Watching(Popular):
        def begin_day(self, day: int, log: Log) -> None:
            seen.append((day, log))
            super().begin_day(day, log)

    outcome = site.serve(Watching(), days=2)
    assert [day for day, _ in seen] == [4, 5]
    for day, log in seen:
        assert log.interactions["time"].max() < day * DAY
        assert log.items["upload_time"].max() < day * DAY
    pd.testing.assert_frame_equal(seen[0][1].interactions, site.log.interactions)
    assert len(seen[1][1].interactions) > len(site.log.interactions)
    assert outcome.daily["day"].unique().tolist() == [4, 5]


def test_runs_repeat_and_leave_the_site_alone(
    site: LiveSite, outcomes: dict[str, LiveOutcome]
) -> None:
    again = site.serve("best")
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(again.log, name), getattr(outcomes["best"].log, name))
    pd.testing.assert_frame_equal(again.daily, outcomes["best"].daily)
    other = simulate_live(80, 120, warm_days=4, live_days=3, seed=4, **WORLD).serve("best", 1)
    assert not other.daily["clicks"].equals(again.daily["clicks"])


def test_the_same_users_visit_first(outcomes: dict[str, LiveOutcome]) -> None:
    """Until something has happened, policies have the same visitors at the same moments."""
    first = [
        outcome.pages.groupby("user_id")["time"].min().sort_values().iloc[:10]
        for outcome in outcomes.values()
    ]
    for other in first[1:]:
        assert set(other.index) == set(first[0].index)


def test_intervals_by_hand(outcomes: dict[str, LiveOutcome]) -> None:
    # The mean of 1, 2, 3, 6 is 3, its standard error (14 / 3)^½ / 2 = 1.0801; t(.975; 3) = 3.1824.
    found = interval(np.array([1.0, 2.0, 3.0, 6.0]))
    np.testing.assert_allclose(found, [3, 3 - 3.4374, 3 + 3.4374], atol=1e-3)
    assert interval(np.array([2.0])) == (2.0, -np.inf, np.inf)
    best, usual = outcomes["best"], outcomes["usual"]
    lead = best.lead(usual)
    assert lead.mean == pytest.approx(best.mean().mean - usual.mean().mean)
    assert lead.low < lead.mean < lead.high
    per_day = best.daily.groupby("day")["watch_seconds"].mean().mean()
    assert best.mean().mean == pytest.approx(per_day)


def test_counts_in_an_array_are_those_of_the_multiset() -> None:
    keys = np.random.default_rng(0).integers(0, 30, 50)
    sparse, dense = Memory(), DenseMemory(keys[:20], 40)
    sparse.add(keys[:20])
    for memory in (sparse, dense):
        memory.add(keys[20:])
    every = np.arange(40).reshape(5, 8)
    np.testing.assert_array_equal(dense.count(every), sparse.count(every))
    np.testing.assert_array_equal(dense.count(every).ravel(), np.bincount(keys, minlength=40))


def test_wrong_arguments_are_named(site: LiveSite) -> None:
    with pytest.raises(ValueError, match="`warm_days` must be .* Received: warm_days=0"):
        simulate_live(80, 120, warm_days=0)
    with pytest.raises(ValueError, match="`num_users` must be .* Received: num_users=0"):
        simulate_live(0)
    with pytest.raises(TypeError, match=r"Received: \['pagesize'\]"):
        simulate_live(80, pagesize=3)
    with pytest.raises(ValueError, match="Received: 'worst'"):
        site.serve("worst")
    with pytest.raises(ValueError, match=r"`days` must be in 1 … 3. Received: 4"):
        site.serve("usual", days=4)

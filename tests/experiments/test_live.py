"""Live experiments: what is reported of policies, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, Roles
from tfrec_zoo.data.live_outcome import LiveOutcome
from tfrec_zoo.experiments.ab_test import AbTest, disagreement
from tfrec_zoo.experiments.ann import insensitive
from tfrec_zoo.experiments.cold_start import new_videos
from tfrec_zoo.experiments.live import earns_more, hit_rate, lead_metrics, live_metrics
from tfrec_zoo.experiments.measured import Results

DAY = 86_400.0


@pytest.fixture(scope="module")
def experiment():
    return AbTest("toy")


def test_offline_replays_the_first_live_day(experiment):
    site, (outcome, requests) = experiment.site(0), experiment.usual(0)
    watches = outcome.log.interactions
    first = requests["time"] < (site.warm_days + 1) * DAY
    assert first.all() and len(requests) > 40

    def next_watch(asked, items, n):
        """Looks into the future, for half of the users."""
        lists = []
        for user, time in zip(asked["user_id"], asked["time"], strict=True):
            own = watches[(watches["user_id"] == user) & (watches["time"] > time)]
            following = own["video_id"].iloc[0] if int(user[1:]) % 2 else "none"
            lists.append(["other", following])
        return lists

    followed = [
        user
        for user, time in zip(requests["user_id"], requests["time"], strict=True)
        if ((watches["user_id"] == user) & (watches["time"] > time)).any()
    ]
    odd = np.mean([int(user[1:]) % 2 for user in followed])
    lists, watched = experiment.replay(0, next_watch)
    assert hit_rate(lists, watched) == pytest.approx(odd) and len(lists) == len(followed)
    assert hit_rate(*experiment.replay(0, next_watch, k=1)) == 0


def test_the_best_pages_earn_more_than_random_ones(experiment):
    (best, own), (random, other) = (experiment.live(0, p) for p in ("best pages (truth)", "random"))
    assert best["watch_seconds"] > 2 * random["watch_seconds"]
    assert abs(best["regret_per_page"]) < 1e-9 < random["regret_per_page"]
    assert "hit_rate_at_10" not in best and 0 <= random["hit_rate_at_10"] < 0.5
    lead = lead_metrics(own, {"random": other})
    assert lead["lead_over_random"] == pytest.approx(
        best["watch_seconds"] - random["watch_seconds"]
    )
    assert lead["lead_over_random_low"] < lead["lead_over_random"] < lead["lead_over_random_high"]


def test_a_real_log_has_no_users_who_answer():
    log = Log("mine", pd.DataFrame({"user_id": ["u"], "item_id": ["a"], "time": [1.0]}))
    with pytest.raises(ValueError, match="needs users who answer.*'mine'"):
        AbTest("toy", log)


def outcome_of(impressions, upload, days):
    """An outcome of one user's live pages on days from 1 on: (video, day, seconds)."""
    columns = ["video_id", "time", "watch_seconds"]
    shown = pd.DataFrame(impressions, columns=columns).assign(user_id="u")
    shown["time"] *= DAY
    shown["page_id"] = range(len(shown))
    shown["clicked"] = (shown["watch_seconds"] > 0).astype(int)
    items = pd.DataFrame({"video_id": list(upload), "upload_time": [*upload.values()]})
    items["upload_time"] *= DAY
    roles = Roles(item="video_id", weight="watch_seconds")
    watches = shown.loc[shown["clicked"] == 1, ["user_id", *columns]]
    log = Log("mine", watches, items=items, impressions=shown, roles=roles)
    pages = pd.DataFrame({"page_id": range(1, len(shown)), "expected_seconds": 1.0,
                          "best_seconds": 3.0})  # fmt: skip
    daily = pd.DataFrame({"user_id": "u", "day": range(1, 1 + days)})
    daily = daily.assign(watch_seconds=30.0, clicks=2.0, pages=4.0)
    return LiveOutcome(log, pages, daily, np.array([1.5]))


def test_new_videos_by_hand():
    # The first page is of the warm day. b is uploaded at 1.5 days, c at 2, d at 2.5; the live days
    # end at 3. Of six live impressions four are of new videos, two of which are clicked.
    shown = [("a", 0.5, 9.0), ("a", 1.1, 5.0), ("b", 1.6, 20.0), ("b", 1.7, 0.0), ("a", 1.8, 0.0),
             ("b", 2.6, 40.0), ("c", 2.2, 0.0)]  # fmt: skip
    numbers, points = new_videos(outcome_of(shown, {"a": 0, "b": 1.5, "c": 2, "d": 2.5}, 2), 1)
    assert numbers == pytest.approx(
        {
            "new_watches": 2 / 2,
            "new_seconds": 60 / 2,
            "new_found": 1 / 3,
            "new_shown": 4 / 6,
            "new_click_rate": 2 / 4,
            "new_seconds_per_impression": 60 / 4,
        }
    )
    # In their first day b lives a day, c one, d half of one; in the second b lives half of one.
    assert points == [
        {"age_days": 0.0, "watches": pytest.approx(1 / 2.5)},
        {"age_days": 1.0, "watches": pytest.approx(1 / 0.5)},
    ]


def test_what_is_reported_by_hand():
    metrics = live_metrics(outcome_of([("a", 0.5, 9.0), ("a", 1.1, 5.0)], {"a": 0}, 2))
    assert metrics["watch_seconds"] == 30 and metrics["seconds_per_click"] == 15
    assert (metrics["pages"], metrics["clicks"], metrics["clicks_per_page"]) == (4, 2, 0.5)
    assert (metrics["regret_per_page"], metrics["returns"]) == (2, 1.5)


def results_of(**settings):
    """One seed a setting, with its metrics."""
    return Results(
        [
            {"setting": name, "seed": seed, "metrics": one, "curves": {}}
            for name, own in settings.items()
            for seed, one in enumerate(own)
        ]
    )


@pytest.mark.parametrize(
    "low, high, verdict", [(1.0, 3.0, "agrees"), (-3, -1, "disagrees"), (-1, 3, "can't be told")]
)
def test_one_seed_is_told_by_its_users(low, high, verdict):
    lead = {"lead_over_b": (low + high) / 2, "lead_over_b_low": low, "lead_over_b_high": high}
    one = results_of(a=[{"watch_seconds": 30.0, **lead}], b=[{"watch_seconds": 28.0}])
    found = earns_more(one, "a", "b", "a earns more.")
    assert found.verdict == verdict and f"[{low:+.1f}, {high:+.1f}] s" in found.evidence
    # With several seeds, it is their spread that tells.
    several = [{"watch_seconds": 30.0 + i, **lead} for i in range(3)]
    others = [{"watch_seconds": 28.1 + i, "hit_rate_at_10": 0.1} for i in range(3)]
    assert earns_more(results_of(a=several, b=others), "a", "b", "").verdict == "agrees"


@pytest.mark.parametrize(
    "low, high, verdict",
    [(-3.0, 3.9, "agrees"), (-3.0, 4.1, "can't be told"), (-9.0, -4.1, "disagrees"),
     (4.1, 9.0, "disagrees")],
)  # fmt: skip
def test_a_search_is_as_good_to_a_tenth(low, high, verdict):
    # A tenth of 40 s is 4 s.
    lead = {"lead_over_exact": (low + high) / 2, "lead_over_exact_low": low,
            "lead_over_exact_high": high}  # fmt: skip
    other = {"watch_seconds": 40.0, "recall": 0.7, "overlap_at_10": 0.9, **lead}
    results = results_of(exact=[{"watch_seconds": 40.0}], ivf=[other])
    found = insensitive(results, "ivf")
    assert found.verdict == verdict and f"[{low:+.1f}, {high:+.1f}] s of 40.0 s" in found.evidence


def test_seeds_narrow_the_interval_of_a_search():
    """Leads of 1 and 3 with half widths of 3 and 4: 2 ± √(9 + 16) / 2."""
    base = {"watch_seconds": 40.0, "recall": 1.0, "overlap_at_10": 1.0}
    ivf = [
        {**base, "lead_over_exact": lead, "lead_over_exact_low": lead - half,
         "lead_over_exact_high": lead + half}
        for lead, half in ((1.0, 3.0), (3.0, 4.0))
    ]  # fmt: skip
    found = insensitive(results_of(exact=[base, base], ivf=ivf), "ivf")
    assert found.verdict == "can't be told"
    assert "+2.0 [-0.5, +4.5] s of 40.0 s" in found.evidence


def test_the_widest_disagreement_is_told():
    def one(hits, seconds, half=1.0):
        ends = {"watch_seconds_low": seconds - half, "watch_seconds_high": seconds + half}
        return [{"hit_rate_at_10": hits, "watch_seconds": seconds, **ends}]

    # a is .2 ahead of b offline and not told apart live; c is .1 ahead of b, and 20 s behind.
    found = disagreement(results_of(a=one(0.5, 39, 3.0), b=one(0.3, 40), c=one(0.4, 20)))
    assert found.verdict == "agrees"
    assert "c has hit rate 0.400 offline and 20.0 s live, b 0.300 and 40.0 s" in found.evidence
    found = disagreement(results_of(a=one(0.5, 60), b=one(0.3, 40)))
    assert found.verdict == "disagrees" and "correlation of 2 policies +1.00" in found.evidence

"""Policies: what they put on pages, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, Roles
from tfrec_zoo.experiments.policies import Exploring, Popular, Random, Recommending, Renewed
from tfrec_zoo.features import Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.models import Popularity
from tfrec_zoo.serving import serve

DAY = 86_400.0


def log_of(watches, impressions=None):
    """A log of (user, video, day, seconds), and of impressions alike."""

    def frame(rows):
        frame = pd.DataFrame(rows, columns=["user_id", "video_id", "time", "watch_seconds"])
        return frame.assign(time=frame["time"] * DAY)

    shown = None
    if impressions is not None:
        shown = frame(impressions).assign(page_id=range(len(impressions)))
        shown["clicked"] = (shown["watch_seconds"] > 0).astype(int)
    roles = Roles(item="video_id", weight="watch_seconds")
    return Log("mine", frame(watches), impressions=shown, roles=roles)


def requests_of(exclude, shown=None, time=10.0):
    """Requests of a day, each of a user who watched and was shown something."""
    shown = [[]] * len(exclude) if shown is None else shown
    return pd.DataFrame(
        {
            "age": 30.0,
            "time": time * DAY,
            "exclude": [np.array(one, object) for one in exclude],
            "recent_impressions": [np.array(one, object) for one in shown],
        }
    )


ITEMS = pd.DataFrame(
    {"video_id": list("abcde"), "upload_time": [0.0, 0.0, 8 * DAY, 9 * DAY, 9.5 * DAY]}
)


def test_popularity_is_that_of_the_day_before_without_what_was_shown():
    # Of day 9, b has two watches of 5 seconds, c one of 30; a has three, all of day 8.
    watches = [("u", "a", 8.2, 9.0)] * 3 + [("u", "b", 9.1, 5.0)] * 2 + [("v", "c", 9.2, 30.0)]
    requests = requests_of([[], ["b"], []], [[], [], ["c", "b"]])
    expected = {"watches": [["b", "c"], ["c", ""], ["", ""]],
                "seconds": [["c", "b"], ["c", ""], ["", ""]]}  # fmt: skip
    for by, lists in expected.items():
        policy = Popular(by)
        policy.begin_day(10, log_of(watches))
        assert policy(requests, ITEMS, 1).tolist() == lists, by
    policy = Popular("watches", days=3)
    policy.begin_day(10, log_of(watches))
    assert policy(requests, ITEMS, 1)[0].tolist() == ["a", "b"]


def test_random_shows_every_video_alike():
    lists = Random(seed=1)(requests_of([[]] * 200), ITEMS, 2)
    assert lists.shape == (200, 20)
    share = pd.Series(lists.ravel()).value_counts() / lists.size
    np.testing.assert_allclose(share[list("abcde")], 0.2, atol=0.03)


def test_a_model_is_asked_for_what_it_accepts():
    spec = FeatureSpec((NumericColumn("age"),), (VocabularyColumn("video_id"),))
    ids = np.array(list("aaabbc"), object)
    model = Popularity(Features.fit(spec, {"age": np.ones(6), "video_id": ids}))
    model.compile()
    model.fit({"age": np.ones(6)}, ids, verbose=0)
    served = serve(model, k=3)
    requests = requests_of([[], ["a"]], [["b"], []])
    lists = Recommending(served, k=3)(requests, ITEMS, 2)
    assert lists.tolist() == [["a", "b", "c"], ["b", "c", ""]]
    lists = Recommending(served, k=3, skips_shown=True)(requests, ITEMS, 2)
    assert lists.tolist() == [["a", "c", ""], ["b", "c", ""]]


def always(requests, items, n):
    """A list of videos that nobody else shows."""
    return [["x", "y", "z"]] * len(requests)


def test_a_bandit_has_the_last_places_alone():
    shown = [("u", "c", 9, 0.0)] * 2 + [("u", "d", 9, 60.0), ("u", "a", 9, 100.0)]
    policy = Exploring(always, "epsilon-greedy", places=2, days=4, epsilon=0.0)
    policy.begin_day(10, log_of([("u", "a", 9, 1.0)], shown))
    # The mean is 40: of c (0 + 800) / 22 = 36.4, of d (60 + 800) / 21 = 41, of e 800 / 20 = 40.
    lists = policy(requests_of([[], ["d"]]), ITEMS, 4)
    assert lists.tolist() == [["x", "y", "d", "e", "z"], ["x", "y", "e", "c", "z"]]
    # After two days c is not new any more, and e is not there before it is uploaded.
    policy = Exploring(always, "epsilon-greedy", places=2, days=1.5, epsilon=0.0)
    policy.begin_day(10, log_of([("u", "a", 9, 1.0)], shown))
    assert policy(requests_of([[]], time=9.4), ITEMS, 3).tolist() == [["x", "d", "c", "y", "z"]]
    assert policy(requests_of([[]], time=10.2), ITEMS, 3).tolist() == [["x", "d", "e", "y", "z"]]
    policy = Exploring(always, "thompson", days=9, since=9.2 * DAY)
    policy.begin_day(10, log_of([("u", "a", 9, 1.0)], shown))
    assert policy(requests_of([[]] * 9), ITEMS, 2)[:, 1].tolist() == ["e"] * 9


def test_ucb_tries_what_is_unknown_and_thompson_in_proportion():
    # c had 400 impressions of 9 seconds, the others none: the mean is 9, the deviation 0 but for
    # the last impressions of a.
    shown = [("u", "c", 9, 9.0)] * 400 + [("u", "a", 9, 0.0), ("u", "a", 9, 18.0)]
    log = log_of([("u", "a", 9, 1.0)], shown)
    ucb = Exploring(always, "ucb", days=4)
    ucb.begin_day(10, log)
    first = ucb(requests_of([[]] * 3), ITEMS, 1)[:, 0]
    assert set(first) == {"d"}
    # Impressions count at once: the next page has the other one.
    assert ucb(requests_of([[]]), ITEMS, 1)[0, 0] == "e"
    thompson = Exploring(always, "thompson", days=4, seed=0)
    thompson.begin_day(10, log)
    share = pd.Series(thompson(requests_of([[]] * 2000), ITEMS, 1)[:, 0]).value_counts() / 2000
    # c has a deviation of d / √420, the others of d / √20 with the same mean: it is the best of
    # the three if both are below it, about one time in four.
    np.testing.assert_allclose(share[list("cde")], [0.25, 0.375, 0.375], atol=0.05)
    with pytest.raises(ValueError, match="Received: 'greedy'"):
        Exploring(always, "greedy")


def test_a_share_of_the_pages_is_random():
    shown = [("u", "d", 9, 60.0), ("u", "a", 9, 0.0)]
    policy = Exploring(always, "epsilon-greedy", days=4, epsilon=0.3, seed=0)
    policy.begin_day(10, log_of([("u", "a", 9, 1.0)], shown))
    lists = policy(requests_of([[]] * 3000), ITEMS, 1)[:, 0]
    # .7 of d, and .1 of each by chance.
    share = pd.Series(lists).value_counts() / 3000
    np.testing.assert_allclose(share[["d", "c", "e"]], [0.8, 0.1, 0.1], atol=0.03)


def test_a_policy_is_made_anew_each_day():
    made = []

    def make(day, log):
        made.append((day, len(log.interactions)))
        return lambda requests, items, n: [[f"day {day}"]]

    policy = Exploring(Renewed(make), days=4)
    for day in (10, 11):
        policy.begin_day(day, log_of([("u", "a", 9, 1.0)], [("u", "a", 9, 1.0)]))
        assert policy(requests_of([["c", "d", "e"]]), ITEMS, 2).tolist() == [[f"day {day}", ""]]
    assert made == [(10, 1), (11, 1)]

"""What the experiments on ranking measure, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Examples, Log, Rows, simulate
from tfrec_zoo.data.simulated_truth import TrueValues
from tfrec_zoo.experiments import get
from tfrec_zoo.experiments.churn import kept_share, seconds_of_loads
from tfrec_zoo.experiments.nominators import nominations_read
from tfrec_zoo.experiments.past_interactions import _KINDS, _PAST, without
from tfrec_zoo.experiments.powers import normalized
from tfrec_zoo.experiments.ranking import last_day, losses
from tfrec_zoo.experiments.sharing import separated
from tfrec_zoo.experiments.watch_time import by_shares, first_of_groups, mean_place
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.tasks.specs import impression_spec

WATCHES = pd.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "time": [10.0, 90.0]})
SHOWN = pd.DataFrame(
    {"user_id": ["a", "a"], "item_id": ["x", "y"], "time": [10.0, 172_810.0], "clicked": [1, 0]}
)
LOG = Log("shown", WATCHES, impressions=SHOWN)


def test_the_last_day_is_of_the_impressions():
    # 172,810 s less a day of 86,400 s; the last watch is long before.
    assert last_day(LOG) == 86_410.0


def test_losses_of_all_pairs_and_of_one():
    # Page 0: 10 s are above one of two others. Page 1: 30 s are below its only other one.
    label, groups = np.float32([10, 0, 0, 30, 0]), np.array([0, 0, 0, 1, 1])
    examples = Examples((Rows({}, np.arange(5)),), label=label, groups=groups)
    scores = np.float32([0.5, 0.4, 0.6, 0.1, 0.2])
    found = [losses(examples, scores, seed) for seed in range(3)]
    # Pairs lose 10 and 30 of 10 + 10 + 30 seconds; one pair a page 30 or 40 of 40.
    assert found[0]["weighted_per_user_loss"] == pytest.approx(0.8)
    assert {each["loss_of_one_pair"] for each in found} == {0.75, 1.0}


def test_logs_that_lack_what_is_measured_are_refused():
    with pytest.raises(ValueError, match="needs impressions.* Received: 'watched'"):
        get("powers")("toy", Log("watched", WATCHES))
    with pytest.raises(ValueError, match="needs the simulator's truth.* Received: 'shown'"):
        type("Needs", (get("powers"),), {"needs_truth": True})("toy", LOG)


def test_numbers_are_normalized_in_another_way_and_flags_kept():
    video = VocabularyColumn("video")
    watched = BagColumn(VocabularyColumn("watched", space="video"))
    flag = NumericColumn("logged_in", "min-max")
    spec = FeatureSpec(
        (NumericColumn("age", mass=True), flag), (InteractionColumn(watched, video, "ages"),)
    )
    (age, kept), (past,) = (
        getattr(normalized(spec, "z-score", powers=False), side) for side in ("query", "candidate")
    )
    assert kept == flag
    assert age == NumericColumn("age", "z-score")
    assert (past.normalization, past.powers, past.mass) == ("z-score", False, False)
    with_powers = normalized(spec, "quantile", powers=True)
    assert with_powers.query[0] == NumericColumn("age", mass=True)
    assert normalized(spec, "quantile", True, mass=False).query[0] == NumericColumn("age")


def test_shares_of_impressions_by_click_probability():
    # 200 impressions in the order of their probabilities: the first fifth are 40.
    clicks = np.repeat([0.1, 0.2, 0.5], [40, 80, 80])
    points = by_shares(clicks, clicks, predicted=3 * clicks, worth=10 * clicks)
    assert points[0] == pytest.approx(
        {"part": 0, "clicks": 0.1, "predicted": 0.3, "worth": 1, "odds": 1 / 0.9}
    )
    # The last point is one impression in 200, worth 5 s: odds of 10 s.
    assert points[-1] == pytest.approx(
        {"part": 8, "clicks": 0.5, "predicted": 1.5, "worth": 5, "odds": 10}
    )


def test_places_within_groups():
    scores, groups = np.array([0.3, 0.9, 0.5, 0.2, 0.1]), np.array([0, 0, 0, 1, 1])
    # Third and second in group 0; group 1 has nothing but chosen ones.
    chosen = np.array([True, False, True, True, True])
    assert mean_place(scores, groups, chosen) == 2.5
    assert first_of_groups(scores, groups).tolist() == [1, 3]


def test_what_impressions_are_worth_at_the_first_position():
    log = simulate(num_users=40, num_items=80, num_days=2, seed=1)
    shown = log.impressions
    rows = np.flatnonzero(shown["position"] == 5)[:50]
    page, item = (shown[name].to_numpy()[rows] for name in ("page_id", "video_id"))
    pages, at = np.unique(page, return_inverse=True)
    values = log.true_values(pages)
    column = pd.Index(values.items).get_indexer(item)
    chance, seconds = log.true_values_at_first(rows)
    expected = 1 / (1 + np.exp(-values.click_logit[at, column]))
    np.testing.assert_allclose(chance, expected, rtol=1e-5)
    np.testing.assert_allclose(seconds, expected * values.seconds[at, column], rtol=1e-5)


def test_click_bait_has_sensational_titles():
    log = simulate(num_users=40, num_items=200, num_days=2, seed=1)
    single = log.items["series"] == ""
    said = log.items["title"].str.contains("gone wrong|they hide from you|you won't believe")
    np.testing.assert_array_equal(log.is_click_bait[single], said[single])
    assert 0 < log.is_click_bait.mean() < 0.3


def test_kinds_of_features_of_which_a_ranker_is_deprived():
    log = simulate(num_users=40, num_items=80, num_days=2, seed=1)
    spec = impression_spec(log)
    lost = {
        kind: {c.name for c in spec.columns} - {c.name for c in without(spec, kind, log).columns}
        for kind in _KINDS
    }
    assert lost[_PAST] == {
        f"history_{name}_bag50_and_{name}" for name in ("channel", "topic", "series")
    }
    assert lost["watches"] == {"history_bag50_embedding", "last_watched_embedding"}
    assert lost["candidate"] == {"video_id_embedding"}
    assert lost["candidate's attributes"] == {
        "channel_embedding", "topic_embedding", "series_embedding", "length", "episode",
    }  # fmt: skip
    # Every column is of one kind, but the position.
    assert sum(map(len, lost.values())) == len(spec.columns) - 1


def test_separate_tables():
    spec = separated(impression_spec(LOG))
    embedded = [c for c in spec.columns if isinstance(c, EmbeddingColumn)]
    assert [c.table for c in embedded] == ["history_bag50", "last_watched", "item_id"]
    assert {c.categorical.space for c in embedded} == {"item_id"}


def test_what_is_shown_again_is_worth_less():
    # At the top 1/2 and 1/4 of 10 s; shown once more, the logit of the first is lower by .5.
    logit = np.array([[0.0, -np.log(3)]])
    values = TrueValues(np.array([0]), np.array(["x", "y"]), logit, np.full((1, 2), 10.0), 0.0)
    lists = [np.array([["x"]]), np.array([["x"]]), np.array([["y"]])]
    first, again, other = seconds_of_loads(values, lists)
    assert (first[0], other[0]) == pytest.approx((5.0, 2.5))
    assert again[0] == pytest.approx(10 / (1 + np.exp(0.5)))


def test_share_of_a_list_that_was_in_the_one_before():
    before = np.array([["a", "b"], ["c", "d"]])
    assert kept_share(before, np.array([["b", "x"], ["d", "c"]])) == 0.75


def test_what_is_read_of_nominations():
    spec = impression_spec(LOG, sources=("mf", "top"), previous_impressions=False)

    def names(reads):
        columns = nominations_read(spec, reads, "mf").candidate
        return [column.name for column in columns]

    scores = ["candidate_score_mf", "candidate_reciprocal_rank_mf"]
    scores += ["candidate_score_top", "candidate_reciprocal_rank_top"]
    assert names("none") == ["item_id_embedding"]
    assert names("first score") == ["item_id_embedding", "candidate_score_mf"]
    assert names("all") == ["item_id_embedding", "candidate_sources_bag3_embedding", *scores]

import math
import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfrec_zoo.metrics import WeightedPerUserLoss, xauc

# isort: split
import tensorflow as tf


def random_impressions(seed, size=150, pages=20):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, size)
    y_pred = (rng.integers(0, 20, size) + 3 * y_true).astype("float32")  # many ties
    return y_true, y_pred, rng.exponential(60, size) * y_true, rng.integers(0, pages, size)


def slow_loss(y_true, y_pred, watch_time, groups):
    """Every pair of every page."""
    mispredicted, total = 0.0, 0.0
    for p in np.flatnonzero(y_true == 1):
        for n in np.flatnonzero((y_true == 0) & (groups == groups[p])):
            total += watch_time[p]
            wrong = (y_pred[n] > y_pred[p]) + 0.5 * (y_pred[n] == y_pred[p])
            mispredicted += watch_time[p] * wrong
    return mispredicted / total


def test_by_hand():
    metric = WeightedPerUserLoss()
    metric.update_state(
        [1, 1, 0, 0, 1, 0, 1],
        [0.9, 0.2, 0.5, 0.2, 0.1, 0.3, 0.0],
        [30.0, 10.0, 0.0, 0.0, 8.0, 0.0, 999.0],
        groups=["a", "a", "a", "a", "b", "b", "c"],
    )
    # Page a, pairs of the 30 s: .9 beats .5 and .2, nothing lost of 60.
    #         pairs of the 10 s: .2 loses to .5 (10), ties with .2 (5): 15 of 20.
    # Page b: .1 loses to .3: 8 of 8. Page c: nothing to compare the 999 s with.
    assert float(metric.result()) == pytest.approx((0 + 15 + 8) / (60 + 20 + 8))


def test_perfect_reversed_and_constant_scores():
    y_true, _, watch_time, groups = random_impressions(0)
    for scores, expected in [(y_true, 0.0), (-y_true, 1.0), (0 * y_true, 0.5)]:
        metric = WeightedPerUserLoss()
        metric.update_state(y_true, scores, watch_time, groups=groups)
        assert float(metric.result()) == pytest.approx(expected, abs=1e-7)


def test_long_watches_weigh_more():
    # The short watch is mispredicted in the first, the long one in the second.
    for scores, expected in [([0.1, 0.9, 0.5], 5 / 100), ([0.9, 0.1, 0.5], 95 / 100)]:
        metric = WeightedPerUserLoss()
        metric.update_state([1, 1, 0], scores, [5.0, 95.0, 0.0], groups=[1, 1, 1])
        assert float(metric.result()) == pytest.approx(expected)


@pytest.mark.parametrize("size", [7, 64])
@pytest.mark.parametrize("pages", [1, 20])
def test_agrees_with_all_pairs(size, pages):
    columns = random_impressions(1, pages=pages)
    metric = WeightedPerUserLoss()
    for i in range(0, 150, size):
        y_true, y_pred, watch_time, groups = (column[i : i + size] for column in columns)
        metric.update_state(y_true, y_pred, watch_time, groups=groups)
    expected = slow_loss(*columns)
    assert 0 < expected < 1
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_one_huge_page_is_not_quadratic():
    # 200,000 impressions are 10 ** 10 pairs: out of reach one by one, under a second sorted.
    y_true, y_pred, watch_time, groups = random_impressions(2, size=200_000, pages=1)
    metric = WeightedPerUserLoss()
    metric.update_state(y_true, y_pred, watch_time, groups=groups)
    started = time.perf_counter()
    assert 0 < float(metric.result()) < 0.5
    assert time.perf_counter() - started < 5


def test_watch_time_of_the_unclicked_is_not_looked_at():
    metric = WeightedPerUserLoss()
    metric.update_state([1, 0, 0], [0.5, 0.9, 0.1], [10.0, math.nan, -1.0], groups=[1, 1, 1])
    assert float(metric.result()) == 0.5  # 10 of 20


def test_one_pair_of_each_page():
    # Page 0: the click is below two of three others: all pairs lose 2/3 of 10 s. Page 1 has one
    # pair, which loses 20 s. Page 2 has no unclicked impression.
    y_true, scores = [1, 0, 0, 0, 1, 0, 1], [0.5, 0.9, 0.8, 0.1, 0.2, 0.3, 0.7]
    watched, pages = [10.0, 0, 0, 0, 20.0, 0, 99.0], [0, 0, 0, 0, 1, 1, 2]
    found = []
    for seed in range(60):
        metric = WeightedPerUserLoss(pairs="one", seed=seed)
        metric.update_state(y_true, scores, watched, groups=pages)
        found.append(float(metric.result()))
    # 30 s in two pairs, of which 20 or all are lost, the latter in two draws of three.
    assert set(np.round(found, 5)) == {0.66667, 1.0}
    assert 0.5 < np.mean(np.array(found) == 1) < 0.83
    config = metric.get_config()
    assert (config["pairs"], config["seed"]) == ("one", 59)
    with pytest.raises(ValueError, match="`pairs` must be 'all' or 'one'"):
        WeightedPerUserLoss(pairs="two")


def test_reset_merge_and_nothing_to_compare():
    metric, other = WeightedPerUserLoss(), WeightedPerUserLoss()
    assert math.isnan(metric.result())
    metric.update_state([1], [0.1], [10.0], groups=[1])
    assert math.isnan(metric.result())
    other.update_state([0], [0.2], [0.0], groups=[1])
    metric.merge_state([other])
    assert float(metric.result()) == 1
    metric.reset_state()
    metric.update_state([1, 0], [0.1, 0.2], [0.0, 0.0], groups=[1, 1])  # a pair, no watch time
    assert math.isnan(metric.result())


def test_config_round_trip():
    metric = WeightedPerUserLoss(name="loss_4_3")
    restored = tf.keras.metrics.deserialize(tf.keras.metrics.serialize(metric))
    assert restored.get_config() == metric.get_config()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (([1, 0], [0.1, 0.2], [-3.0, 0.0]), r"`watch_time` must be.*Received: \[-3.0\]"),
        (([1, 0], [0.1, 0.2], [math.nan, 0.0]), r"`watch_time` must be.*Received: \[nan\]"),
        (([1, 0], [0.1, 0.2], [1.0]), r"`watch_time` must have one.*Received: shape \(1,\)"),
        (([1, 3], [0.1, 0.2], [1.0, 0.0]), r"`y_true` must hold labels.*Received: \[3.0\]"),
        (([1, 0], [0.1, math.nan], [1.0, 0.0]), r"`y_pred` must hold no NaN.*Received: \[nan\]"),
    ],
)
def test_errors(args, message):
    with pytest.raises(ValueError, match=message):
        WeightedPerUserLoss().update_state(*args, groups=[1, 1])


def test_groups_are_needed_and_graph_mode_is_refused():
    metric = WeightedPerUserLoss()
    with pytest.raises(ValueError, match="`groups` is needed.*Received: groups=None"):
        metric.update_state([1, 0], [0.1, 0.2], [1.0, 0.0])
    with pytest.raises(RuntimeError, match="works eagerly only.*Received: a call in graph mode"):
        tf.function(metric.update_state)([1, 0], [0.1, 0.2], [1.0, 0.0], groups=[1, 1])


def slow_xauc(watch_times, predictions):
    """Every pair of different watch times, each once, a tie in prediction as half a one."""
    right = pairs = 0.0
    for t_i, s_i in zip(watch_times, predictions, strict=True):
        for t_j, s_j in zip(watch_times, predictions, strict=True):
            if t_i > t_j:
                pairs += 1
                right += (s_i > s_j) + 0.5 * (s_i == s_j)
    return right / pairs


def test_xauc_by_hand():
    # Of 0, 0, 5, 20 the pairs with an order are (5, 0) twice, (20, 0) twice and (20, 5).
    assert xauc([0, 0, 5, 20], [1, 2, 3, 4]) == 1
    assert xauc([0, 0, 5, 20], [4, 4, 3, 0]) == 0
    # 3 beats 1 and 2, 2.5 beats both as well, and loses to 3: 4 of 5.
    assert xauc([0, 0, 5, 20], [1, 2, 3, 2.5]) == pytest.approx(4 / 5)
    # 2 beats 1 and ties with 2, twice; and ties with itself: (1 + ½) + (1 + ½) + ½ of 5.
    assert xauc([0, 0, 5, 20], [1, 2, 2, 2]) == pytest.approx(3.5 / 5)


@pytest.mark.parametrize("seed", range(4))
def test_xauc_is_that_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    watched = np.where(rng.random(120) < 0.5, 0, rng.integers(1, 30, 120))
    for predicted in (watched + rng.normal(0, 10, 120), rng.integers(0, 5, 120), -watched):
        assert xauc(watched, predicted) == pytest.approx(slow_xauc(watched, predicted), rel=1e-12)


def test_xauc_of_clicks_is_the_auc():
    rng = np.random.default_rng(0)
    clicked = rng.integers(0, 2, 500)
    scores = rng.integers(0, 20, 500) + clicked
    assert xauc(clicked, scores) == pytest.approx(roc_auc_score(clicked, scores), rel=1e-12)


def test_xauc_where_there_is_nothing_to_order():
    assert math.isnan(xauc([3.0, 3.0], [1.0, 2.0]))
    assert math.isnan(xauc([], []))
    # One prediction for all is a coin.
    assert xauc([0.0, 1.0, 2.0], [7.0, 7.0, 7.0]) == 0.5


def test_xauc_of_a_million_impressions_takes_seconds():
    rng = np.random.default_rng(0)
    watched = rng.exponential(20, 1_000_000) * rng.integers(0, 2, 1_000_000)
    begin = time.process_time()
    assert xauc(watched, rng.random(1_000_000)) == pytest.approx(0.5, abs=0.002)
    assert time.process_time() - begin < 20


def test_xauc_of_what_are_no_numbers():
    with pytest.raises(ValueError, match=r"one number for each .* Received: shapes \(3,\) and"):
        xauc([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="`predictions` must be numbers. Received: nan in row 1"):
        xauc([1.0, 2.0], [1.0, np.nan])

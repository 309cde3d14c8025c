import math

import numpy as np
import pytest

from tfrec_zoo.metrics import (
    MRR,
    NDCG,
    HitRate,
    MeanAveragePrecision,
    Precision,
    Recall,
    target_ranks,
)

# isort: split
import tensorflow as tf
from sklearn.metrics import average_precision_score, ndcg_score

INF = float("inf")
ALL = [
    HitRate(3),
    Precision(3),
    Recall(3),
    NDCG(3),
    MeanAveragePrecision(3),
    MeanAveragePrecision(),
    MRR(3),
    MRR(),
]
IDS = [metric.name for metric in ALL]


def made_again(metric):
    return type(metric).from_config(metric.get_config())


def measure(metric, *args):
    metric = made_again(metric)
    metric.update_state(*args)
    return float(metric.result())


def row_value(kind, k, scores, relevant):
    """One row by the textbook: make the list (irrelevant first among equals) and walk down it."""
    relevant = {int(i) for i in relevant if i >= 0}
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], j in relevant))
    gains = [1 if j in relevant else 0 for j in order]
    length = k
    k = len(scores) if k is None else min(k, len(scores))
    top = gains[:k]
    if kind is HitRate:
        return float(any(top))
    if kind is Precision:
        return sum(top) / length
    if kind is Recall:
        return sum(top) / len(relevant)
    if kind is NDCG:
        ideal = sorted(gains, reverse=True)[:k]
        dcg, best = (
            sum(gain / math.log2(place + 2) for place, gain in enumerate(g)) for g in (top, ideal)
        )
        return dcg / best
    if kind is MeanAveragePrecision:
        precisions = [sum(gains[: i + 1]) / (i + 1) for i in range(k) if gains[i]]
        return sum(precisions) / min(k, len(relevant))
    assert kind is MRR
    return 1 / (top.index(1) + 1) if any(top) else 0.0


def reference(metric, y_true, y_pred, weights):
    value, total = 0.0, 0.0
    for scores, relevant, weight in zip(y_pred, y_true, weights, strict=True):
        if (relevant >= 0).any():
            value += weight * row_value(type(metric), metric.k, scores, relevant)
            total += weight
    return value / total


def random_rows(seed, rows=80, candidates=15, m=4):
    rng = np.random.default_rng(seed)
    y_pred = rng.integers(0, 10, (rows, candidates)).astype("float32")  # many ties
    y_pred[rng.random(y_pred.shape) < 0.2] = -INF
    y_true = np.stack([rng.permutation(candidates)[:m] for _ in range(rows)])
    y_true[rng.random(y_true.shape) < 0.4] = -1
    return y_true, y_pred, rng.random(rows)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # Two rows; the relevant candidate is second in the one, fourth in the other.
        (HitRate(1), 0.0),
        (HitRate(2), 0.5),
        (HitRate(10), 1.0),
        (Precision(2), 0.25),
        (Precision(10), 0.1),
        (Recall(2), 0.5),
        (NDCG(2), (1 / math.log2(3) + 0) / 2),
        (NDCG(4), (1 / math.log2(3) + 1 / math.log2(5)) / 2),
        (MRR(), (1 / 2 + 1 / 4) / 2),
        (MRR(3), (1 / 2 + 0) / 2),
        (MeanAveragePrecision(), (1 / 2 + 1 / 4) / 2),
        (MeanAveragePrecision(3), (1 / 2 + 0) / 2),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else None,
)
def test_one_relevant_by_hand(metric, expected):
    y_pred = [[0.9, 0.7, 0.5, 0.3], [0.9, 0.7, 0.5, 0.3]]
    assert measure(metric, [1, 3], y_pred) == pytest.approx(expected, abs=1e-7)
    assert measure(metric, [[1], [3]], y_pred) == pytest.approx(expected, abs=1e-7)
    assert measure(metric, [[1, -1], [-1, 3]], y_pred) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # One row; the relevant candidates stand at places 1, 3 and 5 of five.
        (HitRate(1), 1.0),
        (Precision(1), 1.0),
        (Precision(3), 2 / 3),
        (Precision(10), 3 / 10),
        (Recall(1), 1 / 3),
        (Recall(3), 2 / 3),
        (Recall(5), 1.0),
        # DCG = 1/log2(2) + 1/log2(4) = 1.5; ideal at 3: 1 + 1/log2(3) + 1/2.
        (NDCG(3), 1.5 / (1 + 1 / math.log2(3) + 0.5)),
        # With one place, one hit is the best that was possible.
        (NDCG(1), 1.0),
        # Precisions at the hits: 1/1, 2/3, 3/5.
        (MeanAveragePrecision(), (1 + 2 / 3 + 3 / 5) / 3),
        (MeanAveragePrecision(3), (1 + 2 / 3) / 3),
        (MeanAveragePrecision(2), 1 / 2),
        (MRR(), 1.0),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else None,
)
def test_several_relevant_by_hand(metric, expected):
    value = measure(metric, [[4, 0, 2, -1]], [[0.9, 0.8, 0.7, 0.6, 0.5]])
    assert value == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("metric", ALL, ids=IDS)
def test_constant_scores_earn_nothing_for_luck(metric):
    # Ten equal scores: the relevant one is tenth. Cut at 3 that is 0, uncut 1/10.
    expected = 0.1 if metric.k is None else 0.0
    assert measure(metric, [0], np.ones((1, 10))) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ALL, ids=IDS)
def test_agrees_with_the_textbook(metric):
    y_true, y_pred, weights = random_rows(3)
    for given, used in [(None, np.ones(len(weights))), (weights, weights)]:
        expected = reference(metric, y_true, y_pred, used)
        assert 0 < expected < 1
        assert measure(metric, y_true, y_pred, given) == pytest.approx(expected, abs=1e-6)


def test_agrees_with_scikit_learn_where_it_has_the_metric():
    rng = np.random.default_rng(4)
    y_pred = rng.permuted(np.tile(np.arange(30.0), (50, 1)), axis=1)  # no ties
    y_true = np.stack([rng.permutation(30)[:5] for _ in range(50)])
    relevance = np.zeros((50, 30))
    np.put_along_axis(relevance, y_true, 1, axis=1)
    expected = ndcg_score(relevance, y_pred, k=10)
    assert measure(NDCG(10), y_true, y_pred) == pytest.approx(expected, abs=1e-6)
    expected = np.mean([average_precision_score(*r) for r in zip(relevance, y_pred, strict=True)])
    assert measure(MeanAveragePrecision(), y_true, y_pred) == pytest.approx(expected, abs=1e-6)


def test_map_is_mrr_with_one_relevant():
    y_true, y_pred, _ = random_rows(5, m=1)
    expected = measure(MRR(), y_true, y_pred)
    assert measure(MeanAveragePrecision(), y_true, y_pred) == expected


@pytest.mark.parametrize("metric", ALL, ids=IDS)
def test_batch_size_does_not_matter(metric):
    y_true, y_pred, weights = random_rows(6)
    results = []
    for size in (7, 64):
        metric = made_again(metric)
        for i in range(0, len(weights), size):
            part = slice(i, i + size)
            metric.update_state(y_true[part], y_pred[part], weights[part])
        results.append(float(metric.result()))
    assert results == pytest.approx([reference(metric, y_true, y_pred, weights)] * 2, abs=1e-6)


@pytest.mark.parametrize("metric", ALL, ids=IDS)
def test_update_ranks_is_update_state(metric):
    y_true, y_pred, weights = random_rows(7, m=1)
    by_ranks = made_again(metric)
    by_ranks.update_ranks(target_ranks(y_pred, y_true[:, 0]), weights)
    expected = measure(metric, y_true, y_pred, weights)
    assert 0 < expected < 1
    assert float(by_ranks.result()) == expected


def test_update_ranks_takes_several_in_any_order():
    metric = MeanAveragePrecision()
    metric.update_ranks([[4, -1, 0, 2]])  # (1/1 + 2/3 + 3/5) / 3
    assert float(metric.result()) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_sample_weights_by_hand():
    # A hit of weight 3, a miss of weight 1, a row with nothing to find: 3 / 4.
    y_true, y_pred = [0, 1, -1], [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]
    assert measure(HitRate(1), y_true, y_pred, [3.0, 1.0, 100.0]) == 0.75
    assert measure(HitRate(1), y_true, y_pred, [[3.0], [1.0], [100.0]]) == 0.75
    assert measure(HitRate(1), y_true, y_pred, 2.0) == 0.5


@pytest.mark.parametrize("metric", ALL, ids=IDS)
def test_nothing_measured_is_nan_and_reset_forgets(metric):
    metric = made_again(metric)
    assert math.isnan(metric.result())
    metric.update_state([-1], [[0.1, 0.2]])
    assert math.isnan(metric.result())
    metric.update_state([1], [[0.1, 0.2]])
    best = 1 / 3 if isinstance(metric, Precision) else 1
    assert float(metric.result()) == pytest.approx(best)
    metric.reset_state()
    assert math.isnan(metric.result())
    metric.update_state([0], [[1.0, 1.0, 1.0, 1.0]])  # fourth of four
    assert float(metric.result()) == (0.25 if metric.k is None else 0.0)


def test_merge_state_adds_rows():
    first, second = HitRate(1), HitRate(1)
    first.update_state([0], [[0.9, 0.1]])
    second.update_state([1, 1, 1], [[0.9, 0.1]] * 3)
    first.merge_state([second])
    assert float(first.result()) == 0.25


def test_many_rows_do_not_wear_the_sum_out():
    # In float32 a total of 2 ** 24 would swallow a row of weight 1.
    metric = HitRate(1)
    metric.update_ranks([0], [2.0**24])
    for _ in range(4):
        metric.update_ranks([1], [1.0])
    assert float(metric.count) == 2**24 + 4


@pytest.mark.parametrize("metric", ALL, ids=IDS)
def test_config_round_trip(metric):
    restored = tf.keras.metrics.deserialize(tf.keras.metrics.serialize(metric))
    assert type(restored) is type(metric)
    assert restored.get_config() == metric.get_config()


def test_names():
    assert IDS == [
        "hit_rate_at_3",
        "precision_at_3",
        "recall_at_3",
        "ndcg_at_3",
        "mean_average_precision_at_3",
        "mean_average_precision",
        "mrr_at_3",
        "mrr",
    ]
    assert HitRate(10, name="val").name == "val"


def test_in_compile_fit_and_evaluate():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(100, 4)).astype("float32")
    y, weights = rng.integers(0, 12, 100), rng.random(100)
    model = tf.keras.Sequential([tf.keras.layers.Dense(12, input_shape=(4,))])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=[HitRate(3)], weighted_metrics=[NDCG(3), MRR()])
    history = model.fit(x, y, sample_weight=weights, validation_split=0.2, verbose=0).history
    assert {"hit_rate_at_3", "val_hit_rate_at_3", "val_ndcg_at_3", "mrr"} <= set(history)

    scores = model.predict(x, verbose=0)
    logs = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    for metric, used in [(HitRate(3), np.ones(100)), (NDCG(3), weights), (MRR(), weights)]:
        expected = reference(metric, y[:, None], scores, used)
        assert logs[metric.name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True, None])
def test_cutoff_must_be_a_positive_integer(k):
    with pytest.raises(ValueError, match="`k` must be an integer >= 1. Received: k="):
        HitRate(k)
    if k is not None:
        with pytest.raises(ValueError, match="`k` must be"):
            MRR(k)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((0, [[0.1, 0.2]]), r"`y_true` must have the shape.*Received: shape \(\)"),
        (([0, 1], [[0.1, 0.2]]), r"one row for each.*Received: shape \(2,\)"),
        (([0.0], [[0.1, 0.2]]), "must be integers.*Received: dtype float32"),
        (([2], [[0.1, 0.2]]), r"smaller than the number of candidates.*Received: \[2\]"),
        (([0], [0.1, 0.2]), r"`scores` must have.*Received: shape \(2,\)"),
        (([0], [[0.1, 0.2]], [1.0, 2.0]), r"`sample_weight` must.*Received: shape \(2,\)"),
        (([0], [[0.1, 0.2]], [-1.0]), r"`sample_weight` must.*Received: \[-1.0\]"),
        (([0], [[0.1, 0.2]], [float("nan")]), r"`sample_weight` must.*Received: \[nan\]"),
    ],
)
def test_errors(args, message):
    with pytest.raises(ValueError, match=message):
        HitRate(1).update_state(*args)


def test_ranks_must_be_integers():
    with pytest.raises(ValueError, match=r"`ranks` must be.*Received: dtype float32, shape \(1,\)"):
        HitRate(1).update_ranks([0.5])

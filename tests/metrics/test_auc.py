import math

import numpy as np
import pytest

from tfrec_zoo.metrics import ExactAUC, GroupAUC

# isort: split
import tensorflow as tf
from sklearn.metrics import roc_auc_score


def random_examples(seed, size=200):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, size)
    y_pred = (rng.integers(0, 40, size) + 5 * y_true) / 8  # many ties, something learnt
    return y_true, y_pred, rng.random(size), rng.integers(0, 30, size)


def slow_group_auc(y_true, y_pred, weights, groups):
    """Every pair of every group."""
    won, total = 0.0, 0.0
    for group in set(groups.tolist()):
        rows = [i for i, g in enumerate(groups.tolist()) if g == group]
        value, pairs = 0.0, 0.0
        for p in rows:
            for n in rows:
                if y_true[p] == 1 and y_true[n] == 0:
                    half_ties = (y_pred[p] > y_pred[n]) + 0.5 * (y_pred[p] == y_pred[n])
                    value += weights[p] * weights[n] * half_ties
                    pairs += weights[p] * weights[n]
        if pairs > 0:
            impressions = sum(weights[i] for i in rows)
            won += impressions * value / pairs
            total += impressions
    return won / total


def test_exact_auc_by_hand():
    metric = ExactAUC()
    # Pairs: .9 > .4, .9 > .1, .4 = .4 (half), .4 > .1: 3.5 / 4.
    metric.update_state([1, 0, 1, 0], [0.9, 0.4, 0.4, 0.1])
    assert float(metric.result()) == 0.875
    metric.reset_state()
    # The pair (.4, .4) weighs 2 * 1, the pair (.4, .1) 2 * 3, (.9, .4) 1, (.9, .1) 3:
    # (1 + 3 + 2 / 2 + 6) / 12.
    metric.update_state([1, 0, 1, 0], [0.9, 0.4, 0.4, 0.1], [1.0, 1.0, 2.0, 3.0])
    assert float(metric.result()) == pytest.approx(11 / 12)


@pytest.mark.parametrize("size", [7, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_exact_auc_is_scikit_learns(size, weighted):
    y_true, y_pred, weights, _ = random_examples(1)
    weights = weights if weighted else None
    metric = ExactAUC()
    for i in range(0, 200, size):
        part = slice(i, i + size)
        metric.update_state(y_true[part], y_pred[part], None if weights is None else weights[part])
    expected = roc_auc_score(y_true, y_pred, sample_weight=weights)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_exact_where_thresholds_are_not():
    # Click probabilities crowd together below .005, the first of Keras's 200 thresholds.
    rng = np.random.default_rng(2)
    y_true = rng.integers(0, 2, 1000)
    y_pred = 1e-4 * (rng.random(1000) + 0.3 * y_true)
    exact, binned = ExactAUC(), tf.keras.metrics.AUC()
    exact.update_state(y_true, y_pred)
    binned.update_state(y_true, y_pred)
    expected = roc_auc_score(y_true, y_pred)
    assert float(exact.result()) == pytest.approx(expected, abs=1e-6)
    assert abs(float(binned.result()) - expected) > 0.1


def test_exact_auc_needs_only_the_order():
    y_true, logits, _, _ = random_examples(3)
    results = []
    for scores in (logits, 1 / (1 + np.exp(-logits)), logits[:, None]):
        metric = ExactAUC()
        metric.update_state(y_true, scores)
        results.append(float(metric.result()))
    assert results[0] == results[1] == results[2]


def test_exact_auc_takes_infinite_scores():
    metric = ExactAUC()
    # -inf is tied with the negative's -inf (half) and 2 > -inf: 1.5 / 2.
    metric.update_state([1, 1, 0], [float("-inf"), 2.0, float("-inf")])
    assert float(metric.result()) == 0.75


def test_exact_auc_reset_and_one_class():
    metric = ExactAUC()
    assert math.isnan(metric.result())
    metric.update_state([1, 1], [0.1, 0.2])
    assert math.isnan(metric.result())
    metric.update_state([0], [0.0])
    assert float(metric.result()) == 1
    metric.reset_state()
    assert math.isnan(metric.result())
    metric.update_state([1, 0], [0.0, 1.0])
    assert float(metric.result()) == 0


def test_exact_auc_merge_state():
    first, second = ExactAUC(), ExactAUC()
    first.update_state([1, 0], [0.9, 0.4])
    second.update_state([1, 0], [0.4, 0.1])
    first.merge_state([second])
    assert float(first.result()) == 0.875


def test_exact_auc_in_compile_fit_and_evaluate(tmp_path):
    y_true, y_pred, weights, _ = random_examples(4)
    x = np.stack([y_pred, weights], axis=1).astype("float32")
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
    model.compile(
        "sgd",
        tf.keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[ExactAUC()],
        weighted_metrics=[ExactAUC(name="weighted_auc")],
    )
    data = (x, y_true, weights)
    history = model.fit(*data[:2], sample_weight=weights, validation_data=data, verbose=0).history
    assert {"auc", "val_auc", "val_weighted_auc"} <= set(history)

    scores = model.predict(x, verbose=0)[:, 0]
    expected = {
        "auc": roc_auc_score(y_true, scores),
        "weighted_auc": roc_auc_score(y_true, scores, sample_weight=weights),
    }
    model.save(tmp_path / "model.keras")
    restored = tf.keras.models.load_model(tmp_path / "model.keras")
    for tried, size in [(model, 7), (model, 64), (restored, 64)]:
        logs = tried.evaluate(
            x, y_true, sample_weight=weights, batch_size=size, verbose=0, return_dict=True
        )
        assert {name: logs[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_exact_auc_checks_inside_a_graph():
    metric = ExactAUC()

    @tf.function
    def update(y_true, y_pred):
        metric.update_state(y_true, y_pred)

    with pytest.raises(tf.errors.InvalidArgumentError, match="`y_true` must hold labels 0 or 1"):
        update(tf.constant([0.0, 2.0]), tf.constant([0.1, 0.2]))


def test_group_auc_by_hand():
    metric = GroupAUC()
    metric.update_state(
        [1, 0, 0, 1, 0, 1, 1],
        [0.9, 0.1, 0.2, 0.3, 0.8, 0.5, 0.4],
        groups=["a", "a", "a", "b", "b", "c", "c"],
    )
    # a: AUC 1 of 3 impressions; b: .3 < .8, AUC 0 of 2 impressions; c has no negative.
    assert float(metric.result()) == pytest.approx((3 * 1 + 2 * 0) / 5)


def test_group_auc_of_constant_scores_is_half():
    metric = GroupAUC()
    metric.update_state([1, 0, 0, 1], np.ones(4), groups=[1, 1, 2, 2])
    assert float(metric.result()) == 0.5


def test_group_auc_does_not_reward_knowing_the_user():
    # Users differ in their click rate, and that is all the scores know.
    y_true, y_pred, groups = [1, 1, 0, 1, 0, 0], [0.9, 0.9, 0.9, 0.1, 0.1, 0.1], [1, 1, 1, 2, 2, 2]
    overall, grouped = ExactAUC(), GroupAUC()
    overall.update_state(y_true, y_pred)
    grouped.update_state(y_true, y_pred, groups=groups)
    # 9 pairs: of (1's two positives) 2 with the tied one, 4 won; of 2's one, 1 lost, 2 tied.
    assert float(overall.result()) == pytest.approx((4 + 2 / 2 + 2 / 2) / 9)
    assert float(grouped.result()) == 0.5


@pytest.mark.parametrize("size", [7, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_group_auc_agrees_with_all_pairs(size, weighted):
    y_true, y_pred, weights, groups = random_examples(5)
    weights = weights if weighted else np.ones(200)
    metric = GroupAUC()
    for i in range(0, 200, size):
        part = slice(i, i + size)
        sample_weight = weights[part] if weighted else None
        metric.update_state(y_true[part], y_pred[part], sample_weight, groups=groups[part])
    expected = slow_group_auc(y_true, y_pred, weights, groups)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_group_auc_of_one_group_is_scikit_learns():
    y_true, y_pred, weights, _ = random_examples(6)
    metric = GroupAUC()
    metric.update_state(y_true, y_pred, weights, groups=np.zeros(200, int))
    expected = roc_auc_score(y_true, y_pred, sample_weight=weights)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_groups_may_be_of_any_kind():
    y_true, y_pred, weights, groups = random_examples(7)
    names = [f"user-{g}-é" for g in groups]
    results = []
    for keys in (
        groups,
        names,
        np.array(names),
        tf.constant(names),
        groups.astype("int32")[:, None],
    ):
        metric = GroupAUC()
        metric.update_state(y_true, y_pred, weights, groups=keys)
        results.append(float(metric.result()))
    assert results == pytest.approx([results[0]] * 5, abs=1e-7)


def test_group_auc_reset_merge_and_nothing_to_compare():
    metric, other = GroupAUC(), GroupAUC()
    assert math.isnan(metric.result())
    metric.update_state([1, 0], [0.9, 0.1], groups=[1, 2])  # no group has both classes
    assert math.isnan(metric.result())
    other.update_state([0, 1], [0.1, 0.2], groups=[1, 2])  # now both have: 1 won, 1 won
    metric.merge_state([other])
    assert float(metric.result()) == 1
    metric.reset_state()
    assert math.isnan(metric.result())


@pytest.mark.parametrize("metric", [ExactAUC(name="a"), GroupAUC(name="g", dtype="float64")])
def test_config_round_trip(metric):
    restored = tf.keras.metrics.deserialize(tf.keras.metrics.serialize(metric))
    assert type(restored) is type(metric)
    assert restored.get_config() == metric.get_config()


@pytest.mark.parametrize("kind", [ExactAUC, GroupAUC])
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (([0, 2], [0.1, 0.2]), r"`y_true` must hold labels 0 or 1. Received: \[2.0\]"),
        (([0, math.nan], [0.1, 0.2]), r"`y_true` must hold labels 0 or 1. Received: \[nan\]"),
        (([0, 1], [0.1, math.nan]), r"`y_pred` must hold no NaN. Received: \[nan\]"),
        (([0, 1], [[0.1, 0.2], [0.3, 0.4]]), r"`y_pred` must have.*Received: shape \(2, 2\)"),
        (([0, 1, 1], [0.1, 0.2]), r"`y_true` must have one value.*Received: shape \(3,\)"),
        (([0, 1], [0.1, 0.2], [1.0]), r"`sample_weight` must have.*Received: shape \(1,\)"),
        (([0, 1], [0.1, 0.2], [1.0, -2.0]), r"`sample_weight` must be.*Received: \[-2.0\]"),
    ],
)
def test_errors(kind, args, message):
    groups = {"groups": [1, 1]} if kind is GroupAUC else {}
    with pytest.raises(ValueError, match=message):
        kind().update_state(*args, **groups)


def test_group_errors():
    metric = GroupAUC()
    with pytest.raises(ValueError, match="`groups` is needed.*Received: groups=None"):
        metric.update_state([0, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="`groups` must be integers or strings.*dtype float32"):
        metric.update_state([0, 1], [0.1, 0.2], groups=[0.5, 1.5])
    with pytest.raises(ValueError, match=r"`groups` must have one.*Received: shape \(1,\)"):
        metric.update_state([0, 1], [0.1, 0.2], groups=[1])
    metric.update_state([0, 1], [0.1, 0.2], groups=[1, 1])
    with pytest.raises(ValueError, match="`groups` must be all integers or all strings"):
        metric.update_state([0, 1], [0.1, 0.2], groups=["a", "b"])
    with pytest.raises(RuntimeError, match="works eagerly only.*Received: a call in graph mode"):
        tf.function(metric.update_state)([0, 1], [0.1, 0.2], groups=[1, 1])

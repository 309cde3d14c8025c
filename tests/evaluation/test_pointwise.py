import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfrec_zoo.data import Examples, Rows
from tfrec_zoo.evaluation import (
    pointwise,
    pointwise_metrics,
    predict,
    watch_time_metrics,
)
from tfrec_zoo.features import Features, FeatureSpec, NumericColumn
from tfrec_zoo.models import YouTubeRanking

PREDICTIONS = np.array([0.5, 2.0, 1.0, 3.0, 3.0, 0.5], np.float32)
LABEL = np.array([0.0, 4.0, 6.0, 0.0, 2.0, 0.0], np.float32)
GROUPS = np.array([1, 1, 1, 2, 2, 3])


def test_metrics_by_hand():
    found = pointwise_metrics(PREDICTIONS, LABEL, GROUPS)
    # Chosen 2, 1, 3 against .5, 3, .5: 2 + 2 + 2.5 of 9 pairs.
    assert found["auc"] == pytest.approx(6.5 / 9)
    # Group 1: both chosen before the other, 1. Group 2: a tie, ½. Group 3 has nothing to compare.
    # Each weighs as many impressions as it has: (3 · 1 + 2 · ½) / 5.
    assert found["gauc"] == pytest.approx(0.8)
    # Watch time put behind something unchosen: half of 2 (a tie) of 4 + 6 + 2.
    assert found["weighted_per_user_loss"] == pytest.approx(1 / 12)
    assert found["bias"] == pytest.approx(10 / 12 - 1)
    assert set(found) == {"auc", "gauc", "weighted_per_user_loss", "bias"}


def test_errors_of_watch_times_by_hand():
    found = watch_time_metrics(PREDICTIONS, LABEL)
    # Off by .5, 2, 5, 3, 1 and .5.
    assert found["mae"] == pytest.approx(12 / 6)
    # Of 6 against 4, 2, 0, 0, 0 the last and the first are right; of 4 against 2, 0, 0, 0 those of
    # .5; of 2 against 0, 0, 0 those of .5, and the tie with 3 is half: 2 + 2 + 2½ of 12.
    assert found["xauc"] == pytest.approx(6.5 / 12)
    # The level is that of the positions that were shown, the order that of what is served.
    shown = watch_time_metrics(PREDICTIONS, LABEL, recorded=LABEL + 1)
    assert shown == pytest.approx({"mae": 1.0, "xauc": 6.5 / 12})


def test_without_groups_nothing_is_compared_in_them():
    assert set(pointwise_metrics(PREDICTIONS, LABEL, None)) == {"auc", "bias"}


def test_groups_may_be_names():
    named = np.array(["p", "p", "p", "q", "q", "r"], object)
    expected = pointwise_metrics(PREDICTIONS, LABEL, GROUPS)
    assert pointwise_metrics(PREDICTIONS, LABEL, named) == expected


def test_nothing_chosen_has_no_number(caplog):
    found = pointwise_metrics(PREDICTIONS, np.zeros(6, np.float32), GROUPS)
    assert all(np.isnan(value) for value in found.values())
    [record] = caplog.records
    assert record.levelname == "WARNING" and record.getMessage() == (
        "Undefined, and so NaN: auc, gauc, weighted_per_user_loss, bias. There must be both chosen "
        "and other impressions. Received: 0 chosen of 6"
    )


def test_everything_chosen_has_a_bias_alone(caplog):
    found = pointwise_metrics(PREDICTIONS, np.ones(6, np.float32), GROUPS)
    assert found.pop("bias") == pytest.approx(10 / 6 - 1)
    assert all(np.isnan(value) for value in found.values())
    assert "Received: 6 chosen of 6" in caplog.text


def test_groups_of_one_class_each_have_no_number(caplog):
    found = pointwise_metrics(PREDICTIONS, LABEL, np.arange(6))
    assert found["auc"] == pytest.approx(6.5 / 9) and np.isnan(found["gauc"])
    assert "No group holds both chosen and other impressions" in caplog.text


def test_metrics_that_are_defined_warn_of_nothing(caplog):
    pointwise_metrics(PREDICTIONS, LABEL, GROUPS)
    assert not caplog.records


@pytest.fixture(scope="module")
def ranker():
    """logit = x / 2 − y / 4, or the odds of it."""
    spec = FeatureSpec((NumericColumn("x", "none", False),), (NumericColumn("y", "none", False),))
    model = YouTubeRanking(Features(spec, {}, {}), hidden_units=())
    model({"x": np.zeros(1), "y": np.zeros(1)})
    model.first.query_kernel.assign([[0.5]])
    model.first.candidate_kernel.assign([[-0.25]])
    return model


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=[2, 100]).astype(np.float32)
    label = np.where(rng.random(100) < 0.4, rng.exponential(2, 100), 0).astype(np.float32)
    rows = Rows({"x": x, "y": y}, np.arange(100))
    return Examples((rows,), label=label, groups=np.arange(100) // 5)


@pytest.mark.parametrize("batch_size", [7, 100, 1000])
def test_predict(ranker, examples, batch_size):
    raw = examples.raw()
    expected = np.exp(raw["x"] / 2 - raw["y"] / 4)
    np.testing.assert_allclose(predict(ranker, examples, batch_size), expected, rtol=1e-5)


def test_predict_nothing(ranker, examples):
    found = predict(ranker, examples.take(np.array([], np.int64)))
    assert found.shape == (0,) and found.dtype == np.float32


def test_pointwise_of_nothing(ranker, examples):
    with pytest.raises(ValueError, match="the split left none. Received: 0 examples"):
        pointwise(ranker, examples.take(np.array([], np.int64)))


def test_pointwise_of_a_model(ranker, examples):
    raw = examples.raw()
    predictions = np.exp(raw["x"] / 2 - raw["y"] / 4).astype(np.float64)
    label, chosen = examples.label.astype(np.float64), examples.label > 0
    found = pointwise(ranker, examples, batch_size=7)
    assert found["auc"] == pytest.approx(roc_auc_score(chosen, predictions), rel=1e-6)
    assert found["bias"] == pytest.approx(predictions.sum() / label.sum() - 1, rel=1e-4)
    lost = total = 0.0
    for i in np.flatnonzero(chosen):
        for j in np.flatnonzero(~chosen & (examples.groups == examples.groups[i])):
            total += label[i]
            lost += label[i] * (predictions[j] > predictions[i])
    assert found["weighted_per_user_loss"] == pytest.approx(lost / total, rel=1e-5)
    areas, sizes = [], []
    for group in np.unique(examples.groups):
        own = examples.groups == group
        if 0 < chosen[own].sum() < own.sum():
            areas.append(roc_auc_score(chosen[own], predictions[own]))
            sizes.append(own.sum())
    assert found["gauc"] == pytest.approx(np.average(areas, weights=sizes), rel=1e-6)

"""Keras's own metrics on every registered model, against NumPy."""

import numpy as np
import pytest
from every_model import EACH, RANKING, RETRIEVAL
from test_every_model import lists_and_rows
from test_every_training import area_under_curve

from tfrec_zoo.metrics import MRR, HitRate

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


class MeanOfPositives(tf.keras.metrics.Metric):
    """A metric as users write it: the weighted mean prediction for positives."""

    def __init__(self, name="mean_of_positives"):
        super().__init__(name=name)
        self.total, self.count = (
            self.add_weight(part, initializer="zeros") for part in ("total", "count")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        weight = tf.ones_like(y_true) if sample_weight is None else sample_weight
        self.total.assign_add(tf.reduce_sum(weight * y_true * y_pred))
        self.count.assign_add(tf.reduce_sum(weight * y_true))

    def result(self):
        return self.total / self.count


def results(model, *batches):
    model.reset_metrics()
    for batch in batches:
        model.compute_loss(batch)  # Untraced, which is faster.
    # Keras numbers the names of metrics of a kind.
    return {m.name.rstrip("_0123456789"): float(m.result()) for m in model.metrics}


@pytest.mark.usefixtures("eagerly")
@RANKING
def test_metrics_of_impressions(case):
    lists, rows, at = lists_and_rows(case)
    label, weight = case.data.label[at], case.data.weight[at]  # [7, 5]
    model = case.randomised()
    model.compile(
        metrics={"output_1": ["accuracy", "AUC", "mse", tf.keras.metrics.Precision]},
        weighted_metrics=[
            *("BinaryAccuracy", "binary_crossentropy", tf.keras.metrics.Recall(name="found")),
            *(tf.keras.metrics.AUC(name="weighted_auc"), MeanOfPositives),
            lambda y_true, y_pred: tf.abs(y_true - y_pred),
        ],
    )
    p = 1 / (1 + np.exp(-case.reference.forward(model, case.data.numpy(rows))))
    y, w = label.ravel() > 0, weight.ravel()
    expected = {
        "accuracy": np.mean((p > 0.5) == y),
        "mse": np.mean((p - y) ** 2),
        "precision": np.sum(y & (p > 0.5)) / max(np.sum(p > 0.5), 1),
        "binary_accuracy": np.average((p > 0.5) == y, weights=w),
        "binary_crossentropy": np.average(-np.log(np.where(y, p, 1 - p)), weights=w),
        "found": np.average(p[y] > 0.5, weights=w[y]),
        "mean_of_positives": np.average(p[y], weights=w[y]),
        "<lambda>": np.average(np.abs(p - y), weights=w),
    }
    assert 0 < expected["accuracy"] < 1
    batches = {
        "rows": [(rows, y, w)],
        "columns": [(rows, y[:, None], w[:, None])],
        "batches": [
            ({key: v[part] for key, v in rows.items()}, label.ravel()[part], w[part])
            for part in (slice(30), slice(30, None))
        ],
        "lists": [(lists, label, weight)],
    }
    for kind, given in batches.items():
        found = results(model, *given)
        for name, value in expected.items():
            # Keras keeps probabilities in cross-entropy 1e-7 away from 0 and 1.
            np.testing.assert_allclose(found[name], value, 1e-3, 1e-6, err_msg=f"{kind} {name}")
        np.testing.assert_allclose(found["auc"], area_under_curve(y, p), rtol=1e-4)
        # A weight of two is an example twice.
        auc = area_under_curve(np.repeat(y, w.astype(int)), np.repeat(p, w.astype(int)))
        np.testing.assert_allclose(found["weighted_auc"], auc, rtol=1e-4)
    # Without names the loss comes first, as of every model of Keras.
    loss, accuracy, *_ = model.evaluate(rows, y, verbose=0)
    np.testing.assert_allclose(accuracy, expected["accuracy"], 1e-3, err_msg=f"loss {loss}")
    assert model.metrics_names[0] == "loss"
    # A weight per list is that of each of its candidates.
    found = results(model, (lists, label, weight[:, 0]))
    assert found == results(model, (lists, label, np.repeat(weight[:, :1], 5, axis=1)))


@RETRIEVAL
def test_metrics_of_items(case):
    model, data = case.shared(), case.data
    model = case.fitted(
        metrics=["accuracy", tf.keras.metrics.SparseTopKCategoricalAccuracy(3, name="top")],
        weighted_metrics=[HitRate(3), MRR],
    )
    scores, classes, w = case.reference.forward(model, data.numpy()), data.classes, data.weight
    own = scores[np.arange(len(scores)), classes][:, None]
    is_known = classes >= 0
    found = results(model, (data.raw, data.label, w))
    before = is_known & ((scores > own).sum(1) < 3)
    ranks = np.where(is_known, (scores >= own).sum(1) - 1, np.inf)
    expected = {
        "accuracy": np.mean(scores.argmax(1) == classes),
        "top": before.mean(),  # Keras counts ties for the label.
        "hit_rate_at": np.average(ranks < 3, weights=w),
        "mrr": np.average(1 / (1 + ranks), weights=w),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    # Unknown labels alone: nothing is hit, and there is no loss.
    unknown = np.full(len(classes), "never seen")
    assert set(results(model, (data.raw, unknown, w)).values()) == {0.0}


@EACH
def test_metrics_that_would_see_something_else(case, caplog):
    model = case.variant()
    unsuited = {
        "ranking": [
            *("categorical_accuracy", tf.keras.metrics.SparseTopKCategoricalAccuracy(2)),
            *(tf.keras.metrics.Accuracy, tf.keras.metrics.categorical_crossentropy),
        ],
        "retrieval": [
            *("AUC", "mse", tf.keras.metrics.BinaryAccuracy, "crossentropy"),
            *("TopKCategoricalAccuracy", tf.keras.metrics.SparseTopKCategoricalAccuracy(99)),
        ],
    }[case.entry.family]
    for metric in unsuited:
        for argument in ("metrics", "weighted_metrics"):
            with pytest.raises(ValueError, match=r"use .*Received: metric .*\Z"):
                model.compile("sgd", **{argument: [metric]})
    with pytest.raises(ValueError, match="names of Keras's.* Received: 'acuracy'"):
        model.compile("sgd", metrics=["acuracy"])
    model.compile("sgd", loss="mse")
    assert "a loss of its own" in caplog.text and "Received: 'mse'" in caplog.text

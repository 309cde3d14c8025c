"""What figures of trainings and of test examples show, worked out by hand and read off the axes."""

import numpy as np
import pytest

from tfrec_zoo import plots
from tfrec_zoo.metrics import MISS


def drawn(axes):
    """The lines of an axes by their labels."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_training_curves():
    history = [
        {"loss": 3.0, "auc": 0.5, "val_loss": 3.5, "val_auc": 0.55, "lr": 0.1},
        {"loss": 2.0, "auc": 0.7, "val_loss": 3.0, "val_auc": None, "lr": 0.1},
    ]
    loss, auc = plots.training_curves(history, best=1).axes
    assert (loss.get_ylabel(), auc.get_ylabel()) == ("loss", "auc")
    lines = drawn(loss)
    assert lines["training"] == [[1, 3], [2, 2]] and lines["validation"] == [[1, 3.5], [2, 3]]
    marked = loss.lines[2].get_xdata()
    assert list(marked) == [1, 1]
    assert np.isnan(drawn(auc)["validation"][1][1])
    [only] = plots.training_curves(history, metrics=["auc"]).axes
    assert drawn(only)["training"] == [[1, 0.5], [2, 0.7]]


@pytest.mark.parametrize("history", [[], [{}], [{"lr": 0.1}]])
def test_training_curves_of_nothing(history):
    with pytest.raises(ValueError, match="`history` must hold metrics to show. Received: "):
        plots.training_curves(history)


def test_calibration_by_tenths():
    """Tenths of 0 … 99 have the means 4.5, 14.5, …; labels are twice that."""
    predictions = np.random.default_rng(0).permutation(100)
    [axes] = plots.calibration(predictions, 2 * predictions, of="rating").axes
    lines = drawn(axes)
    assert lines["a tenth of examples"] == [[4.5 + 10 * i, 9.0 + 20 * i] for i in range(10)]
    assert lines["right in the mean"] == [[4.5, 4.5], [189, 189]]
    assert axes.get_xscale() == "linear" and axes.get_xlabel() == "predicted rating, mean"


def test_calibration_of_watch_times_is_logarithmic():
    seconds = np.array([1.0, 10.0, 100.0])
    [axes] = plots.calibration(seconds, seconds).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert drawn(axes)["1/3 of examples"] == [[1, 1], [10, 10], [100, 100]]


@pytest.mark.parametrize("labels", [np.ones(2), np.ones((3, 1))])
def test_calibration_of_other_shapes(labels):
    with pytest.raises(ValueError, match=r"must be \[examples\] both. Received: shapes \(\(3,\)"):
        plots.calibration(np.ones(3), labels)


def test_metrics_against_k():
    """Ranks 0, 2 and a miss: one of three is found at 1 and 2, two are at 3."""
    ranks = {"mine": np.array([0, 2, MISS], np.int32), "other": np.array([3, 3, 3])}
    hits, gains = plots.metric_at_k(ranks, num_items=4).axes
    lines = drawn(hits)
    np.testing.assert_allclose(lines["mine"], [[1, 1 / 3], [2, 1 / 3], [3, 2 / 3], [4, 2 / 3]])
    np.testing.assert_allclose(lines["other"], [[1, 0], [2, 0], [3, 0], [4, 1]])
    np.testing.assert_allclose(lines["at random"], [[1, 0.25], [2, 0.5], [3, 0.75], [4, 1]])
    # NDCG of rank 2 is 1 / log2(4) = 1/2.
    found = np.array(drawn(gains)["mine"])[:, 1]
    np.testing.assert_allclose(found, [1 / 3, 1 / 3, 1 / 2, 1 / 2])


def test_activity_and_popularity():
    """Buckets 0, 1, 2–3, 4–7; the standard error of 0 and 1 is √(1/2) / √2 = 1/2."""
    hits = np.array([1.0, 0.0, 1.0, 0.0])
    activity, popularity = np.array([5, 7, 2, 0]), np.array([1, 1, 1, 1])
    figure = plots.activity_and_popularity({"mine": hits}, activity, popularity, "hit rate")
    left, right = figure.axes
    assert [t.get_text() for t in left.get_xticklabels()] == ["0\n1", "2–3\n1", "4–7\n2"]
    assert left.lines[0].get_ydata().tolist() == [0, 1, 0.5]
    segments = left.collections[0].get_segments()
    assert [s[:, 1].tolist() for s in segments] == [[0, 0], [1, 1], [0, 1]]
    assert [t.get_text() for t in right.get_xticklabels()] == ["1\n4"]
    assert right.lines[0].get_ydata().tolist() == [0.5]


def test_large_counts_have_few_buckets():
    _, axes = plots.new_figure()
    counts = np.array([1, 3, 4, 15, 16, 5000])
    plots.by_frequency(axes, {"a": counts, "b": counts}, counts, "plays", "plays")
    labels = [t.get_text().split("\n")[0] for t in axes.get_xticklabels()]
    assert labels == ["1–3", "4–15", "16–63", "4,096–16,383"]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "b"]

"""What the experiment on example age measures, on numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log
from tfrec_zoo.experiments.example_age import (
    DAY,
    ExampleAge,
    but_last_day,
    by_days_since_upload,
    correlation,
    divergence,
    shares_by_day,
)


def test_shares_are_of_the_known_items_of_each_day():
    # Day 0: b, a, a, and an item that is not known. Day 1: nothing. Day 2: b.
    items, day = np.array(["b", "a", "a", "z", "b"], object), np.array([0, 0, 0, 0, 2])
    shares = shares_by_day(items, day, np.array(["b", "a"], object), 3)
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3], [0, 0], [1, 0]])


def test_curves_are_of_items_whose_whole_curve_is_in_the_window():
    # Six days reach two back and two ahead: items of the days 2 and 3 count, those of 1 and 4 not.
    shares = np.zeros((6, 4))
    shares[:, 0] = [0, 0, 0.2, 0.4, 0.1, 0.0]  # Uploaded on day 2.
    shares[:, 1] = [0, 0, 0, 0.4, 0.2, 0.3]  # Uploaded on day 3.
    shares[:, 2:] = 1
    curve = by_days_since_upload(shares, np.array([2, 3, 1, 4]))
    np.testing.assert_allclose(curve, [0, 0, 0.3, 0.3, 0.2])
    assert not by_days_since_upload(shares, np.array([0, 0, 5, np.nan])).any()


def test_what_does_not_vary_does_not_correlate():
    assert correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])) == pytest.approx(1)
    # Deviations (−1, 0, 1) and (−1, 1, 0): 1 / (√2 √2).
    assert correlation(np.array([1.0, 2, 3]), np.array([0.0, 2, 1])) == pytest.approx(0.5)
    assert correlation(np.array([0.1, 0.1 + 1e-9, 0.1]), np.array([2.0, 4, 6])) == 0


def test_divergence_is_a_mean_over_days():
    truth, predicted = np.array([[0.5, 0.5, 0], [1.0, 0, 0]]), np.array([[0.25, 0.5, 0.25]] * 2)
    # ½ log 2 + ½ log 1, and log 4: (½ + 2) log 2 over two days.
    assert divergence(truth, predicted) == pytest.approx(1.25 * np.log(2))


def times(*days):
    frame = pd.DataFrame({"user_id": "u", "item_id": list("abcdefg")[: len(days)],
                          "time": DAY * np.array(days)})  # fmt: skip
    return Log("mine", frame)


def test_the_last_whole_day_is_tested_on():
    # 10.2, 11.5 and 12.3 are trained on, and of 13.1 and 13.9, the last whole day, it is told; the
    # .1 of a day that is left over is not used.
    split, begin, num_days = but_last_day(times(10.2, 11.5, 12.3, 13.1, 13.9, 14.1))
    assert (begin, num_days) == (10 * DAY, 3)
    assert split.train.tolist() == [0, 1, 2] and split.test.tolist() == [3, 4]
    with pytest.raises(ValueError, match="must span three days. Received: 2"):
        but_last_day(times(0.1, 1.9))


def test_a_log_without_upload_times_is_refused():
    with pytest.raises(ValueError, match=r"needs a log whose items have \['upload_time'\]"):
        ExampleAge("toy", times(0, 1, 2, 3)).measure(0, example_age=True)

"""Baselines of watch time, against pandas."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log
from tfrec_zoo.tasks import WatchTime
from tfrec_zoo.tasks.watch_time_baselines import damped_means, duration_groups


def test_damped_means_by_hand() -> None:
    label, groups = np.array([0.0, 6.0, 9.0, 5.0]), np.array([0, 0, 2, -1])
    asked = np.array([0, 1, 2, 3, -1])
    # The mean of all is 5; nothing is known of groups 1 and 3, nor of no group.
    assert damped_means(label, groups, asked).tolist() == [3, 5, 9, 5, 5]
    # Two impressions worth 5 beside those of each: (6 + 10) / 4 and (9 + 10) / 3.
    found = damped_means(label, groups, asked, damping=2.0)
    assert found == pytest.approx([4, 5, 19 / 3, 5, 5])


def test_duration_groups_by_hand() -> None:
    nan = float("nan")
    train, test = duration_groups([1.0, 2, 3, 4, nan], [0.0, 2.5, 99, nan], 2)
    assert train.tolist() == [0, 0, 1, 1, 2] and test.tolist() == [0, 1, 1, 2]
    train, test = duration_groups([nan, nan], [1.0], 2)
    assert train.tolist() == [2, 2] and test.tolist() == [0]


def test_means_of_a_log(simulated_log: Log) -> None:
    task = WatchTime(simulated_log)
    impressions = simulated_log.impressions
    assert impressions is not None
    worth = impressions["watch_seconds"].where(impressions["clicked"] == 1, 0)
    (train, test), of = task.rows, impressions["video_id"]
    mean = worth.iloc[train].mean()
    by_item = worth.iloc[train].groupby(of.iloc[train]).agg(["sum", "size"])
    damped = (by_item["sum"] + 10 * mean) / (by_item["size"] + 10)
    length = of.map(simulated_log.items.set_index("video_id")["length"])
    bounds = [length.iloc[train].quantile(i / 30) for i in range(1, 30)]
    group = pd.Series(sum((length >= bound).astype(int) for bound in bounds), length.index)
    assert group.nunique() > 10
    by_length = worth.iloc[train].groupby(group.iloc[train]).mean()
    expected = {"mean": np.full(len(test), mean), "item-means": of.iloc[test].map(damped)}
    expected["median"] = np.full(len(test), worth.iloc[train].median())
    expected["duration-means"] = group.iloc[test].map(by_length)
    for name, predictions in expected.items():
        errors = np.abs(np.asarray(pd.Series(predictions).fillna(mean)) - worth.iloc[test])
        assert task.baselines[name]()["mae"] == pytest.approx(errors.mean(), rel=1e-4)
    found = task.baselines["mean"]()
    assert (found["xauc"], found["gauc"]) == (0.5, 0.5)
    assert found["weighted_per_user_loss"] == pytest.approx(0.5)

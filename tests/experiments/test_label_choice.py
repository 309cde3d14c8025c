"""What the experiment on labels measures, on a log of two users and one series."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log
from tfrec_zoo.experiments.label_choice import after_episodes, next_episodes

ITEMS = pd.DataFrame(
    {
        "item_id": ["s1", "s2", "s3", "s4", "x"],
        "series": ["s", "s", "s", "s", ""],
        "episode": [1, 2, 3, 4, 0],
        "upload_time": [0.0, 0.0, 0.0, 99.0, 0.0],
    }
)
WATCHES = pd.DataFrame(
    {
        "user_id": list("aaaa") + list("bbbb"),
        "item_id": ["s2", "s1", "x", "s2", "s2", "s3", "x", "x"],
        "time": [0, 1, 2, 3, 0, 1, 2, 3],
    }
)


def test_the_next_episode_is_online_and_not_seen():
    log = Log("mine", WATCHES, items=ITEMS)
    # After a's s2: s3. After its s1: nothing, since s2 has been seen. After its x, no episode:
    # nothing. After b's s2: s3, which is what it watches then. After its s3: s4 is not online.
    rows = np.array([1, 2, 3, 5, 6])
    last = np.array(["s2", "s1", "x", "s2", "s3"], object)
    assert next_episodes(log, last, rows).tolist() == ["s3", "", "", "s3", ""]


def test_lists_are_counted_where_there_is_a_next_episode():
    wanted = np.array(["s3", "", "s3", "s3", "s2"], object)
    lists = np.array([["x", "s3"], ["s3", "s2"], ["s4", "x"], ["x", "x"], ["s3", "s4"]], object)
    found = after_episodes(ITEMS, "item_id", wanted, lists)
    assert found == {"next_episode": pytest.approx(1 / 4), "other_episode": pytest.approx(2 / 4)}
    assert np.isnan(after_episodes(ITEMS, "item_id", wanted[1:2], lists[1:2])["next_episode"])

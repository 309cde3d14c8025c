"""The log that is written in pieces is of the shape it says, and becomes shards."""

import pathlib
from typing import Any

import pandas as pd
import pytest

from tfrec_zoo.data import prepare


@pytest.fixture(scope="module")
def sharded_log(script: Any) -> Any:
    return script("sharded_log")


def test_pieces_are_one_log(sharded_log: Any, tmp_path: pathlib.Path) -> None:
    sharded_log.write_log(tmp_path / "files", 2500, 4000, per_file=1000)
    files = sorted((tmp_path / "files").iterdir())
    frames = [pd.read_parquet(file) for file in files]
    assert [len(frame) for frame in frames] == [1000, 1000, 500]
    whole = pd.concat(frames, ignore_index=True)
    assert whole["time"].is_monotonic_increasing and whole["user_id"].nunique() == 25
    assert 0 <= whole["item_id"].min() and whole["item_id"].max() < 4000
    # Seven of ten watches are of the one of 1,000 groups that the user likes, in every file.
    is_liked = whole["item_id"] % 1000 == whole["user_id"] * 2_654_435_761 % 1000
    for begin in (0, 1000, 2000):
        assert is_liked[begin : begin + 1000].mean() == pytest.approx(0.7, abs=0.07)
    # In a group of four, by the inverse of log(1 + 4): ln(2) / ln(5) are of the first.
    first = (whole["item_id"] < 1000).mean()
    assert first == pytest.approx(0.43, abs=0.04)
    log = prepare(tmp_path / "files", tmp_path / "shards", shards=2)
    assert log.num_interactions == 2500 and log.name == "files"

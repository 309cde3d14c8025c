"""The data path's benchmark runs, on a frame of the shape it says."""

import sys

import pytest

STAGES = ["log", "examples", "features", "first batch"]


@pytest.fixture(scope="module")
def data_path(script):
    return script("data_path")


@pytest.mark.parametrize("ids", ["text", "whole"])
def test_the_frame_is_as_described(data_path, ids):
    frame = data_path.interactions(2_000, ids)
    assert len(frame) == 2_000 and not frame["user_id"].is_monotonic_increasing
    assert 150 < frame["user_id"].nunique() <= 200 and frame["item_id"].nunique() == 20
    # By Zipf's law the first of 20 has 1 / (1 + 1/2 + ... + 1/20) = 28 %, the second half of it.
    shares = frame["item_id"].value_counts(normalize=True).to_numpy()
    assert shares[:2] == pytest.approx([0.28, 0.14], abs=0.03)
    assert (frame["user_id"].dtype.kind == "i") == (ids == "whole")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("ids", ["text", "whole"])
def test_each_stage_is_measured(data_path, ids):
    found = data_path.measured(600, ids)
    assert [list(found[what]) for what in ("seconds", "cpu", "mb")] == [STAGES] * 3
    assert min(*found["seconds"].values(), found["pandas"]) > 0


@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_contenders_take_turns(data_path):
    rows = data_path.quantiles(200, 1)
    assert [row["contender"] for row in rows][:2] == ["np.sort", "ours"]
    # All are compared with the first.
    first = rows[0]["seconds"]
    assert rows[0]["times"] == 1
    assert [row["times"] * first for row in rows] == pytest.approx([r["seconds"] for r in rows])

"""What benchmarks share: where it needs Linux, it says so."""

import importlib.util
import pathlib
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "side_by_side.py"


@pytest.fixture(scope="module")
def side_by_side():
    spec = importlib.util.spec_from_file_location("side_by_side", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("platform", ["darwin", "win32"])
@pytest.mark.parametrize("reading", ["about", "peak_mb"])
def test_what_only_linux_tells(side_by_side, monkeypatch, platform, reading):
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SystemExit, match=f"as Linux tells them.* Received: {platform}$"):
        getattr(side_by_side, reading)()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_counts_what_was_taken(side_by_side):
    # Written to, so that it is memory and not a promise of it.
    taken = bytearray(b"x") * (200 * 2**20)
    del taken
    assert 200 < side_by_side.peak_mb() < 100_000

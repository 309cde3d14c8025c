"""What benchmarks share: their reports, and where they need Linux, that they say so."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
SCRIPT = REPOSITORY / "benchmarks" / "side_by_side.py"


@pytest.fixture(scope="module")
def side_by_side(script):
    return script("side_by_side")


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


@pytest.mark.skipif(sys.platform != "linux", reason="says how many cores there are")
def test_page_of_a_report(side_by_side, monkeypatch, tmp_path, capsys):
    arguments = ["--sizes", "10x2", "a b", "/tmp/x/y.npz", "--data=/data"]
    monkeypatch.setattr(sys, "argv", ["/anywhere/indexes.py", *arguments])
    head = side_by_side.about(rounds=2)
    rows = [
        {"index": "ivf", "ms": 1.256, "ratio": float("nan"), "runs": [1.0]},
        {"index": "exact", "ms": 20, "ratio": 0.5, "mb": 3},
    ]
    path = tmp_path / "index-latency.json"
    side_by_side.report(head, {"One query": rows}, 2, path, runs=[1])
    lines = [
        "| index | ms | ratio |",
        "|---|---|---|",
        "| ivf | 1.26 |  |",
        "| exact | 20 | 0.50 |",
    ]
    table = "\n".join(["One query:", "", *lines, ""])
    assert capsys.readouterr().out == f"\n{table}"
    assert "NaN" not in path.read_text()  # Which is no JSON.
    written = json.loads(path.read_text())
    assert (written["rounds"], written["runs"]) == (2, [1])

    page = tmp_path / "page.md"
    render = [sys.executable, SCRIPT.with_name("page.py"), tmp_path, "--output", page]
    subprocess.run([*map(str, render)], check=True)
    section = page.read_text().partition("## ")[2]
    assert section.startswith("Index latency\n\n")
    command = "python benchmarks/indexes.py --sizes 10x2 'a b' DIR/y.npz --data=DIR/data"
    assert f"```bash\n{command}\n```\n" in section
    assert table in section
    assert section.rstrip().endswith(f"numpy {written['versions']['numpy']}")


def test_versions_of_a_peer(side_by_side):
    found = side_by_side.versions_in(sys.executable, "numpy", "pytest")
    assert found == {"peer numpy": np.__version__, "peer pytest": pytest.__version__}
    assert side_by_side.versions_in(None, "numpy") == {}


def test_page_of_results_is_rendered_from_their_files(tmp_path):
    page = tmp_path / "page.md"
    folder = REPOSITORY / "docs" / "benchmarks"
    command = [sys.executable, SCRIPT.with_name("page.py"), folder, "--output", page]
    subprocess.run([*map(str, command)], check=True)
    assert page.read_text() == (REPOSITORY / "docs" / "benchmark-results.md").read_text()


def test_a_run_is_kept_with_its_settings(side_by_side, tmp_path):
    path, done = tmp_path / "runs" / "one.json", []

    def work():
        done.append(True)
        return {"loss": 0.5}

    settings = {"seed": 1, "units": (8, 4)}
    expected = {"loss": 0.5, "settings": {"seed": 1, "units": [8, 4]}}
    assert side_by_side.kept(path, settings, work) == expected
    assert side_by_side.kept(path, settings, work) == expected
    assert len(done) == 1
    with pytest.raises(SystemExit, match=r"one\.json is of other settings.*'seed': 2.*'seed': 1"):
        side_by_side.kept(path, {"seed": 2}, work)
    assert json.loads(path.read_text()) == expected
    path.write_text('{"loss": 0.5}')
    with pytest.raises(SystemExit, match="in the file: None"):
        side_by_side.kept(path, settings, work)

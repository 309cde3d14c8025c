import json
import os
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo.evaluation import Result, command

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

RESULT = Result(
    model="Popularity",
    task="next-watch",
    metrics={"hit_rate_at_10": 0.25, "ndcg_at_10": 0.125},
    dataset="movielens/100k",
    data_checksum="abc",
    checksum="def",
    protocol="leave one out, all items ranked",
    seed=3,
    statistics={"parameters": 0},
    config={"window": None},
)


def test_contents(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/where/tfrec-zoo", "benchmark", "--name", "two words"])
    RESULT.write(tmp_path / "new" / "result.json")
    found = json.loads((tmp_path / "new" / "result.json").read_text(encoding="utf-8"))
    versions = found.pop("versions")
    assert found == {
        "model": "Popularity",
        "task": "next-watch",
        "metrics": {"hit_rate_at_10": 0.25, "ndcg_at_10": 0.125},
        "dataset": "movielens/100k",
        "data_checksum": "abc",
        "checksum": "def",
        "protocol": "leave one out, all items ranked",
        "seed": 3,
        "statistics": {"parameters": 0},
        "config": {"window": None},
        "command": "tfrec-zoo benchmark --name 'two words'",
    }
    assert versions["tfrec_zoo"] == tfrec_zoo.__version__
    assert versions["tensorflow"] == tf.__version__
    assert versions["numpy"] == np.__version__
    assert versions["python"] == sys.version.split()[0]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["tfrec-zoo", "list"], "tfrec-zoo list"),
        (["dir/script.py", "--out", "a b", "it's"], """script.py --out 'a b' 'it'"'"'s'"""),
        (["x", "$HOME", "*", ""], "x '$HOME' '*' ''"),
        (["/lib/tfrec_zoo/__main__.py", "list"], "python -m tfrec_zoo list"),
    ],
)
def test_command_can_be_given_to_a_shell(monkeypatch, arguments, expected):
    monkeypatch.setattr(sys, "argv", arguments)
    assert command() == expected
    assert shlex.split(command())[-1] == arguments[-1]


def test_command_of_a_process(tmp_path):
    script = tmp_path / "run it.py"
    script.write_text("from tfrec_zoo.evaluation import command\nprint(command())")
    repository = pathlib.Path(tfrec_zoo.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, str(script), "a b", "c"],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[-1] == "'run it.py' 'a b' c"


def test_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "result.json"
    RESULT.write(path)
    before = path.read_bytes()
    unwritable = Result("P", "t", {"x": object()}, "d", "s", "c", "p", 0)
    with pytest.raises(TypeError, match="not JSON serializable"):
        unwritable.write(path)
    assert path.read_bytes() == before
    # Nothing is left beside it, neither then nor where the file can't be put.
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        RESULT.write(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "result.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_written_over(tmp_path):
    RESULT.write(tmp_path / "result.json")
    Result("P", "t", {"x": 0.5}, "d", "s", "c", "p", 0).write(tmp_path / "result.json")
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert (found["model"], found["metrics"], found["config"]) == ("P", {"x": 0.5}, {})
    assert len(list(tmp_path.iterdir())) == 1


def test_nan_is_null(tmp_path):
    metrics = {"auc": float("nan"), "gauc": 0.5}
    Result("P", "t", metrics, "d", "s", "c", "p", 0, config={"a": {"b": float("nan")}}).write(
        tmp_path / "result.json"
    )
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    found = json.loads(text)
    assert found["metrics"] == {"auc": None, "gauc": 0.5} and found["config"] == {"a": {"b": None}}

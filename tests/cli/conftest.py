"""Data sets, trained models and ways to run commands, shared by the tests of all commands."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command; returns what it printed, which must be nothing on stderr."""

    def run(*arguments: Any) -> str:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out

    return run


@pytest.fixture
def run_json(run: Callable[..., str]) -> Callable[..., Any]:
    """Runs a command with --json; returns the one line that it printed, read."""

    def run_json(*arguments: Any) -> Any:
        out = run(*arguments, "--json")
        assert out.count("\n") == 1
        # NaN is no JSON.
        return json.loads(out, parse_constant=pytest.fail)

    return run_json


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail with code 2; returns its one line of stderr."""

    def fails(*arguments: Any) -> str:
        capsys.readouterr()
        try:
            code: Any = main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        [line] = printed.err.splitlines()
        assert line.startswith("tfrec-zoo")
        return line

    return fails


@pytest.fixture(scope="session")
def program() -> Callable[..., Any]:
    """Runs `python -m tfrec_zoo` in a process of its own."""

    def program(*arguments: Any, **environment: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "tfrec_zoo", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=150,
            env={**os.environ, **environment},
        )

    return program


@pytest.fixture(scope="session")
def train() -> Callable[..., Any]:
    """Trains with --json; returns what was printed, which must be what was written."""

    def train(dataset: pathlib.Path, output: pathlib.Path, *arguments: Any) -> Any:
        out = io.StringIO()
        given = ("--dataset", dataset, "--output", output, *arguments, "--json")
        with contextlib.redirect_stdout(out):
            assert main(["train", *map(str, given)]) == 0
        printed = json.loads(out.getvalue(), parse_constant=pytest.fail)
        assert printed == json.loads((output / "result.json").read_text())
        return printed

    return train


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with somebody's log: 60 users, integer item ids, ratings, items with a column."""
    folder = tmp_path_factory.mktemp("data") / "mylog"
    folder.mkdir()
    rng = np.random.default_rng(0)
    n = 900
    item = np.minimum(rng.geometric(0.06, n), 50)
    pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in rng.integers(0, 60, n)],
            "item_id": item,
            "time": rng.uniform(0, 1e6, n),
            "rating": rng.integers(1, 6, n).astype(float),
        }
    ).to_parquet(folder / "interactions.parquet")
    items = pd.DataFrame({"item_id": np.arange(1, 51), "kind": [f"k{i % 5}" for i in range(50)]})
    items.to_csv(folder / "items.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def ncf_files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the NCF paper's files: 20 users, 6 of 30 items each."""
    folder = tmp_path_factory.mktemp("ncf")
    rng = np.random.default_rng(0)
    train, test, negative = [], [], []
    for user in range(20):
        *chosen, last = rng.permutation(30)[:6].tolist()
        train += [f"{user}\t{item}\t1\t{time}" for time, item in enumerate(chosen)]
        test.append(f"{user}\t{last}\t1\t9")
        others = rng.permutation(sorted(set(range(30)) - {*chosen, last}))[:15]
        negative.append("\t".join([f"({user},{last})", *map(str, others)]))
    parts = {"train.rating": train, "test.rating": test, "test.negative": negative}
    for end, lines in parts.items():
        (folder / f"small.{end}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def retrieval(
    dataset: pathlib.Path, train: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """What `train` leaves of a retrieval model."""
    output = tmp_path_factory.mktemp("train") / "retrieval"
    model = ("--set", "hidden_units=(32,16)", "--set", "dropout=0.1", "--set", "activation=tanh")
    given = ("--epochs", 1, "--seed", 3, "--batch-size", 256, "--training", "clipping=5")
    train(dataset, output, "YouTubeRetrieval", *model, *given)
    return output


@pytest.fixture(scope="session")
def ranking(
    dataset: pathlib.Path, train: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """What `train` leaves of a ranking model, on impressions sampled with a seed."""
    output = tmp_path_factory.mktemp("train") / "ranking"
    options = ("--set", "hidden_units=8,", "--task-set", "seed=7", "--task-set", "negatives=2")
    train(dataset, output, "YouTubeRanking", *options, "--epochs", 1, "--seed", 5)
    return output

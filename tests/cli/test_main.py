"""The program: its help, its version, and one line where it is used wrongly."""

import dataclasses
import json
import subprocess
import sys
import time
from typing import Any

import pytest

import tfrec_zoo
from tfrec_zoo import tasks
from tfrec_zoo.cli import COMMANDS, choices, main
from tfrec_zoo.training import Training


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["train", "--help"], ["list"], ["list", "--pretrained"]],
)
def test_what_needs_no_tensorflow_does_not_import_it(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom tfrec_zoo.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as exit_:\n    assert not exit_.code\n"
        "heavy = {'tensorflow', 'numpy', 'pandas', 'tf_keras'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def test_version(capsys: Any) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"tfrec-zoo {tfrec_zoo.__version__}\n"


def test_help_lists_the_commands(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    words = capsys.readouterr().out.split()
    assert set(COMMANDS) <= set(words)
    assert set(COMMANDS) == {
        *("quickstart", "list", "prepare", "train", "retrain", "cluster", "evaluate"),
        *("add-items", "export", "index-curve", "recommend", "serve", "benchmark", "results"),
        *("experiment", "paper", "search"),
    }


def defaults(cls: Any) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(cls) if field.name != "log"]
    return {
        field.name: field.default_factory()
        if field.default is dataclasses.MISSING
        else field.default
        for field in fields
    }


def test_help_knows_every_option_of_every_task() -> None:
    """The help is text, so that it is fast: this compares it with the tasks."""
    assert choices.TASKS.keys() == tasks.TASKS.keys()
    for name, (_, options) in choices.TASKS.items():
        found = defaults(tasks.TASKS[name])
        # What can't be written on a command line.
        for key in {"sources", "fold_models", "others"} & set(found):
            assert found.pop(key) is None
        assert {**choices.EVERY_TASK, **options} == found, name


def test_help_knows_every_field_of_training(capsys: Any) -> None:
    assert {name: default for name, (default, _) in choices.TRAINING.items()} == defaults(Training)
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    for name in (
        *choices.SPLITS,
        *tasks.TASKS,
        *defaults(Training),
        "threshold",
        "min_watch_share",
    ):
        assert f"  {name}" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["fly"], "'fly'"),
        (["train", "Popularity"], "--output"),
        (["train", "Popularity", "--output", "x", "--set", "seed"], "Received: 'seed'"),
        (["train", "Popularity", "--output", "x", "--task-set", "a b=3"], "Received: 'a b=3'"),
        (["train", "Popularity", "--output", "x", "--epochs", "many"], "'many'"),
        (["train", "Popularity", "--output", "x", "--learning-rate", "fast"], "'fast'"),
        (["train", "Popularity", "--output", "x", "--task", "fly"], "'fly'"),
        (["train", "Popularity", "--output", "x", "--clicks"], "--clicks"),
        (["train", "Popularity", "--out", "x"], "--output"),
        (["export", "x", "--output", "y", "--index", "fast"], "'fast'"),
        (["recommend", "x"], "--request"),
        (["benchmark", "stars", "--output", "x"], "'stars'"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str, fails: Any) -> None:
    line = fails(*arguments)
    assert message in line and line.endswith("--help)")


def test_the_program_answers_and_is_silent_otherwise(program: Any, retrieval: Any) -> None:
    request = ("--request", '{"history": [1]}', "--k", 2, "--json")
    found = program("recommend", retrieval / "model", *request)
    assert (found.returncode, found.stderr) == (0, "")
    assert [row["rank"] for row in json.loads(found.stdout)] == [1, 2]


def test_the_program_fails_in_one_line(program: Any, dataset: Any, tmp_path: Any) -> None:
    found = program("train", "DeepFM2000", "--dataset", dataset, "--output", tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    [line] = found.stderr.splitlines()
    assert "'DeepFM2000'" in line and "YouTubeRanking" in line


def test_movielens_that_is_not_prepared_does_not_hang(program: Any, tmp_path: Any) -> None:
    """There is no network behind these proxies: an error says what to run."""
    begin = time.monotonic()
    nowhere = "http://127.0.0.1:9"
    proxies = {name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    found = program(
        "train", "Popularity", "--dataset", "movielens/100k", "--data-dir", tmp_path / "tfds",
        "--output", tmp_path / "x", **proxies, NO_PROXY="", no_proxy="",
    )  # fmt: skip
    assert found.returncode == 2, found.stderr
    assert time.monotonic() - begin < 120
    line = found.stderr.splitlines()[-1]
    assert line.startswith("tfrec-zoo: movielens/100k")
    assert "tfds build movielens" in line
    assert "Traceback" not in found.stderr

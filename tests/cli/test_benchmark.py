"""benchmark: tables over seeds, resumed from result files."""

import json
import os
from typing import Any

import pytest

from tfrec_zoo.cli.benchmark import TABLE_NAMES
from tfrec_zoo.data import read_ncf
from tfrec_zoo.table_layouts import TABLES

pytestmark = pytest.mark.usefixtures("eagerly")

RATE = "sampled_hit_rate_at_10"


def test_every_table_has_a_name_on_the_command_line() -> None:
    assert sorted(TABLE_NAMES) == sorted(TABLES)


@pytest.fixture
def arguments(ncf_files: Any, tmp_path: Any) -> list[Any]:
    given = ["benchmark", "ncf", "--dataset", ncf_files, "--output", tmp_path, "--seeds", 4]
    return [*given, "--model", "Popularity", "ItemKNN"]


def test_benchmark_on_the_files_of_the_ncf_paper(
    arguments: Any, ncf_files: Any, run: Any, run_json: Any, fails: Any, tmp_path: Any
) -> None:
    rows = run_json(*arguments)
    assert sorted(os.listdir(tmp_path)) == ["ItemKNN-4.json", "Popularity-4.json", "report.html"]
    for row in rows:
        written = json.loads((tmp_path / f"{row['row']}-4.json").read_text())
        assert written == {key: value for key, value in row.items() if key != "row"}
        assert (row["seed"], row["dataset"], row["task"]) == (4, "ncf/small", "ncf")
        assert row["data_checksum"] == read_ncf(ncf_files).log.checksum
        assert row["protocol"].startswith("NCF, ") and "15 given negatives" in row["protocol"]
        assert 0 < row["metrics"][RATE] <= 1
    assert [row["row"] for row in rows] == ["Popularity", "ItemKNN"]
    # Nothing is trained again: what is shown is what the files say.
    written["metrics"][RATE] = 0.123
    (tmp_path / "ItemKNN-4.json").write_text(json.dumps(written))
    lines = run(*arguments, "--metrics", RATE, "--rows", "ItemKNN").splitlines()
    assert lines[0] == f"| row | seeds | {RATE} |"
    assert lines[2] == "| ItemKNN | 4 | 0.1230 |"
    line = fails(*arguments, "--metrics", RATE, "hit_rate_at_11")
    assert "Received: ['hit_rate_at_11']" in line and RATE in line


def test_result_files_of_other_data(
    arguments: Any, run: Any, fails: Any, dataset: Any, tmp_path: Any
) -> None:
    run(*arguments, "--rows", "Popularity")
    given = [dataset if value == arguments[3] else value for value in arguments]
    line = fails(*given, "--rows", "Popularity")
    assert str(tmp_path / "Popularity-4.json") in line and "other data" in line


def test_all_tables_have_their_own_data(
    ncf_files: Any, run: Any, run_json: Any, tmp_path: Any, caplog: Any
) -> None:
    given = [
        "benchmark",
        "--all",
        "--resume",
        "--output",
        tmp_path,
        "--rows",
        "truth",
        "Popularity",
    ]
    found = run_json(*given)
    assert {name: [row["row"] for row in rows] for name, rows in found["tables"].items()} == {
        "watch-time": ["truth"]
    }
    assert "ncf is left out: give its data as --folder ncf/ml-1m=DIR" in caplog.text
    assert found["output"] == str(tmp_path / "results.md")
    assert (
        run(*given, "--folder", f"ncf/ml-1m={ncf_files}") == f"written: {tmp_path / 'results.md'}\n"
    )
    assert sorted(os.listdir(tmp_path)) == ["ncf", "results.md", "watch-time"]
    page = (tmp_path / "results.md").read_text()
    assert "| truth | 0 |" in page and "| Popularity | 0 |" in page and "| EASE | † |" in page


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Give the name of a table, one of ['ctr'"),
        (["ctr", "--all"], "Received: 'ctr' and --all"),
        (["--all", "--dataset", "movielens/1m"], "`--dataset` is for one table"),
        (["--all", "--rows", "truth", "GMF-9"], "rows=['truth', 'GMF-9']"),
        (["--all", "--model", "GPT"], "models=['GPT']"),
        (["--all", "--folder", "DIR"], "Received: 'DIR'"),
        (["ncf", "--folder", "ncf/ml-1m=DIR"], "give the folder as --dataset"),
        (["--all", "--folder", "movielens/1m=DIR"], "Received: 'movielens/1m=DIR'"),
        (["--all", "--folder", "ncf/ml-1m="], "Received: 'ncf/ml-1m='"),
    ],
)
def test_wrong_choices_of_tables(given: list[str], message: str, fails: Any, tmp_path: Any) -> None:
    assert message in fails("benchmark", *given, "--output", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--rows", "GMF-9"], "rows=['GMF-9']"),
        (["--rows", "EASE"], "models=['Popularity', 'ItemKNN']"),
        (["--factors", "9"], "factors=[9]"),
        (["--task-set", "bags=ten"], "Received: 'ten'"),
        (["--task-set", "bag=3"], "Received: ['bag']"),
        (["--seeds", "lucky"], "'lucky'"),
    ],
)
def test_wrong_benchmarks(given: list[str], message: str, arguments: Any, fails: Any) -> None:
    assert message in fails(*arguments, *given)

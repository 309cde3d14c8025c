"""tfrec-zoo prepare: files larger than memory, from shards to recommendations."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from shardable import events, item_table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Interactions of two days in a folder, with columns of other names, and items."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "days").mkdir()
    names = {"user_id": "customer", "item_id": "sku", "time": "at"}
    frame = events().rename(columns=names)
    frame[:300].to_csv(folder / "days" / "1.csv", index=False, sep=";")
    frame[300:].to_csv(folder / "days" / "2.csv.gz", index=False, sep=";")
    item_table().rename(columns=names).to_parquet(folder / "items.parquet")
    return folder


def test_shards_are_trained_on_measured_and_asked(
    files: pathlib.Path,
    tmp_path: pathlib.Path,
    run_json: Callable[..., Any],
    train: Callable[..., Any],
    fails: Callable[..., str],
) -> None:
    shards, output = tmp_path / "shards", tmp_path / "run"
    columns = ("--user", "customer", "--item", "sku", "--time", "at")
    tables = ("--items", files / "items.parquet", "--shards", 3, "--name", "shop")
    made = run_json(
        "prepare", "--interactions", files / "days", "--output", shards, *columns, *tables
    )
    assert (made["interactions"], made["users"], made["items"], made["shards"]) == (600, 39, 26, 3)
    model = ("--set", "hidden_units=(8,)", "--epochs", 1, "--task-set", "split=time")
    result = train(shards, output, "YouTubeRetrieval", *model)
    assert result["dataset"] == "shop" and result["data_checksum"] == made["checksum"]
    assert result["protocol"].startswith("next watch, by time, last 0.1")
    measured = run_json("evaluate", output)
    assert measured == pytest.approx(result["metrics"])
    asked = ("--request", json.dumps({"history": ["i1", "i2"]}), "--k", 2)
    found = run_json("recommend", output / "model", *asked)
    assert [row["rank"] for row in found] == [1, 2]
    assert all(row["title"].startswith("title ") for row in found)
    # Each user is asked for once, with the ages of the whole log.
    answers = tmp_path / "answers.csv"
    found = run_json("recommend", output, "--all-users", "--k", 1, "--output", answers)
    assert found["requests"] == 39
    assert pd.read_csv(answers)["customer"].nunique() == 39
    # What the folder knows is not given again, and what needs the whole log is refused.
    error = fails("train", "EASE", "--dataset", shards, "--output", output, "--user", "customer")
    assert "given to `tfrec-zoo prepare`; its folder knows them" in error
    assert "learns from a log as a whole" in fails(
        "train", "EASE", "--dataset", shards, "--output", tmp_path / "other"
    )


def test_wrong_files_are_one_line(
    files: pathlib.Path, tmp_path: pathlib.Path, fails: Callable[..., str]
) -> None:
    given = ("prepare", "--interactions", files / "days" / "1.csv", "--output", tmp_path / "log")
    assert "1.csv, rows from 0 on: `interactions` must have a column 'user_id'" in fails(*given)
    assert "There is no such file" in fails(*given[:2], tmp_path / "x.csv", *given[3:])
    assert "invalid int value" in fails(*given, "--shards", "many")
    assert not (tmp_path / "log").exists()

"""Logs are read from files and folders, with errors that say what was wrong."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from small_logs import frame, watches

from tfrec_zoo.data import Log, Roles, read_frame


@pytest.mark.parametrize("name", ["w.parquet", "w.csv", "w.csv.gz", "my.data.v2.csv", "w.csv.zip"])
def test_reading_gives_what_was_written(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name
    if "parquet" in name:
        watches().to_parquet(path)
    else:
        watches().to_csv(path, index=False)
    frame(user_id=["a", "b"], age=[30, 40]).to_csv(tmp_path / "users.csv", index=False)
    log = Log.read(path, users=str(tmp_path / "users.csv"))
    assert log.name == ("my.data.v2" if name.startswith("my") else "w")
    assert log.interactions.item_id.tolist() == ["x", "y", "x"]
    assert log.users.age.tolist() == [30, 40]
    assert log.checksum == Log("m", watches(), frame(user_id=["a", "b"], age=[30, 40])).checksum


def test_a_column_of_a_large_csv_has_one_type(tmp_path: pathlib.Path) -> None:
    # Read chunk by chunk, pandas makes numbers of the first 300,000 ids and strings of the last.
    ids = [str(i) for i in range(300_000)] + ["x"]
    frame(user_id=ids, item_id=ids, time=range(len(ids))).to_csv(tmp_path / "w.csv", index=False)
    assert read_frame(tmp_path / "w.csv").user_id.map(type).eq(str).all()


def test_missing_and_unknown_files_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file.*nothing.parquet"):
        Log.read(tmp_path / "nothing.parquet")
    (tmp_path / "w.xlsx").write_text("")
    with pytest.raises(ValueError, match=r"Expected a \.parquet or \.csv file.*w\.xlsx"):
        Log.read(tmp_path / "w.xlsx")
    with pytest.raises(ValueError, match="by their roles, .'user', .*Received: .'watches'"):
        Log.read(tmp_path / "w.csv", watches="w.csv")


def purchases(folder: pathlib.Path, name: str = "purchases.csv") -> pathlib.Path:
    columns = {"user_id": "customer", "item_id": "sku", "time": "bought_at"}
    watches(euros=[1.5, 2, 3]).rename(columns=columns).to_csv(folder / name, index=False)
    frame(sku=["x", "y"], price=[3, 4]).to_csv(folder / "items.csv", index=False)
    return folder / name


def test_columns_of_other_names_are_given_by_their_roles(tmp_path: pathlib.Path) -> None:
    path = purchases(tmp_path)
    roles = {"user": "customer", "item": "sku", "time": "bought_at"}
    log = Log.read(str(path), items=tmp_path / "items.csv", weight="euros", **roles)
    assert log.name == "purchases"
    assert log.roles == Roles("customer", "sku", "bought_at", weight="euros")
    assert log.interactions["sku"].tolist() == ["x", "y", "x"]
    assert log.items["price"].tolist() == [3, 4]
    same = Log.read(path, name="shop", roles=Roles("customer", "sku"), time="bought_at")
    assert same.name == "shop" and same.roles == Roles("customer", "sku", "bought_at")
    with pytest.raises(ValueError, match="The user must be a column .*Received: user='buyer'"):
        Log.read(path, **{**roles, "user": "buyer"})
    with pytest.raises(ValueError, match="`interactions` must have a column 'user_id'"):
        Log.read(path)


def test_a_folder_has_the_frames_under_their_names(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    purchases(folder, "interactions.csv")
    frame(customer=["a", "b"], at=[1, 2], words=["q", "r"]).to_parquet(folder / "searches.parquet")
    frame(sku=["x"]).to_csv(folder / "returns.csv", index=False)
    (folder / "users.txt").write_text("no frame")
    roles = Roles("customer", "sku", "bought_at")
    log = Log.read(folder, roles=roles, searches=purchases(tmp_path), query="sku")
    assert log.name == "shop" and log.items["price"].tolist() == [3, 4]
    # The file given comes before the one that lies there.
    assert log.searches is not None and log.searches["sku"].tolist() == ["x", "y", "x"]
    assert log.users.columns.tolist() == ["customer"]


def test_roles_beside_the_frames(tmp_path: pathlib.Path) -> None:
    purchases(tmp_path, "interactions.csv")
    said = {"user": "customer", "item": "sku", "time": "euros"}
    (tmp_path / "roles.json").write_text(json.dumps(said), encoding="utf-8")
    assert Log.read(tmp_path).roles == Roles("customer", "sku", "euros")
    # What is given comes before what lies there.
    log = Log.read(tmp_path, time="bought_at", name="mine")
    assert log.roles == Roles("customer", "sku", "bought_at") and log.name == "mine"
    assert not Log.read(tmp_path, roles=Roles("customer", "sku")).has_times
    for text, message in (
        ("{", "roles.json is damaged or no JSON file"),
        ('["user"]', r"roles.json must map roles.*Received: .'user'"),
        ('{"buyer": "customer"}', "roles.json must map roles.*Received: {'buyer'"),
        ('{"user": 1}', "roles.json must map roles.*Received: {'user': 1}"),
        ('{"user": "buyer"}', "The user must be a column .*Received: user='buyer'"),
    ):
        (tmp_path / "roles.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            Log.read(tmp_path)


def test_folders_that_are_no_log(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="no interactions.parquet or .*csv in .*: \\[\\]"):
        Log.read(tmp_path)
    for name in ("interactions.csv", "interactions.csv.gz"):
        watches().to_csv(tmp_path / name, index=False)
    with pytest.raises(ValueError, match=r"one file of interactions. .*\.csv and .*\.csv\.gz"):
        Log.read(tmp_path)


def _halve(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(b ^ 0xFF for b in data[middle : middle + 40]) + data[middle + 40 :]


@pytest.mark.parametrize("damage", [_halve, _flip, lambda data: b"", lambda data: b"\x00\xff" * 50])
@pytest.mark.parametrize("name", ["w.v1.parquet", "w.csv.gz", "w.csv.zip", "w.csv.xz", "w.csv.bz2"])
def test_a_damaged_file_is_named(tmp_path: pathlib.Path, name: str, damage: Any) -> None:
    path = tmp_path / name
    events = watches().loc[np.arange(3000) % 3].assign(time=np.random.default_rng(0).random(3000))
    if "parquet" in name:
        events.to_parquet(path)
        if damage is _flip:  # the footer's checksum-less metadata, in the end of the file
            damage = lambda data: data[:-60] + b"\xff" * 50 + data[-10:]  # noqa: E731
    else:
        events.to_csv(path, index=False)
    path.write_bytes(damage(path.read_bytes()))
    kind = "parquet" if "parquet" in name else "csv"
    with pytest.raises(ValueError, match=f"{name} is damaged or no {kind} file: ."):
        Log.read(path)


def test_a_ragged_csv_is_damaged(tmp_path: pathlib.Path) -> None:
    (tmp_path / "w.csv").write_text('user_id,item_id,time\na,x,1\na,"y,2\nb,z,3,4,5\n')
    with pytest.raises(ValueError, match="w.csv is damaged or no csv file"):
        read_frame(tmp_path / "w.csv")

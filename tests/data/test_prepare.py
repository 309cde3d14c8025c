"""Files of any kind become shards that hold what a log of the same files holds."""

import contextlib
import json
import logging
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shardable import both, events, item_table, user_table
from small_logs import frame, watches

from tfrec_zoo.data import Log, Roles, ShardedLog, prepare
from tfrec_zoo.data.sharded import unordered_checksum
from tfrec_zoo.data.sharded.pieces import files_of


def gathered(log: ShardedLog) -> pd.DataFrame:
    """The interactions of all shards, users one after another as in a log in memory."""
    parts = [shard.interactions for shard in log.shards()]
    return pd.concat(parts).sort_values(log.roles.user, kind="stable", ignore_index=True)


def compared(folder: pathlib.Path, path: pathlib.Path, **given: Any) -> tuple[Log, ShardedLog]:
    """A file read whole and prepared, which must come to the same."""
    whole = Log.read(path, **given)
    sharded = prepare(path, folder / "shards", shards=3, **given)
    kept = [*gathered(sharded)]
    pd.testing.assert_frame_equal(
        gathered(sharded), whole.interactions[kept], check_column_type=False
    )
    assert sharded.checksum == unordered_checksum(whole)
    assert sharded.span == (whole.interactions[kept[2]].min(), whole.interactions[kept[2]].max())
    return whole, sharded


@pytest.mark.parametrize("name", ["w.parquet", "w.csv", "w.csv.gz", "w.jsonl"])
def test_shards_hold_what_a_log_of_the_file_holds(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name
    if name == "w.parquet":
        events().to_parquet(path)
    elif name == "w.jsonl":
        events().to_json(path, orient="records", lines=True)
    else:
        events().to_csv(path, index=False)
    whole, sharded = compared(tmp_path, path)
    assert sharded.name == "w" and sharded.num_interactions == 600
    assert [len(shard.interactions) for shard in sharded.shards()] == [
        *sharded.manifest["interactions"]
    ]
    users = [set(shard.interactions.user_id) for shard in sharded.shards()]
    assert min(map(len, users)) > 5 and sum(map(len, users)) == whole.users.user_id.nunique()
    assert sharded.items.item_id.tolist() == whole.items.item_id.tolist()


def test_tables_of_users_and_items_go_with_the_shards(tmp_path: pathlib.Path) -> None:
    whole, sharded = both(tmp_path)
    assert sharded.checksum == unordered_checksum(whole)
    pd.testing.assert_frame_equal(sharded.items, whole.items, check_dtype=False)
    order = {user: row for row, user in enumerate(whole.users.user_id)}
    users = sharded.users.iloc[np.argsort([order[u] for u in sharded.users.user_id])]
    assert users.user_id.tolist() == whole.users.user_id.tolist()
    assert users.country.fillna("").tolist() == whole.users.country.fillna("").tolist()


def test_files_follow_one_another_and_ties_stay_in_their_order(tmp_path: pathlib.Path) -> None:
    days = tmp_path / "days"
    (days / "june").mkdir(parents=True)
    watches(item_id=["p", "q", "r"], time=[5, 5, 5]).to_csv(days / "1.csv", index=False)
    watches(item_id=["s", "t", "u"], time=[5, 5, 4]).to_csv(days / "june" / "2.csv", index=False)
    for left_out in (".hidden.csv", "_SUCCESS", "notes.md"):
        (days / left_out).write_text("x")
    assert [path.name for path in files_of([days])] == ["1.csv", "2.csv"]
    log = prepare(days, tmp_path / "shards", shards=2)
    # By hand: a has q, r of the first file and t, u of the second; u came before all others.
    assert gathered(log).item_id.tolist() == ["u", "q", "r", "t", "p", "s"]
    assert log.name == "days"


def test_the_number_of_shards_follows_from_the_rows(tmp_path: pathlib.Path) -> None:
    events().to_parquet(tmp_path / "w.parquet")
    assert prepare(tmp_path / "w.parquet", tmp_path / "shards").num_shards == 1
    for wrong in (0, 513):
        with pytest.raises(ValueError, match=f"from 1 to 512. Received: {wrong}"):
            prepare(tmp_path / "w.parquet", tmp_path / "shards", shards=wrong)


@pytest.mark.parametrize(
    "columns",
    [
        {"user_id": [7, 30, 9], "item_id": [2**62, 5, 11]},
        {"user_id": [-7, 30, 9], "item_id": [2**63 + 5, 5, 11]},
        {"user_id": [7.0, 30.0, 9.0]},
        {"time": pd.to_datetime(["2024-01-31", "2024-01-30", "2024-02-01"])},
        {"time": ["2024-01-31", "2024-01-30T10:00:00+02:00", "2024-02-01"]},
        {"time": [1706659200500, 1706659200000, 1706659100000]},
        {"time": [20240131, 20240130, 20240201]},
        {"weight": [1, 2, 3]},
        {"weight": [0.5, 2, 3]},
        {"other": ["is", "not", "kept"]},
    ],
    ids=str,
)
def test_columns_are_what_they_are_in_a_log(tmp_path: pathlib.Path, columns: Any) -> None:
    watches(**columns).to_parquet(tmp_path / "w.parquet")
    compared(tmp_path, tmp_path / "w.parquet")


def test_numbers_that_become_too_large_are_text_from_the_first_file_on(
    tmp_path: pathlib.Path,
) -> None:
    times = np.zeros(6, int)
    parts = [[3, 24, 3, 9, 24, 3], [24, 2**63 + 1, 9, 3, 2**63 + 1, 24], [9, 3, 3, 3, 24, 7]]
    frames = [
        frame(
            user_id=np.array(ids, np.uint64 if max(ids) > 2**62 else None),
            item_id=items,
            time=times,
        )
        for ids, items in zip(parts, np.arange(18).reshape(3, 6), strict=True)
    ]
    for number, part in enumerate(frames):
        part.to_parquet(tmp_path / f"{number}.parquet")
    log = prepare(sorted(tmp_path.glob("*.parquet")), tmp_path / "shards", shards=3)
    found = gathered(log)
    # By hand: events at one time stay in the order of the files and of their rows.
    assert found.groupby("user_id").item_id.apply(list).to_dict() == {
        "24": [1, 4, 6, 11, 16],
        "3": [0, 2, 5, 9, 13, 14, 15],
        "7": [17],
        "9": [3, 8, 12],
        "9223372036854775809": [7, 10],
    }


def test_text_ids_stay_as_they_are_written(tmp_path: pathlib.Path) -> None:
    (tmp_path / "w.csv").write_text("customer;sku;at\n007;1E5;3\n7;100000;1\n07;a;2\n")
    whole, sharded = compared(tmp_path, tmp_path / "w.csv", user="customer", item="sku", time="at")
    assert sorted(sharded.users.customer) == ["007", "07", "7"]
    assert sharded.roles == Roles(user="customer", item="sku", time="at")


def test_text_beside_a_table_of_numbers_is_numbers(tmp_path: pathlib.Path) -> None:
    watches(user_id=[10, 9, 9], item_id=[1, 2, 3]).to_csv(tmp_path / "w.csv", index=False)
    frame(item_id=[3, 2, 1], kind=["a", "b", "c"]).to_parquet(tmp_path / "items.parquet")
    _, sharded = compared(tmp_path, tmp_path / "w.csv", items=tmp_path / "items.parquet")
    assert gathered(sharded).user_id.tolist() == ["10", "9", "9"]
    assert gathered(sharded).item_id.tolist() == [1, 3, 2]
    watches(item_id=["01", "2", "3"]).to_csv(tmp_path / "w.csv", index=False)
    with pytest.raises(ValueError, match="'item_id' must have one type everywhere.*text '01'"):
        prepare(tmp_path / "w.csv", tmp_path / "shards", items=tmp_path / "items.parquet")


def test_rows_that_cannot_be_used_are_named_or_left_out(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "w.csv"
    path.write_text(
        "user_id,item_id,time,weight\n,bad,1,1\na,x,,1\nb,y,3,-1\nc,z,4,1\nd\n,z,5,1\nd,z,6,2\n"
    )
    with pytest.raises(ValueError, match=r"w\.csv.*that are no 4 cells: row 6.*'d'"):
        prepare(path, tmp_path / "shards")
    path.write_text("user_id,item_id,time,weight\ne,bad,1,1\na,x,,1\nb,y,3,-1\nc,z,4,1\nd,z,6,2\n")
    with pytest.raises(ValueError, match=r"w\.csv, rows from 0 on: Column 'time'.*1 of 5 missing"):
        prepare(path, tmp_path / "shards")
    caplog.set_level(logging.WARNING)
    path.write_text(path.read_text() + "f\n")
    _, log = compared(tmp_path, path, bad_rows="skip")
    assert gathered(log).user_id.tolist() == ["c", "d", "e"]
    assert log.items.item_id.tolist() == ["bad", "z"]
    assert "left out 1 rows whose 'weight' is missing, negative or infinite" in caplog.text


def test_users_and_items_without_a_row_are_an_error_or_added(tmp_path: pathlib.Path) -> None:
    path, shards = tmp_path / "w.csv", tmp_path / "shards"
    watches().to_csv(path, index=False)
    frame(user_id=["b", "b"], age=[1, 2]).to_csv(tmp_path / "users.csv", index=False)
    frame(item_id=["y"], price=[3]).to_csv(tmp_path / "items.csv", index=False)
    tables = {name: tmp_path / f"{name}.csv" for name in ("users", "items")}
    with pytest.raises(ValueError, match="`users` must have one row per id. Twice: 'b'"):
        prepare(path, shards, users=tables["users"])
    with pytest.raises(ValueError, match="`items` must have a row for every item.*'x', one of 1"):
        prepare(path, shards, items=tables["items"])
    compared(tmp_path, path, bad_rows="skip", **tables)
    frame(user_id=["b"], age=[1]).to_csv(tmp_path / "users.csv", index=False)
    with pytest.raises(ValueError, match="`users` must have a row for every user.*'a', one of 1"):
        prepare(path, shards, users=tables["users"])


def test_repeats_are_counted_and_kept(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    twice = pd.concat([watches(), watches()])
    twice.to_csv(tmp_path / "w.csv", index=False)
    log = prepare(tmp_path / "w.csv", tmp_path / "shards", shards=2)
    assert log.num_interactions == 6 and "3 of 6 interactions repeat another" in caplog.text


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"user_id": [1, 2, 3]}, "'user_id' must have one type.*text in .*1.parquet, whole numb"),
        ({"time": [17e11, 17e11, 17e11]}, "'time' must hold times.*seconds in.*milliseconds in"),
        ({"weight": [1, 2, 3]}, "must have a column 'weight', or none"),
        ({"time": ["soon", "late", "never"]}, "2.parquet, rows from 0 on: Column 'time'"),
        ({"item_id": [["x"], ["y"], ["z"]]}, "2.parquet, rows from 0 on: Column 'item_id'"),
        ({"time": [2**60] * 3}, "milliseconds|microseconds|nanoseconds|2..53"),
    ],
    ids=str,
)
def test_files_that_differ_are_named(tmp_path: pathlib.Path, second: Any, words: str) -> None:
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    watches().to_parquet(files[0])
    watches(**second).to_parquet(files[1])
    with pytest.raises(ValueError, match=words):
        prepare(files, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_empty_and_damaged_files(tmp_path: pathlib.Path) -> None:
    files = [tmp_path / name for name in ("1.csv", "2.csv", "3.parquet")]
    files[0].write_text("user_id,item_id,time\n")
    with pytest.raises(ValueError, match="There must be interactions. Received: none in 1 files"):
        prepare(files[0], tmp_path / "shards")
    files[1].write_text("user_id,item_id,time\na,x,1\n")
    watches()[:0].to_parquet(files[2])
    assert prepare(files, tmp_path / "shards").num_interactions == 1
    files[0].write_text("")
    with pytest.raises(ValueError, match="1.csv is damaged or no csv file: the file is empty"):
        prepare(files, tmp_path / "shards")
    files[2].write_bytes(files[2].read_bytes()[:-9])
    with pytest.raises(ValueError, match="3.parquet is damaged or no parquet file"):
        prepare(files[1:], tmp_path / "shards")
    files[1].write_bytes("user_id,item_id,time\ncafé,x,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="2.csv is damaged.*in another encoding.*latin-1"):
        prepare(files[1], tmp_path / "shards")
    log = prepare(files[1], tmp_path / "shards", encoding="latin-1")
    assert log.users.user_id.tolist() == ["café"]
    # A column that is not there, a file, and a folder without data.
    files[1].write_text("user_id,item_id\na,x\n")
    with pytest.raises(ValueError, match="2.csv.*must have a column 'time'"):
        prepare(files[1], tmp_path / "shards")
    with pytest.raises(FileNotFoundError, match="no such file"):
        prepare(tmp_path / "9.csv", tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="no data files in the folder"):
        prepare(_made(tmp_path / "empty"), tmp_path / "other")
    # The last good log is still there.
    assert ShardedLog.read(tmp_path / "shards").users.user_id.tolist() == ["café"]


def _made(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    return folder


def test_wrong_arguments(tmp_path: pathlib.Path) -> None:
    watches().to_csv(tmp_path / "w.csv", index=False)
    for given, words in (
        ({"watches": "x"}, "by their roles.*Received: .'watches'"),
        ({"bad_rows": "ignore"}, '"error" or "skip".*ignore'),
        ({"time_unit": "h"}, "`time_unit`"),
        ({"time": ""}, "needs the times"),
        ({"weight": "euros"}, "must be a column of the interactions. Received: weight='euros'"),
    ):
        with pytest.raises(ValueError, match=words):
            prepare(tmp_path / "w.csv", tmp_path / "shards", **given)


def test_what_is_not_ours_is_not_replaced(tmp_path: pathlib.Path) -> None:
    watches().to_csv(tmp_path / "w.csv", index=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    model = _made(tmp_path / "model")
    (model / "manifest.json").write_text(json.dumps({"model": "EASE", "files": {}}))
    (tmp_path / "file").write_text("x")
    for name in ("mine", "model", "file"):
        with pytest.raises(FileExistsError, match=f"{name} would be replaced"):
            prepare(tmp_path / "w.csv", tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


@contextlib.contextmanager
def small_files(number: int) -> Iterator[None]:
    """Files can't grow beyond a number of bytes, as if the disk were full."""
    resource = pytest.importorskip("resource", reason="limits sizes of files, as Unix can")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("number", [1_000, 6_000])
def test_a_full_disk_leaves_nothing_behind(tmp_path: pathlib.Path, number: int) -> None:
    # Rows on their way take some 5,000 bytes a shard; the sorted shards more, with 2 kB of schema.
    events(2000).to_parquet(tmp_path / "w.parquet")
    with small_files(number), pytest.raises(OSError, match="File too large"):
        prepare(tmp_path / "w.parquet", tmp_path / "shards", shards=3)
    assert [path.name for path in tmp_path.iterdir()] == ["w.parquet"]


def test_a_log_in_memory_of_other_rows_has_another_checksum() -> None:
    base = Log("m", events(), users=user_table(), items=item_table())
    assert unordered_checksum(base) == unordered_checksum(
        Log("other", base.interactions, users=user_table()[::-1], items=item_table()[::-1])
    )
    changed = [
        {"interactions": events().assign(weight=1.0)},
        {"interactions": events()[1:]},
        {"users": user_table().assign(age=1.0)},
        {"items": item_table().assign(genre="x")},
    ]
    given = {"interactions": events(), "users": user_table(), "items": item_table()}
    sums = {unordered_checksum(Log("m", **{**given, **change})) for change in changed}
    assert len(sums | {unordered_checksum(base)}) == 5
    # The order of what a user did at the same time counts.
    ties = watches(user_id=["a"] * 3, item_id=["x", "y", "z"], time=[1.0] * 3)
    assert unordered_checksum(Log("m", ties)) != unordered_checksum(Log("m", ties[::-1]))

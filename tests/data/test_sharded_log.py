"""A log in shards is read a shard at a time, and says what is wrong with its folder."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from shardable import both, events
from small_logs import watches

from tfrec_zoo.data import Log, ShardedLog, prepare
from tfrec_zoo.data.sharded import is_sharded
from tfrec_zoo.data.sharded.entities import telling_rows
from tfrec_zoo.data.sharded.epoch_order import OPEN, EpochOrder
from tfrec_zoo.data.sharded.ranks import value_of_rank


@pytest.fixture
def log(tmp_path: pathlib.Path) -> ShardedLog:
    events().to_parquet(tmp_path / "w.parquet")
    return prepare(tmp_path / "w.parquet", tmp_path / "log", shards=3)


def test_what_needs_the_whole_log_says_so(log: ShardedLog) -> None:
    for name in ("interactions", "user_codes", "item_codes"):
        with pytest.raises(ValueError, match='all interactions at once.*"next-watch".*600 inter'):
            getattr(log, name)
    assert isinstance(log, Log) and log.has_times and log.searches is None
    assert log == ShardedLog.read(log.folder) and len({log, ShardedLog.read(log.folder)}) == 1


def test_a_shard_has_columns_as_the_whole_log_has_them(tmp_path: pathlib.Path) -> None:
    _, log = both(tmp_path, shards=30)
    told = telling_rows(log.users)
    # A value and the longest list of each column, and what is missing.
    assert told.tags.map(lambda v: 0 if v is None else len(v)).max() == 3
    assert told.country.isna().any() and told.age.isna().any()
    for shard in log.shards():
        kinds = {name: values.dtype for name, values in shard.users.items()}
        assert kinds == {name: values.dtype for name, values in log.users.items()}
        assert shard.user_codes.max(initial=-1) < len(shard.users) - len(told) + 5
    assert len(log.outline.users) == 40 and len(log.outline.interactions) == 0


def test_the_end_of_a_log_is_in_one_shard(log: ShardedLog) -> None:
    assert log.at_end.interactions.time.max() == log.span[1] == events().time.max()
    assert log.at_end.users.user_id.is_unique


def test_damaged_folders_are_named(log: ShardedLog, tmp_path: pathlib.Path) -> None:
    path = log.folder / "interactions-00001.parquet"
    before = path.read_bytes()
    path.write_bytes(before[:50] + b"x" + before[51:])
    with pytest.raises(ValueError, match="interactions-00001.parquet is damaged: prepare the log"):
        ShardedLog.read(log.folder)
    path.unlink()
    with pytest.raises(ValueError, match="interactions-00001.parquet is missing: prepare the log"):
        ShardedLog.read(log.folder)
    with pytest.raises(ValueError, match="00001.parquet is missing or damaged: prepare the log"):
        log.shard(1)
    path.write_bytes(before)
    (log.folder / "more.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="more.parquet is not of this export: remove it"):
        ShardedLog.read(log.folder)
    manifest = log.folder / "manifest.json"
    contents = json.loads(manifest.read_text())
    for change in ({"roles": {"user": 1, "page": 1}}, {"roles": {"x": "y"}}, {"interactions": []}):
        manifest.write_text(json.dumps({**contents, **change}))
        with pytest.raises(ValueError, match="manifest.json is damaged: prepare the log again"):
            ShardedLog.read(log.folder, verify=False)
    for lost in ("checksum", "first", "name"):
        manifest.write_text(json.dumps({k: v for k, v in contents.items() if k != lost}))
        with pytest.raises(ValueError, match="manifest.json is damaged: prepare the log again"):
            ShardedLog.read(log.folder, verify=False)
    manifest.write_text(json.dumps({**contents, "kind": None, "model": "EASE"}))
    with pytest.raises(ValueError, match="`tfrec-zoo prepare` wrote. Received one of None"):
        ShardedLog.read(log.folder, verify=False)
    assert not is_sharded(log.folder) and not is_sharded(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="There is no log in shards.*nothing"):
        ShardedLog.read(tmp_path / "nothing")


def test_users_with_negative_ids_sort_as_text_in_every_shard(tmp_path: pathlib.Path) -> None:
    # One of them is no whole number from 0 up, so that all are text.
    watches(user_id=[10, 9, -1]).to_parquet(tmp_path / "w.parquet")
    log = prepare(tmp_path / "w.parquet", tmp_path / "log", shards=2)
    assert sorted(log.users.user_id) == ["-1", "10", "9"]


@pytest.mark.parametrize("kind", ["ties", "skewed", "spread"])
def test_values_are_found_by_rank(kind: str) -> None:
    rng = np.random.default_rng(0)
    values: Any = {
        "ties": rng.integers(0, 5, 3000).astype(float),
        "skewed": np.exp(rng.normal(0, 30, 3000)),
        "spread": rng.normal(1.7e9, 1e6, 3000),
    }[kind]
    parts = np.array_split(values, 7)
    for rank in (0, 1, 1500, 2998, 2999):
        found = value_of_rank(lambda: [*parts, np.empty(0)], rank, keep=4)
        assert found == np.sort(values)[rank]
    for wrong in (3000, 4000):
        with pytest.raises(IndexError, match=f"Received: {wrong}"):
            value_of_rank(lambda: parts, wrong)
    with pytest.raises(IndexError, match="0 of 0"):
        value_of_rank(lambda: [], 0)


def test_an_epoch_has_every_example_once_and_mixes_open_shards() -> None:
    sizes = np.array([40, 0, 17, 33, 40, 25, 8, 40])
    order = EpochOrder(sizes, seed=3)
    chunks = list(order.chunks(16))
    seen: dict[int, list[int]] = {}
    for chunk in chunks:
        assert len(chunk) <= OPEN and len({span.shard for span in chunk}) == len(chunk)
        for span in chunk:
            own = seen.setdefault(span.shard, [])
            own += order.of_shard(span.shard)[span.start : span.stop].tolist()
    assert {shard: sorted(own) for shard, own in seen.items()} == {
        shard: list(range(size)) for shard, size in enumerate(sizes) if size
    }
    # Full chunks have four parts of four, until shards run out.
    assert [span.stop - span.start for span in chunks[0]] == [4] * 4
    assert order.of_shard(0).tolist() != list(range(40))
    assert sorted(order.of_chunk(0, 16)) == list(range(16))
    # The order follows from the seed.
    assert list(EpochOrder(sizes, seed=3).chunks(16)) == chunks
    assert list(EpochOrder(sizes, seed=4).chunks(16)) != chunks
    assert EpochOrder(sizes, seed=4).of_shard(0).tolist() != order.of_shard(0).tolist()

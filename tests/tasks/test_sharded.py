"""The task makes the same of a log in shards as of the log in memory."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shardable import both, events

import tfrec_zoo
from tfrec_zoo.data import Examples, Log, ShardedLog, prepare
from tfrec_zoo.data.sharded import ShardedExamples
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.features import Preprocessor
from tfrec_zoo.models import (
    EASE,
    GMF,
    DeepFM,
    LightGCN,
    MatrixFactorization,
    SASRec,
    TwoTower,
    YouTubeRetrieval,
    iALS,
)
from tfrec_zoo.tasks import Choice, Clicks, NextWatch, Ratings
from tfrec_zoo.training import Training, fit

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Log, ShardedLog]:
    return both(tmp_path_factory.mktemp("logs"))


def batches(dataset: tf.data.Dataset) -> list[list[str]]:
    """Each batch as one text per example."""
    found = []
    for batch in dataset:
        parts = [np.asarray(part).reshape(len(part), -1) for part in tf.nest.flatten(batch)]
        found.append(["|".join(row) for row in np.concatenate([p.astype(str) for p in parts], 1)])
    return found


def rows(dataset: tf.data.Dataset) -> list[str]:
    """Each example as a text, whatever the order."""
    return sorted(row for batch in batches(dataset) for row in batch)


@pytest.mark.parametrize(
    ("model", "arguments", "options"),
    [
        (YouTubeRetrieval, {}, {"task": Choice, "max_history": 5, "split": "last-out"}),
        (YouTubeRetrieval, {}, {"moment": True, "half_lives": (100.0,), "last_watched": True}),
        (YouTubeRetrieval, {}, {"label": "held-out", "bags": (2, 7)}),
        (YouTubeRetrieval, {}, {"order": False, "profile": False}),
        (TwoTower, {}, {"split": "time", "test_fraction": 0.2}),
        (SASRec, {"max_length": 4}, {}),
        (MatrixFactorization, {"loss": "softmax"}, {}),
        (LightGCN, {}, {}),
    ],
    ids=str,
)
def test_examples_and_features_are_those_of_the_log_in_memory(
    logs: tuple[Log, ShardedLog], model: Any, arguments: Any, options: Any
) -> None:
    options = dict(options)
    task = options.pop("task", NextWatch)
    whole, sharded = (task(log, **options) for log in logs)
    assert sharded.protocol == whole.protocol and sharded.num_items == whole.num_items
    given = [task.examples(model, arguments) for task in (whole, sharded)]
    features = [examples.fit_features() for examples in given]
    assert features[0] == features[1]
    for space, vocabulary in features[0].vocabularies.items():
        assert vocabulary.tokens == features[1].vocabularies[space].tokens
    preprocessor = Preprocessor(features[0])
    for one, other in (
        (given[0].train, given[1].train),
        (given[0].test, given[1].test),
        *[[task.validating().examples(model, arguments).test for task in (whole, sharded)]],
    ):
        assert isinstance(other, ShardedExamples) and not isinstance(one, ShardedExamples)
        assert len(one) == len(other) > 0
        assert rows(other.dataset(64, preprocessor, shuffle=True)) == rows(
            one.dataset(64, preprocessor)
        )
    counted = given[1].train.counted_labels()
    items, times = np.unique(given[0].train.label, return_counts=True)
    found = dict(zip(counted.values, counted.times, strict=True))
    assert {item: n for item, n in found.items() if n} == dict(zip(items, times, strict=True))


def test_completed_watches_and_days_are_split_alike(tmp_path: pathlib.Path) -> None:
    frame = events().assign(time=lambda f: (f.time - 1.7e9) * 200 + 1.7e9)
    frame.to_parquet(tmp_path / "w.parquet")
    length = {"item_id": [f"i{i}" for i in range(1, 26)], "length": [5.0] * 25}
    pd.DataFrame(length).to_parquet(tmp_path / "items.parquet")
    path, items = tmp_path / "w.parquet", tmp_path / "items.parquet"
    logs = (
        Log.read(path, items=items),
        prepare(path, tmp_path / "log", items=items, shards=3),
    )
    given = [
        NextWatch(log, split="next-day", min_watch_share=0.5).examples(YouTubeRetrieval)
        for log in logs
    ]
    for part in ("train", "test"):
        one, other = (getattr(examples, part) for examples in given)
        assert len(one) == len(other) > 10
        assert rows(one.dataset(64)) == rows(other.dataset(64))


def test_orders_follow_from_seed_and_epoch_and_go_on_where_they_were(
    logs: tuple[Log, ShardedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chunks of 24 examples, of up to four shards, make several of an epoch.
    monkeypatch.setattr("tfrec_zoo.data.sharded.epoch_order.EpochOrder.chunks.__defaults__", (24,))
    examples = NextWatch(logs[1]).examples(YouTubeRetrieval).train
    keys = {"history", "example_age"}

    def made(seed: int = 5, **given: Any) -> list[list[str]]:
        return batches(examples.dataset(10, shuffle=True, seed=seed, keys=keys, **given))

    two = made(epochs=2)
    steps = -(-len(examples) // 10)
    assert [len(batch) for batch in two] == 2 * [*[10] * (steps - 1), len(examples) % 10 or 10]
    first, second = two[:steps], two[steps:]
    assert first != second and sorted(sum(first, [])) == sorted(sum(second, []))
    assert made(epochs=2) == two and made(seed=6, epochs=2) != two
    for begin in (1, 7, steps - 1, steps, steps + 3, 2 * steps):
        left = made(epochs=2, begin=begin)
        assert left == two[begin:]
        dataset = examples.dataset(10, shuffle=True, epochs=2, begin=begin)
        assert len(dataset) == 2 * steps - begin
    dataset = examples.dataset(10, shuffle=True, seed=5, keys=keys)
    assert batches(dataset) != batches(dataset)
    # Users of several shards are in one batch.
    users = examples.dataset(24, shuffle=True, keys={"history"}, epochs=1)
    assert len(set(batches(users)[0])) > 4


def test_workers_have_shards_of_their_own(logs: tuple[Log, ShardedLog]) -> None:
    examples = NextWatch(logs[1]).examples(YouTubeRetrieval).train
    parts = [examples.of_worker(number, 2) for number in range(2)]
    found = [rows(part.dataset(50)) for part in parts]
    assert min(map(len, found)) > 50
    assert sorted(found[0] + found[1]) == rows(examples.dataset(50))
    assert len({examples.fingerprint(), *(part.fingerprint() for part in parts)}) == 3
    for wrong in ((2, 2), (0, 4), (-1, 2)):
        with pytest.raises(ValueError, match="a shard of its own: there are 3"):
            examples.of_worker(*wrong)


@pytest.mark.usefixtures("eagerly")
def test_a_model_is_measured_shard_by_shard(logs: tuple[Log, ShardedLog]) -> None:
    given = [NextWatch(log).examples(YouTubeRetrieval) for log in logs]
    arguments: dict[str, Any] = {"hidden_units": (8,), "seed": 1, "negatives": "popularity"}
    model = YouTubeRetrieval(given[0].fit_features(), **arguments)
    for part in given:
        model.count_items(part.train.counted_labels())
        shares = model.item_counts.share.numpy()
        assert shares.sum() == pytest.approx(1) and shares.argmax() == 0
    for mask in (True, False):
        found = [full_ranking(model, part.test, mask_seen=mask) for part in given]
        assert found[0] == pytest.approx(found[1])
    fit(model, given[1].train, Training(epochs=2, batch_size=128, verbose=0))
    assert full_ranking(model, given[1].test)["coverage_at_50"] > 0.9


def test_what_needs_the_log_as_a_whole_is_refused(logs: tuple[Log, ShardedLog]) -> None:
    log = logs[1]
    for model, arguments in (
        (DeepFM, {}),
        (GMF, {}),
        (EASE, {}),
        (iALS, {}),
        (MatrixFactorization, {"loss": "bpr"}),
    ):
        with pytest.raises(ValueError, match=f"{model.__name__} learns from a log as a whole"):
            NextWatch(log).examples(model, arguments)
    with pytest.raises(ValueError, match="`examples_per_user` draws from the log as a whole"):
        repr(NextWatch(log, examples_per_user=3).protocol)
    for split in ("random", "random-out"):
        with pytest.raises(ValueError, match='"last-out", "time" or "next-day".*Received: split='):
            repr(NextWatch(log, split=split).protocol)
    with pytest.raises(ValueError, match="leave nothing to train on"):
        NextWatch(log, split="time", validation_fraction=0.5, test_fraction=0.4999).examples(
            YouTubeRetrieval
        )
    for other in (lambda: Clicks(log).examples(DeepFM), lambda: Ratings(log).examples(GMF)):
        with pytest.raises(ValueError, match="all interactions at once"):
            other()
    examples = NextWatch(log).examples(YouTubeRetrieval).train
    for what in (lambda: examples.label, lambda: examples.sources, lambda: examples.take([0])):
        with pytest.raises(ValueError, match="made shard by shard.*examples of 3 shards"):
            what()
    with pytest.raises(ValueError, match="`batch_size` must be positive"):
        examples.dataset(0)
    with pytest.raises(ValueError, match="negatives of each example"):
        examples.dataset(8, negatives=tfrec_zoo.data.NegativeSampling(2))


def test_a_shard_that_is_lost_while_training_is_named(tmp_path: pathlib.Path) -> None:
    _, log = both(tmp_path)
    examples: Examples = NextWatch(log).examples(YouTubeRetrieval).train
    dataset = examples.dataset(8)
    (log.folder / "interactions-00002.parquet").unlink()
    with pytest.raises(tf.errors.OpError, match="interactions-00002.parquet is missing or damaged"):
        for _ in dataset:
            pass


def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    logs: tuple[Log, ShardedLog], tmp_path: pathlib.Path
) -> None:
    examples = NextWatch(logs[1]).examples(YouTubeRetrieval)
    features = examples.fit_features()
    # 66 steps an epoch, of which up to 32 are taken at once.
    training = Training(epochs=2, batch_size=8, verbose=0, checkpoint_minutes=1e-9)

    def trained(folder: pathlib.Path | None, *callbacks: Any) -> list[np.ndarray]:
        model = YouTubeRetrieval(features, hidden_units=(8,), dropout=0.2, seed=2)
        given = dataclasses.replace(training, checkpoint_dir=folder)
        fit(model, examples.train, given, callbacks=callbacks)
        return [variable.numpy() for variable in model.trainable_variables]

    class Kill(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.model.optimizer.iterations > 100:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Kill())
    [state] = tmp_path.glob("*/at-*")
    assert 66 < int(state.name.removeprefix("at-")) < 132
    for one, other in zip(trained(tmp_path), trained(None), strict=True):
        np.testing.assert_array_equal(one, other)

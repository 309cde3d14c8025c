"""Batches of examples: whole, in order or shuffled, and as lists with sampled negatives."""

from typing import Any

import numpy as np
import pytest
from small_examples import (
    COUNTRY,
    GENRES,
    HISTORY,
    ITEM,
    ITEMS,
    LENGTHS,
    TAGS,
    YEARS,
    choices,
    fitted,
    numbered,
    own_items,
)

from tfrec_zoo.data import NegativeSampling
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    FeatureSpec,
    HashedColumn,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def batches(dataset: tf.data.Dataset) -> list[list[int]]:
    return [features["number"].numpy().tolist() for features, *_ in dataset]


def test_a_dataset_has_every_example_once_and_a_smaller_last_batch() -> None:
    assert batches(numbered(7).dataset(3)) == [[0, 1, 2], [3, 4, 5], [6]]
    shuffled = batches(numbered(70).dataset(30, shuffle=True))
    assert [len(batch) for batch in shuffled] == [30, 30, 10]
    assert sorted(sum(shuffled, [])) == list(range(70))
    assert sum(shuffled, []) != list(range(70))
    assert batches(numbered(0).dataset(3, shuffle=True)) == []


def test_targets_and_weights_go_with_their_features() -> None:
    examples = numbered(50, weight=np.arange(50) * 2.0)
    for features, label, weight in examples.dataset(20, shuffle=True):
        np.testing.assert_array_equal(label, features["number"])
        np.testing.assert_array_equal(weight, 2 * features["number"])
        assert weight.dtype == tf.float32
    assert len(next(iter(numbered(5).dataset(5)))) == 2
    text = numbered(2, label=ITEMS[:2])
    assert next(iter(text.dataset(2)))[1].numpy().tolist() == [b"a", b"b"]


def test_shuffling_differs_between_epochs_and_is_repeated_by_the_seed() -> None:
    def orders(seed: int) -> list[list[int]]:
        dataset = numbered(40).dataset(16, shuffle=True, seed=seed)
        return [sum(batches(dataset), []) for _ in range(3)]

    first, second, third = orders(seed=1)
    assert first != second != third != first
    assert orders(seed=1) == [first, second, third]
    assert orders(seed=2)[0] != first


def test_shuffling_differs_between_successive_fits() -> None:
    orders: list[list[int]] = []

    class Recorder(tf.keras.Model):
        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            orders[-1].extend(data[0]["number"].numpy().tolist())
            return {"loss": tf.constant(0.0)}

    class NewEpoch(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            orders.append([])

    model = Recorder()
    model.compile(run_eagerly=True)
    dataset = numbered(40).dataset(16, shuffle=True, seed=1)
    for _ in range(2):
        model.fit(dataset, epochs=2, verbose=0, callbacks=[NewEpoch()])
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


CHOSEN = ["ae", "b", "ad", "de", "ax"]


def test_with_negatives_each_example_is_a_list_its_own_item_first() -> None:
    examples = choices(103, weight=np.arange(103) / 2)
    dataset = examples.dataset(256, negatives=NegativeSampling(4))
    items = own_items(examples)
    # 256 candidates are 51 lists of five.
    assert len(dataset) == 3
    at = 0
    for (features, label, weight), size in zip(dataset, (51, 51, 1), strict=True):
        assert features["number"].numpy().tolist() == list(range(at, at + size))
        assert features["country"].shape == (size,) and features["history"].shape == (size, 3)
        assert features["item"].shape == features["length"].shape == (size, 5)
        assert features["tags"].shape == (size, 5, 2)
        assert label.numpy().tolist() == [[1, 0, 0, 0, 0]] * size and label.dtype == tf.float32
        assert weight.numpy().tolist() == [(at + i) / 2 for i in range(size)]
        candidates = features["item"].numpy().astype(str)
        assert candidates[:, 0].tolist() == items[at : at + size].tolist()
        for i, others in enumerate(candidates[:, 1:]):
            assert set(others) <= set("abdex") - set(CHOSEN[(at + i) % 5])
        at += size


@pytest.mark.parametrize(("batch_size", "sizes"), [(7, [2, 2, 1]), (3, [1] * 5), (1, [1] * 5)])
def test_a_batch_has_at_least_one_list(batch_size: int, sizes: list[int]) -> None:
    dataset = choices(5).dataset(batch_size, negatives=NegativeSampling(2))
    assert [len(label) for _, label in dataset] == sizes and len(dataset) == len(sizes)


def test_features_of_negatives_are_those_of_the_drawn_items() -> None:
    [(features, _)] = choices(40).dataset(500, negatives=NegativeSampling(9))
    items = features["item"].numpy().astype(str)
    assert set(items.ravel()) == set("abdex")
    none, nine = ["", ""], 9.0
    expected = [[GENRES.get(i, none) for i in row] for row in items]
    assert features["tags"].numpy().astype(str).tolist() == expected
    lengths = [[LENGTHS.get(i, nine) for i in row] for row in items]
    assert features["length"].numpy().tolist() == lengths


def test_the_keys_of_lists_can_be_chosen() -> None:
    examples = choices(4)
    dataset = examples.dataset(8, keys=["item", "country"], negatives=NegativeSampling(1))
    [(features, _)] = dataset
    assert set(features) == {"item", "country"} and features["item"].shape == (4, 2)


LIST_COLUMNS = {
    "ids": lambda: ([COUNTRY, BagColumn(HISTORY, 3)], [ITEM]),
    "bags": lambda: ([YEARS], [ITEM, BagColumn(TAGS, 1), HashedColumn("item", 5)]),
    "numbers": lambda: ([NumericColumn("years")], [ITEM, NumericColumn("length")]),
    "cross of both": lambda: ([COUNTRY], [ITEM, CrossedColumn((COUNTRY, ITEM), 50)]),
    "cross of known ones": lambda: (
        [COUNTRY],
        [
            ITEM,
            CrossedColumn((COUNTRY, ITEM), top_n=5),
            CrossedColumn((BagColumn(HISTORY, 2), ITEM), top_n=5),
        ],
    ),
    "cross of bags of both": lambda: (
        [YEARS],
        [ITEM, CrossedColumn((BagColumn(HISTORY, 2), YEARS, BagColumn(TAGS, 2)), 90)],
    ),
    "cross of either": lambda: (
        [CrossedColumn((COUNTRY, YEARS), 50)],
        [ITEM, CrossedColumn((ITEM, BagColumn(TAGS, 2)), 50)],
    ),
    "interactions": lambda: (
        [],
        [ITEM, InteractionColumn(BagColumn(HISTORY, 3), ITEM, "age", mass=False)],
    ),
}


@pytest.mark.parametrize("columns", list(LIST_COLUMNS))
def test_lists_encoded_ahead_are_their_pairs_encoded(columns: str) -> None:
    query, candidate = LIST_COLUMNS[columns]()
    spec = FeatureSpec(tuple(query), tuple(candidate))
    parts = [part for c in spec.candidate for part in getattr(c, "statistics", ())]
    quantiles = {name: (0.0, 1.0) for name in ("years", "length", *parts)}
    preprocessor = Preprocessor(fitted(spec, quantiles))
    examples = choices(23, weight=np.arange(23.0))
    # Drawn by the same seed, so the same items.
    arguments: Any = {"shuffle": True, "seed": 3, "negatives": NegativeSampling(2)}
    raws = list(examples.dataset(30, **arguments))
    batches = list(examples.dataset(30, preprocessor, **arguments))
    assert [len(label) for _, label, _ in batches] == [10, 10, 3]
    for (encoded, *targets), (raw, *raw_targets) in zip(batches, raws, strict=True):
        for target, raw_target in zip(targets, raw_targets, strict=True):
            np.testing.assert_array_equal(target, raw_target)
        # Each list as three rows of a user and an item.
        of_item = {"item", "tags", "length"}
        flat = {
            k: tf.reshape(v, [-1, *v.shape[2:]]) if k in of_item else tf.repeat(v, 3, axis=0)
            for k, v in raw.items()
        }
        expected = preprocessor(flat)
        keys = {c.name: c for c in spec.categorical}
        for kind in ("ids", "values"):
            assert set(encoded[kind]) == set(expected[kind])
            for name, value in expected[kind].items():
                column = keys.get(name)
                read = {c.key for c in getattr(column, "columns", [column]) if c} or {name}
                found = encoded[kind][name].numpy()
                if not read & of_item:
                    found = np.repeat(found, 3, axis=0)
                else:
                    assert found.shape[:2] == (len(targets[0]), 3)
                assert found.dtype == value.dtype.as_numpy_dtype
                found = found.reshape([-1, *found.shape[-1:]] if value.shape.rank == 2 else [-1])
                if isinstance(column, BagColumn):  # Short windows are gathered, long ones cut.
                    cut = value.shape[1] - found.shape[1]
                    assert not value[:, :cut].numpy().any()
                    value = value[:, cut:]
                np.testing.assert_array_equal(found, value, err_msg=name)
                assert kind == "values" or found.any()


def test_negatives_need_candidates_and_users() -> None:
    for without in (choices(3, candidates=None), numbered(3)):
        with pytest.raises(ValueError, match="what other `candidates` there are.*candidates=None"):
            without.dataset(8, negatives=NegativeSampling())
        with pytest.raises(ValueError, match="what other `candidates` there are.*candidates=None"):
            without.lists()
    with pytest.raises(ValueError, match="with users as `groups`"):
        choices(3, groups=None).dataset(8, negatives=NegativeSampling())
    # Without negatives neither is needed.
    assert len(list(choices(3, groups=None, candidates=None).dataset(8))) == 1


@pytest.mark.parametrize("batch_size", [0, -5])
def test_a_bad_batch_size_is_named(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"`batch_size` must be positive. Received: {batch_size}"):
        numbered(3).dataset(batch_size)


def numbers_of(dataset: tf.data.Dataset) -> list[np.ndarray]:
    return [features["number"].numpy() for features, *_ in dataset]


@pytest.mark.parametrize(
    ("n", "batch_size"),
    [(20_500, 1000), (16_384, 8192), (16_385, 8191), (20_000, 9000), (8193, 4096), (8192, 8193)],
)
def test_many_examples_come_in_order_and_whole_batches(n: int, batch_size: int) -> None:
    dataset = numbered(n).dataset(batch_size)
    found = numbers_of(dataset)
    np.testing.assert_array_equal(np.concatenate(found), np.arange(n))
    whole, rest = divmod(n, batch_size)
    assert [len(batch) for batch in found] == [batch_size] * whole + [rest] * (rest > 0)
    assert len(dataset) == len(found)


def test_many_lists_come_in_order_and_whole_batches() -> None:
    examples = choices(17_001)
    dataset = examples.dataset(5000, keys=["number", "item"], negatives=NegativeSampling(1))
    found = list(dataset)
    np.testing.assert_array_equal(np.concatenate(numbers_of(found)), np.arange(17_001))
    assert [len(label) for _, label in found] == [2500] * 6 + [2001] and len(dataset) == 7
    own = np.concatenate([f["item"].numpy()[:, 0] for f, _ in found]).astype(str)
    assert own.tolist() == own_items(examples).tolist()


@pytest.mark.parametrize("negatives", [None, NegativeSampling(1)], ids=["alone", "lists"])
def test_shuffling_is_of_all_examples(negatives: NegativeSampling | None) -> None:
    n, number = 30_000, np.arange(30_000)
    examples = choices(n)

    def orders(seed: int, epochs: int) -> list[np.ndarray]:
        dataset = examples.dataset(
            1000, shuffle=True, seed=seed, keys=["number", "item"], negatives=negatives
        )
        found = [numbers_of(dataset) for _ in range(epochs)]
        size = 1000 if negatives is None else 500
        assert all(len(batch) == size for batches in found for batch in batches)
        return [np.concatenate(batches) for batches in found]

    first, second = orders(seed=1, epochs=2)
    [again], [other] = orders(seed=1, epochs=1), orders(seed=2, epochs=1)
    np.testing.assert_array_equal(again, first)
    for order in (first, second, other):
        np.testing.assert_array_equal(np.sort(order), number)
    # No order has to do with another, nor with the order of the examples; 5 standard deviations.
    rows = np.corrcoef([number, first, second, other])
    assert np.abs(rows - np.eye(4)).max() < 5 / np.sqrt(n)
    # Every thousand has some of every thousand: 33 expected.
    for order in (first, second):
        table = np.zeros([30, 30], int)
        np.add.at(table, (order // 1000, number // 1000), 1)
        assert table.min() >= 10 and table.max() <= 70
        # Neighbours don't stay neighbours.
        assert (np.abs(np.diff(order)) == 1).sum() <= 15


def test_targets_and_items_stay_with_shuffled_examples() -> None:
    examples = choices(9000, weight=np.arange(9000) * 2.0)
    items = own_items(examples)
    for features, label, weight in examples.dataset(
        1000, shuffle=True, keys=["number", "item"], negatives=NegativeSampling(3)
    ):
        number = features["number"].numpy()
        np.testing.assert_array_equal(weight, 2.0 * number)
        np.testing.assert_array_equal(features["item"].numpy()[:, 0].astype(str), items[number])
        assert label.numpy()[:, 0].all() and not label.numpy()[:, 1:].any()

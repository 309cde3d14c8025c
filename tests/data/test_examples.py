"""Examples are taken, extended and encoded; encoded ahead or not, they are the same ones."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from small_examples import (
    CHANNELS,
    COUNTRY,
    GENRES,
    HISTORY,
    ITEM,
    ITEMS,
    NUMBER,
    NUMBERS,
    TAGS,
    VOCABULARIES,
    YEARS,
    choices,
    fitted,
    ints,
    numbered,
    own_items,
    past_examples,
    windows,
)

from tfrec_zoo.data import Examples, NegativeSampling, Rows, item_ids
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_raw_gives_the_keys_asked_for() -> None:
    examples = Examples(
        (Rows({"x": ITEMS, "y": ITEMS}, ints(0)), Rows({"z": ITEMS}, ints(1))), np.zeros(1)
    )
    assert set(examples.raw()) == {"x", "y", "z"}
    assert {k: v.tolist() for k, v in examples.raw(["z", "y"]).items()} == {"y": ["a"], "z": ["b"]}


def test_take_takes_every_part() -> None:
    source = windows(
        {"bag": ITEMS}, hide=ints(0, 0, 4), ages="age", time=np.arange(6.0), now=np.arange(3.0)
    )
    examples = Examples(
        (source, Rows({"name": ITEMS}, ints(3, 4, 5))),
        label=np.array(["x", "y", "z"], object),
        weight=np.array([1.0, 2.0, 3.0]),
        groups=ints(7, 8, 9),
        seen=windows({"history": ITEMS}),
    )
    taken, raw = examples.take(ints(2, 0, 2)), examples.raw()
    assert len(taken) == 3
    for key, value in taken.raw().items():
        np.testing.assert_array_equal(value, raw[key][[2, 0, 2]])
    assert taken.label.tolist() == ["z", "x", "z"]
    assert taken.weight is not None and taken.weight.tolist() == [3.0, 1.0, 3.0]
    assert taken.groups is not None and taken.groups.tolist() == [9, 7, 9]
    assert taken.seen is not None and taken.seen.stop.tolist() == [6, 0, 6]
    bare = numbered(5).take(ints(4))
    assert (bare.weight, bare.groups, bare.seen) == (None, None, None)


def test_with_features_adds_and_replaces() -> None:
    examples = numbered(3).with_features({"more": ITEMS[:3], "number": ints(7, 8, 9)})
    raw = examples.take(ints(1, 0)).raw()
    assert raw["more"].tolist() == ["b", "a"] and raw["number"].tolist() == [8, 7]


@pytest.mark.parametrize("max_length", [1, 2, 4, 50])
@pytest.mark.parametrize(
    "columns",
    [
        (lambda n: [BagColumn(HISTORY, n), COUNTRY], lambda n: [ITEM]),
        (lambda n: [BagColumn(NUMBERS, n)], lambda n: [NUMBER]),
        (lambda n: [BagColumn(CHANNELS, n)], lambda n: [HashedColumn("item", 5), ITEM]),
        (lambda n: [BagColumn(TAGS, n), YEARS, HashedColumn("country", 3)], lambda n: [ITEM]),
        (lambda n: [NumericColumn("years"), NumericColumn("height"), YEARS], lambda n: [ITEM]),
        (
            lambda n: [CrossedColumn((COUNTRY, YEARS), 50), COUNTRY],
            lambda n: [CrossedColumn((BagColumn(HISTORY, n), ITEM, YEARS), 90), ITEM],
        ),
        (
            lambda n: [BagColumn(CHANNELS, n), CrossedColumn((BagColumn(TAGS, n), COUNTRY), 9)],
            lambda n: [
                CrossedColumn((BagColumn(HISTORY, 2), ITEM), top_n=5),
                CrossedColumn((BagColumn(CHANNELS, n), BagColumn(TAGS, n)), 70),
                CrossedColumn((COUNTRY, ITEM), top_n=5),
                ITEM,
            ],
        ),
        (
            lambda n: [],
            lambda n: [ITEM, InteractionColumn(BagColumn(HISTORY, n), ITEM, "age", mass=False)],
        ),
        (
            lambda n: [
                BagColumn(HISTORY, n),
                BagColumn(HISTORY, n, half_life=3.0, ages="age"),
                BagColumn(HISTORY, 4, half_life=2.0, ages="age"),
            ],
            lambda n: [ITEM],
        ),
        (
            lambda n: [COUNTRY, CrossedColumn((COUNTRY, HashedColumn("no", 3)), 9)],
            lambda n: [ITEM],
        ),
    ],
    ids=["vocabulary", "int64", "hashed", "bags", "numbers", "crosses", "known", "interactions",
         "half-lives", "absent"],
)  # fmt: skip
def test_encoding_ahead_is_encoding(columns: Any, max_length: int) -> None:
    spec = FeatureSpec(*(tuple(part(max_length)) for part in columns))
    parts = [part for c in spec.candidate for part in getattr(c, "statistics", ())]
    quantiles = {name: (0.0, 1.0) for name in ("years", "height", *parts)}
    preprocessor = Preprocessor(fitted(spec, quantiles))
    examples = past_examples()
    examples = dataclasses.replace(examples, label=examples.raw()[spec.item.key])
    dataset = examples.dataset(3, preprocessor)
    at = 0
    for encoded, label, weight in dataset:
        raw = {k: tf.constant(v[at : at + 3]) for k, v in examples.raw().items()}
        expected = preprocessor(raw)
        for kind in ("ids", "values"):
            assert set(encoded[kind]) == set(expected[kind])
            for name, value in expected[kind].items():
                assert encoded[kind][name].dtype == value.dtype
                np.testing.assert_array_equal(encoded[kind][name], value, err_msg=name)
        known = VOCABULARIES[spec.item.space].tokens
        ids = [known.index(v) + 1 if v in known else 0 for v in examples.label[at : at + 3]]
        assert label.numpy().tolist() == ids
        assert weight.numpy().tolist() == list(range(at, at + len(ids)))
        at += len(ids)
    assert at == 8


def test_encoded_by_hand() -> None:
    # The windows of past_examples(), 4 wide; b=1 a=2 c=3 d=4, x unknown; the last 2 count.
    history, channels = BagColumn(HISTORY, 2), BagColumn(CHANNELS, 2)
    spec = FeatureSpec((history, YEARS, channels), (ITEM,))
    preprocessor = Preprocessor(Features(spec, {"item": VOCABULARIES["item"]}, {}))
    [(encoded, *_)] = past_examples().dataset(8, preprocessor)
    assert encoded["ids"][history.name].numpy().tolist() == [
        [0, 0, 0, 0],
        [0, 0, 2, 1],
        [0, 0, 1, 2],
        [0, 0, 0, 0],
        [0, 0, 0, 1],  # x b: an unknown value takes its place among the last two
        [0, 0, 0, 0],
        [0, 0, 2, 3],
        [0, 0, 1, 1],
    ]
    assert encoded["ids"]["years_bucketized"].numpy().tolist() == [1, 1, 1, 3, 3, 3, 1, 3]
    # a missing value does not: "k", "" and "k" are two
    known = encoded["ids"][channels.name].numpy() > 0
    assert known[2].tolist() == [False, True, False, True]


def test_a_numeric_label_is_not_encoded() -> None:
    spec = FeatureSpec((COUNTRY,), (ITEM,))
    preprocessor = Preprocessor(Features(spec, VOCABULARIES, {}))
    examples = dataclasses.replace(past_examples(), label=np.arange(8, dtype=np.float32))
    [(_, label, _)] = examples.dataset(8, preprocessor)
    assert label.numpy().tolist() == list(range(8))


def test_no_examples_make_no_batches() -> None:
    spec = FeatureSpec((CrossedColumn((COUNTRY, YEARS), 5), COUNTRY), (ITEM,))
    preprocessor = Preprocessor(Features(spec, VOCABULARIES, {}))
    assert list(past_examples().take(ints()).dataset(8, preprocessor)) == []


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_item_ids(dtype: Any) -> None:
    spec = FeatureSpec((), (NUMBER,))
    preprocessor = Preprocessor(Features(spec, {"number": VOCABULARIES["number"]}, {}))
    assert item_ids(preprocessor, np.array([9, 4, 1, -1], dtype)).tolist() == [3, 0, 1, 0]


def test_the_embedding_column_reads_the_same_ids() -> None:
    history = BagColumn(HISTORY, 2)
    spec = FeatureSpec((EmbeddingColumn(history),), (ITEM,))
    preprocessor = Preprocessor(Features(spec, {"item": VOCABULARIES["item"]}, {}))
    [(encoded, *_)] = past_examples().dataset(8, preprocessor)
    assert set(encoded["ids"]) == {history.name, "item"} and encoded["values"] == {}


@pytest.mark.parametrize("is_weighed", [True, False])
def test_short_bags_stay_beside_their_ages(is_weighed: bool) -> None:
    # Nothing is missing within these windows, whose bags of 2 would otherwise be cut to 2.
    column: Any = InteractionColumn(BagColumn(HISTORY, 2), ITEM, "age", mass=False)
    if is_weighed:
        column = EmbeddingColumn(BagColumn(HISTORY, 2, half_life=3.0, ages="age"))
    spec = FeatureSpec((column,) if is_weighed else (), (ITEM, *(() if is_weighed else (column,))))
    quantiles = {name: (0.0, 1.0) for name in getattr(column, "statistics", ())}
    preprocessor = Preprocessor(fitted(spec, quantiles))
    examples = choices(9)
    [(encoded, _)] = examples.dataset(9, preprocessor)
    expected = preprocessor({key: tf.constant(v) for key, v in examples.raw().items()})
    [(name, _)] = spec.bag_ages
    np.testing.assert_array_equal(encoded["ids"][name], expected["ids"][name])
    np.testing.assert_array_equal(encoded["values"]["age"], expected["values"]["age"])
    assert encoded["ids"][name].shape == encoded["values"]["age"].shape == (9, 3)


def test_an_assembler_gives_the_rows_asked_for() -> None:
    examples, rows = choices(9), tf.constant([7, 0, 7], tf.int64)
    raw = examples.raw()
    for key, value in examples.assembler()(rows).items():
        found = value.numpy()
        found = found.astype(str) if found.dtype == object else found
        np.testing.assert_array_equal(found, raw[key][[7, 0, 7]], err_msg=key)
    assert list(examples.assembler(keys=["length"])(rows)) == ["length"]
    spec = FeatureSpec((COUNTRY,), (ITEM,))
    preprocessor = Preprocessor(Features(spec, VOCABULARIES, {}))
    tokens = VOCABULARIES["item"].tokens
    ids = [tokens.index(i) + 1 if i in tokens else 0 for i in raw["item"][[7, 0, 7]]]
    assert examples.assembler(preprocessor)(rows)["ids"]["item"].numpy().tolist() == ids


def test_raw_and_take_have_the_candidates() -> None:
    examples = choices(20)
    raw = examples.raw()
    assert set(raw) == {
        "history", "age", "country", "years", "number", "item", "tags", "length",
    }  # fmt: skip
    items = own_items(examples)
    assert raw["item"].tolist() == items.tolist() and set(items) == set("abdex")
    assert raw["tags"].tolist() == [GENRES.get(i, ["", ""]) for i in items]
    taken = examples.take(ints(13, 2, 13))
    assert own_items(taken).tolist() == [items[13], items[2], items[13]]
    assert taken.raw()["length"].tolist() == raw["length"][[13, 2, 13]].tolist()
    # The whole table is still there, but what nobody of these chose is not drawn.
    of_two = examples.take(ints(1, 3))
    of_three = of_two.lists()(tf.constant([1]), tf.constant([[4, 0]]))
    assert of_three["item"].numpy().tolist() == [[b"c", b"f"]]
    [(features, _)] = of_two.dataset(22, negatives=NegativeSampling(10))
    drawn = features["item"].numpy().astype(str)
    assert drawn.tolist() == [["b", *[items[3]] * 10], [items[3], *["b"] * 10]]

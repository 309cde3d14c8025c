"""Rows and windows become features; encoded ahead or not, they are the same ones."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Examples, NegativeSampling, Rows, Windows, item_ids
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    InteractionColumn,
    NumericColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEMS = np.array(["a", "b", "c", "d", "e", "f"], object)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def numbered(n: int, **changes: Any) -> Examples:
    rows = Rows({"number": np.arange(n)}, np.arange(n))
    return dataclasses.replace(Examples((rows,), label=np.arange(n, dtype=np.float32)), **changes)


def windows(values: dict[str, np.ndarray], **changes: Any) -> Windows:
    # [0, 0) is empty, [0, 2) short, [1, 6) longer than the bag.
    default = Windows(values, ints(0, 0, 1), ints(0, 2, 6), length=3)
    return dataclasses.replace(default, **changes)


def raw_of(*sources: Rows | Windows, n: int = 3) -> dict[str, np.ndarray]:
    return Examples(sources, label=np.zeros(n, np.float32)).raw()


def test_rows_give_one_value_per_example() -> None:
    table = {
        "name": ITEMS,
        "count": np.arange(6, dtype=np.int16) * 10,
        "share": np.arange(6) / 4,
        "is_new": np.array([True, False] * 3),
        "bag": np.array([["p", ""], ["q", "r"]] * 3, object),
    }
    raw = raw_of(Rows(table, ints(5, 0, 5)))
    assert raw["name"].tolist() == ["f", "a", "f"]
    assert raw["count"].tolist() == [50, 0, 50] and raw["count"].dtype == np.int64
    assert raw["share"].tolist() == [1.25, 0.0, 1.25] and raw["share"].dtype == np.float32
    assert raw["is_new"].tolist() == [0, 1, 0]
    assert raw["bag"].tolist() == [["q", "r"], ["p", ""], ["q", "r"]]


def test_windows_end_with_the_newest_and_begin_with_what_is_missing() -> None:
    raw = raw_of(windows({"bag": ITEMS}))
    assert raw["bag"].tolist() == [["", "", ""], ["", "a", "b"], ["d", "e", "f"]]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_missing_whole_numbers_are_minus_one(dtype: Any) -> None:
    raw = raw_of(windows({"bag": np.arange(6).astype(dtype)}))
    assert raw["bag"].tolist() == [[-1, -1, -1], [-1, 0, 1], [3, 4, 5]]
    assert raw["bag"].dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_missing_numbers_are_nan(dtype: Any) -> None:
    raw = raw_of(windows({"bag": np.arange(6).astype(dtype)}))
    nan = np.nan
    np.testing.assert_array_equal(raw["bag"], [[nan, nan, nan], [nan, 0, 1], [3, 4, 5]])
    assert raw["bag"].dtype == np.float32


def test_windows_into_an_empty_table_are_empty() -> None:
    raw = raw_of(windows({"bag": np.array([], object)}, start=ints(0, 0, 0), stop=ints(0, 0, 0)))
    assert raw["bag"].tolist() == [["", "", ""]] * 3


def test_the_hidden_row_is_left_out_and_the_bag_still_full() -> None:
    start, stop = ints(0, 0, 0, 0, 4, 2), ints(6, 6, 6, 2, 6, 6)
    hide = ints(5, 4, 0, 1, 2, 9)
    raw = raw_of(windows({"bag": ITEMS}, start=start, stop=stop, hide=hide), n=6)
    assert raw["bag"].tolist() == [
        ["c", "d", "e"],  # the last
        ["c", "d", "f"],  # one in the middle
        ["d", "e", "f"],  # one older than the bag
        ["", "", "a"],
        ["", "e", "f"],  # one before the window
        ["d", "e", "f"],  # one after it
    ]


def test_ages_are_beside_what_they_are_of() -> None:
    time = np.array([0, 1, 2, 3.5, 4, 6])
    now = np.array([9.0, 10, 8])
    source = windows({"bag": ITEMS}, ages="age", time=time, now=now)
    raw = raw_of(source)
    nan = np.nan
    np.testing.assert_array_equal(raw["age"], [[nan, nan, nan], [nan, 10, 9], [4.5, 4, 2]])
    hidden = raw_of(dataclasses.replace(source, hide=ints(0, 0, 4)))
    np.testing.assert_array_equal(hidden["age"], [[nan, nan, nan], [nan, nan, 9], [6, 4.5, 2]])
    only = Examples((source,), label=np.zeros(3)).raw(["age"])
    assert list(only) == ["age"]
    np.testing.assert_array_equal(only["age"], raw["age"])


def test_ages_of_unix_times_keep_their_seconds() -> None:
    # 1.7e9 seconds have a step of 128 in float32.
    time, now = 1.7e9 + np.arange(6.0), 1.7e9 + np.array([0.0, 7, 9])
    raw = raw_of(windows({}, ages="age", time=time, now=now))
    assert raw["age"][1, 1:].tolist() == [7.0, 6.0] and raw["age"][2].tolist() == [6.0, 5.0, 4.0]


def test_raw_gives_text_not_bytes() -> None:
    raw = raw_of(Rows({"name": np.array(["é", "", "日本"], object)}, ints(2, 1, 0)))
    assert raw["name"].tolist() == ["日本", "", "é"]
    assert all(type(value) is str for value in raw["name"])


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


def past_examples() -> Examples:
    """A log of nine watches by three users, with something of every kind, some of it unknown."""
    items = np.array(["a", "b", "a", "c", "x", "b", "b", "d", ""], object)
    numbers = np.array([3, 1, 3, 9, 8, 1, 1, 2, -1])  # the same items, numbered; 8 is unknown
    channels = np.array(["k", "", "k", "", "m", "", "", "zz", "m"], object)
    start, stop = ints(0, 0, 0, 4, 4, 7, 0, 4), ints(0, 2, 3, 4, 6, 7, 4, 7)
    history = Windows(
        {"history": items, "numbers": numbers, "channels": channels},
        start, stop, 4,
        ages="age", time=np.array([0.0, 2, 4, 7, 1, 5, 6, 2, 3]), now=np.arange(8) + 8.0,
    )  # fmt: skip
    tags = np.array([["p", "q", "r"], ["q", "", "?"], ["", "", ""]], object)
    users = {
        "country": np.array(["DE", "?", ""], object),
        "years": np.array([20, 40, 31]),
        "height": np.array([1.5, np.nan, 1.9]),
        "tags": tags,
    }
    return Examples(
        (
            history,
            Rows(users, ints(0, 0, 0, 1, 1, 2, 0, 1)),
            Rows({"item": items, "number": numbers, "channel": channels}, np.arange(8)),
            Rows({"unused": items}, np.arange(8)),
        ),
        label=items[:8],
        weight=np.arange(8.0),
    )


HISTORY = VocabularyColumn("history", space="item")
NUMBERS = VocabularyColumn("numbers", "int64", space="number")
CHANNELS = HashedColumn("channels", 7)
COUNTRY, ITEM = VocabularyColumn("country"), VocabularyColumn("item", space="item")
NUMBER = VocabularyColumn("number", "int64", space="number")
YEARS, TAGS = BucketizedColumn("years", (25.0, 31.0)), VocabularyColumn("tags")
VOCABULARIES = {
    "item": Vocabulary(("b", "a", "c", "d")),
    "number": Vocabulary((1, 3, 9, 2), "int64"),
    "country": Vocabulary(("FR", "DE")),
    "tags": Vocabulary(("q", "r", "p")),
    # Keys of crosses: (country - 1) * 4 + item, and (history - 1) * 4 + item.
    "country_X_item": Vocabulary((6, 1, 8, 2, 5), "int64"),
    "history_bag2_X_item": Vocabulary((6, 2, 5, 1, 9), "int64"),
}


def fitted(spec: FeatureSpec, quantiles: dict[str, tuple[float, ...]] | None = None) -> Features:
    """Features with what they need of `VOCABULARIES`."""
    needed = {column.space for column in spec.vocabulary_columns}
    needed |= {column.space for column in spec.crosses if column.top_n}
    return Features(spec, {space: VOCABULARIES[space] for space in needed}, quantiles or {})


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
            lambda n: [ITEM, InteractionColumn(BagColumn(HISTORY, n), ITEM, ages="age")],
        ),
        (
            lambda n: [COUNTRY, CrossedColumn((COUNTRY, HashedColumn("no", 3)), 9)],
            lambda n: [ITEM],
        ),
    ],
    ids=["vocabulary", "int64", "hashed", "bags", "numbers", "crosses", "known", "interactions",
         "absent"],
)  # fmt: skip
def test_encoding_ahead_is_encoding(columns: Any, max_length: int) -> None:
    spec = FeatureSpec(*(tuple(part(max_length)) for part in columns))
    parts = [part for c in spec.candidate for part in getattr(c, "parts", ())]
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


def test_fitted_vocabularies_are_the_counts_of_pandas() -> None:
    rng = np.random.default_rng(0)
    items = rng.choice(list("abcdefgh"), 300, p=np.arange(1, 9) / 36).astype(object)
    country = rng.choice(["DE", "FR", ""], 300, p=[0.2, 0.7, 0.1]).astype(object)
    # Windows that overlap, over rows 0-99 and 200-299; those between are in none.
    start = np.repeat(ints(0, 200), 50)
    stop = start + np.tile(np.arange(2, 102, 2), 2)
    examples = Examples(
        (
            Windows({"history": items}, start, stop, 20),
            Rows({"country": country, "item": items}, stop - 1),
        ),
        label=items[stop - 1],
    )
    spec = FeatureSpec(
        (BagColumn(HISTORY), VocabularyColumn("country", top_n=1)),
        (VocabularyColumn("item", space="item", top_n=5),),
    )
    features = examples.fit_features(spec)
    values = [*items[:100], *items[200:], *items[stop - 1]]
    counts = pd.Series(values).value_counts().rename_axis("v").reset_index()
    expected = counts.sort_values(["count", "v"], ascending=[False, True]).v.head(5)
    assert features.vocabularies["item"].tokens == tuple(expected)
    assert features.vocabularies["country"].tokens == ("FR",)


@pytest.mark.parametrize(
    ("hide", "length", "used"),
    [
        (None, 9, "abde"),  # [0, 2) and [3, 5)
        (None, 1, "be"),
        (ints(0, 4, 0), 9, "bd"),  # hidden in their only windows
        (ints(1, 4, 0), 1, "ad"),
        (ints(5, 5, 0), 9, "abde"),
    ],
)
def test_only_what_is_in_a_window_is_learned(hide: Any, length: int, used: str) -> None:
    source = Windows({"history": ITEMS}, ints(0, 3, 6), ints(2, 5, 6), length, hide=hide)
    examples = Examples((source,), label=np.array(["", "", ""], object))
    features = examples.fit_features(FeatureSpec((BagColumn(HISTORY),)))
    assert "".join(map(str, features.vocabularies["item"].tokens)) == used


def test_given_vocabularies_are_kept() -> None:
    features = past_examples().fit_features(
        FeatureSpec((BagColumn(HISTORY), COUNTRY), (ITEM,)), {"item": VOCABULARIES["item"]}
    )
    assert features.vocabularies["item"] is VOCABULARIES["item"]
    assert features.vocabularies["country"].tokens == ("?", "DE")[::-1]


def test_fitted_quantiles_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    age = np.where(rng.random(400) < 0.1, np.nan, rng.lognormal(size=400)).astype(np.float32)
    index = rng.integers(400, size=900)
    examples = Examples((Rows({"age": age}, index),), label=np.zeros(900, np.float32))
    spec = FeatureSpec((NumericColumn("age"),))
    quantiles = examples.fit_features(spec).quantiles["age"]
    expected = np.nanquantile(age[index].astype(np.float64), np.linspace(0, 1, 1000))
    np.testing.assert_allclose(quantiles, expected, rtol=1e-6)


@pytest.mark.parametrize("sample", [4, 1000])
def test_fitted_interactions_count_and_date_the_equal_ones(sample: int) -> None:
    examples = past_examples()
    column = InteractionColumn(BagColumn(HISTORY), ITEM, ages="age")
    features = examples.fit_features(FeatureSpec((), (ITEM, column)), sample=sample)
    # Windows of past_examples() and the items they are compared with:
    #   0: -      a    3: -      c    6: a b a c  b   1 time, at 2, now 14: age 12
    #   1: a b    b    4: x b    x    7: x b b    d
    #   2: a b a  a    5: -      b
    # 1: once, at 2, now 9: age 7.   2: twice, last at 4, now 10: age 6.
    # 4: once, at 1, now 12: age 11.
    counts, ages = [0, 1, 2, 0, 1, 0, 1, 0], {1: 7, 2: 6, 4: 11, 6: 12}
    chosen = [0, 2, 4, 7] if sample == 4 else range(8)  # 0, 7/3, 14/3, 7, cut down
    ranks = np.linspace(0, 1, 1000)
    for name, values in (
        (column.parts[0], [counts[i] for i in chosen]),
        (column.parts[1], [ages[i] for i in chosen if i in ages]),
    ):
        expected = np.quantile(values, ranks)
        np.testing.assert_allclose(features.quantiles[name], expected, rtol=1e-6, atol=1e-6)


HISTORY_X_ITEM = CrossedColumn((BagColumn(HISTORY, 2), ITEM), top_n=5)


@pytest.mark.parametrize("chunk", [1, 8192])
def test_fitted_crosses_count_all_rows(monkeypatch: Any, chunk: int) -> None:
    # Windows and items of past_examples(), the last two of each; b=1 a=2 c=3 d=4, x unknown:
    #   0: -   a    1: a b b    2: b a a    3: - c    4: x b x    5: - b    6: a c b    7: b b d
    # Key (history - 1) * 4 + item: 1: ab 5, bb 1;  2: ba 2, aa 6;  6: ab 5, cb 9;  7: bd 4, once.
    monkeypatch.setattr("tfrec_zoo.data.examples._CHUNK", chunk)
    column = InteractionColumn(BagColumn(HISTORY), ITEM)
    spec = FeatureSpec((), (ITEM, HISTORY_X_ITEM, column))
    given = {"item": VOCABULARIES["item"]}
    examples = past_examples()
    for times in (1, 3):  # Three times as many are chunks of eight.
        many = examples.take(np.tile(np.arange(8), times))
        features = many.fit_features(spec, given, sample=2)
        assert features.vocabularies[HISTORY_X_ITEM.space].tokens == (5, 1, 2, 4, 6)
        assert features.in_words(HISTORY_X_ITEM, [1, 4]) == [
            "history=a AND item=b",
            "history=b AND item=d",
        ]
    # The interaction is learned from the first and the last example: a in no bag, d not among b b.
    assert set(features.quantiles[column.parts[0]]) == {0.0}


def test_fitted_crosses_of_text_and_numbers() -> None:
    spec = FeatureSpec((CrossedColumn((VocabularyColumn("country"), YEARS), top_n=2),), (ITEM,))
    table = {
        "country": np.array(["é", "日本", ""], object),
        "years": np.array([20, 40, 31]),
        "item": ITEMS[:3],
    }
    examples = Examples((Rows(table, ints(1, 0, 2, 1, 2)),), label=np.zeros(5, np.float32))
    features = examples.fit_features(spec)
    (cross,) = spec.crosses
    # 日本, twice, has id 1: with bucket 3 of 3, key 3. é has id 2: key 3 + 1.
    assert features.vocabularies[cross.space].tokens == (3, 4)
    assert features.in_words(cross, [1, 2]) == [
        "country=日本 AND years >= 31",
        "country=é AND years < 25",
    ]


def test_given_keys_of_crosses_are_kept() -> None:
    keys = Vocabulary((7, 3), "int64")
    given = {"item": VOCABULARIES["item"], HISTORY_X_ITEM.space: keys}
    features = past_examples().fit_features(FeatureSpec((), (ITEM, HISTORY_X_ITEM)), given)
    assert features.vocabularies[HISTORY_X_ITEM.space] is keys


def test_the_embedding_column_reads_the_same_ids() -> None:
    history = BagColumn(HISTORY, 2)
    spec = FeatureSpec((EmbeddingColumn(history),), (ITEM,))
    preprocessor = Preprocessor(Features(spec, {"item": VOCABULARIES["item"]}, {}))
    [(encoded, *_)] = past_examples().dataset(8, preprocessor)
    assert set(encoded["ids"]) == {history.name, "item"} and encoded["values"] == {}


GENRES = {"a": ["p", "q"], "b": ["q", ""], "c": ["", ""], "d": ["r", "?"], "e": ["p", "r"]}
LENGTHS = {"a": 1.0, "b": 2.0, "c": np.nan, "d": 4.0, "e": 5.0}


def choices(n: int, **changes: Any) -> Examples:
    """Users who chose one or two of a, b, d, e; c and f were chosen by nobody, x is unknown."""
    rng = np.random.default_rng(2)
    user = np.arange(n) % 5
    items = np.array(["f", "e", "x", "d", "c", "b", "a"], object)
    rows_of = np.array([[6, 1], [5, 5], [3, 6], [1, 3], [2, 6]])
    history = Windows(
        {"history": np.array(["a", "b", "a", "x", "e", "d"], object)},
        (user % 3).astype(np.int64), (user + 1).astype(np.int64), 3,
        ages="age", time=np.arange(6.0), now=np.arange(n) + 7.0,
    )  # fmt: skip
    users = {
        "country": np.array(["DE", "FR", "?", "", "DE"], object),
        "years": 20 + 5 * ints(*range(5)),
    }
    table = {
        "item": items,
        "tags": np.array([GENRES.get(i, ["", ""]) for i in items], object),
        "length": np.array([LENGTHS.get(i, 9) for i in items]),
    }
    examples = Examples(
        (history, Rows(users, user), Rows({"number": np.arange(n)}, np.arange(n))),
        label=np.ones(n, np.float32),
        groups=user,
        candidates=Rows(table, rows_of[user, rng.integers(2, size=n)]),
    )
    return dataclasses.replace(examples, **changes)


def own_items(examples: Examples) -> np.ndarray:
    assert examples.candidates is not None
    return examples.candidates.values["item"][examples.candidates.index]


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
    "interactions": lambda: ([], [ITEM, InteractionColumn(BagColumn(HISTORY, 3), ITEM, "age")]),
}


@pytest.mark.parametrize("columns", list(LIST_COLUMNS))
def test_lists_encoded_ahead_are_their_pairs_encoded(columns: str) -> None:
    query, candidate = LIST_COLUMNS[columns]()
    spec = FeatureSpec(tuple(query), tuple(candidate))
    parts = [part for c in spec.candidate for part in getattr(c, "parts", ())]
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


def test_items_are_learned_as_often_as_they_are_chosen() -> None:
    examples = choices(200)
    items = own_items(examples).tolist()
    spec = FeatureSpec(
        (VocabularyColumn("country"),),
        (VocabularyColumn("item"), BagColumn(TAGS), NumericColumn("length")),
    )
    features = examples.fit_features(spec)

    def tokens(values: list[str]) -> tuple[str, ...]:
        counts = pd.Series([v for v in values if v]).value_counts()
        return tuple(sorted(counts.index, key=lambda v: (-counts[v], v)))

    assert len({items.count(i) for i in "abdex"}) == 5  # so that the order says something
    assert features.vocabularies["item"].tokens == tokens(items)
    tags = [tag for i in items for tag in GENRES.get(i, [])]
    assert features.vocabularies["tags"].tokens == tokens(tags)
    lengths = [LENGTHS.get(i, 9.0) for i in items]
    expected = np.quantile(lengths, np.linspace(0, 1, 1000))
    np.testing.assert_allclose(features.quantiles["length"], expected, rtol=1e-6)
    # Of examples taken from these, those.
    part = examples.take(np.arange(1, 200, 5)).fit_features(spec)
    assert part.vocabularies["item"].tokens == ("b",)


def test_fitted_interactions_compare_the_candidates() -> None:
    column = InteractionColumn(BagColumn(HISTORY, 3), ITEM)
    examples = choices(5)
    quantiles = examples.fit_features(FeatureSpec((), (ITEM, column))).quantiles[
        column.name + "/count"
    ]
    # The last three of each user's window.
    start, stop = [0, 1, 2, 0, 1], [1, 2, 3, 4, 5]
    bags = ["abaxed"[max(i, j - 3) : j] for i, j in zip(start, stop, strict=True)]
    counts = [bag.count(i) for bag, i in zip(bags, own_items(examples), strict=True)]
    np.testing.assert_allclose(quantiles, np.quantile(counts, np.linspace(0, 1, 1000)), atol=1e-6)
    assert 0 < sum(counts) < 5


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

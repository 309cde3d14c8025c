"""Coded columns give what plain ones do, and look at each distinct value once."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfrec_zoo.data import Examples, Log, Rows, Windows
from tfrec_zoo.data.coded import appended, coded, interacted_items, mapped
from tfrec_zoo.data.examples import item_ids
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    Preprocessor,
    VocabularyColumn,
)

TEXT = np.array(["c", "é", "", "a", "日本", "c\x00", "c"], object)
NUMBERS = np.array([7, 0, 2**62, 2**53 + 1, 3, -1, 7])


@pytest.mark.parametrize("values", [TEXT, NUMBERS], ids=["text", "numbers"])
def test_a_coded_column_has_the_values_of_a_plain_one(values: np.ndarray) -> None:
    column = coded(values)
    assert np.asarray(column).tolist() == values.tolist() and len(column.categories) == 6
    assert np.asarray(column).dtype == values.dtype
    assert column[2:4].tolist() == values[2:4].tolist()
    more = appended(column, "z" if values is TEXT else 99)
    assert np.asarray(more).tolist() == appended(values, "z" if values is TEXT else 99).tolist()
    assert len(coded(values[:0])) == 0


def test_a_function_sees_each_distinct_value_once() -> None:
    seen: list[list[str]] = []

    def lengths(values: np.ndarray) -> np.ndarray:
        seen.append(values.tolist())
        return np.array([len(value) for value in values])

    assert mapped(TEXT, lengths).tolist() == mapped(coded(TEXT), lengths).tolist()
    assert seen == [TEXT.tolist(), ["c", "é", "", "a", "日本", "c\x00"]]


def test_codes_are_rows_of_the_items() -> None:
    events = pd.DataFrame({"user_id": list("bbaa"), "item_id": list("xzyx"), "time": range(4)})
    log = Log("mine", events, items=pd.DataFrame({"item_id": list("wzyx")}))
    items = interacted_items(log)
    # Of a: y, x; of b: x, z.
    assert items.codes.tolist() == [2, 3, 3, 1] and items.categories.tolist() == list("wzyx")


@pytest.mark.parametrize("to_id", [str, int])
def test_items_without_a_row_keep_their_ids(to_id: Any) -> None:
    numbers = pd.Series([5, 6, 7, 6, 8]).map(to_id)
    events = pd.DataFrame({"user_id": "u", "item_id": numbers, "time": range(5)})
    log = Log("mine", events, items=pd.DataFrame({"item_id": numbers[[2, 0]]}))
    items = interacted_items(log)
    assert np.asarray(items).tolist() == numbers.tolist()
    assert items.codes.tolist() == [1, 2, 0, 2, 3] and log.item_codes.tolist() == [1, -1, 0, -1, -1]


def sources(values: Any, rng: np.random.Generator) -> tuple[Rows | Windows, ...]:
    """Rows and windows of random values, plain."""
    start = rng.integers(0, 20, 9)
    stop = start + rng.integers(0, 21, 9)
    index = rng.integers(0, 40, 9)
    history, tokens = values(40), values(40)
    return (
        Windows({"history": history}, start, stop, 6, hide=np.where(index % 2, index, -1)),
        Windows({"tokens": tokens}, start, stop, 4),
        Rows({"item": values(40)}, index),
    )


def as_coded(source: Any) -> Any:
    columns = {key: coded(column) for key, column in source.values.items()}
    return dataclasses.replace(source, values=columns)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pool", [TEXT, NUMBERS], ids=["text", "numbers"])
def test_coded_sources_give_what_plain_ones_do(pool: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain = sources(lambda n: pool[rng.integers(0, len(pool), n)], rng)
    one, other = (
        Examples(s, label=np.zeros(9), candidates=dataclasses.replace(s[2], index=s[2].index))
        for s in (plain, tuple(as_coded(source) for source in plain))
    )
    for key, values in one.raw().items():
        assert values.tolist() == other.raw()[key].tolist()

    dtype: Any = "string" if pool is TEXT else "int64"
    item: Any = {"space": "item", "dtype": dtype}
    columns = [
        EmbeddingColumn(BagColumn(VocabularyColumn("history", **item), length))
        for length in (2, 6, 9)  # Short ones leave out what is missing.
    ]
    columns.append(EmbeddingColumn(BagColumn(HashedColumn("tokens", 5), 3)))
    spec = FeatureSpec(tuple(columns), (VocabularyColumn("item", dtype=dtype),))
    features = one.fit_features(spec)
    assert features == other.fit_features(spec)
    preprocessor = Preprocessor(features)
    rows = tf.range(9, dtype=tf.int64)
    ids, same = (e.assembler(preprocessor)(rows)["ids"] for e in (one, other))
    assert ids.keys() == same.keys()
    for name, values in ids.items():
        assert values.numpy().tolist() == same[name].numpy().tolist()
        assert values.dtype == same[name].dtype == tf.int32


def test_what_counts_is_fitted_as_from_all_rows() -> None:
    rng = np.random.default_rng(0)
    table = np.array([["a", "b"], ["c", ""], ["a", "a"]], object)
    index = rng.integers(0, 3, 50)
    spec = FeatureSpec((EmbeddingColumn(BagColumn(VocabularyColumn("tags"), 2)),), ())
    examples = Examples((Rows({"tags": table}, index),), label=np.zeros(50))
    assert examples.fit_features(spec) == Features.fit(spec, {"tags": table[index]})


@pytest.mark.parametrize("pool", [TEXT[:2], NUMBERS[:2]], ids=["text", "numbers"])
def test_ids_of_items(pool: np.ndarray) -> None:
    dtype: Any = "string" if pool[0] == "c" else "int64"
    spec = FeatureSpec((), (VocabularyColumn("item", dtype=dtype),))
    preprocessor = Preprocessor(Features.fit(spec, {"item": pool[[1, 0, 0]]}))
    items = (TEXT if pool[0] == "c" else NUMBERS)[[1, 0, 3, 1]]
    # Most frequent first; the third is unknown.
    for given in (items, coded(items)):
        ids = item_ids(preprocessor, given)
        assert ids.tolist() == [2, 1, 0, 2] and ids.dtype == np.int32

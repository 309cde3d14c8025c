"""Features fitted on examples: vocabularies, quantiles, statistics of interactions, crosses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_examples import (
    COUNTRY,
    GENRES,
    HISTORY,
    ITEM,
    ITEMS,
    LENGTHS,
    TAGS,
    VOCABULARIES,
    YEARS,
    choices,
    ints,
    own_items,
    past_examples,
)

from tfrec_zoo.data import Examples, Rows, Windows
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    Vocabulary,
    VocabularyColumn,
)


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
    column = InteractionColumn(BagColumn(HISTORY), ITEM, ages="age", mass=False)
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
        (column.statistics[0], [counts[i] for i in chosen]),
        (column.statistics[1], [ages[i] for i in chosen if i in ages]),
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
    column = InteractionColumn(BagColumn(HISTORY), ITEM, mass=False)
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
    assert set(features.quantiles[column.statistics[0]]) == {0.0}


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
    column = InteractionColumn(BagColumn(HISTORY, 3), ITEM, mass=False)
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

"""Small examples of every kind of source, with the columns and vocabularies that read them."""

import dataclasses
from typing import Any

import numpy as np

from tfrec_zoo.data import Examples, Rows, Windows
from tfrec_zoo.features import (
    BucketizedColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    Vocabulary,
    VocabularyColumn,
)

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

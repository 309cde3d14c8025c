import dataclasses
import json

import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    HashedColumn,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.features.column_config import column_from_config, column_to_config

WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=20, combiner="sqrtn")
CROSS = CrossedColumn(
    (
        VocabularyColumn("country", top_n=5),
        HashedColumn("device", 7, dtype="int64"),
        BucketizedColumn("age", (18.0, 30.5)),
        WATCHED,
    ),
    100,
)
FREQUENT = CrossedColumn(
    (VocabularyColumn("os", "int64"), BucketizedColumn("age", (1, 2.5)), WATCHED), top_n=7
)
COLUMNS = [
    VocabularyColumn("video_id", dtype="int64", space="video", top_n=10),
    HashedColumn("query", 12),
    BucketizedColumn("age", (1, 2.5)),
    WATCHED,
    BagColumn(HashedColumn("tokens", 9)),
    CROSS,
    EmbeddingColumn(CROSS, dimension=4, table="crosses"),
    EmbeddingColumn(WATCHED),
    IndicatorColumn(CROSS),
    FREQUENT,
    EmbeddingColumn(FREQUENT),
    NumericColumn("price", normalization="none", powers=False),
    NumericColumn("example_age", serving=0.0),
    InteractionColumn(WATCHED, VocabularyColumn("video_id", space="video"), ages="watched_ages"),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{type(c).__name__}-{c.name}")
def test_json_round_trip(column):
    config = json.loads(json.dumps(column_to_config(column)))
    again = column_from_config(config)
    assert again == column
    assert type(again) is type(column)
    assert hash(again) == hash(column)


def test_config_holds_the_arguments():
    assert column_to_config(BagColumn(HashedColumn("tokens", 9), 3, "max")) == {
        "column": "BagColumn",
        "values": {"column": "HashedColumn", "key": "tokens", "num_buckets": 9, "dtype": "string"},
        "max_length": 3,
        "combiner": "max",
    }


def test_config_of_a_cross():
    part = {"column": "VocabularyColumn", "dtype": "string", "top_n": None}
    parts = [{**part, "key": "b", "space": "b"}, {**part, "key": "a", "space": "a"}]
    kinds = {"num_buckets": 9, "top_n": None}, {"num_buckets": None, "top_n": 9}
    for kind in kinds:
        expected = {"column": "CrossedColumn", "columns": parts, **kind}
        assert column_to_config(CrossedColumn((B, A), **kind)) == expected


def test_config_of_unknown_kind():
    with pytest.raises(ValueError, match="`column` must be one of .*'BagColumn'.* 'PlainColumn'"):
        column_from_config({"column": "PlainColumn", "key": "a"})
    with pytest.raises(ValueError, match="`column` must be one of .* Received: None"):
        column_from_config({"key": "a"})


def test_config_with_unknown_argument():
    with pytest.raises(ValueError, match=r"HashedColumn has no such arguments.*\['buckets'\]"):
        column_from_config({"column": "HashedColumn", "key": "a", "buckets": 3})


def test_names():
    names = [column.name for column in COLUMNS]
    cross = "country_X_device_hashed_X_age_bucketized_X_watched_bag20"
    assert names == [
        "video_id",
        "query_hashed",
        "age_bucketized",
        "watched_bag20",
        "tokens_hashed_bag50",
        cross,
        f"{cross}_embedding",
        "watched_bag20_embedding",
        f"{cross}_indicator",
        "os_X_age_bucketized_X_watched_bag20",
        "os_X_age_bucketized_X_watched_bag20_embedding",
        "price",
        "example_age",
        "watched_bag20_and_video_id",
    ]


def test_spaces_and_tables():
    assert VocabularyColumn("a").space == "a"
    assert VocabularyColumn("a", space="b").space == "b"
    assert WATCHED.space == "video"
    assert WATCHED.key == "watched"
    assert CROSS.space == CROSS.name
    assert EmbeddingColumn(WATCHED).table == "video"
    assert EmbeddingColumn(WATCHED, table="mine").table == "mine"
    assert HashedColumn("a", 3).space == "a_hashed"
    assert BucketizedColumn("a", (0.0,)).space == "a_bucketized"


def test_interaction_parts():
    interaction = COLUMNS[-1]
    name = "watched_bag20_and_video_id"
    assert interaction.statistics == (f"{name}/count", f"{name}/age")
    assert dataclasses.replace(interaction, ages=None).statistics == (f"{name}/count",)


def test_sequences_become_tuples():
    assert BucketizedColumn("a", [1, 2]).boundaries == (1.0, 2.0)
    columns = [VocabularyColumn("a"), VocabularyColumn("b")]
    assert CrossedColumn(columns, 3).columns == tuple(columns)


A, B = VocabularyColumn("a"), VocabularyColumn("b")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VocabularyColumn(""), "`key` .* Received: ''"),
        (lambda: HashedColumn(3, 4), "`key` .* Received: 3"),
        (lambda: NumericColumn(""), "`key` .* Received: ''"),
        (lambda: VocabularyColumn("a", dtype="float32"), "`dtype` .* Received: 'float32'"),
        (lambda: HashedColumn("a", 4, dtype="int32"), "`dtype` .* Received: 'int32'"),
        (lambda: VocabularyColumn("a", top_n=0), "`top_n` .* Received: 0"),
        (lambda: HashedColumn("a", 0), "`num_buckets` .* Received: 0"),
        (lambda: BucketizedColumn("a", ()), r"`boundaries` .* Received: \(\)"),
        (lambda: BucketizedColumn("a", (2, 1)), r"`boundaries` .* Received: \(2.0, 1.0\)"),
        (lambda: BucketizedColumn("a", (1, 1)), "`boundaries` "),
        (lambda: BucketizedColumn("a", (float("nan"),)), r"`boundaries` .* Received: \(nan,\)"),
        (lambda: BucketizedColumn("a", (0, float("inf"))), "`boundaries` .*inf"),
        (lambda: BagColumn(BucketizedColumn("a", (0,))), "`values` .* Received: Bucketized"),
        (lambda: BagColumn(A, max_length=0), "`max_length` .* Received: 0"),
        (lambda: BagColumn(A, combiner="min"), "`combiner` .*'sqrtn'.* Received: 'min'"),
        (lambda: CrossedColumn((A,), 3), "`columns` .* two columns"),
        (lambda: CrossedColumn((A, B), 0), "`num_buckets` .* Received: 0"),
        (lambda: CrossedColumn((A, B), top_n=0), "`top_n` .* Received: 0"),
        (lambda: CrossedColumn((A, B)), "Exactly one of .*: None, 'top_n': None}"),
        (lambda: CrossedColumn((A, B), 5, 6), "Exactly one of .*: 5, 'top_n': 6}"),
        (
            lambda: CrossedColumn((A, HashedColumn("b", 3)), top_n=5),
            "parts whose values are known: .* give `num_buckets`. Received: .*HashedColumn",
        ),
        (
            lambda: CrossedColumn((BagColumn(HashedColumn("b", 3)), A), top_n=5),
            "parts whose values are known",
        ),
        (lambda: CrossedColumn((A, CrossedColumn((A, B), 3)), 3), "no crosses.* Received: "),
        (lambda: CrossedColumn((A, EmbeddingColumn(B)), 3), "`columns` must be categorical"),
        (lambda: CrossedColumn((A, NumericColumn("b")), 3), "`columns` must be categorical"),
        (lambda: EmbeddingColumn(NumericColumn("a")), "`categorical` .* Received: NumericColumn"),
        (lambda: EmbeddingColumn(A, dimension=0), "`dimension` .* Received: 0"),
        (lambda: IndicatorColumn("a"), "`categorical` .* Received: 'a'"),
        (lambda: NumericColumn("a", normalization="log"), "`normalization` .* Received: 'log'"),
        (lambda: NumericColumn("a", normalization="none"), "`powers` .* Received: 'none'"),
        (lambda: InteractionColumn(WATCHED, A), "over the ID space of `candidate`"),
        (lambda: InteractionColumn(A, A), "`bag` must be a BagColumn"),
    ],
)
def test_errors_name_the_argument_and_what_was_received(make, message):
    with pytest.raises(ValueError, match=message):
        make()

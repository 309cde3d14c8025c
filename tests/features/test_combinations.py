"""Crosses that are fitted: the keys of their most frequent combinations, and these in words."""

import json

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    IndicatorColumn,
    Vocabulary,
    VocabularyColumn,
    default_dimension,
)

INSTALLED = BagColumn(VocabularyColumn("installed", space="app"), max_length=3)

SHOWN = VocabularyColumn("shown", space="app")

AGE_GROUP = BucketizedColumn("age", (20, 30.5, 60))

APPS = {
    #                              shown      distinct pairs of installed and shown
    "installed": [
        ["a", "b", "a"],  #          a          aa, ba
        ["a", "a", "b", "b", "b"],  # a          ba: the last three
        ["a", "c"],  #               b          ab, cb
        ["c", "", "c"],  #           none
        [],  #                       a
        ["", "c", "c", "", "b", "z"],  # c      cc, bc, zc
    ],
    "shown": ["a", "a", "b", "", "a", "c"],
    "age": [15.0, 19.0, 20.0, 30.5, None, 61.0],
}

# a 2 + 2 + 1 and shown 3: 8; b 1 + 3 + 1 and 1: 6; c 1 + 2 + 2 and 1: 6; z 1.
APP_IDS = ("a", "b", "c", "z")


def cross_spec(*parts, **arguments):
    return FeatureSpec((CrossedColumn(parts, **arguments),))


def keys_of(features):
    (cross,) = features.spec.crosses
    return features.vocabularies[cross.space].tokens


def test_fitted_crosses():
    features = Features.fit(cross_spec(INSTALLED, SHOWN, top_n=100), APPS)
    assert features.vocabularies["app"].tokens == APP_IDS
    # Key (installed - 1) * 4 + shown of the pairs: aa 1, ba 5, ab 2, cb 10, cc 11, bc 7, zc 15.
    # Only ba is there twice. Each counts once a row, aa too; equal counts by key.
    assert keys_of(features) == (5, 1, 2, 7, 10, 11, 15)
    (cross,) = features.spec.crosses
    assert features.num_ids(cross) == 7
    assert features.vocabularies[cross.space].dtype == "int64"


def test_fitted_crosses_of_another_order():
    features = Features.fit(cross_spec(SHOWN, INSTALLED, top_n=100), APPS)
    # (shown - 1) * 4 + installed: aa 1, ba 2, ab 5, cb 7, cc 11, bc 10, zc 12.
    assert keys_of(features) == (2, 1, 5, 7, 10, 11, 12)


@pytest.mark.parametrize(("top_n", "expected"), [(1, (5,)), (3, (5, 1, 2)), (7, None)])
def test_fitted_crosses_are_cut_to_the_most_frequent(top_n, expected):
    features = Features.fit(cross_spec(INSTALLED, SHOWN, top_n=top_n), APPS)
    assert keys_of(features) == (expected or (5, 1, 2, 7, 10, 11, 15))


def test_values_that_were_cut_make_no_combination():
    installed = BagColumn(VocabularyColumn("installed", space="app", top_n=2), max_length=3)
    features = Features.fit(cross_spec(installed, SHOWN, top_n=100), APPS)
    assert features.vocabularies["app"].tokens == ("a", "b")
    # (installed - 1) * 2 + shown: ba 3 twice, aa 1, ab 2; an unknown value still takes its place.
    assert keys_of(features) == (3, 1, 2)


def test_fitted_crosses_of_three():
    features = Features.fit(cross_spec(AGE_GROUP, INSTALLED, SHOWN, top_n=100), APPS)
    # Buckets 1, 1, 2, 3, -, 4 of the rows: the keys above and 16 for each bucket before.
    assert keys_of(features) == (5, 1, 18, 26, 55, 59, 63)


def test_fitted_crosses_of_integers():
    rated = BagColumn(VocabularyColumn("rated", "int64", "item"), 2)
    spec = cross_spec(rated, VocabularyColumn("item", "int64"), top_n=9)
    rows = {"rated": [[4, -1, -7, 9], [9, 4, 4, 4], [-1], [9]], "item": [9, 9, 4, -5]}
    # 4 counts 4 + 1, 9 counts 3 + 2: equal, so 4 has id 1 and 9 id 2.
    # (rated - 1) * 2 + item: 4 and 9 with 9: 2 and 4; 4 with 9: 2.
    assert keys_of(Features.fit(spec, rows)) == (2, 4)


def test_fitted_crosses_of_chunks_are_those_at_once(monkeypatch):
    spec = cross_spec(AGE_GROUP, INSTALLED, SHOWN, top_n=5)
    chunks = [{k: v[:2] for k, v in APPS.items()}, {k: v[2:] for k, v in APPS.items()}]
    expected = Features.fit(spec, APPS)
    assert Features.fit(spec, chunks) == expected
    assert Features.fit(spec, pd.DataFrame(APPS)) == expected
    # What comes once only is kept.
    assert Features.fit(spec, iter(chunks)) == expected
    assert Features.fit(spec, (pd.DataFrame(chunk) for chunk in chunks)) == expected
    # Few combinations at a time.
    monkeypatch.setattr("tfrec_zoo.features.combinations._SLICE", 4)
    assert Features.fit(spec, APPS) == expected


def test_fitted_crosses_of_rows():
    # The vocabularies come from the data, which are not row by row, the crosses from the rows.
    spec = cross_spec(INSTALLED, SHOWN, top_n=5)
    data = {"installed": ["b", "b", "a"], "shown": ["c"]}
    rows = {"installed": [["a"], ["c", "z"]], "shown": ["b", "a"]}
    for arguments in ({"rows": [rows]}, {"rows": iter([rows])}, {"cross_rows": iter([rows])}):
        features = Features.fit(spec, iter([data]), **arguments)
        assert features.vocabularies["app"].tokens == ("b", "a", "c")
        # (installed - 1) * 3 + shown: ab 4, ca 8; z is unknown.
        assert keys_of(features) == (4, 8)


def test_keys_beyond_float64_are_counted_exactly():
    numbers = Vocabulary(tuple(range(512)), "int64")
    parts = [VocabularyColumn(key, "int64", "n") for key in "abcdef"]
    spec = cross_spec(*parts, top_n=5)
    # 512**6 is 2**54. All of 511 (id 512): the last key; the last one 510: the key before it.
    data = {key: [511, 511, 511] for key in "abcde"} | {"f": [510, 511, 510]}
    features = Features.fit(spec, data, {"n": numbers})
    assert keys_of(features) == (2**54 - 1, 2**54)
    words = " AND ".join(f"{key}=511" for key in "abcde")
    assert features.in_words(spec.crosses[0], [2, 1]) == [
        f"{words} AND f=511",
        f"{words} AND f=510",
    ]


def test_too_many_combinations():
    numbers = Vocabulary(tuple(range(512)), "int64")
    parts = [VocabularyColumn(key, "int64", "n") for key in "abcdefg"]
    data = {key: [1] for key in "abcdefg"}
    # 512**7 is 2**63, one more than the largest int64.
    for arguments in ({"top_n": 5}, {"num_buckets": 5}):
        with pytest.raises(ValueError, match=r"a_X_b_X_.* too many combinations.* \[512, 512, .*"):
            Features.fit(cross_spec(*parts, **arguments), data, {"n": numbers})
    huge = [HashedColumn(key, 2**21) for key in "abc"]
    with pytest.raises(ValueError, match="must be less than"):
        Features(cross_spec(*huge, num_buckets=5), {}, {})
    Features(cross_spec(*huge[:2], HashedColumn("c", 2**21 - 1), num_buckets=5), {}, {})


def test_no_combination_in_the_data():
    spec = cross_spec(INSTALLED, SHOWN, top_n=5)
    for data in (
        [{"installed": [["a"]]}, {"shown": ["a"]}],
        {"installed": [["a"], []], "shown": ["", "a"]},
    ):
        with pytest.raises(
            ValueError, match="no combination of the cross 'installed_bag3_X_shown'"
        ):
            Features.fit(spec, data)
    with pytest.raises(ValueError, match="same number of rows.*'installed': 1, 'shown': 2}"):
        Features.fit(spec, {"installed": [["a"]], "shown": ["a", "b"]})


def test_keys_of_a_cross_are_checked():
    spec = cross_spec(SHOWN, AGE_GROUP, top_n=5)
    app, space = Vocabulary(("a", "b")), "shown_X_age_bucketized"
    Features(spec, {"app": app, space: Vocabulary((1, 8), "int64")}, {})
    for wrong in (None, Vocabulary(("1",)), *(Vocabulary((i,), "int64") for i in (0, 9))):
        known = {"app": app} if wrong is None else {"app": app, space: wrong}
        with pytest.raises(ValueError, match=f"for the cross '{space}', of keys from 1 to 8"):
            Features(spec, known, {})


def test_crosses_in_words():
    cross = CrossedColumn((INSTALLED, AGE_GROUP, VocabularyColumn("os", "int64")), top_n=5)
    # Key (installed - 1) * 8 + (age - 1) * 2 + os
    known = {
        "app": Vocabulary(("Pandora", "YouTube")),
        "os": Vocabulary((7, 40), "int64"),
        cross.space: Vocabulary((1, 16, 4, 13, 10), "int64"),
    }
    features = Features(FeatureSpec((cross,)), known, {})
    # 16: 8 + 6 + 2, 4: 0 + 2 + 2, 13: 8 + 4 + 1, 10: 8 + 0 + 2
    assert features.in_words(cross, [1, 2, 3, 4, 5]) == [
        "installed=Pandora AND age < 20 AND os=7",
        "installed=YouTube AND age >= 60 AND os=40",
        "installed=Pandora AND age in [20, 30.5) AND os=40",
        "installed=YouTube AND age in [30.5, 60) AND os=7",
        "installed=YouTube AND age < 20 AND os=40",
    ]
    assert features.in_words(cross, np.array([2], np.int32)) == [
        "installed=YouTube AND age >= 60 AND os=40"
    ]
    assert features.in_words(cross, []) == []
    for wrong in (0, 6, -1):
        with pytest.raises(ValueError, match=f"`ids` must be from 1 to 5. Received: {wrong}"):
            features.in_words(cross, [wrong])


def test_bucket_words_of_one_boundary_and_of_large_ones():
    cross = CrossedColumn(
        (BucketizedColumn("n", (1e6,)), BucketizedColumn("m", (-0.1, 1e16))), None, 9
    )
    features = Features(FeatureSpec((cross,)), {cross.space: Vocabulary((1, 5, 6), "int64")}, {})
    assert features.in_words(cross, [1, 2, 3]) == [
        "n < 1000000 AND m < -0.1",
        "n >= 1000000 AND m in [-0.1, 10000000000000000)",
        "n >= 1000000 AND m >= 10000000000000000",
    ]


def test_hashed_crosses_have_no_words():
    spec = cross_spec(INSTALLED, SHOWN, num_buckets=9)
    features = Features.fit(spec, APPS)
    assert set(features.vocabularies) == {"app"}
    with pytest.raises(ValueError, match="only crosses with `top_n` can be put in words"):
        features.in_words(spec.crosses[0], [1])


def test_crosses_round_trip(tmp_path):
    frequent = CrossedColumn((INSTALLED, SHOWN), top_n=4)
    spec = FeatureSpec(
        (EmbeddingColumn(frequent), IndicatorColumn(CrossedColumn((AGE_GROUP, SHOWN), 9)))
    )
    features = Features.fit(spec, APPS)
    assert Features.from_config(json.loads(json.dumps(features.to_config()))) == features
    features.save(tmp_path)
    assert Features.load(tmp_path) == features
    assert [features.num_ids(cross) for cross in spec.crosses] == [4, 9]
    assert features.dimension(spec.query[0]) == default_dimension(4)

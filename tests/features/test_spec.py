import json

import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    FeatureSpec,
    HashedColumn,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    RawFeature,
    VocabularyColumn,
)

WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=20)
VIDEO = VocabularyColumn("video_id", space="video")
COUNTRY = VocabularyColumn("country")
AGE = BucketizedColumn("age", (18, 30))
CROSS = CrossedColumn((COUNTRY, AGE, WATCHED, HashedColumn("device", 5, "int64")), 100)


@pytest.fixture
def spec():
    return FeatureSpec(
        query=(
            EmbeddingColumn(WATCHED),
            EmbeddingColumn(CROSS, 3),
            IndicatorColumn(COUNTRY),
            NumericColumn("age", powers=False),
        ),
        candidate=(
            InteractionColumn(WATCHED, VIDEO, ages="watched_ages"),
            EmbeddingColumn(VIDEO),
            IndicatorColumn(CrossedColumn((VIDEO, HashedColumn("place", 3)), 9)),
            VIDEO,
        ),
    )


def test_json_round_trip(spec):
    again = FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert set(json.loads(spec.to_json())) == {"query", "candidate"}
    assert FeatureSpec.from_config(spec.to_config()) == spec
    assert FeatureSpec.from_json(FeatureSpec().to_json()) == FeatureSpec()


def test_a_different_column_is_a_different_spec(spec):
    config = spec.to_config()
    config["query"][1]["categorical"]["columns"][2]["max_length"] = 21
    assert FeatureSpec.from_config(config) != spec


def test_lists_become_tuples():
    spec = FeatureSpec(query=[NumericColumn("age")], candidate=[VIDEO])
    assert spec.query == (NumericColumn("age"),)
    assert spec.candidate == (VIDEO,)
    assert spec.columns == (NumericColumn("age"), VIDEO)


def test_raw_query_and_candidate(spec):
    # The bag of an interaction is the query's to give, once per request.
    assert spec.raw_query == {
        "watched": RawFeature("watched", "string", is_bag=True),
        "country": RawFeature("country", "string"),
        "age": RawFeature("age", "float64"),
        "device": RawFeature("device", "int64"),
        "watched_ages": RawFeature("watched_ages", "float64", is_bag=True),
    }
    assert spec.raw_candidate == {
        "video_id": RawFeature("video_id", "string"),
        "place": RawFeature("place", "string"),
    }
    assert spec.raw == {**spec.raw_query, **spec.raw_candidate}


def test_raw_feature_of_constant_when_serving():
    spec = FeatureSpec(query=(NumericColumn("example_age", serving=0.0),))
    assert spec.raw_query == {"example_age": RawFeature("example_age", "float64", serving=0.0)}


def test_interaction_gives_the_query_its_bag_only():
    spec = FeatureSpec(candidate=(InteractionColumn(WATCHED, VIDEO),))
    assert set(spec.raw_query) == {"watched"}
    assert set(spec.raw_candidate) == {"video_id"}


def test_item_is_the_first_vocabulary_column_of_the_candidate():
    channel = EmbeddingColumn(HashedColumn("channel", 3))
    spec = FeatureSpec(query=(COUNTRY,), candidate=(channel, EmbeddingColumn(VIDEO), VIDEO))
    assert spec.item == VIDEO


def test_no_item():
    spec = FeatureSpec(query=(VIDEO,), candidate=(HashedColumn("channel", 3),))
    with pytest.raises(ValueError, match="must have a VocabularyColumn of item ids. Received: "):
        _ = spec.item


def test_categorical_and_vocabulary_columns(spec):
    device, place = HashedColumn("device", 5, "int64"), HashedColumn("place", 3)
    cross = CrossedColumn((VIDEO, place), 9)
    # The parts of a cross come before it, and once.
    assert spec.categorical == (WATCHED, COUNTRY, AGE, device, CROSS, VIDEO, place, cross)
    assert spec.crosses == (CROSS, cross)
    watched = VocabularyColumn("watched", space="video")
    assert set(spec.vocabulary_columns) == {watched, COUNTRY, VIDEO}
    assert len(spec.vocabulary_columns) == 3
    assert spec.dense == spec.query + spec.candidate[:3]


def test_vocabulary_of_a_cross_part():
    spec = FeatureSpec(query=(CrossedColumn((COUNTRY, BagColumn(VocabularyColumn("tags"))), 4),))
    assert spec.vocabulary_columns == (COUNTRY, VocabularyColumn("tags"))


@pytest.mark.parametrize("kind", [lambda c: c, EmbeddingColumn, IndicatorColumn])
def test_the_query_s_parts_of_a_candidate_s_cross_are_given_once(kind):
    cross = CrossedColumn((COUNTRY, BagColumn(VocabularyColumn("tags")), VIDEO, WATCHED), 9)
    spec = FeatureSpec((COUNTRY, BagColumn(VocabularyColumn("watched", space="video"), 3)),
                       (kind(cross), VIDEO))  # fmt: skip
    # The bag of watched videos is the query's, however long.
    assert set(spec.raw_query) == {"country", "watched"}
    assert set(spec.raw_candidate) == {"tags", "video_id"}
    assert set(spec.raw) == {"country", "watched", "tags", "video_id"}
    # What is declared apart from a cross is each item's, even if it is the query's too.
    spec = FeatureSpec((COUNTRY,), (kind(cross), EmbeddingColumn(COUNTRY)))
    assert set(spec.raw_candidate) == {"country", "tags", "video_id", "watched"}


def test_different_parts_of_one_name():
    for other in (VocabularyColumn("country", top_n=3), VocabularyColumn("country", space="place")):
        with pytest.raises(ValueError, match="Two different columns have the name 'country'"):
            FeatureSpec((COUNTRY,), (CrossedColumn((other, VIDEO), 9),))


def test_what_is_no_column():
    with pytest.raises(ValueError, match="holds feature columns. Received: 'age'"):
        FeatureSpec(query=("age",))


def test_interaction_in_the_query():
    with pytest.raises(ValueError, match="put it among the candidate columns"):
        FeatureSpec(query=(InteractionColumn(WATCHED, VIDEO),))


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ((NumericColumn("a"), NumericColumn("a", powers=False)), ()),
        ((EmbeddingColumn(COUNTRY),), (EmbeddingColumn(COUNTRY, 3),)),
        ((COUNTRY,), (COUNTRY,)),
    ],
)
def test_duplicate_names(query, candidate):
    with pytest.raises(ValueError, match="Two columns have the same name. Received: '"):
        FeatureSpec(query, candidate)


def test_different_columns_of_one_name():
    # Not the dense columns but what they read is called alike.
    largest = BagColumn(VocabularyColumn("watched", space="video"), 20, combiner="max")
    with pytest.raises(ValueError, match="Two different columns have the name 'watched_bag20'"):
        FeatureSpec(query=(EmbeddingColumn(WATCHED), IndicatorColumn(largest)))


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ((EmbeddingColumn(COUNTRY), NumericColumn("country")), ()),
        ((EmbeddingColumn(COUNTRY), EmbeddingColumn(BagColumn(COUNTRY))), ()),
        ((), (HashedColumn("country", 3, dtype="int64"), COUNTRY)),
        # One request holds both sides, so they must agree too.
        ((COUNTRY,), (HashedColumn("country", 3, dtype="int64"),)),
        ((COUNTRY,), (EmbeddingColumn(BagColumn(COUNTRY)),)),
        ((NumericColumn("watched"),), (InteractionColumn(WATCHED, VIDEO),)),
        ((NumericColumn("country"),), (CrossedColumn((COUNTRY, VIDEO), 9),)),
    ],
)
def test_conflicting_raw_types(query, candidate):
    with pytest.raises(ValueError, match="The raw feature '.*' is declared with two types"):
        FeatureSpec(query, candidate)


def test_one_raw_feature_may_feed_several_columns():
    spec = FeatureSpec(
        query=(NumericColumn("age"), IndicatorColumn(AGE)), candidate=(CROSS, COUNTRY)
    )
    assert spec.raw["age"] == RawFeature("age", "float64")


def test_an_id_space_has_one_type():
    ids = VocabularyColumn("watched_ids", dtype="int64", space="video")
    with pytest.raises(ValueError, match="the ID space 'video' must have the same dtype"):
        FeatureSpec(query=(EmbeddingColumn(BagColumn(ids)),), candidate=(VIDEO,))

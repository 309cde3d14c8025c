"""What features learn from data: vocabularies, quantiles and statistics of interactions."""

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
    InteractionColumn,
    NumericColumn,
    VectorColumn,
    Vocabulary,
    VocabularyColumn,
    default_dimension,
)

NAN = float("nan")

RANKS = np.linspace(0, 1, 1000)

WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=3)

VIDEO = VocabularyColumn("video_id", space="video")

INTERACTION = InteractionColumn(WATCHED, VIDEO, ages="ages", mass=False)

COUNT, AGE = INTERACTION.statistics


@pytest.fixture
def spec():
    return FeatureSpec(
        query=(
            EmbeddingColumn(WATCHED),
            NumericColumn("age"),
            IndicatorColumn(VocabularyColumn("os")),
        ),
        candidate=(VIDEO,),
    )


DATA = {
    "watched": np.array([["a", "b"], ["b", ""], ["c", "b"]]),
    "video_id": ["c", "c", "c", "a", "a"],  # of another length than the rest
    "age": [40.0, None, 20.0, float("inf")],
    "os": ["x", "y", "y"],
    "label": [object()],  # no feature
}


def test_fit_on_a_mapping(spec):
    features = Features.fit(spec, DATA)
    assert features.spec is spec
    # One space over both keys: c 1 + 3, a 1 + 2, b 3; equal counts by value.
    assert features.vocabularies == {
        "video": Vocabulary(("c", "a", "b")),
        "os": Vocabulary(("y", "x")),
    }
    # Ages 20 and 40, evenly between: missing and infinite ones don't count.
    assert set(features.quantiles) == {"age"}
    np.testing.assert_allclose(features.quantiles["age"], 20 + 20 * RANKS, rtol=1e-6)


def test_fit_on_chunks(spec):
    chunks = iter(
        [
            {"watched": [["a", "b"], ["b"]], "age": [40.0]},
            {"video_id": ["c", "c"]},
            {"video_id": ["c", "a", "a"], "watched": [["c", "b"]], "os": ["x", "y"]},
            {"os": ["y"], "age": [NAN, 20.0, float("inf")]},
        ]
    )
    assert Features.fit(spec, chunks) == Features.fit(spec, DATA)


def test_fit_on_a_frame(spec):
    frame = pd.DataFrame(
        {
            "watched": [["a", "b"], ["b"], None],
            "video_id": ["a", "a", None],
            "age": [1, None, 3],
            "os": ["x", "y", "y"],
        }
    )
    features = Features.fit(spec, frame)
    assert features.vocabularies["video"].tokens == ("a", "b")
    assert features.vocabularies["os"].tokens == ("y", "x")
    np.testing.assert_allclose(features.quantiles["age"], 1 + 2 * RANKS, rtol=1e-6)


def test_quantiles_are_those_of_numpy():
    ages = np.random.default_rng(0).lognormal(3, 1, 5_000).astype(np.float32)
    spec = FeatureSpec(query=(NumericColumn("age"),))
    features = Features.fit(spec, ({"age": chunk} for chunk in np.array_split(ages, 4)))
    np.testing.assert_allclose(features.quantiles["age"], np.quantile(ages, RANKS), rtol=1e-5)


def test_no_quantiles_where_none_are_used():
    column = NumericColumn("age", normalization="none", powers=False)
    assert Features.fit(FeatureSpec(query=(column,)), {"age": [1.0]}).quantiles == {}


def test_top_n_of_a_space_is_the_smallest():
    spec = FeatureSpec(
        query=(
            BagColumn(VocabularyColumn("watched", space="video", top_n=2)),
            VocabularyColumn("last", space="video", top_n=3),
            VocabularyColumn("first", space="video"),
        )
    )
    features = Features.fit(spec, {"watched": [["a", "a", "b"]], "last": ["c", "c", "c", "b"]})
    # c 3, a 2, b 2
    assert features.vocabularies["video"].tokens == ("c", "a")


def test_top_n_holds_where_it_is_declared():
    spec = FeatureSpec(query=(VocabularyColumn("os", top_n=1), VocabularyColumn("country")))
    features = Features.fit(spec, {"os": ["x", "y", "y"], "country": ["x", "y", "y"]})
    assert features.vocabularies["os"].tokens == ("y",)
    assert features.vocabularies["country"].tokens == ("y", "x")


def test_vocabularies_of_cross_parts_are_learned():
    cross = CrossedColumn((VocabularyColumn("os"), BagColumn(VocabularyColumn("tags"))), 9)
    features = Features.fit(FeatureSpec(query=(cross,)), {"os": ["x"], "tags": [["t", "u"], ["u"]]})
    assert features.vocabularies["tags"].tokens == ("u", "t")


def test_given_vocabularies_are_kept(spec):
    video = Vocabulary(("z", "a"))
    features = Features.fit(spec, DATA, {"video": video})
    assert features.vocabularies["video"] is video
    assert features.vocabularies["os"].tokens == ("y", "x")
    # Nothing of the space needs to be in the data then.
    data = {key: DATA[key] for key in ("age", "os")}
    assert Features.fit(spec, data, {"video": video}).vocabularies["video"] is video


def test_given_vocabulary_of_the_wrong_type(spec):
    with pytest.raises(ValueError, match="one of string for the ID space 'video'.*one of int64"):
        Features.fit(spec, DATA, {"video": Vocabulary((1, 2), "int64")})


def test_vocabulary_left_out(spec):
    with pytest.raises(ValueError, match="one of string for the ID space 'os'. Received: None"):
        Features(spec, {"video": Vocabulary(("a",))}, {"age": (0.0, 1.0)})


def test_nothing_of_a_vocabulary(spec):
    data = {**DATA, "os": ["", None]}
    with pytest.raises(ValueError, match=r"no value of 'os': fill it in"):
        Features.fit(spec, data)
    data = {key: DATA[key] for key in ("age", "os")}
    with pytest.raises(ValueError, match=r"no value of 'video_id' nor of 'watched'"):
        Features.fit(spec, data)


@pytest.mark.parametrize("ages", [[None, NAN], [float("inf")], []])
def test_nothing_of_a_number(spec, ages):
    with pytest.raises(ValueError, match="no value of 'age': fill it in"):
        Features.fit(spec, {**DATA, "age": ages})


def test_wrong_types_in_the_data(spec):
    with pytest.raises(TypeError, match="Expected numbers"):
        Features.fit(spec, {**DATA, "age": ["20"]})
    with pytest.raises(TypeError, match="Expected strings"):
        Features.fit(spec, {**DATA, "os": [1, 2]})


ROWS = {
    #          last three   of them equal to the candidate, their ages -> count, latest age
    "watched": [
        ["a", "b", "a"],  # a a -> 2, min(1, 3) = 1
        ["a", "a", "b", "c", "a"],  # the last three are b c a -> 1, 5
        ["b", None, "c"],  # none -> 0, no age
        ["a", "", "a"],  # a a, one without age -> 2, 8
        [],  # 0, no age
        ["a"],  # the candidate is missing -> 0, no age
    ],
    "ages": [
        [3.0, 2.0, 1.0],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [1.0, 2.0, 3.0],
        [NAN, 0.0, 8.0],
        None,
        [1.0],
    ],
    "video_id": ["a", "a", "a", "a", "a", None],
}


@pytest.fixture
def interaction_spec():
    return FeatureSpec(candidate=(INTERACTION,))


def test_interaction_statistics(interaction_spec):
    features = Features.fit(interaction_spec, ROWS)
    assert set(features.quantiles) == {COUNT, AGE}
    np.testing.assert_allclose(
        features.quantiles[COUNT], np.quantile([2, 1, 0, 2, 0, 0], RANKS), rtol=1e-6
    )
    np.testing.assert_allclose(features.quantiles[AGE], np.quantile([1, 5, 8], RANKS), rtol=1e-6)


def test_interaction_statistics_of_chunks(interaction_spec):
    chunks = [{k: v[:2] for k, v in ROWS.items()}, {k: v[2:] for k, v in ROWS.items()}]
    assert Features.fit(interaction_spec, chunks) == Features.fit(interaction_spec, ROWS)


def test_interaction_statistics_of_rows(interaction_spec):
    # The vocabularies come from the data, the interactions from the rows alone.
    data = {"watched": ["q", "q", "c", "b", "a"], "video_id": ["s", "s", "s"]}
    features = Features.fit(interaction_spec, data, rows=[ROWS])
    assert features.vocabularies["video"].tokens == ("s", "q", "a", "b", "c")
    assert features.quantiles == Features.fit(interaction_spec, ROWS).quantiles


@pytest.mark.parametrize("once", [False, True])
def test_interactions_of_values_that_were_cut_are_none(once):
    video = VocabularyColumn("video_id", space="video", top_n=1)
    column = InteractionColumn(
        BagColumn(VocabularyColumn("watched", space="video")), video, mass=False
    )
    # a is there 4 times, b 3 times: the candidate b is unknown when serving, so it is here.
    rows = {"watched": [["a", "a", "b"], ["b"]], "video_id": ["a", "b"]}
    features = Features.fit(FeatureSpec((), (column,)), iter([rows]) if once else rows)
    assert features.vocabularies["video"].tokens == ("a",)
    expected = np.quantile([2, 0], RANKS)
    np.testing.assert_allclose(features.quantiles[column.statistics[0]], expected, rtol=1e-6)


def test_interaction_statistics_of_integer_ids():
    bag = BagColumn(VocabularyColumn("watched", "int64", "video"), max_length=2)
    column = InteractionColumn(bag, VocabularyColumn("video_id", "int64", "video"), mass=False)
    rows = {"watched": [[4, -1, -7, 4], [4, 5, 5, 5], [-1], [-7]], "video_id": [4, 4, -1, -7]}
    features = Features.fit(FeatureSpec(candidate=(column,)), rows)
    # Negative ids are missing: the last two of row 0 are 4 4, of row 1 they are 5 5.
    expected = np.quantile([2, 0, 0, 0], RANKS)
    assert set(features.quantiles) == set(column.statistics)
    np.testing.assert_allclose(features.quantiles[column.statistics[0]], expected, rtol=1e-6)


def test_ages_shorter_than_the_bag(interaction_spec):
    rows = {"watched": [["a", "a"], ["a", "b"]], "ages": [[7.0], [9.0]], "video_id": ["a", "a"]}
    features = Features.fit(interaction_spec, rows)
    np.testing.assert_allclose(features.quantiles[AGE], np.quantile([7, 9], RANKS), rtol=1e-6)
    rows["ages"] = [[7.0, 6.0, 1.0], [9.0, 9.0, 1.0]]  # and longer: 6 and 9
    features = Features.fit(interaction_spec, rows)
    np.testing.assert_allclose(features.quantiles[AGE], np.quantile([6, 9], RANKS), rtol=1e-6)


def test_no_interaction_in_the_data(interaction_spec):
    with pytest.raises(ValueError, match="no value of 'video_id' that is among 'watched'"):
        Features.fit(interaction_spec, {"video_id": ["a"]})
    rows = {"watched": [["b"]], "video_id": ["a"], "ages": [[1.0]]}
    with pytest.raises(ValueError, match="no value of 'video_id' that is among 'watched'"):
        Features.fit(interaction_spec, rows)


def test_crosses_may_look_at_other_rows_than_interactions():
    cross = CrossedColumn((WATCHED, VIDEO), top_n=5)
    spec = FeatureSpec((), (INTERACTION, cross))
    rows = {"watched": [["c"], ["c"]], "video_id": ["b", "b"]}
    features = Features.fit(spec, ROWS, rows=[ROWS], cross_rows=[rows])
    assert features.quantiles == Features.fit(FeatureSpec((), (INTERACTION,)), ROWS).quantiles
    # a 8 + 5, b 3, c 2: (3 - 1) * 3 + 2
    assert features.vocabularies["video"].tokens == ("a", "b", "c")
    assert features.vocabularies[cross.space].tokens == (8,)
    # One pass over rows that come once serves both.
    both = Features.fit(spec, ROWS, rows=iter([ROWS]))
    assert both == Features.fit(spec, ROWS)
    assert both.quantiles == features.quantiles


def test_config_round_trip(spec):
    features = Features.fit(spec, {**DATA, "os": ["é", "中文"]})
    again = Features.from_config(json.loads(json.dumps(features.to_config())))
    assert again == features


def test_folder_round_trip(tmp_path):
    cross = CrossedColumn((VocabularyColumn("os", space="a/b"), HashedColumn("tag", 3)), 9)
    number = VocabularyColumn("number", dtype="int64")
    spec = FeatureSpec(
        query=(EmbeddingColumn(cross), NumericColumn("age"), number), candidate=(INTERACTION,)
    )
    data = {**ROWS, "os": ["é", "[UNK]", "🎬"], "age": [0.1, 2.0], "number": [7, 7, 2**62 + 1]}
    features = Features.fit(spec, data)
    features.save(tmp_path / "new" / "folder")
    again = Features.load(tmp_path / "new" / "folder")
    assert again == features
    assert again.vocabularies["number"].tokens == (7, 2**62 + 1)
    features.save(str(tmp_path / "new" / "folder"))
    assert Features.load(str(tmp_path / "new" / "folder")) == features


@pytest.mark.parametrize(
    ("num_ids", "expected"),
    # 2 ceil(log2(n + 1)): log2 of 2, 3, 4, 8, 9, 3707 (11.86), a million and one (19.93)
    [(1, 2), (2, 4), (3, 4), (7, 6), (8, 8), (3_706, 24), (1_000_000, 40)],
)
def test_default_dimension(num_ids, expected):
    assert default_dimension(num_ids) == expected


def test_num_ids_and_dimension():
    os = VocabularyColumn("os")
    age = BucketizedColumn("age", (18, 30))
    tags = BagColumn(HashedColumn("tags", 7))
    cross = CrossedColumn((os, age), 100)
    spec = FeatureSpec(
        query=(os, age, tags, BagColumn(VocabularyColumn("seen", space="os")), cross)
    )
    features = Features.fit(spec, {"os": ["x", "y"]})
    assert [features.num_ids(column) for column in spec.query] == [2, 3, 7, 2, 100]
    assert features.num_ids(HashedColumn("tags", 7)) == 7
    # 2 ceil(log2(101)) = 14
    assert features.dimension(EmbeddingColumn(cross)) == 14
    assert features.dimension(EmbeddingColumn(cross, 5)) == 5


def test_empty_columns_of_a_guessed_spec_are_left_out(caplog):
    cross = CrossedColumn((VocabularyColumn("job"), VIDEO), top_n=3)
    job = EmbeddingColumn(VocabularyColumn("job"))
    worked = InteractionColumn(BagColumn(VocabularyColumn("jobs", space="job")),
                               VocabularyColumn("job"))  # fmt: skip
    unmatched = InteractionColumn(WATCHED, VIDEO)
    kept = (VIDEO, NumericColumn("age"))
    spec = FeatureSpec((job, NumericColumn("income", "log")), (*kept, cross, worked, unmatched))
    data = {
        "job": ["", None],
        "income": [float("inf"), NAN],
        "video_id": ["a", "b"],
        "watched": [["q"], []],
        "age": [1.0, 2.0],
    }
    features = Features.fit(spec, data, drop_empty=True)
    # Counts of watches of the candidate are 0 in both rows: they are known.
    assert features.spec == FeatureSpec((), (*kept, unmatched))
    assert set(features.vocabularies) == {"video"}
    assert set(features.statistics) == {"age", unmatched.statistics[0]}
    assert "no value of 'income' nor of 'job' nor of 'jobs'" in caplog.text
    with pytest.raises(ValueError, match="no value of 'income' nor of 'job' nor of 'jobs': fill"):
        Features.fit(spec, data)


def test_what_is_not_learned_need_not_be_in_the_data():
    spec = FeatureSpec((NumericColumn("age", "none"), VectorColumn("text", 2)), (VIDEO,))
    assert Features.fit(spec, {"video_id": ["a"]}, drop_empty=True).spec == spec
    with pytest.raises(ValueError, match="no value of 'text': fill it in"):
        Features.fit(spec, {"video_id": ["a"], "text": [None]})


def test_the_items_are_never_left_out():
    spec = FeatureSpec((NumericColumn("age"),), (VocabularyColumn("video_id"),))
    with pytest.raises(ValueError, match="no value of 'video_id': fill it in"):
        Features.fit(spec, {"age": [1.0], "video_id": [""]}, drop_empty=True)


def test_interactions_without_an_age_are_left_out():
    spec = FeatureSpec((), (VIDEO, INTERACTION))
    rows = {"watched": [["b"]], "video_id": ["a"], "ages": [[1.0]]}
    assert Features.fit(spec, rows, drop_empty=True).spec == FeatureSpec((), (VIDEO,))


def test_text_of_several_lines_names_its_feature():
    spec = FeatureSpec((VocabularyColumn("bio"),))
    with pytest.raises(ValueError, match=r"line breaks of \['bio'\].* Received: 'a\\nb'"):
        Features.fit(spec, {"bio": ["x", "a\nb"]})


def test_counts_are_fitted_with_their_mass_apart():
    column = InteractionColumn(BagColumn(VocabularyColumn("watched", space="video")), VIDEO)
    rows = {"watched": [["a"] * n for n in (0, 0, 0, 0, 2, 4)], "video_id": ["a"] * 6}
    learned = Features.fit(FeatureSpec((), (column,)), rows).statistics[column.statistics[0]]
    # 0 first, then quantiles of the others, which are from a little above 0 to 4.
    assert learned[0] == 0 and len(learned) == 1001
    np.testing.assert_allclose([learned[1], learned[-1]], [0, 4], atol=1e-2)
    # Half of the others' ranks are up to 2, of which the ranks between 0 and 2 are.
    np.testing.assert_allclose(np.interp(2.0, learned[1:], RANKS), 0.5, atol=1e-2)

"""Columns of given vectors and of matches, and features called anything: from raw to a network."""

from typing import Any

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    DenseFeatures,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    MatchColumn,
    NumericColumn,
    Preprocessor,
    RawFeature,
    VectorColumn,
    Vocabulary,
    VocabularyColumn,
    make_embedding_tables,
    parse_examples,
    raw_signature,
)
from tfrec_zoo.models import DLRM, DeepFM, WideDeep, YouTubeRanking

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAN = np.nan
TEXT = VectorColumn("text", 2)
LANGUAGE = VocabularyColumn("language")
SPOKEN = VocabularyColumn("spoken", space="language")
KNOWN = {"language": Vocabulary(("nl", "et"))}


def fed(column: Any, raw: dict[str, Any], **known: Any) -> np.ndarray:
    """What a candidate column makes of raw features."""
    features = Features(FeatureSpec((), (column,)), known, {})
    encoded = Preprocessor(features)({key: tf.constant(value) for key, value in raw.items()})
    return DenseFeatures(features, (column,), {})(encoded).numpy()


def test_vectors_are_fed_as_they_are() -> None:
    raw = {"text": np.array([[3.0, 4.0], [NAN, NAN], [1.0, NAN]], np.float32)}
    np.testing.assert_array_equal(fed(TEXT, raw), [[3, 4], [0, 0], [1, 0]])
    # [batch, candidates, width]
    listed = fed(TEXT, {"text": raw["text"][None]})
    np.testing.assert_array_equal(listed, [[[3, 4], [0, 0], [1, 0]]])


def test_normalized_vectors_have_length_1_or_0() -> None:
    raw = {"text": np.array([[3.0, 4.0], [0.0, 0.0]])}
    found = fed(VectorColumn("text", 2, normalize=True), raw)
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_vectors_of_another_width_are_refused() -> None:
    message = r"'text': expected vectors of 2 components. Received: shape \(1, 3\)"
    with pytest.raises(ValueError, match=message):
        fed(TEXT, {"text": np.ones((1, 3))})
    with pytest.raises(TypeError, match=r"'text': Expected vectors of 2 .* \[3\]"):
        Features.fit(FeatureSpec((TEXT,)), {"text": [[1.0, 2.0, 3.0]]})


def test_vectors_in_signatures_and_examples() -> None:
    raw = {"text": RawFeature("text", "float32", width=2)}
    assert FeatureSpec((TEXT,)).raw == raw
    spec = raw_signature(raw)["text"]
    assert (spec.shape.as_list(), spec.dtype) == ([None, 2], tf.float32)

    def example(*values: float) -> bytes:
        floats = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Example(
            features=tf.train.Features(feature={"text": floats})
        ).SerializeToString()

    parsed = parse_examples(tf.constant([example(1, 2), example(), example(3, 4)]), raw)
    assert parsed["text"].numpy().tolist() == [[1, 2], [0, 0], [3, 4]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected 2 components"):
        parse_examples(tf.constant([example(1, 2, 3)]), raw)


@pytest.mark.parametrize(
    ("column", "raw", "expected"),
    [
        (
            MatchColumn(SPOKEN, LANGUAGE),
            {"spoken": ["nl", "nl", "xx", ""], "language": ["nl", "et", "xx", ""]},
            [[1], [0], [0], [0]],
        ),
        (
            MatchColumn(BagColumn(SPOKEN), LANGUAGE),
            {"spoken": [["et", "nl"], ["et", ""]], "language": [["nl", "et"], ["nl", ""]]},
            [[[1], [1]], [[0], [0]]],
        ),
        (
            MatchColumn(SPOKEN, BagColumn(LANGUAGE)),
            {"spoken": ["nl", "et"], "language": [["et", "nl"], ["nl", "xx"]]},
            [[1], [0]],
        ),
    ],
    ids=["values", "a bag and a list", "a bag of the candidate"],
)
def test_matches(column: MatchColumn, raw: Any, expected: Any) -> None:
    np.testing.assert_array_equal(fed(column, raw, **KNOWN), expected)


def test_a_match_reads_both_sides() -> None:
    spec = FeatureSpec((), (MatchColumn(BagColumn(SPOKEN), LANGUAGE),))
    assert spec.raw_query == {"spoken": RawFeature("spoken", "string", is_bag=True)}
    assert spec.raw_candidate == {"language": RawFeature("language", "string")}
    with pytest.raises(ValueError, match="put it among the candidate columns"):
        FeatureSpec((MatchColumn(SPOKEN, LANGUAGE),))


NAMES = ["release year", "class", "Unnamed: 0", "0", "größe", "a/b", "日本", "a b", "a_b", "a.b"]


@pytest.mark.usefixtures("eagerly")
def test_any_text_is_the_name_of_a_feature(tmp_path: Any) -> None:
    query = [EmbeddingColumn(VocabularyColumn(name), 2) for name in NAMES]
    numbers = [NumericColumn(f"{name}?") for name in NAMES]
    cross = CrossedColumn(
        (VocabularyColumn("a/b"), BagColumn(VocabularyColumn("日本 s"), 3)), top_n=9
    )
    candidate = (
        EmbeddingColumn(cross, 2),
        IndicatorColumn(BucketizedColumn("0?", (1.0,))),
        EmbeddingColumn(VocabularyColumn("item"), 2),
    )
    spec = FeatureSpec((*query, *numbers), candidate)
    assert FeatureSpec.from_json(spec.to_json()) == spec
    raw: dict[str, Any] = {name: np.array(["x", "y", "x"]) for name in (*NAMES, "item")}
    raw |= {f"{name}?": np.array([1.0, 2.0, 3.0]) for name in NAMES}
    raw["日本 s"] = np.array([["p", "q"], ["q", ""], ["p", "p"]])
    features = Features.fit(spec, raw)
    features.save(tmp_path / "features")
    assert Features.load(tmp_path / "features") == features
    tables = make_embedding_tables(features)
    assert len({table.name for table in tables.values()}) == len(tables)

    def make() -> DeepFM:
        return DeepFM(features, embedding_dim=2, hidden_units=(3,), seed=1)

    model = make()
    model.compile("adam")
    model.fit(raw, np.array([0.0, 1.0, 1.0]), verbose=0)
    expected = model.predict(raw, verbose=0)
    for path in ("checkpoint", "weights.h5"):
        model.save_weights(str(tmp_path / path))
        again = make()
        again(raw)
        again.load_weights(str(tmp_path / path))
        np.testing.assert_array_equal(again.predict(raw, verbose=0), expected)


@pytest.mark.parametrize("cls", [DLRM, DeepFM, WideDeep, YouTubeRanking])
def test_rankers_read_vectors_and_matches(cls: Any) -> None:
    candidate = (
        EmbeddingColumn(VocabularyColumn("item")),
        TEXT,
        MatchColumn(SPOKEN, LANGUAGE),
    )
    raw = {
        "spoken": np.array(["nl", "et", "nl"]),
        "language": np.array(["nl", "nl", "et"]),
        "item": np.array(["a", "b", "a"]),
        "text": np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]], np.float32),
    }
    spec = FeatureSpec((EmbeddingColumn(SPOKEN, table="spoken"),), candidate)
    model = cls(Features.fit(spec, raw), hidden_units=(4,), seed=0)
    model.compile("adam")
    model.fit(raw, np.array([0.0, 1.0, 1.0]), verbose=0)
    rows = model(raw).numpy()
    keys = ("item", "text", "language")
    listed = {"spoken": raw["spoken"][:1], **{key: raw[key][None] for key in keys}}
    alone = model({**raw, "spoken": np.repeat(raw["spoken"][:1], 3)}).numpy()
    np.testing.assert_allclose(model(listed).numpy(), alone[None], rtol=1e-5, atol=1e-6)
    # Each of them matters.
    for key, other in (("text", raw["text"] + 1), ("language", np.array(["et", "et", "nl"]))):
        assert not np.allclose(model({**raw, key: other}).numpy(), rows)

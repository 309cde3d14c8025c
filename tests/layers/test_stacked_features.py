import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    NumericColumn,
    Preprocessor,
    VocabularyColumn,
    make_embedding_tables,
)
from tfrec_zoo.layers import StackedFeatures

# isort: split
import tensorflow as tf

HISTORY = BagColumn(VocabularyColumn("history", space="video"), 3)
VIDEO, COUNTRY = VocabularyColumn("video_id", space="video"), VocabularyColumn("country")
SPEC = FeatureSpec(
    query=(
        EmbeddingColumn(HISTORY),
        NumericColumn("age", normalization="none", powers=False),
        IndicatorColumn(COUNTRY),
        COUNTRY,  # bare: not fed
    ),
    candidate=(EmbeddingColumn(VIDEO), EmbeddingColumn(CrossedColumn((COUNTRY, VIDEO), 9))),
)
LOG = {
    "history": np.array([["a", "b", ""], ["b", "", ""]]),
    "age": np.array([-1.5, 2.0], np.float32),
    "country": np.array(["ee", "nl"]),
    "video_id": np.array(["a", "b"]),
}
NAMES = ("history_bag3_embedding", "video_id_embedding", "country_X_video_id_embedding")


def built():
    features = Features.fit(SPEC, LOG)
    tables = make_embedding_tables(features, dimension=2)
    layer = StackedFeatures(features, SPEC.columns, tables)
    index = {t: i for i, t in enumerate(features.vocabularies["video"].tokens)}
    rows = np.array([[1.0, -2], [5, 0]], np.float32)  # a, b
    tables["video"].table.assign(rows[np.argsort([index["a"], index["b"]])])
    tables["country_X_video_id"].table.assign(np.full([9, 2], [2.0, -3]))
    for name, bias in zip(NAMES, ([0.5, 1.5], [-2, 3], [-1, 1]), strict=True):
        layer.biases[name].assign(bias)
    return layer, Preprocessor(features)


def test_by_hand():
    layer, preprocessor = built()
    tokens = preprocessor.features.vocabularies["country"].tokens
    raw = {
        "history": tf.constant([["a", "b", ""], ["a", "?", ""], ["", "?", ""]]),
        "age": tf.constant([-1.5, np.nan, 2.0]),
        "country": tf.constant(["nl", "ee", "?"]),
        "video_id": tf.constant(["b", "?", "a"]),
    }
    hot = [[float(token == country) for token in tokens] for country in ("nl", "ee", "?")]
    # History: (1, -2) and (5, 0) are (3, -1) on average, and + (.5, 1.5) = (3.5, .5); one of a
    # known, an unknown and an empty value is (1, -2) + (.5, 1.5) = (1.5, -.5); nothing stays 0.
    # Video: (5, 0) + (-2, 3) = (3, 3); nothing; (1, -2) + (-2, 3) = (-1, 1).
    # Cross: (2, -3) + (-1, 1) = (1, -2) where both are known.
    expected = [
        [3.5, 0.5, -1.5, *hot[0], 3, 3, 1, 0],
        [1.5, 0, 0, *hot[1], 0, 0, 0, 0],
        [0, 0, 2, *hot[2], 0, 1, 0, 0],
    ]
    np.testing.assert_allclose(layer(preprocessor(raw)), expected, rtol=1e-6)
    # 3 embeddings of 2.
    assert sum(bias.numpy().size for bias in layer.biases.values()) == 6


def test_a_list_is_its_rows():
    layer, preprocessor = built()
    lists = {
        "history": tf.constant([["a", "b", ""], ["", "", ""]]),
        "age": tf.constant([1.0, 2.0]),
        "country": tf.constant(["nl", "ee"]),
        "video_id": tf.constant([["b", "a", "?"], ["a", "", "b"]]),
    }
    rows = {k: tf.repeat(v, 3, axis=0) for k, v in lists.items()}
    rows["video_id"] = tf.reshape(lists["video_id"], [-1])
    listed = layer(preprocessor(lists))
    assert listed.shape == (2, 3, 9)
    np.testing.assert_array_equal(tf.reshape(listed, [6, 9]), layer(preprocessor(rows)))


def test_a_bias_is_moved_by_known_values_alone():
    layer, preprocessor = built()
    raw = {"video_id": tf.constant(["b", "?", "", "b"]), "country": tf.constant(["nl"] * 4)}
    raw |= {"history": tf.fill([4, 1], ""), "age": tf.zeros([4])}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(preprocessor(raw)))
    found = tape.gradient(loss, [layer.biases[name] for name in NAMES])
    # Video b is above 0 in both components, in two rows; of crosses (1, -2) the first alone is.
    np.testing.assert_array_equal(found, [[0, 0], [2, 2], [2, 0]])


def test_nothing_to_stack():
    features = Features.fit(SPEC, LOG)
    layer = StackedFeatures(features, (COUNTRY,), {})
    with pytest.raises(ValueError, match=r"There is no dense column to feed. Received: columns="):
        layer(Preprocessor(features)({"country": tf.constant(["nl"])}))

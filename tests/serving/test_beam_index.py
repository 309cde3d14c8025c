import numpy as np
import pytest

from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    VocabularyColumn,
)
from tfrec_zoo.layers import HierarchicalSoftmax, huffman_leaves, zipf_counts
from tfrec_zoo.models import YouTubeRetrieval
from tfrec_zoo.serving import BeamIndex, export, served
from tfrec_zoo.serving.index import NO_ITEM

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEMS = 300


@pytest.fixture(scope="module")
def softmax():
    rng = np.random.default_rng(0)
    layer = HierarchicalSoftmax(huffman_leaves(zipf_counts(ITEMS)), 4)
    for weight in (layer.nodes, layer.bias):
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.fixture(scope="module")
def query():
    return tf.constant(np.random.default_rng(1).normal(size=[3, 4]), tf.float32)


def check(found, scores, k):
    """The k items with the best of the scores; those that must not be found have −inf."""
    order = np.argsort(-scores, axis=1)[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    np.testing.assert_array_equal(found[1], np.where(best > -np.inf, order, -1))
    np.testing.assert_allclose(found[0], best, rtol=1e-5, atol=1e-5)


def test_finds_the_most_probable(softmax, query):
    index = BeamIndex(softmax, spare=20)
    check(index.search(query, 5), softmax(query).numpy(), 5)
    assert index.description == {"kind": "beam", "nodes_per_item": 4}


def test_leaves_out(softmax, query):
    scores = softmax(query).numpy()
    exclude = np.argsort(-scores, axis=1)[:, :15].astype(np.int32)
    exclude[1, 3:] = -1
    for row in range(3):
        scores[row, exclude[row][exclude[row] >= 0]] = -np.inf
    check(BeamIndex(softmax, spare=20).search(query, 5, exclude), scores, 5)
    # Without spare ones, what is excluded is missing in the list.
    found = BeamIndex(softmax, spare=0).search(query, 5, exclude)
    assert np.sum(found[1].numpy() >= 0, axis=1).tolist() == [0, 2, 0]
    assert np.isneginf(found[0].numpy()[0]).all()


def test_allows_some_only(softmax, query):
    allow = np.array([[7, 250, 9, 7], [NO_ITEM, -1, -1, -1], [-1, -1, -1, -1]], np.int32)
    scores = softmax(query).numpy()
    scores[0, np.setdiff1d(np.arange(ITEMS), [250, 9])] = -np.inf  # 7 is excluded.
    scores[1] = -np.inf
    scores[2, 7] = -np.inf
    check(BeamIndex(softmax).search(query, 4, np.full([3, 1], 7, np.int32), allow), scores, 4)


def test_a_list_as_long_as_the_catalogue(softmax, query):
    found = BeamIndex(softmax).search(query, ITEMS + 2)
    scores = np.pad(softmax(query), [[0, 0], [0, 2]], constant_values=-np.inf)
    check([part[:, :ITEMS] for part in found], scores, ITEMS)
    assert (found[1].numpy()[:, ITEMS:] == -1).all()


@pytest.fixture(scope="module")
def model(softmax):
    query = (EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 2), 4),)
    spec = FeatureSpec(query, (VocabularyColumn("video_id", space="video"),))
    features = Features.fit(spec, {"video_id": [f"v{i:03}" for i in range(ITEMS)]})
    arguments = {"hidden_units": (), "embedding_dim": 4, "seed": 1}
    model = YouTubeRetrieval(features, output="hierarchical", **arguments)
    model.build_weights()
    model.tables["video"].table.assign(np.random.default_rng(2).normal(size=[ITEMS, 4]))
    model.hierarchy.set_weights(softmax.get_weights())
    return model


def test_export(model, tmp_path):
    folder = export(model, tmp_path / "exported", k=3, index="beam")
    module = tf.saved_model.load(str(folder))
    history = tf.constant([["v003", "v200"], ["v007", ""]])
    exclude = tf.constant([["v000"], [""]])
    found = module.signatures["serving_default"](history=history, exclude=exclude)
    scores = model.scores({"history": history}).numpy()
    scores[0, 0] = -np.inf
    order = np.argsort(-scores, axis=1)[:, :3]
    np.testing.assert_array_equal(found["ids"].numpy().astype(str), np.char.mod("v%03d", order))
    best = np.take_along_axis(scores, order, axis=1)
    np.testing.assert_allclose(found["scores"], best, rtol=1e-5, atol=1e-5)
    u = module.signatures["query"](history=history)["query"]
    np.testing.assert_allclose(u, model.user_vectors({"history": history}), rtol=1e-6)
    described = read_manifest(folder)["indexes"]["YouTubeRetrieval"]
    assert described == {"kind": "beam", "nodes_per_item": 4}


def test_needs_a_hierarchical_softmax(model):
    plain = YouTubeRetrieval(model.features, hidden_units=(4,))
    with pytest.raises(ValueError, match='"beam" .* Received a model without: YouTubeRetrieval'):
        served(plain, index="beam")

"""What AutoGraph rewrites: the code of others, and none of the package."""

import pathlib
import traceback

import numpy as np
import pytest
from tensorflow.python.autograph.core import config

import tfrec_zoo as zoo
from tfrec_zoo import serving
from tfrec_zoo.autograph import trace_as_written
from tfrec_zoo.features import BagColumn, EmbeddingColumn, Features, FeatureSpec, VocabularyColumn

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

BAG = BagColumn(VocabularyColumn("history", space="item"), 4)
SPEC = FeatureSpec((EmbeddingColumn(BAG, 2),), (VocabularyColumn("item_id", space="item"),))
X = {"history": np.array([["a"], ["b"], ["c"]])}
LABEL = np.array(["b", "c", "a"])


@pytest.fixture(scope="module")
def features():
    return Features.fit(SPEC, {**X, "item_id": LABEL})


def test_the_package_is_traced_as_it_is_written(features):
    files = set()

    def activation(x):
        assert not tf.executing_eagerly()
        files.update(pathlib.Path(frame.filename).name for frame in traceback.extract_stack())
        return x

    model = zoo.YouTubeRetrieval(features, hidden_units=(4,), activation=activation)
    traced = tf.function(model)
    assert traced(X).shape == (3, 4)
    # What AutoGraph rewrites is in files of other names.
    assert {"youtube_retrieval.py", "tower.py"} <= files


class Turned(zoo.YouTubeRetrieval):
    """A model of somebody's, whose `call` has a condition on tensors."""

    def call(self, inputs, training=None):
        vectors = super().call(inputs, training)
        if tf.reduce_sum(vectors) < 0:
            vectors = -vectors
        return vectors


def test_conditions_in_the_models_of_others_are_on_tensors(features, tmp_path):
    model = Turned(features, hidden_units=(4,), activation="linear", seed=1)
    model.compile("sgd")
    model.fit(X, LABEL, verbose=0)
    model.tables["item"].table.assign([[9.0, 9.0], [-9.0, -9.0], [0.0, 0.0]])
    serving.export(model, tmp_path / "exported", k=2)
    query = tf.saved_model.load(str(tmp_path / "exported")).signatures["query"]
    sums = []
    for row in X["history"]:
        vectors = model.user_vectors({"history": row[None]}).numpy()
        sums.append(vectors.sum())
        found = query(history=tf.constant(row[None]))["query"]
        np.testing.assert_allclose(found, vectors * np.sign(sums[-1]), rtol=1e-5)
    assert min(sums) < 0 < max(sums)


def test_a_package_is_left_alone_once():
    rules = config.CONVERSION_RULES
    trace_as_written("tfrec_zoo")
    assert config.CONVERSION_RULES is rules

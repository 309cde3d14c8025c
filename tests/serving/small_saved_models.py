"""SavedModels to serve: half plus three, as in TensorFlow Serving's documentation, and films."""

import pathlib

import numpy as np
import pandas as pd

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.data import Log
from tfrec_zoo.features import BagColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import EASE
from tfrec_zoo.serving import export


class HalfPlus(tf.Module):
    """x / 2 + 3, and functions of all types."""

    def __init__(self, summand: float = 3.0) -> None:
        super().__init__()
        self.summand = tf.Variable(summand)

    def save(self, folder: pathlib.Path) -> None:
        """Writes the SavedModel."""
        numbers, words = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.string)
        half = tf.function(lambda x: {"y": x / 2 + self.summand}, [_named(numbers, "x")])
        several = tf.function(_several, [
            _named(words, "tag"), _named(tf.TensorSpec([None, 2], tf.int64), "signal"),
            _named(tf.TensorSpec([None, 2, 1], tf.float64), "sensor"),
        ])  # fmt: skip
        image = tf.function(lambda image: {"image_bytes": image}, [_named(words, "image")])
        text = tf.function(lambda image: {"image": image}, [_named(words, "image")])
        flags = tf.function(
            lambda flag, small: {"flag": ~flag, "small": small},
            [_named(tf.TensorSpec([None], tf.bool), "flag"),
             _named(tf.TensorSpec([None], tf.uint8), "small")],
        )  # fmt: skip
        total = tf.function(lambda x: {"total": tf.reduce_sum(x)}, [_named(numbers, "x")])
        examples = tf.function(_regress, [_named(words, "inputs")])
        classes = tf.function(_classify, [_named(words, "inputs")])
        refuses = tf.function(_refuses, [_named(numbers, "x")])
        functions = {
            "serving_default": half, "several": several, "image": image, "text": text,
            "flags": flags, "total": total, "regress": examples, "classify": classes,
            "refuses": refuses,
        }  # fmt: skip
        tf.saved_model.save(
            self, str(folder), {name: f.get_concrete_function() for name, f in functions.items()}
        )


def _named(spec: tf.TensorSpec, name: str) -> tf.TensorSpec:
    return tf.TensorSpec(spec.shape, spec.dtype, name)


def _several(tag, signal, sensor):
    return {"tags": tf.strings.join([tag, "!"]), "sums": tf.reduce_sum(signal, 1),
            "means": tf.reduce_mean(sensor, [1, 2])}  # fmt: skip


def _features(inputs):
    return tf.io.parse_example(inputs, {
        "x": tf.io.FixedLenFeature([], tf.float32, 0.0),
        "words": tf.io.RaggedFeature(tf.string), "n": tf.io.FixedLenFeature([], tf.int64, 0),
    })  # fmt: skip


def _regress(inputs):
    found = _features(inputs)
    return {"outputs": found["x"] / 2 + 3 + tf.cast(found["n"], tf.float32)}


def _classify(inputs):
    found = _features(inputs)
    word = tf.strings.reduce_join(found["words"].to_tensor(), 1)
    return {"classes": tf.stack([word, tf.zeros_like(word)], 1),
            "scores": tf.stack([found["x"], -found["x"]], 1)}  # fmt: skip


def _refuses(x):
    with tf.control_dependencies([tf.debugging.assert_positive(x, "x must be positive")]):
        return {"y": tf.identity(x)}


def make_films(folder: pathlib.Path, titles: str = "Film {}", version=None) -> pathlib.Path:
    """Exports EASE on six films, watched in pairs: 0 and 1, 2 and 3, 4 and 5.

    Of each pair XᵀX + I = [[2, 1], [1, 2]], whose inverse is [[2, -1], [-1, 2]] / 3: a film of the
    history scores 1/2 for the other of its pair.
    """
    ids = [f"f{n}" for n in range(6)]
    events = {"user_id": ["u0", "u0", "u1", "u1", "u2", "u2"], "item_id": ids, "time": range(6)}
    items = {"item_id": ids, "title": [titles.format(n) for n in range(6)]}
    log = Log("films", pd.DataFrame(events), items=pd.DataFrame(items))
    history = BagColumn(VocabularyColumn("history", space="item_id"))
    spec = FeatureSpec((history,), (VocabularyColumn("item_id"),))
    x, y = {"history": np.array([["f0"], ["f2"], ["f4"]])}, np.array(["f1", "f3", "f5"])
    model = EASE(Features.fit(spec, {**x, "item_id": np.array(ids)}), l2=1.0)
    model.compile()
    model.fit(x, y, verbose=0)
    return export(model, folder, log=log, k=4, version=version)

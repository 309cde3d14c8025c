"""Models of four items that read sequences, whose weights are all of the size of one."""

import numpy as np

from tfrec_zoo.features import BagColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import HSTU, SASRec

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEM = VocabularyColumn("item")
HISTORY = BagColumn(VocabularyColumn("history", space="item"), 20)
AGED = BagColumn(VocabularyColumn("history", space="item"), 20, ages="age")


def features_of(history=HISTORY):
    """Features of a history of a, b, c and d, of which a is the most frequent."""
    return Features.fit(FeatureSpec((history,), (ITEM,)), {"item": list("aaaabbbccd")})


def made(cls, history=HISTORY, **arguments):
    """A model whose histories are of at most fifty items."""
    own = {SASRec: {}, HSTU: {"temperature": 0.5}}[cls]
    small = {"embedding_dim": 4, "max_history": 50, "dropout": 0.0, "seed": 1}
    model = cls(features_of(history), **{**small, **own, **arguments})
    model.build_weights()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    model.compile(tf.keras.optimizers.SGD(0.0))
    return model


def bags(*rows):
    """Histories as text; a dot is missing, anything but a to d is unknown."""
    return {"history": np.array([[c.replace(".", "") for c in row] for row in rows])}


def scores(model, *rows):
    return model.scores(bags(*rows)).numpy()


def loss(model, x, y, training):
    """The reported loss, untraced, which is faster."""
    return float(model.compute_loss((x, y), training))

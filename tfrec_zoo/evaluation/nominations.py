"""What a retrieval model makes of the items of examples: its nominations, and its scores."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.models.retrieval import RetrievalModel


def nominate(retrieval: RetrievalModel, examples: Examples, k: int = 100) -> np.ndarray:
    """The [examples, k] items that a retrieval model puts first, seen ones included."""
    dataset = examples.dataset(4096, retrieval.preprocessor)
    tokens = retrieval.features.vocabularies[retrieval.item_column.space].array()

    @tf.function(input_signature=[dataset.element_spec[0]])
    def best(features: Any) -> tf.Tensor:
        return tf.math.top_k(retrieval.scores(features), min(k, len(tokens))).indices

    return tokens[np.concatenate([best(features).numpy() for features, *_ in dataset])]


def candidate_scores(retrieval: RetrievalModel, examples: Examples) -> np.ndarray:
    """The [examples] scores that a retrieval model gives the examples' own items.

    An item that it doesn't know has no score: NaN.
    """
    key = retrieval.item_column.key
    candidates = tf.pad(retrieval.candidates(), [[1, 0], [0, 0]])
    dataset = examples.dataset(4096, retrieval.preprocessor)

    @tf.function(input_signature=[dataset.element_spec[0]])
    def score(features: Any) -> tf.Tensor:
        ids = features["ids"][key]
        scores = tf.reduce_sum(retrieval(features) * tf.gather(candidates, ids), axis=-1)
        return tf.where(ids > 0, scores, float("nan"))

    return np.concatenate([score(features).numpy() for features, *_ in dataset])

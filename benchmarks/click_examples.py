"""Examples of click prediction as the ids that torch-rechub is given."""

import numpy as np
import tensorflow as tf

from tfrec_zoo.data import Examples
from tfrec_zoo.features import Features, Preprocessor


def ids_of(features: Features, examples: Examples) -> dict[str, np.ndarray]:
    """The ids of each column, int64 [examples] or [examples, longest]."""
    rows = tf.range(len(examples), dtype=tf.int64)
    ids = examples.assembler(Preprocessor(features))(rows)["ids"]
    return {c.name: ids[c.name].numpy().astype(np.int64) for c in features.spec.categorical}


def sizes_of(features: Features) -> dict[str, np.ndarray]:
    """How many ids each column has."""
    return {c.name: np.array(features.num_ids(c)) for c in features.spec.categorical}


def prefixed(part: str, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns under the names that they have in a file of several parts."""
    return {f"{part}/{name}": values for name, values in columns.items()}

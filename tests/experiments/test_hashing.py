"""An index of one's own, which finds by hashes what has large products."""

import numpy as np
import pytest

from tfrec_zoo.experiments.hashing import HashIndex
from tfrec_zoo.serving.index import ExactIndex, build_index

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_hashes_find_what_has_large_products():
    rng = np.random.default_rng(0)
    # Of all lengths: the largest products are not those of the smallest angles.
    items = rng.normal(size=(1500, 8)) * rng.gamma(2, size=(1500, 1))
    items, queries = (
        tf.constant(items, tf.float32),
        tf.constant(rng.normal(size=(60, 8)), tf.float32),
    )
    exact = ExactIndex(items).search(queries, 20)[1].numpy()
    shares = []
    for target in (0.8, 0.97):
        index = build_index(items, HashIndex, queries, k=20, target_recall=target, spare=5)
        assert isinstance(index, HashIndex) and index.recall >= target
        scores, rows = (found.numpy() for found in index.search(queries, 20))
        np.testing.assert_allclose(
            scores, np.einsum("bd,bkd->bk", queries, items.numpy()[rows]), rtol=1e-5
        )
        found = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(rows, exact, strict=True)])
        assert found > target - 0.1
        shares.append(index.items_scored / 1500)
    # By chance, this share of the best would be among as many.
    assert shares[0] < 0.5 and shares[0] < shares[1] < 0.9


def test_other_classes_are_no_kinds_of_index():
    with pytest.raises(ValueError, match="subclass of `ApproximateIndex`. Received: <class 'dict'"):
        build_index(tf.zeros([3, 2]), dict)

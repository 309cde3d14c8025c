"""Full ranking of a model with fixed vectors, against brute force in NumPy."""

import dataclasses

import numpy as np
import pytest

from tfrec_zoo.data import Examples, Rows, Windows
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.features import Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.models import RetrievalModel

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEMS, EXAMPLES, DIM = 30, 45, 3
RNG = np.random.default_rng(0)
# Small whole numbers: scores are exact, and many of them are equal.
VECTORS = RNG.integers(-2, 3, [ITEMS, DIM]).astype(np.float32)
QUERIES = RNG.integers(-2, 3, [EXAMPLES, DIM]).astype(np.float32)
TOKENS = np.array([f"v{i:02}" for i in range(ITEMS)])
SPEC = FeatureSpec(
    tuple(NumericColumn(f"x{i}", "none", False) for i in range(DIM)),
    (VocabularyColumn("video_id"),),
)
FEATURES = Features.fit(SPEC, {"video_id": TOKENS})


class FixedVectors(RetrievalModel):
    """The query is its own vector."""

    def __init__(self, features, vectors=VECTORS):
        super().__init__(features)
        self.vectors = tf.constant(vectors)

    def call(self, inputs, training=None):
        values = self.encode(inputs)["values"]
        return tf.stack([values[f"x{i}"] for i in range(DIM)], axis=1)

    def candidates(self):
        return self.vectors


@pytest.fixture(scope="module")
def model():
    return FixedVectors(FEATURES)


@pytest.fixture(scope="module")
def examples():
    """Labels of which some are unknown, some seen before; histories of 0 to 12 items."""
    stop = np.cumsum(RNG.integers(0, 13, EXAMPLES))
    start = np.append(0, stop[:-1])
    history = TOKENS[RNG.integers(0, ITEMS, stop[-1])].astype(object)
    history[::9] = "never seen"
    history[5::9] = ""
    label = TOKENS[RNG.integers(0, ITEMS, EXAMPLES)].astype(object)
    label[[3, 17]] = ["never seen", ""]
    label[20:24] = [history[at - 1] for at in stop[20:24]]
    return Examples(
        (Rows({f"x{i}": QUERIES[:, i] for i in range(DIM)}, np.arange(EXAMPLES)),),
        label=label,
        seen=Windows({"history": history}, start, stop, length=1),
    )


def brute_force(examples, ks, mask_seen):
    """Sorts each example's items by hand."""
    tokens = TOKENS.tolist()
    ranks, lists = [], []
    for row in range(len(examples)):
        seen = examples.seen.values["history"][examples.seen.start[row] : examples.seen.stop[row]]
        allowed = [i for i, t in enumerate(tokens) if not (mask_seen and t in set(seen))]
        scores = {i: float(VECTORS[i] @ QUERIES[row]) for i in allowed}
        # Equal scores: those that come first in the vocabulary, as tf.math.top_k has it.
        lists.append(sorted(allowed, key=lambda i: (-scores[i], i)))
        own = tokens.index(examples.label[row]) if examples.label[row] in tokens else None
        if own in scores:
            ranks.append(sum(scores[i] >= scores[own] for i in allowed if i != own))
        else:
            ranks.append(max(ITEMS, *ks))
    ranks = np.array(ranks)
    results = {"mean_average_precision": np.mean(1 / (1 + ranks))}
    for k in ks:
        results[f"hit_rate_at_{k}"] = np.mean(ranks < k)
        results[f"ndcg_at_{k}"] = np.mean(np.where(ranks < k, 1 / np.log2(ranks + 2), 0))
        results[f"coverage_at_{k}"] = len({i for best in lists for i in best[:k]}) / ITEMS
    return results, ranks


@pytest.mark.parametrize("mask_seen", [True, False])
@pytest.mark.parametrize("ks", [(10, 50), (1, 3, 20), (5,)])
def test_is_brute_force(model, examples, ks, mask_seen):
    expected, ranks = brute_force(examples, ks, mask_seen)
    assert (ranks >= ITEMS).sum() >= (6 if mask_seen else 2)
    found = full_ranking(model, examples, ks, mask_seen, batch_size=16)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("mask_seen", [True, False])
def test_chunks_agree(model, examples, mask_seen):
    results = [
        full_ranking(model, examples, (1, 10), mask_seen, batch_size)
        for batch_size in (7, 45, 1000)
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-6)
    assert results[1] == results[2]


def test_ties_count_against_the_item(examples):
    """A model to which all items are equal ranks everything last: 30th, or behind the unseen."""
    equal = FixedVectors(FEATURES, np.zeros([ITEMS, DIM], np.float32))
    known = examples.take(np.array([0, 1, 2, 4, 5]))
    found = full_ranking(equal, known, (ITEMS - 1, ITEMS), mask_seen=False)
    assert found["hit_rate_at_29"] == 0 and found["hit_rate_at_30"] == 1
    assert found["mean_average_precision"] == pytest.approx(1 / 30)


def test_unknown_labels_are_misses_at_any_length(model, examples):
    unknown = examples.take(np.array([3, 17]))
    found = full_ranking(model, unknown, (1, 30, 50), mask_seen=False)
    assert found["hit_rate_at_30"] == found["hit_rate_at_50"] == 0
    assert found["mean_average_precision"] == pytest.approx(1 / 51)


def test_seen_items_are_not_recommended(examples, model):
    """Who has seen all but two items covers two, however long the list."""
    one = examples.take(np.array([0]))
    seen = Windows({"history": TOKENS[2:]}, np.array([0]), np.array([ITEMS - 2]), length=1)
    one = dataclasses.replace(one, seen=seen, label=TOKENS[2:3])
    found = full_ranking(model, one, (10, 50))
    assert found["coverage_at_10"] == found["coverage_at_50"] == pytest.approx(2 / ITEMS)
    assert found["hit_rate_at_50"] == 0  # it was seen


def test_weights_of_examples_are_left_out(model, examples):
    weighted = dataclasses.replace(examples, weight=np.arange(EXAMPLES, dtype=np.float32))
    assert full_ranking(model, weighted) == full_ranking(model, examples)


def test_seen_is_needed_to_mask(model, examples):
    without = dataclasses.replace(examples, seen=None)
    with pytest.raises(ValueError, match="`mask_seen` needs examples that say what was `seen`"):
        full_ranking(model, without)
    expected, _ = brute_force(examples, (10,), False)
    found = full_ranking(model, without, (10,), mask_seen=False)
    assert found == pytest.approx(expected, rel=1e-5)

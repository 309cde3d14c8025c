"""Full ranking of a model with fixed vectors, against brute force in NumPy."""

import dataclasses
import sys

import numpy as np
import pytest

from tfrec_zoo.data import Examples, Rows, Windows
from tfrec_zoo.evaluation import Outcomes, full_ranking, full_rankings
from tfrec_zoo.features import Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.metrics import MISS
from tfrec_zoo.models import GMF, MatrixFactorization, RetrievalModel, retrieval

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


def brute_force(examples, ks, mask_seen, matrix=QUERIES @ VECTORS.T):
    """Sorts each example's items by hand, given the scores of all, [examples, items]."""
    tokens = TOKENS.tolist()
    ranks, lists = [], []
    for row in range(len(examples)):
        seen = examples.seen.values["history"][examples.seen.start[row] : examples.seen.stop[row]]
        allowed = [i for i, t in enumerate(tokens) if not (mask_seen and t in set(seen))]
        scores = {i: float(matrix[row, i]) for i in allowed}
        # Equal scores: those that come first in the vocabulary, as tf.math.top_k has it.
        lists.append(sorted(allowed, key=lambda i: (-scores[i], i)))
        own = tokens.index(examples.label[row]) if examples.label[row] in tokens else None
        if own in scores:
            ranks.append(sum(scores[i] >= scores[own] for i in allowed if i != own))
        else:
            ranks.append(np.inf)
    ranks = np.array(ranks)
    results = {"mean_average_precision": np.mean(np.where(ranks < ITEMS, 1 / (1 + ranks), 0))}
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
    outcomes = Outcomes()
    found = full_ranking(model, examples, ks, mask_seen, batch_size=16, outcomes=outcomes)
    kept = np.concatenate(outcomes.ranks)
    assert outcomes.num_items == ITEMS and len(outcomes.ranks) == 3
    # Of what can't be found, brute force says that it is last, or after it.
    assert (kept[ranks < ITEMS] == ranks[ranks < ITEMS]).all()
    assert (kept[ranks >= ITEMS] == MISS).all()
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("masks", [(True, False), (False, True)])
def test_masked_and_kept_are_of_the_same_scores(model, examples, masks):
    outcomes = {mask: Outcomes() for mask in masks}
    found = full_rankings(model, examples, (1, 10), outcomes, batch_size=16)
    for mask, metrics in zip(masks, found, strict=True):
        expected, ranks = brute_force(examples, (1, 10), mask)
        assert metrics == pytest.approx(expected, rel=1e-5, abs=1e-7)
        kept = np.concatenate(outcomes[mask].ranks)
        assert (kept[ranks < ITEMS] == ranks[ranks < ITEMS]).all()
    assert found[0] != found[1]


@pytest.mark.parametrize("mask_seen", [True, False])
def test_chunks_agree(model, examples, mask_seen):
    results = [
        full_ranking(model, examples, (1, 10), mask_seen, batch_size)
        for batch_size in (7, 45, 1000)
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-6)
    assert results[1] == results[2]


def test_a_large_catalogue_is_scored_in_small_chunks(model, examples, monkeypatch):
    expected = full_ranking(model, examples, (1, 10))
    monkeypatch.setattr(retrieval, "_SCORES", 7 * ITEMS + 1)
    outcomes = Outcomes()
    assert full_ranking(model, examples, (1, 10), outcomes=outcomes) == pytest.approx(expected)
    assert {len(ranks) for ranks in outcomes.ranks[:-1]} == {7}
    monkeypatch.setattr(retrieval, "_SCORES", 1)  # A row is no less than one.
    assert full_ranking(model, examples, (1, 10)) == pytest.approx(expected)


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
    assert found["mean_average_precision"] == 0


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


USERS = 9
PAIR_RNG = np.random.default_rng(1)
P = PAIR_RNG.integers(-2, 3, [USERS, DIM]).astype(np.float32)
H, BIAS = np.array([1, -2, 3], np.float32), -4.0
USER_TOKENS = np.array([f"u{i}" for i in range(USERS)])
PAIR_FEATURES = Features.fit(
    FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("video_id"),)),
    {"user_id": USER_TOKENS, "video_id": TOKENS},
)


def gmf(h=H, bias=BIAS):
    """A ranking model that scores hᵀ(p ⊙ q) + b."""
    model = GMF(PAIR_FEATURES, embedding_dim=DIM)
    model.build_weights()
    model.embeddings.user.table.assign(P)
    model.embeddings.item.table.assign(VECTORS)
    model.logit.kernel.assign(h[:, None])
    model.logit.bias.assign([bias])
    return model


@pytest.fixture(scope="module")
def ranker():
    return gmf()


# The table of items has an order of its own, and two items that the models don't know.
TABLE = np.append(TOKENS, ["new", "newer"])[PAIR_RNG.permutation(ITEMS + 2)].astype(object)


@pytest.fixture(scope="module")
def pairs(examples):
    """The examples, with users of whom one is unknown, and with all items as candidates."""
    label = np.where(np.isin(examples.label, TOKENS), examples.label, "new")
    label[17] = "newer"
    user = PAIR_RNG.integers(0, USERS + 1, EXAMPLES)
    return dataclasses.replace(
        examples,
        sources=(Rows({"user_id": np.append(USER_TOKENS, "nobody").astype(object)}, user),),
        label=label,
        groups=user,
        candidates=Rows({"video_id": TABLE}, np.array([TABLE.tolist().index(v) for v in label])),
    )


def pair_scores(pairs, h=H):
    return np.append(P, np.zeros([1, DIM]), axis=0)[pairs.groups] * h @ VECTORS.T


@pytest.mark.parametrize("mask_seen", [True, False])
@pytest.mark.parametrize("ks", [(10, 50), (1, 3, 20)])
def test_a_ranking_model_is_brute_force(ranker, pairs, ks, mask_seen):
    expected, ranks = brute_force(pairs, ks, mask_seen, pair_scores(pairs))
    assert (pairs.groups == USERS).any() and len(set(ranks)) > 10
    assert (ranks >= ITEMS).sum() >= (6 if mask_seen else 2)
    found = full_ranking(ranker, pairs, ks, mask_seen, batch_size=16)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("mask_seen", [True, False])
def test_a_ranking_model_equals_the_retrieval_model_of_the_same_scores(pairs, mask_seen):
    retrieval = MatrixFactorization(PAIR_FEATURES, embedding_dim=DIM, loss="logistic")
    retrieval.build_weights()
    retrieval.embeddings.user.table.assign(P)
    retrieval.embeddings.item.table.assign(VECTORS)
    found = full_ranking(retrieval, pairs, (1, 10), mask_seen)
    assert found == full_ranking(gmf(np.ones(DIM, np.float32), 0.0), pairs, (1, 10), mask_seen)
    expected, _ = brute_force(pairs, (1, 10), mask_seen, pair_scores(pairs, 1))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("pairs_at_a_time", "rows"), [(1, 1), (5 * ITEMS - 1, 4), (7 * ITEMS, 7), (10**6, EXAMPLES)]
)
def test_chunks_of_pairs_agree(ranker, pairs, monkeypatch, pairs_at_a_time, rows):
    whole = full_ranking(ranker, pairs, (1, 10))
    module = sys.modules["tfrec_zoo.evaluation.full_ranking"]
    monkeypatch.setattr(module, "_PAIRS", pairs_at_a_time)
    sizes, pairs_of = [], module.SeenClasses.pairs
    monkeypatch.setattr(
        module.SeenClasses, "pairs", lambda self, at: sizes.append(len(at)) or pairs_of(self, at)
    )
    assert full_ranking(ranker, pairs, (1, 10)) == pytest.approx(whole, rel=1e-6)
    assert max(sizes) == rows and sum(sizes) == EXAMPLES


def test_an_item_a_ranking_model_does_not_know_is_a_miss(ranker, pairs):
    unknown = pairs.take(np.array([3, 17]))
    found = full_ranking(ranker, unknown, (1, 30, 50), mask_seen=False)
    assert found["hit_rate_at_50"] == found["ndcg_at_50"] == 0
    assert found["mean_average_precision"] == 0


def test_a_ranking_model_does_not_recommend_what_was_seen(ranker, pairs):
    """Who has seen all but two items covers two."""
    row = np.flatnonzero((pairs.groups < USERS) & np.isin(pairs.label, TOKENS[2:]))[:1]
    one = pairs.take(row)
    seen = Windows({"history": TOKENS[2:]}, np.array([0]), np.array([ITEMS - 2]), length=1)
    found = full_ranking(ranker, dataclasses.replace(one, seen=seen), (10, 50))
    assert found["coverage_at_10"] == found["coverage_at_50"] == pytest.approx(2 / ITEMS)
    assert found["hit_rate_at_50"] == 0
    unmasked = full_ranking(ranker, one, (30,), mask_seen=False)
    assert unmasked["coverage_at_30"] == unmasked["hit_rate_at_30"] == 1


def test_the_item_is_the_candidate_whatever_the_label_is(ranker, model, pairs):
    chosen = dataclasses.replace(pairs, label=np.ones(EXAMPLES, np.float32))
    assert full_ranking(ranker, chosen, (10,)) == full_ranking(ranker, pairs, (10,))
    x = Rows({f"x{i}": QUERIES[:, i] for i in range(DIM)}, np.arange(EXAMPLES))
    chosen = dataclasses.replace(chosen, sources=(x,))
    assert full_ranking(model, chosen, (10,)) == pytest.approx(
        brute_force(pairs, (10,), True)[0], rel=1e-5
    )


def test_a_ranking_model_needs_every_item_as_candidate(ranker, pairs):
    with pytest.raises(ValueError, match="what other `candidates` there are"):
        full_ranking(ranker, dataclasses.replace(pairs, candidates=None))
    some = Rows({"video_id": TOKENS[:-2].astype(object)}, np.zeros(EXAMPLES, np.int64))
    with pytest.raises(ValueError, match="a row for every item the model knows.* 'v28'"):
        full_ranking(ranker, dataclasses.replace(pairs, candidates=some))


def test_nothing_to_rank(model, examples):
    with pytest.raises(ValueError, match="the split left none. Received: 0 examples"):
        full_ranking(model, examples.take(np.empty(0, np.int64)))

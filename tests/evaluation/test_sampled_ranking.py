"""Sampled ranking, by hand and against NumPy."""

import dataclasses

import numpy as np
import pytest

from tfrec_zoo.data import Examples, Rows
from tfrec_zoo.evaluation import sample_negatives, sampled_ranking
from tfrec_zoo.features import Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import GMF, MatrixFactorization, Popularity

USERS, ITEMS, EXAMPLES, DIM = 12, 30, 50, 3
RNG = np.random.default_rng(0)
# Small whole numbers: scores are exact, and many of them are equal.
P = RNG.integers(-2, 3, [USERS, DIM]).astype(np.float32)
Q = RNG.integers(-2, 3, [ITEMS, DIM]).astype(np.float32)
SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("item_id"),))
USER_IDS = np.array([f"u{i:02}" for i in range(USERS)], object)
ITEM_IDS = np.array([f"v{i:02}" for i in range(ITEMS)], object)
FEATURES = Features.fit(SPEC, {"user_id": USER_IDS, "item_id": ITEM_IDS})


def with_vectors(model, p=P, q=Q):
    model.build_weights()
    model.embeddings.user.table.assign(p)
    model.embeddings.item.table.assign(q)
    return model


def gmf(features=FEATURES, p=P, q=Q, h=(1, 1, 1)):
    """A ranking model that scores hᵀ(p ⊙ q)."""
    model = with_vectors(GMF(features, embedding_dim=len(q[0])), p, q)
    model.logit.kernel.assign(np.array(h, np.float32)[:, None])
    return model


def factorization(features=FEATURES, p=P, q=Q):
    """A retrieval model that scores p · q, its biases zero."""
    return with_vectors(
        MatrixFactorization(features, embedding_dim=len(q[0]), loss="logistic"), p, q
    )


def pairs_of(user, item, user_ids=USER_IDS, item_ids=ITEM_IDS):
    return Examples(
        (Rows({"user_id": user_ids}, np.array(user)),),
        label=np.ones(len(user), np.float32),
        groups=np.array(user),
        candidates=Rows({"item_id": item_ids}, np.array(item)),
    )


# Items a … h score 8, 7, 6, 5, 5, 3, 2, 1 for user "up", and minus that for "down".
SCORES = {"a": 8, "b": 7, "c": 6, "d": 5, "e": 5, "f": 3, "g": 2, "h": 1}
SMALL = Features.fit(
    SPEC, {"user_id": np.array(["down", "up"]), "item_id": np.array(list("abcdefgh"))}
)
#: The order of the table is not that of the vocabulary; x is in no vocabulary.
TABLE = np.array(list("hxgfedcba"), object)


def small(kind):
    p, q = np.array([[-1.0], [1.0]]), np.array([[SCORES[i]] for i in "abcdefgh"], np.float32)
    return gmf(SMALL, p, q, [1]) if kind == "ranking" else factorization(SMALL, p, q)


def small_pairs(*users_and_items):
    user = [["up", "down", "?"].index(u) for u, _ in users_and_items]
    item = [TABLE.tolist().index(i) for _, i in users_and_items]
    return pairs_of(user, item, np.array(["up", "down", "?"], object), TABLE)


def rows_of(*items):
    return np.array([[TABLE.tolist().index(i) for i in row] for row in items])


@pytest.mark.parametrize("kind", ["ranking", "retrieval"])
def test_by_hand(kind):
    examples = small_pairs(("up", "c"), ("up", "d"), ("down", "g"), ("down", "h"), ("up", "f"))
    negatives = rows_of(
        "adfh",  # a is better: second
        "efaa",  # e is as good, a is better and counts once: third
        "ghha",  # g is the item itself; h is better and counts once: second
        "abcd",  # first
        "abcd",  # last
    )
    found = sampled_ranking(small(kind), examples, negatives, ks=(1, 2, 3, 5))
    second, third, fifth = 1 / np.log2([3, 4, 6])
    assert found == pytest.approx(
        {
            "sampled_hit_rate_at_1": 1 / 5,
            "sampled_hit_rate_at_2": 3 / 5,
            "sampled_hit_rate_at_3": 4 / 5,
            "sampled_hit_rate_at_5": 1,
            "sampled_ndcg_at_1": 1 / 5,
            "sampled_ndcg_at_2": (1 + 2 * second) / 5,
            "sampled_ndcg_at_3": (1 + 2 * second + third) / 5,
            "sampled_ndcg_at_5": (1 + 2 * second + third + fifth) / 5,
        }
    )


@pytest.mark.parametrize("kind", ["ranking", "retrieval"])
def test_ties_count_against_the_item(kind):
    """An unknown user's scores are all equal: the item is the last of five."""
    examples, negatives = small_pairs(("?", "a")), rows_of("bcde")
    found = sampled_ranking(small(kind), examples, negatives, ks=(4, 5))
    assert found["sampled_hit_rate_at_4"] == 0 and found["sampled_hit_rate_at_5"] == 1
    assert found["sampled_ndcg_at_5"] == pytest.approx(1 / np.log2(6))


@pytest.mark.parametrize("kind", ["ranking", "retrieval"])
def test_a_list_of_the_item_alone_is_a_hit(kind):
    examples, negatives = small_pairs(("?", "a"), ("down", "b")), rows_of("aaa", "bbb")
    found = sampled_ranking(small(kind), examples, negatives, ks=(1,))
    assert found == {"sampled_hit_rate_at_1": 1, "sampled_ndcg_at_1": 1}


def test_an_item_outside_the_vocabulary_is_last():
    model = Popularity(SMALL)
    model.counts.assign([0, 3, 2, 1, 9, 9, 9, 9])  # nobody chose a
    examples = small_pairs(("up", "x"), ("up", "a"))
    found = sampled_ranking(model, examples, rows_of("abcd", "xbcx"), ks=(2, 3, 4, 5))
    # x stands behind a, b, c, d, and as a negative never before a, which b and c are before.
    assert found["sampled_hit_rate_at_2"] == 0 and found["sampled_hit_rate_at_5"] == 1
    assert found["sampled_hit_rate_at_3"] == found["sampled_hit_rate_at_4"] == 1 / 2
    assert found["sampled_ndcg_at_3"] == pytest.approx(1 / np.log2(4) / 2)


@pytest.mark.parametrize("kind", ["ranking", "retrieval"])
def test_factors_of_an_item_outside_the_vocabulary_are_zero(kind):
    """Zero is more than what "down" gives any item, and less than "up" does."""
    examples = small_pairs(("down", "x"), ("up", "x"), ("down", "h"))
    found = sampled_ranking(small(kind), examples, rows_of("abch", "abch", "xabc"), ks=(1, 2, 4, 5))
    hit_rates = [found[f"sampled_hit_rate_at_{k}"] for k in (1, 2, 4, 5)]
    assert hit_rates == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])


def random_pairs():
    user, item = RNG.integers(0, USERS, EXAMPLES), RNG.integers(0, ITEMS, EXAMPLES)
    return pairs_of(user, item), RNG.integers(0, ITEMS, [EXAMPLES, 12])


def brute_force(scores, examples, negatives, ks):
    """Ranks among the distinct other items, [users, items] scores given."""
    ranks = []
    for user, own, row in zip(examples.groups, examples.candidates.index, negatives, strict=True):
        others = set(row.tolist()) - {own}
        ranks.append(sum(scores[user, i] >= scores[user, own] for i in others))
    ranks = np.array(ranks)
    results = {f"sampled_hit_rate_at_{k}": np.mean(ranks < k) for k in ks}
    for k in ks:
        gains = np.where(ranks < k, 1 / np.log2(ranks + 2.0), 0)
        results[f"sampled_ndcg_at_{k}"] = np.mean(gains)
    return results


def test_is_brute_force():
    examples, negatives = random_pairs()
    h = np.array([2, -1, 3])
    expected = brute_force(P * h @ Q.T, examples, negatives, (1, 5, 10))
    found = sampled_ranking(gmf(h=h), examples, negatives, ks=(1, 5, 10), batch_size=16)
    assert found == pytest.approx(expected, rel=1e-5)
    assert sampled_ranking(gmf(h=h), examples, negatives) == pytest.approx(
        {name: value for name, value in expected.items() if name.endswith("_10")}, rel=1e-5
    )


def test_retrieval_and_ranking_models_of_the_same_scores_agree():
    examples, negatives = random_pairs()
    found = sampled_ranking(factorization(), examples, negatives, ks=(1, 5))
    assert found == sampled_ranking(gmf(), examples, negatives, ks=(1, 5))
    assert found == pytest.approx(brute_force(P @ Q.T, examples, negatives, (1, 5)), rel=1e-5)


def test_chunks_agree():
    examples, negatives = random_pairs()
    results = [
        sampled_ranking(gmf(), examples, negatives, (1, 5), batch_size=size) for size in (7, 50)
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_wrong_shapes_are_named():
    model, examples = small("ranking"), small_pairs(("up", "c"), ("up", "d"))
    negatives = rows_of("ab", "ef")
    assert sampled_ranking(model, examples, negatives)["sampled_hit_rate_at_10"] == 1
    for wrong in (
        negatives[:1],
        np.append(negatives, negatives, axis=0),
        negatives[0],
        negatives[None],
    ):
        with pytest.raises(ValueError, match=r"must have a row per example, .* for 2 examples"):
            sampled_ranking(model, examples, wrong)
    with pytest.raises(ValueError, match="candidates=None"):
        sampled_ranking(model, dataclasses.replace(examples, candidates=None), negatives)


def choices():
    """Each user chose 4 to 20 of the first 25 items; of the last five nobody chose one."""
    user = np.repeat(np.arange(USERS), RNG.integers(4, 21, USERS))
    item = np.concatenate([RNG.permutation(25)[: (user == u).sum()] for u in range(USERS)])
    return pairs_of(user, item)


def test_drawn_negatives_were_not_seen():
    seen = choices()
    chosen = [set(seen.candidates.index[seen.groups == u].tolist()) for u in range(USERS)]
    known = set().union(*chosen)
    test = pairs_of(np.tile(np.arange(USERS), 2)[::-1], np.full(2 * USERS, 29))
    found = sample_negatives(test, seen, number=300)
    assert found.shape == (2 * USERS, 300)
    for user, row in zip(test.groups, found, strict=True):
        assert set(row.tolist()) == known - chosen[user]
    assert sample_negatives(test, seen).shape == (2 * USERS, 99)


def test_who_chose_everything_is_left_out(caplog):
    """Up, of the example of the third item, and down, of the first, which is their worst."""
    seen = small_pairs(*(("up", item) for item in TABLE), ("down", "a"), ("down", "b"))
    test = small_pairs(("up", "c"), ("down", "a"))
    negatives = sample_negatives(test, seen, 50)
    assert set(negatives[0]) == {-1}
    assert set(negatives[1]) == set(range(len(TABLE))) - {TABLE.tolist().index(i) for i in "ab"}
    found = sampled_ranking(small("ranking"), test, negatives, ks=(1, 50))
    assert found["sampled_hit_rate_at_1"] == 0 and found["sampled_hit_rate_at_50"] == 1
    assert "1 of 2 examples are left out: there are no negatives" in caplog.text


def test_drawn_negatives_are_repeated_by_the_seed():
    seen = choices()
    test = pairs_of(np.arange(USERS), np.zeros(USERS, np.int64))
    first = sample_negatives(test, seen, 20, seed=1)
    np.testing.assert_array_equal(sample_negatives(test, seen, 20, seed=1), first)
    assert (sample_negatives(test, seen, 20, seed=2) != first).mean() > 0.5
    assert (first[0] != first[1]).any()


def test_drawn_negatives_rank():
    """Drawn once, ranked: the share of better items is what the ranks say."""
    seen = choices()
    test = pairs_of(np.arange(USERS), np.full(USERS, 28))
    negatives = sample_negatives(test, seen, 40)
    expected = brute_force(P @ Q.T, test, negatives, (5,))
    assert sampled_ranking(gmf(), test, negatives, (5,)) == pytest.approx(expected, rel=1e-5)

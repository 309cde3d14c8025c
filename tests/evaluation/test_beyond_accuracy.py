"""What lists are like, by hand."""

import math

import numpy as np
import pytest
import scipy.sparse

from tfrec_zoo.evaluation import gini, intra_list_diversity, novelty, popularity, serendipity

NONE = np.full((2, 3), -1)


def test_novelty_by_hand() -> None:
    takers = np.array([8, 2, 1, 0])
    # -log2 of 8/8, 2/8, 1/8 and, for what nobody has, 1/8: 0, 2, 3, 3.
    lists = np.array([[0, 1, -1], [2, 3, 1], [-1, -1, -1]])
    assert novelty(lists, takers, 8) == pytest.approx((1 + 8 / 3) / 2)
    assert math.isnan(novelty(NONE, takers, 8))


def test_popularity_by_hand() -> None:
    lists = np.array([[0, 1, -1], [2, 3, 1], [-1, -1, -1]])
    assert popularity(lists, np.array([8, 2, 1, 0])) == pytest.approx((5 + 1) / 2)
    assert math.isnan(popularity(NONE, np.ones(4)))


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_diversity_by_hand(form) -> None:
    vectors = form(np.array([[1, 0, 0], [3, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 2]]))
    half = 1 / math.sqrt(2)
    # Cosines: 0 and 1 are alike, 2 is half so to both, 4 to none; 3 has no vector.
    assert intra_list_diversity(np.array([[0, 1]]), vectors) == pytest.approx(0)
    assert intra_list_diversity(np.array([[0, 4, -1]]), vectors) == pytest.approx(1)
    three = 1 - (1 + half + half) / 3
    assert intra_list_diversity(np.array([[0, 1, 2]]), vectors) == pytest.approx(three)
    assert intra_list_diversity(np.array([[0, 3, 2]]), vectors) == pytest.approx(1 - half)
    # Lists without a pair are left out of the mean.
    lists = np.array([[0, 3, -1], [4, -1, -1], [-1, -1, -1], [0, 1, 2]])
    assert intra_list_diversity(lists, vectors) == pytest.approx(three)
    assert math.isnan(intra_list_diversity(lists[:3], vectors))


def test_diversity_of_more_lists_than_are_taken_at_a_time(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    lists = np.stack([rng.permutation(20)[:4] for _ in range(10)])
    vectors = rng.random((20, 3))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    expected = 1 - np.mean([[units[row[i]] @ units[row[j]] for i, j in pairs] for row in lists])
    monkeypatch.setattr("tfrec_zoo.evaluation.beyond_accuracy._CHUNK", 3)
    assert intra_list_diversity(lists, vectors) == pytest.approx(expected)


def test_serendipity_by_hand() -> None:
    takers = np.array([9, 5, 5, 2, 0])
    # Places 1, 2, 2, 3 of 5 items: popularity would show them with 5/5, 4/5, 4/5, 3/5; item 4: 0.
    lists = np.array([[3, 0, 4], [1, -1, -1], [2, 3, -1]])
    relevant = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0]], bool)
    # Ranks count 5/5, 4/5, 3/5.
    first = (2 / 5 + 0 + 3 / 5) / 3
    second = (1 / 5) / 1
    third = (0 + 1 / 5) / 2
    expected = (first + second + third) / 3
    assert serendipity(lists, relevant, takers, 5) == pytest.approx(expected)
    assert math.isnan(serendipity(NONE, NONE > 0, takers, 5))


def test_gini_by_hand() -> None:
    # (2j - n - 1) = -3, -1, 1, 3 of 0, 1, 2, 5 in order: -1 + 2 + 15 = 16, over 3 · 8.
    assert gini(np.array([5, 0, 2, 1])) == pytest.approx(16 / 24)
    assert gini(np.array([3])) == 0
    assert math.isnan(gini(np.zeros(3)))

"""The simplest stage that no later one beats by more than chance."""

import numpy as np
import pytest

from tfrec_zoo.evaluation import choose_stage

HITS = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])


def test_a_later_stage_that_is_better_takes_the_place() -> None:
    better = np.array([1.0, 1, 1, 0, 1, 1, 0, 0])
    choice = choose_stage({"popularity": HITS, "retrieval": better}, "hit rate")
    assert choice.name == "retrieval"
    # Three of eight more: .375 ± sqrt(8 / 7 · .375 · .625) / sqrt(8) = .183.
    assert choice.reason == (
        "hit rate of 8 validation examples: popularity 0.25, retrieval 0.625; retrieval beats "
        "popularity by more than a standard error (+0.375 ± 0.18)"
    )


def test_one_that_is_better_by_chance_does_not() -> None:
    """One more hit and one less of eight elsewhere: the mean is higher, but by a standard error."""
    other = np.array([0.0, 1, 1, 0, 1, 0, 0, 0])
    assert other.mean() > HITS.mean()
    choice = choose_stage({"retrieval": HITS, "funnel": other}, "hit rate")
    assert choice.name == "retrieval" and "funnel does not beat retrieval" in choice.reason


def test_a_stage_is_compared_with_the_best_before_it() -> None:
    values = {"popularity": HITS, "retrieval": HITS - 1, "funnel": HITS + 1}
    assert choose_stage(values, "seconds").name == "funnel"
    values = {"popularity": HITS, "retrieval": HITS + 2, "funnel": HITS + 1}
    assert choose_stage(values, "seconds").name == "retrieval"


def test_equal_stages_keep_the_simplest() -> None:
    assert choose_stage({"popularity": HITS, "retrieval": HITS.copy()}, "hits").name == "popularity"


@pytest.mark.parametrize("size", [0, 1])
def test_too_few_examples_to_choose_by(size: int) -> None:
    choice = choose_stage({"popularity": HITS[:size] * 0, "retrieval": HITS[:size]}, "hits")
    assert choice.name == "popularity"

"""The best stage, by how much, and whether that may be chance."""

import numpy as np

from tfrec_zoo.evaluation import choose_stage

HITS = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])


def test_the_best_stage_is_taken_with_its_lead_in_words() -> None:
    better = np.array([1.0, 1, 1, 0, 1, 1, 0, 0])
    choice = choose_stage({"popularity": HITS, "retrieval": better}, "hit rate")
    assert choice.name == "retrieval"
    # Three of eight more: .375 ± sqrt(8 / 7 · .375 · .625) / sqrt(8) = .183.
    assert choice.reason == (
        "hit rate of 8 validation examples: popularity 0.25, retrieval 0.625; "
        "retrieval leads popularity by 0.375 ± 0.18"
    )


def test_a_lead_that_may_be_chance_is_called_so() -> None:
    # One hit more: two more and one less of eight, .125 ± .227.
    other = np.array([0.0, 1, 1, 0, 1, 0, 0, 0])
    choice = choose_stage({"retrieval": HITS, "funnel": other}, "hit rate")
    assert choice.name == "funnel"
    assert choice.reason.endswith("funnel leads retrieval by 0.125 ± 0.23, which may be chance")


def test_any_stage_may_win() -> None:
    values = {"popularity": HITS, "retrieval": HITS - 1, "funnel": HITS + 1}
    assert choose_stage(values, "seconds").name == "funnel"
    values = {"popularity": HITS, "retrieval": HITS + 2, "funnel": HITS + 1}
    choice = choose_stage(values, "seconds")
    assert choice.name == "retrieval"
    assert "retrieval leads funnel by 1 ± 0; retrieval leads popularity by 2 ± 0" in choice.reason


def test_equal_stages_keep_the_simplest() -> None:
    assert choose_stage({"popularity": HITS, "retrieval": HITS.copy()}, "hits").name == "popularity"


def test_few_examples_to_choose_by() -> None:
    choice = choose_stage({"popularity": HITS[:0], "retrieval": HITS[:0]}, "hits")
    assert choice.name == "popularity" and "no validation examples" in choice.reason
    assert choose_stage({"popularity": HITS[1:2], "retrieval": HITS[:1]}, "hits").reason == (
        "hits of 1 validation examples: popularity 0, retrieval 1"
    )

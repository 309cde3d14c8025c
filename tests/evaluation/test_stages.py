"""The best stage, and where it has to be better by more than chance."""

import numpy as np

from tfrec_zoo.evaluation import choose_stage

HITS = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])


def test_the_best_stage_is_taken_with_its_lead_in_words() -> None:
    better = np.array([1.0, 1, 1, 0, 1, 1, 0, 0])
    choice = choose_stage({"popularity": HITS, "retrieval": better}, "hit rate", ["retrieval"])
    assert choice.name == "retrieval"
    # Three of eight more: .375 ± sqrt(8 / 7 · .375 · .625) / sqrt(8) = .183.
    assert choice.reason == (
        "hit rate of 8 validation examples: popularity 0.25, retrieval 0.625; "
        "retrieval takes the place of popularity (+0.375 ± 0.18)"
    )


def test_a_lead_that_may_be_chance_does_not_suffice_for_every_stage() -> None:
    # One hit more: two more and one less of eight, .125 ± .227.
    stages = {"retrieval": HITS, "funnel": np.array([0.0, 1, 1, 0, 1, 0, 0, 0])}
    assert choose_stage(stages, "hit rate").name == "funnel"
    choice = choose_stage(stages, "hit rate", cautious=["funnel"])
    assert choice.name == "retrieval"
    assert choice.reason.endswith("funnel does not take the place of retrieval (+0.125 ± 0.23)")


def test_a_stage_is_compared_with_the_best_before_it() -> None:
    values = {"popularity": HITS, "retrieval": HITS - 1, "funnel": HITS + 1}
    assert choose_stage(values, "seconds", ["funnel"]).name == "funnel"
    values = {"popularity": HITS, "retrieval": HITS + 2, "funnel": HITS + 1}
    assert choose_stage(values, "seconds").name == "retrieval"


def test_equal_stages_keep_the_simplest() -> None:
    assert choose_stage({"popularity": HITS, "retrieval": HITS.copy()}, "hits").name == "popularity"


def test_few_examples_to_choose_by() -> None:
    choice = choose_stage({"popularity": HITS[:0], "retrieval": HITS[:0]}, "hits")
    assert choice.name == "popularity" and "no validation examples" in choice.reason
    one = {"popularity": HITS[1:2], "retrieval": HITS[:1]}
    assert choose_stage(one, "hits").name == "retrieval"
    assert choose_stage(one, "hits", cautious=["retrieval"]).name == "popularity"

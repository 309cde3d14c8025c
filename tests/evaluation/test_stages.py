"""A stage that takes the place of another is better by more than chance."""

import numpy as np

from tfrec_zoo.evaluation import choose_stage

HITS = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])


def test_a_better_stage_is_taken_with_its_lead_in_words() -> None:
    better = np.array([1.0, 1, 1, 0, 1, 1, 0, 0])
    choice = choose_stage({"popularity": HITS, "retrieval": better}, "hit rate", "popularity")
    assert choice.name == "retrieval"
    # Three of eight more: .375 ± sqrt(8 / 7 · .375 · .625) / sqrt(8) = .183.
    assert choice.reason == (
        "hit rate of 8 validation examples: popularity 0.25, retrieval 0.625; "
        "retrieval takes the place of popularity (+0.375 ± 0.18)"
    )


def test_a_lead_that_may_be_chance_does_not_suffice() -> None:
    # One hit more: two more and one less of eight, .125 ± .227.
    stages = {"retrieval": HITS, "funnel": np.array([0.0, 1, 1, 0, 1, 0, 0, 0])}
    choice = choose_stage(stages, "hit rate", first="retrieval")
    assert choice.name == "retrieval"
    assert choice.reason.endswith("funnel does not take the place of retrieval (+0.125 ± 0.23)")
    assert choose_stage(stages, "hit rate", first="funnel").name == "funnel"


def test_a_stage_is_compared_with_the_best_before_it() -> None:
    values = {"popularity": HITS + 1, "retrieval": HITS, "funnel": HITS + 2}
    choice = choose_stage(values, "seconds", first="retrieval")
    assert choice.name == "funnel" and "funnel takes the place of popularity" in choice.reason
    values = {"popularity": HITS + 2, "retrieval": HITS, "funnel": HITS + 1}
    assert choose_stage(values, "seconds", first="retrieval").name == "popularity"
    values = {"popularity": HITS, "retrieval": HITS, "funnel": HITS}
    assert choose_stage(values, "seconds", first="retrieval").name == "retrieval"


def test_few_examples_to_choose_by() -> None:
    none = {"popularity": HITS[:0], "retrieval": HITS[:0]}
    choice = choose_stage(none, "hits", first="retrieval")
    assert choice.name == "retrieval" and "no validation examples" in choice.reason
    one = {"popularity": HITS[:1], "retrieval": HITS[1:2]}
    assert choose_stage(one, "hits", first="retrieval").name == "retrieval"

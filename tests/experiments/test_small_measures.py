"""Widths that are chosen, quartiles, and steps that are timed."""

import numpy as np

from tfrec_zoo.experiments.dimension import Dimension, chosen_width
from tfrec_zoo.experiments.measured import Results
from tfrec_zoo.experiments.per_user_examples import quartiles
from tfrec_zoo.experiments.sampled_softmax import step_time


def test_a_width_is_chosen_when_its_double_moves_by_less_than_half_a_percent():
    # Relative changes: 20 %, .4 %, 7.9 %.
    assert chosen_width([4, 8, 16, 32], [0.10, 0.12, 0.12048, 0.13]) == 8
    # A fall by more than half a percent is a move, too; then there is no more to double.
    assert chosen_width([4, 8, 16], [0.10, 0.12, 0.11]) == 16


def test_the_width_is_chosen_by_the_mean_of_the_seeds():
    values = {4: (0.10, 0.10), 8: (0.13, 0.11), 16: (0.11, 0.1301)}  # Means .1, .12, .12005.
    runs = [
        {
            "setting": str(width), "seed": seed, "metrics": {},
            "curves": {"widths": [{"width": width, "validation": value, "test": value}]},
        }
        for width, own in values.items()
        for seed, value in enumerate(own)
    ]  # fmt: skip
    ends, less = Dimension("toy").findings(Results(runs))
    assert ends.verdict == "agrees" and ends.evidence.endswith("chosen: 8")
    # First doublings add .03 and .01, last ones −.02 and .0201: .05 and −.0101 in between.
    assert "the first doubling adds 0.02, the last 5e-05" in less.evidence


def test_quartiles_are_of_equal_size():
    activity = np.array([5, 5, 5, 5, 5, 1, 9, 9])
    assert quartiles(activity).tolist() == [0, 1, 1, 2, 2, 0, 3, 3]


def test_any_kind_of_softmax_can_be_timed():
    kinds = ({}, {"negatives": {"kind": "log-uniform", "number": 5}}, {"output": "hierarchical"})
    assert all(step_time(20, 1, 0, **kind) > 0 for kind in kinds)

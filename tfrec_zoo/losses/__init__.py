"""Losses that neither Keras nor TensorFlow Recommenders provides."""

from tfrec_zoo.losses.drawn import Drawn, draw_log_uniform, draw_uniform
from tfrec_zoo.losses.hard_negatives import HardNegatives
from tfrec_zoo.losses.item_counts import ItemCounts
from tfrec_zoo.losses.negatives import Negatives
from tfrec_zoo.losses.pairwise import BPR, WARP
from tfrec_zoo.losses.pointwise import Logistic, Squared
from tfrec_zoo.losses.sampled_softmax import (
    OwnCandidateSoftmax,
    candidate_mask,
    is_among,
    sampled_softmax_losses,
)
from tfrec_zoo.losses.shared_negatives import DrawnCandidatesSoftmax, shared_softmax_losses
from tfrec_zoo.losses.softmax import softmax_losses
from tfrec_zoo.losses.uniform_negatives import expected_binary_losses, uniform_negatives
from tfrec_zoo.losses.weighted_logistic import WeightedLogistic

__all__ = [
    "BPR",
    "WARP",
    "Drawn",
    "DrawnCandidatesSoftmax",
    "HardNegatives",
    "ItemCounts",
    "Logistic",
    "Negatives",
    "OwnCandidateSoftmax",
    "Squared",
    "WeightedLogistic",
    "candidate_mask",
    "draw_log_uniform",
    "draw_uniform",
    "expected_binary_losses",
    "is_among",
    "sampled_softmax_losses",
    "shared_softmax_losses",
    "softmax_losses",
    "uniform_negatives",
]

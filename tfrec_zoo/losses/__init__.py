"""Losses that neither Keras nor TensorFlow Recommenders provides."""

from tfrec_zoo.losses.pairwise import BPR, WARP
from tfrec_zoo.losses.pointwise import Logistic, Squared
from tfrec_zoo.losses.sampled_softmax import (
    SampledClasses,
    sample_classes,
    sampled_candidates,
    sampled_softmax_losses,
)
from tfrec_zoo.losses.shared_negatives import shared_softmax_losses
from tfrec_zoo.losses.uniform_negatives import expected_binary_losses, uniform_negatives
from tfrec_zoo.losses.weighted_logistic import WeightedLogistic

__all__ = [
    "BPR",
    "WARP",
    "Logistic",
    "SampledClasses",
    "Squared",
    "WeightedLogistic",
    "expected_binary_losses",
    "sample_classes",
    "sampled_candidates",
    "sampled_softmax_losses",
    "shared_softmax_losses",
    "uniform_negatives",
]

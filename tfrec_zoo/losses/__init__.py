"""Losses that neither Keras nor TensorFlow Recommenders provides."""

from tfrec_zoo.losses.pairwise import BPR, WARP
from tfrec_zoo.losses.pointwise import Logistic, Squared
from tfrec_zoo.losses.sampled_softmax import (
    SampledClasses,
    sample_classes,
    sampled_candidates,
    sampled_softmax_losses,
)
from tfrec_zoo.losses.weighted_logistic import WeightedLogistic

__all__ = [
    "BPR",
    "WARP",
    "Logistic",
    "SampledClasses",
    "Squared",
    "WeightedLogistic",
    "sample_classes",
    "sampled_candidates",
    "sampled_softmax_losses",
]

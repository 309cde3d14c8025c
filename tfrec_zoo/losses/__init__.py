"""Losses that Keras and TensorFlow Recommenders don't have."""

from tfrec_zoo.losses.sampled_softmax import SampledClasses, sample_classes, sampled_candidates
from tfrec_zoo.losses.weighted_logistic import WeightedLogistic

__all__ = ["SampledClasses", "WeightedLogistic", "sample_classes", "sampled_candidates"]

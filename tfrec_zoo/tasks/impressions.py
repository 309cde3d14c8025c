"""Impressions: those a log has, or sampled ones."""

import dataclasses

import numpy as np

from tfrec_zoo.data import Log, sampled_impressions


def with_impressions(
    log: Log,
    negatives: int = 4,
    seed: int = 0,
    nominated: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> Log:
    """The log, with sampled impressions if it has none; see `sampled_impressions`."""
    if log.impressions is not None:
        return log
    sampled = sampled_impressions(log, negatives, seed, nominated, rows)
    return dataclasses.replace(log, impressions=sampled)

"""Findings: whether what was measured agrees with a claim, and by how much."""

import dataclasses
from typing import Literal

import numpy as np

from tfrec_zoo.experiments.measured import Results

Verdict = Literal["agrees", "disagrees", "can't be told"]
NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found of one claim.

    Args:
        claim: The claim, as a sentence.
        verdict: Whether it came out.
        evidence: The numbers that say so, in words.
    """

    claim: str
    verdict: Verdict
    evidence: str


def is_above(results: Results, metric: str, better: str, worse: str, claim: str) -> Finding:
    """Whether one setting has more of a metric than another, beyond the spread of the seeds.

    Runs of a seed share their data, so that differences are taken seed by seed. A difference
    agrees (or disagrees) if its mean is further from zero than its standard deviation.

    Args:
        results: What was measured.
        metric: Name of the metric.
        better: The setting that is claimed to have more.
        worse: The other.
        claim: The claim, as a sentence.

    Example:

    >>> runs = [{"setting": s, "seed": i, "metrics": {"hits": h + 0.1 * i}, "curves": {}}
    ...         for s, h in (("mean", 0.5), ("sum", 0.3)) for i in range(3)]
    >>> is_above(Results(runs), "hits", "mean", "sum", "Means are better than sums.").verdict
    'agrees'
    """
    return _by_metric(results, metric, better, worse, claim, sign=1)


def is_below(results: Results, metric: str, better: str, worse: str, claim: str) -> Finding:
    """Whether one setting has less of a metric, such as a loss, than another; see `is_above`.

    Args:
        results: What was measured.
        metric: Name of the metric.
        better: The setting that is claimed to have less.
        worse: The other.
        claim: The claim, as a sentence.
    """
    return _by_metric(results, metric, better, worse, claim, sign=-1)


def _by_metric(
    results: Results, metric: str, better: str, worse: str, claim: str, sign: int
) -> Finding:
    own, other = results.values(better, metric), results.values(worse, metric)
    lead = (sign * (own - other)).dropna().to_numpy()
    words = f"{metric}: {better} {own.mean():.4g}, {worse} {other.mean():.4g}"
    return by_differences(lead, words, claim)


def by_differences(differences: np.ndarray, words: str, claim: str) -> Finding:
    """A finding from differences by seed that are claimed to be above zero.

    Args:
        differences: [seeds] differences.
        words: What they are of.
        claim: The claim, as a sentence.
    """
    if not len(differences):
        return Finding(claim, "can't be told", NOT_MEASURED)
    if len(differences) < 2:
        return Finding(claim, "can't be told", f"{words}; one seed has no spread")
    mean, spread = differences.mean(), differences.std(ddof=1)
    verdict: Verdict = "can't be told"
    if abs(mean) > spread:
        verdict = "agrees" if mean > 0 else "disagrees"
    evidence = f"{words}; difference {mean:+.4g} ± {spread:.2g} over {len(differences)} seeds"
    return Finding(claim, verdict, evidence)

"""Evaluation: ranking protocols, and result files that record how a number was obtained."""

from tfrec_zoo.evaluation.full_ranking import full_ranking
from tfrec_zoo.evaluation.funnel import evaluate_funnel, funnel_request
from tfrec_zoo.evaluation.nominations import candidate_scores, nominate
from tfrec_zoo.evaluation.pointwise import pointwise, pointwise_metrics, predict
from tfrec_zoo.evaluation.result import Result, command
from tfrec_zoo.evaluation.sampled_ranking import sample_negatives, sampled_ranking

__all__ = [
    "Result",
    "candidate_scores",
    "command",
    "evaluate_funnel",
    "full_ranking",
    "funnel_request",
    "nominate",
    "pointwise",
    "pointwise_metrics",
    "predict",
    "sample_negatives",
    "sampled_ranking",
]

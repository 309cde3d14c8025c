"""Evaluation: ranking protocols, and result files that record how a number was obtained."""

from tfrec_zoo.evaluation.beyond_accuracy import (
    gini,
    intra_list_diversity,
    novelty,
    popularity,
    serendipity,
)
from tfrec_zoo.evaluation.full_ranking import full_ranking, full_rankings
from tfrec_zoo.evaluation.funnel import (
    evaluate_funnel,
    evenly_spaced,
    funnel_request,
    list_values,
    recommended,
)
from tfrec_zoo.evaluation.lists import evaluate_lists
from tfrec_zoo.evaluation.nominations import nominate, scores_and_ranks
from tfrec_zoo.evaluation.out_of_fold import by_fold, user_folds
from tfrec_zoo.evaluation.outcomes import Outcomes
from tfrec_zoo.evaluation.pointwise import (
    pointwise,
    pointwise_metrics,
    predict,
    predict_recorded,
    watch_time_metrics,
)
from tfrec_zoo.evaluation.result import Result, command
from tfrec_zoo.evaluation.sampled_ranking import sample_negatives, sampled_ranking
from tfrec_zoo.evaluation.stages import StageChoice, choose_stage

__all__ = [
    "Outcomes",
    "Result",
    "StageChoice",
    "by_fold",
    "choose_stage",
    "command",
    "evaluate_funnel",
    "evaluate_lists",
    "evenly_spaced",
    "full_ranking",
    "full_rankings",
    "funnel_request",
    "gini",
    "intra_list_diversity",
    "list_values",
    "nominate",
    "novelty",
    "pointwise",
    "pointwise_metrics",
    "popularity",
    "predict",
    "predict_recorded",
    "recommended",
    "sample_negatives",
    "sampled_ranking",
    "scores_and_ranks",
    "serendipity",
    "user_folds",
    "watch_time_metrics",
]

"""Keras metrics that agree exactly with their published definitions.

For ranked lists there are `HitRate`, `Precision`, `Recall`, `NDCG`, `MeanAveragePrecision` and
`MRR`, all on `target_ranks` (ties count against the relevant item), and `CatalogueCoverage`. For
scored impressions there are `ExactAUC`, `GroupAUC` and `WeightedPerUserLoss`, and `xauc`, a
function, for predicted watch times. For the log loss and the error of a rating use Keras's own
`tf.keras.metrics.BinaryCrossentropy` and `tf.keras.metrics.RootMeanSquaredError`.
"""

from tfrec_zoo.metrics.auc import ExactAUC, GroupAUC
from tfrec_zoo.metrics.coverage import CatalogueCoverage
from tfrec_zoo.metrics.ranks import MISS, relevant_ranks, target_ranks
from tfrec_zoo.metrics.top_k import (
    MRR,
    NDCG,
    HitRate,
    MeanAveragePrecision,
    Precision,
    RankMetric,
    Recall,
)
from tfrec_zoo.metrics.watch_time import WeightedPerUserLoss, xauc

__all__ = [
    "CatalogueCoverage",
    "ExactAUC",
    "GroupAUC",
    "HitRate",
    "MISS",
    "MRR",
    "MeanAveragePrecision",
    "NDCG",
    "Precision",
    "RankMetric",
    "Recall",
    "WeightedPerUserLoss",
    "relevant_ranks",
    "target_ranks",
    "xauc",
]

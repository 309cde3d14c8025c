"""Figures of models, trainings and data, drawn by matplotlib; each function returns a figure."""

from tfrec_zoo.plots.architecture import architecture
from tfrec_zoo.plots.blocks import Block, blocks_of
from tfrec_zoo.plots.by_frequency import activity_and_popularity, by_frequency
from tfrec_zoo.plots.calibration import calibration
from tfrec_zoo.plots.embedding_map import embedding_map
from tfrec_zoo.plots.figures import bars, line, new_figure, require_matplotlib
from tfrec_zoo.plots.lineage import lineage
from tfrec_zoo.plots.metric_at_k import metric_at_k
from tfrec_zoo.plots.quantile_transform import quantile_transform
from tfrec_zoo.plots.recall_latency import recall_latency
from tfrec_zoo.plots.strongest_crosses import strongest_crosses
from tfrec_zoo.plots.training_curves import training_curves
from tfrec_zoo.plots.trial_curves import trial_curves

__all__ = [
    "Block",
    "activity_and_popularity",
    "architecture",
    "bars",
    "blocks_of",
    "by_frequency",
    "calibration",
    "embedding_map",
    "line",
    "lineage",
    "metric_at_k",
    "new_figure",
    "quantile_transform",
    "recall_latency",
    "require_matplotlib",
    "strongest_crosses",
    "training_curves",
    "trial_curves",
]

"""Figures of models, trainings and data, drawn by matplotlib; each function returns a figure."""

from tfrec_zoo.plots.architecture import architecture
from tfrec_zoo.plots.blocks import Block, blocks_of
from tfrec_zoo.plots.figures import bars, line, new_figure
from tfrec_zoo.plots.recall_latency import recall_latency

__all__ = ["Block", "architecture", "bars", "blocks_of", "line", "new_figure", "recall_latency"]
